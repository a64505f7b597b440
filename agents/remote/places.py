"""Where remote agents are: hosts and ports, paths on them, and the secrets that must not be seen anywhere."""

import base64
import json
import re
from collections.abc import Iterable
from typing import NamedTuple

import orjson
from yarl import URL

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
USUAL = frozenset({80, 443})
TELLING = 8  # characters of a password from which on it is looked for by itself: shorter ones are words


class Place(NamedTuple):
    """A host and a port. Servers behind a TLS proxy write http: for the usual ports, 0 stands."""

    host: str
    port: int

    @classmethod
    def of(cls, scheme: str, host: str, port: int | None) -> "Place":
        """As it is compared: lower case, no dot or brackets at the ends."""
        number = port or PORTS.get(scheme.lower(), 0)
        return cls(host.lower().strip("[].") or host, 0 if number in USUAL else number)


def place_of(url: str) -> Place | None:
    """Where a URL leads, None if it cannot be read."""
    try:
        parts = URL(url)
        return Place.of(parts.scheme, parts.host or "", parts.explicit_port) if parts.host else None
    except ValueError:
        return None


def origin_of(url: str) -> str:
    """`scheme://host:port` of a URL, without userinfo; a usual port is left out."""
    scheme, _, rest = url.partition("://")
    return str(URL(f"{scheme}://{authority_of(rest)}").origin())


def authority_of(rest: str) -> str:
    """Host and port of what follows `://`: passwords are not always escaped."""
    return re.split(r"[/?#]", rest.rpartition("@")[2], maxsplit=1)[0]


def path_of(url: str) -> str:
    """The path of an endpoint, without a slash at its end."""
    return URL(url).path.rstrip("/")


def written(text: str) -> bytes:
    """A pattern for a text in all the ways it stands in JSON and URLs: as it is, escaped by JSON, percent-encoded."""
    return b"".join(any_of(character) for character in text)


def any_of(character: str) -> bytes:
    """The ways of one character."""
    ways = {json.dumps(character)[1:-1].encode(), orjson.dumps(character)[1:-1]}
    percent = "".join(f"%{byte:02X}" for byte in character.encode()).encode()
    return b"(?:" + b"|".join(re.escape(way) for way in sorted(ways | {percent})) + b")"


def userinfo_pattern(upstream: str) -> bytes:
    """A pattern for `user:password` in a URL. `upstream`: the same, as it is kept; "" = there is none."""
    user, _, password = upstream.partition(":")
    return written(user) + rb"(?::|%3A)" + written(password)


def leak_pattern(upstream: str, places: Iterable[Place]) -> re.Pattern[bytes]:
    """Finds what nobody may see: credentials in whatever form, and the addresses of the server."""
    found: list[bytes] = []
    if upstream:
        password = upstream.partition(":")[2]
        found.append(userinfo_pattern(upstream) + rb"(?:@|%40)")
        if len(password) >= TELLING:
            found.append(written(password))
        if len(upstream) >= TELLING:
            found.append(re.escape(base64.b64encode(upstream.encode()).rstrip(b"=")))
    for host, port in sorted(places):
        name = rb"\[?" + written(host) + rb"\]?\.?"
        if port:
            found.append(rb"(?<![\w.\-])" + name + rb"(?::|%3A)" + str(port).encode() + rb"(?!\d)")
        else:
            found.append(
                rb'(?://|%2F%2F)(?:[^\s"/@]{0,300}(?:@|%40))?'
                + name
                + rb"(?:(?::|%3A)(?:80|443))?(?!(?::|%3A)\d)(?![\w\-])(?!\.\w)"
            )
    return re.compile(b"|".join(found) or rb"(?!)", re.IGNORECASE)


def basic(upstream: str) -> str:
    """The Authorization header."""
    return "Basic " + base64.b64encode(upstream.encode()).decode()
