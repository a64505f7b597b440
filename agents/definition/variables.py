"""Secrets in definitions are references: `env:NAME` stands for an environment variable of the server.

They are never stored or shown. What goes into a document, or into the headers of a webhook, is looked up when a version
is prepared; only variables that `AGENT_SECRETS` names are handed in, so that no definition can name others.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

# The whole text, or the second word of an Authorization header.
VARIABLE = re.compile(r"(?P<scheme>[A-Za-z]+ )?env:(?P<name>[A-Za-z_][A-Za-z0-9_]*)\Z")
# Keys whose values nobody should read in a definition, a version's history or an export.
SECRET_KEYS = frozenset(
    [
        "access_token",
        "api_key",
        "apikey",
        "auth_password",
        "auth_token",
        "authorization",
        "client_secret",
        "cookie",
        "credentials",
        "password",
        "passwd",
        "private_key",
        "proxy_authorization",
        "refresh_token",
        "secret",
        "signing_key",
        "token",
        "x_api_key",
        "x_auth_token",
    ]
)
# Headers are named as their receivers like it, so these anywhere in a header's name mean the same.
SECRET_HEADER = re.compile(r"auth|key|token|secret|password|cookie|session|signature")
FILLED_IN = re.compile(r"[$%]\{")  # by the platform or from the call: no secret by itself
USERINFO = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\s]*:[^/?#@\s]*@")


def variables(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every variable that a JSON value refers to, with the path of the field that does."""
    for where, text in texts(value, path):
        if found := VARIABLE.match(text):
            yield where, found["name"]


def resolve(value: Any, environment: Mapping[str, str]) -> Any:
    """The JSON value with variables in place of references; one that is not there becomes an empty text."""
    if isinstance(value, str):
        return resolved(value, environment)
    if isinstance(value, dict):
        return {key: resolve(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, environment) for item in value]
    return value


def resolved(text: str, environment: Mapping[str, str]) -> str:
    """A text with the variable that it refers to, if it does."""
    found = VARIABLE.match(text)
    if not found:
        return text
    value = environment.get(found["name"], "")
    return (found["scheme"] or "") + value if value else ""


def exposed(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """What should be a reference and is not: the path of the field, and what to do about it."""
    for where, text in texts(value, path):
        parent, _, name = where.lower().rpartition(".")
        secret = name.replace("-", "_") in SECRET_KEYS or (parent.endswith("headers") and SECRET_HEADER.search(name))
        literal = bool(text) and not VARIABLE.match(text) and not FILLED_IN.search(text)
        if secret and literal:
            yield where, "is a secret: put it into an environment variable and write env:NAME"
        elif USERINFO.match(text) and literal:
            yield where, "has a password in it: put the whole URL into an environment variable and write env:NAME"


def texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text inside a JSON value, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from texts(item, f"{path}.{number}" if path else str(number))
