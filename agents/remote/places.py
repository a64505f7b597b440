"""Where remote agents are: hosts and ports, paths on them, and the secrets that must not be seen anywhere."""

import base64
import json
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

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
    return str(URL(url).origin())


def path_of(url: str) -> str:
    """The path of an endpoint, without a slash at its end."""
    return URL(url).path.rstrip("/")


def written(text: str) -> bytes:
    """A pattern for a text in all the ways it stands in JSON and URLs: as it is, escaped by JSON, percent-encoded."""
    return b"".join(any_of(character) for character in text)


def any_of(character: str) -> bytes:
    """The ways of one character."""
    ways = {in_ascii(character), orjson.dumps(character)[1:-1]}
    percent = "".join(f"%{byte:02X}" for byte in character.encode()).encode()
    return b"(?:" + b"|".join(re.escape(way) for way in sorted(ways | {percent})) + b")"


def userinfo_pattern(upstream: str) -> bytes:
    """A pattern for `user:password` in a URL. `upstream`: the same, as it is kept; "" = there is none."""
    user, _, password = upstream.partition(":")
    return written(user) + rb"(?::|%3A)" + written(password)


class Leaks:
    """Finds what nobody may see: credentials in whatever form, and the addresses of the server."""

    def __init__(self, upstream: str, places: Iterable[Place]):
        self.secrets: set[bytes] = set()
        self.hosts: dict[bytes, re.Pattern[bytes]] = {}
        if upstream:
            password = upstream.partition(":")[2]
            told = [f"{upstream}@", *([password] if len(password) >= TELLING else [])]
            self.secrets = {form.lower() for text in told for form in (orjson.dumps(text)[1:-1], in_ascii(text))}
            if len(upstream) >= TELLING:
                self.secrets.add(base64.b64encode(upstream.encode()).rstrip(b"=").lower())
        for host in {place.host for place in places}:
            ports = {place.port for place in places if place.host == host}
            literal = orjson.dumps(host)[1:-1]
            told_hosts = []
            if 0 in ports:
                # Without its port a host is a word: it counts in URLs only.
                told_hosts.append(
                    rb'//(?:[^\s"/@]{0,300}@)?\[?' + re.escape(literal) + rb"\]?\.?(?::(?:80|443))?(?!:\d|[\w\-]|\.\w)"
                )
            if numbers := b"|".join(b"%d" % port for port in sorted(ports - {0})):
                told_hosts.append(rb"(?<![\w.\-])" + re.escape(literal) + rb"\]?\.?:(?:" + numbers + rb")(?!\d)")
            self.hosts[literal] = re.compile(b"|".join(told_hosts))

    def any_in(self, text: bytes) -> bool:
        """Whether some of it is in a text, as it is or percent-encoded."""
        return self.any_plain(text.lower()) or (b"%" in text and self.any_plain(unquote_to_bytes(text).lower()))

    def any_plain(self, text: bytes) -> bool:
        """The same for a text in lower case, as it is."""
        if any(secret in text for secret in self.secrets):
            return True
        return any(host in text and pattern.search(text) is not None for host, pattern in self.hosts.items())


def in_ascii(text: str) -> bytes:
    """A text as JSON has it that knows ASCII only."""
    return json.dumps(text)[1:-1].encode()


def basic(upstream: str) -> str:
    """The Authorization header."""
    return "Basic " + base64.b64encode(upstream.encode()).decode()
