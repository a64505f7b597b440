"""Django's PostgreSQL backend on the embedded server, which starts with the first connection and not before."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base, client

from config.embedded.cluster import Cluster, open_cluster
from config.embedded.server import PORT, find_programs

MAKERS = frozenset({"createsuperuser", "migrate", "runserver", "serve", "test"})  # commands that may make a database


def opened() -> Cluster:
    """The data folder's server. A command that only looks makes none: a mistyped DATA_DIR must not cost a database."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    make = Path(sys.argv[0]).name != "manage.py" or command in MAKERS
    return open_cluster(settings.DATA_DIR, settings.EMBEDDED_POSTGRES_OPTIONS, make=make)


class DatabaseClient(client.DatabaseClient):
    """`manage.py dbshell`, with the psql that comes with the server."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        """The command line and environment that reach the embedded server."""
        cluster = opened()
        found = {**settings_dict, "HOST": cluster.host, "PORT": cluster.port}
        args, env = super().settings_to_cmd_args_env(found, parameters)
        return [str(find_programs() / "psql"), *args[1:]], env


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to the embedded server."""

    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        """Where the server is; starts it. `check`, `help` and the type checker never ask."""
        params: dict[str, Any] = super().get_connection_params()
        return {**params, "host": opened().host, "port": PORT}
