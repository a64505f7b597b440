"""Django's PostgreSQL backend on the embedded server, which starts with the first connection and not before."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base, client

from config.embedded.cluster import open_cluster
from config.embedded.server import PORT, find_programs


class DatabaseClient(client.DatabaseClient):
    """`manage.py dbshell`, with the psql that comes with the server."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        """The command line and environment that reach the embedded server."""
        cluster = open_cluster(settings.DATA_DIR, settings.EMBEDDED_POSTGRES_OPTIONS)
        found = {**settings_dict, "HOST": cluster.host, "PORT": cluster.port}
        args, env = super().settings_to_cmd_args_env(found, parameters)
        return [str(find_programs() / "psql"), *args[1:]], env


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to the embedded server."""

    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        """Where the server is; starts it. `check`, `help` and the type checker never ask."""
        params: dict[str, Any] = super().get_connection_params()
        cluster = open_cluster(settings.DATA_DIR, settings.EMBEDDED_POSTGRES_OPTIONS)
        return {**params, "host": cluster.host, "port": PORT}
