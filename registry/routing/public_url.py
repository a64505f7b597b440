"""Under which URL the platform reaches us: never what a stranger says."""

import ipaddress
import logging
import re
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from registry.routing.forwarded import (
    FOR,
    FORWARDED,
    HOST,
    PROTO,
    Headers,
    address_of,
    entries,
    parsed,
    scheme_of,
    without_usual_port,
)
from registry.routing.http import Connection, Head

logger = logging.getLogger(__name__)
MAX_WARNINGS = 20  # a scanner must not fill the server's log
# A name, or an IPv6 address in brackets, and a port: whatever else ALLOWED_HOSTS allows, it goes into a URL.
NAME = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?\Z")
MAX_REMEMBERED = 256  # hosts, proxies and senders; a fleet has a handful, a scanner any number

MAX_REMEMBERED_BYTES = 1000  # of forwarded headers; what is longer is read each time

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Sender(NamedTuple):
    """Where a request came from and how its sender reached us."""

    address: str
    scheme: str  # "https://"
    host: str  # host, port and path prefix, such as voice.example.com/base
    base: str  # the public URL: both of them, no slash at the end
    refused_host: str = ""  # what it claimed instead, if that is not in ALLOWED_HOSTS
    path: str = ""  # of `base`: what stands before our own paths, such as /base

    def url_of(self, head: Head, *, whole: bool = False) -> str:
        """The URL of a request as its sender knows it; `whole`: its path begins with that of `base` already."""
        path, query = head.raw_path, head.query_string
        base = self.base.removesuffix(self.path) if whole else self.base
        return base + (path + b"?" + query if query else path).decode("latin-1")


class Told(NamedTuple):
    """What trusted proxies say of a request; of what they do not say, what the connection and its Host header do."""

    address: str
    scheme: str  # http or https
    host: bytes


