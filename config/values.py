"""Kinds of values that variables have: what is a good one, what to say of another, and how it is used."""

import ipaddress
import os
import shlex
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import dj_database_url
import psycopg
from psycopg.conninfo import make_conninfo
from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from agents.outbound.guard import Guard

TRUE, FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
SITE = "https://voice.example.com"
POSTGRES_URL = "postgresql://user:password@host/name"
POSTGRES_SCHEMES = frozenset({"postgres", "postgresql", "pgsql", "psql"})
# Django's own, not libpq's: of a connection, and beside its options.
DJANGO_OPTIONS = frozenset({"assume_role", "isolation_level", "pool", "server_side_binding"})
DJANGO_KEYS = frozenset(
    {"ATOMIC_REQUESTS", "AUTOCOMMIT", "CONN_HEALTH_CHECKS", "CONN_MAX_AGE", "DISABLE_SERVER_SIDE_CURSORS"}
)

Database = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def switch(given: str) -> bool:
    """Yes or no."""
    word = given.strip().lower()
    if word not in TRUE | FALSE:
        raise ValueError(f"{word!r} is neither true nor false; write one of these (or 1, 0, yes, no, on, off)")
    return word in TRUE


def texts(given: str) -> list[str]:
    """Texts between commas."""
    return [text for part in given.split(",") if (text := part.strip())]


def place(given: str) -> Path:
    """A path, made absolute."""
    try:
        return Path(given).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:  # nobody's home, a loop of links
        raise ValueError(f"{error}; write a path") from None


def places(given: str) -> list[str]:
    """Paths, with what the system has between the paths of PATH."""
    return [str(place(text)) for text in given.split(os.pathsep) if text.strip()]


def level(given: str) -> str:
    """A level of logging, in any case."""
    word = given.strip()
    if word.upper() not in LEVELS:
        raise ValueError(f"{word!r} is no level; write {', '.join(LEVELS[:-1])} or {LEVELS[-1]}")
    return word.upper()


def arguments(given: str) -> str:
    """Arguments as for a shell."""
    try:
        shlex.split(given)
    except ValueError as error:
        raise ValueError(f"{error}; write it as for a shell") from None
    return given


def networks(given: str) -> list[Network]:
    """Addresses and networks between commas."""
    try:
        return [ipaddress.ip_network(text, strict=False) for text in texts(given)]
    except ValueError as error:
        raise ValueError(f"{error}; write addresses or networks such as 10.0.0.0/8") from None


def hosts(given: str) -> list[str]:
    """Hosts, addresses and networks between commas."""
    found = texts(given)
    try:
        Guard(found)
    except ValueError as error:
        raise ValueError(f"{error}; write such ones between commas") from None
    return found


def site(given: str) -> str:
    """An http(s) address without a slash at its end."""
    address = given.strip().rstrip("/")
    if not address:
        return ""
    parts = split(address, SITE)
    if "@" in parts.netloc:
        raise ValueError(f"no user and password belong in it; write {SITE}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{address!r} is not the address of a site; write {SITE}")
    return address


def database(given: str) -> Database | None:
    """A PostgreSQL server as Django's settings have it; None if none is given. Errors never repeat the value."""
    url = given.strip()
    if not url:
        return None
    advice = f"write {POSTGRES_URL}, with @ : / # ? % in the password as %40 %3A %2F %23 %3F %25"
    parts = split(url, POSTGRES_URL)
    if parts.scheme not in POSTGRES_SCHEMES:
        what = f"{parts.scheme}:// is not PostgreSQL" if "://" in url else "it is not an address"
        raise ValueError(f"{what}; {advice}")
    try:
        found: Database = dict(dj_database_url.parse(f"postgresql{url[len(parts.scheme) :]}"))
        options = found.setdefault("OPTIONS", {})
        for name, value in list(options.items()):
            options[name] = value[0] if isinstance(value, list) else value  # the first of those given twice
            if name.upper() in DJANGO_KEYS:
                found[name.upper()] = options.pop(name)
        make_conninfo(**{name: value for name, value in options.items() if name not in DJANGO_OPTIONS})
    except psycopg.ProgrammingError as error:  # it names the option, not its value
        raise ValueError(f"{str(error).strip()}; {advice}") from None
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"it cannot be understood; {advice}") from None
    if found["NAME"].startswith("/"):  # postgresql:////run/postgresql/name: a socket's folder
        found["HOST"], found["NAME"] = found["NAME"].rsplit("/", 1)
    if not found["NAME"]:
        raise ValueError(f"it names no database; {advice}")
    return found


def split(given: str, example: str) -> SplitResult:
    """The parts of a URL, which may hold a password: the error does not repeat it."""
    try:
        parts = urlsplit(given)
        _ = parts.port, parts.hostname  # they raise ValueError too
    except ValueError:
        raise ValueError(f"its host or port cannot be understood; write {example}") from None
    return parts


Whole = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Switch = Annotated[bool, BeforeValidator(switch)]
Texts = Annotated[list[str], NoDecode, BeforeValidator(texts)]
Place = Annotated[Path, BeforeValidator(place)]
Places = Annotated[list[str], NoDecode, BeforeValidator(places)]
Level = Annotated[str, BeforeValidator(level)]
Arguments = Annotated[str, BeforeValidator(arguments)]
Networks = Annotated[list[Network], NoDecode, BeforeValidator(networks)]
Hosts = Annotated[list[str], NoDecode, BeforeValidator(hosts)]
Site = Annotated[str, BeforeValidator(site)]
PostgresServer = Annotated[Database | None, NoDecode, BeforeValidator(database)]
