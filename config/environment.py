"""Reads environment variables for the settings; what is wrong with one is said in a line that begins with its name."""

import builtins
import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import environ
import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import make_conninfo

TRUE, FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
POSTGRES_URL = "postgresql://user:password@host/name"
POSTGRES_SCHEMES = frozenset({"postgres", "postgresql", "pgsql", "psql"})
DJANGO_OPTIONS = frozenset({"assume_role", "isolation_level", "pool", "server_side_binding"})  # not libpq's

Texts = list[str]
Database = dict[str, Any]


class Environment:
    """One method for each kind of value. An empty variable is as good as none, except for a list."""

    def str(self, name: builtins.str, default: builtins.str = "") -> builtins.str:
        """A text."""
        return os.environ.get(name) or default

    def int(self, name: builtins.str, default: builtins.int, minimum: builtins.int = 0) -> builtins.int:
        """A whole number."""
        given = self.str(name).strip()
        try:
            number = builtins.int(given or default)
        except ValueError:
            raise wrong(name, f"{given!r} is not a whole number; write one such as {default}") from None
        if number < minimum:
            raise wrong(name, f"{number} is too small; write at least {minimum}")
        return number

    def bool(self, name: builtins.str, default: builtins.bool) -> builtins.bool:
        """Yes or no."""
        given = self.str(name, builtins.str(default)).strip().lower()
        if given not in TRUE | FALSE:
            raise wrong(name, f"{given!r} is neither true nor false; write one of these (or 1, 0, yes, no, on, off)")
        return given in TRUE

    def list(self, name: builtins.str, default: Texts) -> Texts:
        """Texts between commas."""
        given = os.environ.get(name)
        if given is None:
            return builtins.list(default)
        return [text for part in given.split(",") if (text := part.strip())]

    def path(self, name: builtins.str, default: Path) -> Path:
        """A path, made absolute."""
        try:
            return Path(self.str(name, builtins.str(default))).expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:  # nobody's home, a loop of links
            raise wrong(name, f"{error}; write a path") from None

    def level(self, name: builtins.str, default: builtins.str) -> builtins.str:
        """A level of logging, in any case."""
        given = self.str(name, default).strip()
        if given.upper() not in LEVELS:
            raise wrong(name, f"{given!r} is no level; write {', '.join(LEVELS[:-1])} or {LEVELS[-1]}")
        return given.upper()

    def url(self, name: builtins.str, example: builtins.str) -> builtins.str:
        """An http(s) address without a slash at its end."""
        given = self.str(name).strip().rstrip("/")
        if not given:
            return ""
        parts = split(name, given, example)
        if "@" in parts.netloc:
            raise wrong(name, f"no user and password belong in it; write {example}")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise wrong(name, f"{given!r} is not the address of a site; write {example}")
        return given

    def database(self, name: builtins.str) -> Database | None:
        """A PostgreSQL server as Django's settings have it; None if none is given. Errors never repeat the value."""
        given = self.str(name).strip()
        if not given:
            return None
        advice = f"write {POSTGRES_URL}, with @ : / # ? % in the password as %40 %3A %2F %23 %3F %25"
        parts = split(name, given, POSTGRES_URL)
        if parts.scheme not in POSTGRES_SCHEMES:
            what = f"{parts.scheme}:// is not PostgreSQL" if "://" in given else "it is not an address"
            raise wrong(name, f"{what}; {advice}")
        try:
            found: Database = environ.Env.db_url_config(given)
            options = {key: value for key, value in found.get("OPTIONS", {}).items() if key not in DJANGO_OPTIONS}
            make_conninfo(**options)
        except psycopg.ProgrammingError as error:  # it names the option, not its value
            raise wrong(name, f"{builtins.str(error).strip()}; {advice}") from None
        except (KeyError, TypeError, ValueError):
            raise wrong(name, f"it cannot be understood; {advice}") from None
        if not found.get("NAME"):
            raise wrong(name, f"it names no database; {advice}")
        return found


def wrong(name: str, what: str) -> ImproperlyConfigured:
    """The error to raise for a variable."""
    return ImproperlyConfigured(f"{name}: {what}")


def split(name: str, given: str, example: str) -> SplitResult:
    """The parts of a URL, which may hold a password: the error does not repeat it."""
    try:
        parts = urlsplit(given)
        _ = parts.port, parts.hostname  # they raise ValueError too
    except ValueError:
        raise wrong(name, f"its host or port cannot be understood; write {example}") from None
    return parts


def have_folder(name: str, path: Path) -> None:
    """Make a folder if it is missing, for its owner only, and see that it can be written to."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise unusable(name, path, error) from None


def unusable(name: str, path: Path, error: OSError) -> ImproperlyConfigured:
    """The error to raise for a folder."""
    why = "it is not a folder" if isinstance(error, FileExistsError) else error.strerror or str(error)
    return wrong(name, f"{path} cannot be used ({why}); write the path of a folder that can be written to")