class PublicUrl:
    """Finds the sender and the public URL of requests.

    `PUBLIC_URL` if it is set; else the Host header if ALLOWED_HOSTS has it; else the address that the request came in
    at, which no sender chooses. X-Forwarded-For, -Proto and -Host count only if the request comes from one of
    `trusted_proxies`, and then too the host must be allowed.

    X-Forwarded-For is walked from its end, past what are trusted proxies' addresses; what is no address is then the
    proxy's own. Of several hosts and schemes the outermost trusted proxy's count: as many from the end as the walk
    went. A shorter header was not lengthened by all of them; where that host is not allowed, the next that is counts.
    """

    def __init__(self, public_url: str, allowed_hosts: Sequence[str], trusted_proxies: Sequence[Network]):
        scheme, _, host = public_url.partition("://")
        self.fixed = (f"{scheme}://", host, public_url) if public_url else None
        self.path = urlsplit(public_url).path
        self.before = unquote(self.path)
        self.allowed_hosts = allowed_hosts
        self.trusted_proxies = trusted_proxies
        self.warnings_left = MAX_WARNINGS
        self.known_hosts: dict[bytes, str] = {}
        self.known_senders: dict[tuple[str, bytes, str], Sender] = {}
        self.known_proxies: dict[str, bool] = {}
        self.known_told: dict[tuple[str | bytes | None, ...], Told] = {}

    def sender(self, connection: Connection, headers: Headers) -> Sender:
        """Who sent a request, and the URL by which it may be told to come back."""
        address, scheme, server = connection
        claimed = headers.get(b"host", b"")
        if self.trusted_proxies and self.is_proxy(address):
            address, scheme, claimed = self.told(connection, headers)
        if self.fixed is not None:
            return Sender(address, *self.fixed, path=self.path)
        known = self.known_senders.get((address, claimed, scheme))
        if known is not None:
            return known
        host = self.known_hosts.get(claimed)
        if host is None:
            host = self.check_host(claimed)
        if not host:
            own = own_address(server)
            return Sender(address, f"{scheme}://", own, f"{scheme}://{own}", claimed.decode("latin-1")[:100])
        if len(self.known_senders) >= MAX_REMEMBERED:
            self.known_senders = {}
        sender = self.known_senders[address, claimed, scheme] = Sender(
            address, f"{scheme}://", host, f"{scheme}://{host}"
        )
        return sender

    def inner(self, path: str) -> str:
        """Our own path in one that begins with the path of PUBLIC_URL, which the proxy has not cut off; else ""."""
        before = self.before
        if not before or not path.startswith(before) or path[len(before) : len(before) + 1] not in ("", "/"):
            return ""
        return path[len(before) :] or "/"

    def check_host(self, claimed: bytes) -> str:
        """The host as text, or "" if it is not allowed; remembered, and said once."""
        host = claimed.decode("latin-1")
        allowed = self.allows(host)
        if len(self.known_hosts) >= MAX_REMEMBERED:
            self.known_hosts = {}
        self.known_hosts[claimed] = host if allowed else ""
        if not allowed and self.warnings_left:
            self.warnings_left -= 1
            logger.warning(
                "Host %r is not in ALLOWED_HOSTS: set PUBLIC_URL or ALLOWED_HOSTS if it is yours",
                host.rpartition("@")[2][:100],  # userinfo has no place there, yet may be sent
            )
        return self.known_hosts[claimed]

    def allows(self, host: str) -> bool:
        """Whether a host, maybe with a port, can stand in a URL of ours."""
        domain = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        return bool(NAME.match(host)) and is_allowed(domain.lower(), self.allowed_hosts)

    def is_proxy(self, address: str) -> bool:
        """Whether an address is one of the trusted proxies'."""
        known = self.known_proxies.get(address)
        if known is None:
            if len(self.known_proxies) >= MAX_REMEMBERED:
                self.known_proxies = {}
            known = self.known_proxies[address] = in_networks(address, self.trusted_proxies)
        return known

    def told(self, connection: Connection, headers: Headers) -> Told:
        """What a trusted proxy, which opened the connection, says; remembered."""
        given = [headers.get(name) for name in (*FORWARDED, b"host")]
        key = (connection.client, connection.scheme, *given)
        known = self.known_told.get(key)
        if known is None:
            known = self.read_told(connection, headers)
            if sum(len(value or b"") for value in given) <= MAX_REMEMBERED_BYTES:
                if len(self.known_told) >= MAX_REMEMBERED:
                    self.known_told = {}
                self.known_told[key] = known
        return known

    def reached(self, connection: Connection, headers: Headers) -> Told | None:
        """How a request from a trusted proxy reached us; None from anybody else. The host is one of ours, if any is."""
        if not (self.trusted_proxies and self.is_proxy(connection.client)):
            return None
        told = self.told(connection, headers)
        if self.allows(told.host.decode("latin-1")):
            return told
        if self.fixed is not None:
            scheme, host, _ = self.fixed
            return told._replace(scheme=scheme.removesuffix("://"), host=host.partition("/")[0].encode())
        return told._replace(host=headers.get(b"host", b""))

    def read_told(self, connection: Connection, headers: Headers) -> Told:
        """The same, read."""
        address, trusted = self.walked(entries(headers, FOR), connection.client)
        hosts, schemes = entries(headers, HOST), entries(headers, PROTO)
        depth = trusted + 1
        at = self.place_of_host(hosts, depth)
        # Both were written by the same proxies if there are as many of them.
        of_scheme = at if len(hosts) == len(schemes) else min(depth, len(schemes))
        said = scheme_of(schemes[-of_scheme]) if schemes else ""
        scheme = said or scheme_of(connection.scheme) or "http"
        host = hosts[-at].encode("latin-1") if hosts else headers.get(b"host", b"")
        return Told(address, scheme, without_usual_port(host, scheme))

    def walked(self, hops: Sequence[str], proxy: str) -> tuple[str, int]:
        """The nearest address that is not a trusted proxy's own, and how many of theirs are before it."""
        trusted = 0
        for hop in reversed(hops):
            address = address_of(hop)
            if not address:
                break
            if not self.is_proxy(address):
                return address, trusted
            trusted += 1
        return proxy, trusted

    def place_of_host(self, hosts: Sequence[str], depth: int) -> int:
        """Which of the hosts counts, from the end: the `depth`th, or the nearest to it that is allowed."""
        first = min(depth, len(hosts))
        inwards, outwards = range(first, 0, -1), range(first + 1, len(hosts) + 1)
        for at in chain(inwards, outwards):
            if self.allows(hosts[-at]):
                return at
        return first


def is_allowed(domain: str, allowed_hosts: Sequence[str]) -> bool:
    """Whether ALLOWED_HOSTS has a domain, which is in lower case and without a port: as Django reads that setting.

    `.example.com` stands for the domain and all below it, `*` for any.
    """
    return any(pattern == "*" or same_domain(domain, pattern.lower()) for pattern in allowed_hosts)


def same_domain(domain: str, pattern: str) -> bool:
    """Whether a domain is the pattern's, or lies below it if that begins with a dot."""
    below = pattern.startswith(".") and (domain.endswith(pattern) or domain == pattern[1:])
    return below or domain == pattern != ""


def in_networks(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address lies in one of the networks; False for what is no address."""
    found = parsed(address)
    return found is not None and any(found in network for network in networks)


def own_address(server: tuple[str, int | None]) -> str:
    """The address that a request came in at."""
    host, port = server
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{port}" if port else host
