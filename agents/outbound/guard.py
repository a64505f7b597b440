"""Which addresses a webhook may reach: public ones, and what the operator allows."""

import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from yarl import URL

# Not public, though `is_global` of Python 3.11 says so or has no opinion; the versions of 3.11 differ.
NOT_PUBLIC = [
    ip_network(network)
    for network in (
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata service is in it
        "168.63.129.16/32",  # Azure's host, which hands out secrets of its virtual machines
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata service is in it
        "192.88.99.0/24",  # 6to4 relays
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "2001::/23",  # protocol assignments: Teredo, which embeds an IPv4 address, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, embeds an IPv4 address
        "3fff::/20",  # documentation
    )
]
# All public IPv6 is in here. What is outside: loopback, private, link- and site-local, multicast, and most of the forms
# that embed an IPv4 address (mapped, compatible, translated, the local NAT64 prefix 64:ff9b:1::/48).
PUBLIC_IPV6 = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")  # a network without IPv4 reaches all of it in here: the embedded address decides

# Inside somebody's network, and meant to be: what those reach who may. Link-local addresses, where clouds have their
# metadata, are not in here.
PRIVATE = [
    ip_network(network)
    for network in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1", "fc00::/7")
]
METADATA = [ip_network(network) for network in ("100.100.100.200", "fd00:ec2::254", "fd20:ce::254")]

HOST_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
HOST_LENGTH = 254
# A host that ends in a number is an IPv4 address to browsers and to getaddrinfo: 2130706433, 0x7f.1, 0177.0.0.1, 127.1.
NUMERIC_HOST = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?")
AUTHORITY = re.compile(r"[^:/?#]*://([^/?#]*)")

Address = IPv4Address | IPv6Address


class Refused(OSError):  # noqa: N818 - an OSError, because asyncio and aiohttp clean up after those
    """A webhook must not be connected to. The message says why, as the end of a sentence about the webhook."""


def check_url(url: str) -> None:
    """Raise ValueError, with what to do, for a URL of a webhook that could never work. Never repeats the URL."""
    parsed(url)


def parsed(url: str) -> URL:
    """The URL as it will be used; ValueError as `check_url` says."""
    if "${" in url:
        raise ValueError("the URL is the same for every call: it cannot contain a placeholder like ${args.x}")
    if " " in url or not url.isprintable():
        raise ValueError("the URL contains a space or a control character; write them as %20, %0A and so on")
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("the URL has to begin with https:// or http://")
    if "#" in url:
        raise ValueError("the URL cannot have a fragment (the part from # on): it is never sent; write a # as %23")
    authority = AUTHORITY.match(url)
    if authority and "@" in authority[1]:
        raise ValueError("the URL cannot contain a user name or password; send an Authorization header instead")
    try:
        parts = URL(url)
        port = parts.port
    except ValueError:  # its message may quote the URL
        raise ValueError("the URL's host or port is not valid; a port is a number from 1 to 65535") from None
    if not parts.raw_host:
        raise ValueError("the URL has no host, as example.com in https://example.com/path")
    if not is_host(parts.raw_host):
        raise ValueError("the URL's host is neither a name of letters, digits, hyphens and dots nor an address")
    if not port:
        raise ValueError("the URL's port has to be a number from 1 to 65535")
    return parts


def is_host(host: str) -> bool:
    """Whether an encoded host is a name that can be looked up, or an address without a zone."""
    if ":" in host:
        address = address_of(host)
        return address is not None and "%" not in host
    return len(host) <= HOST_LENGTH and HOST_NAME.fullmatch(host) is not None


def address_of(host: str) -> Address | None:
    """The address that is written as such, in its usual form; None for anything else."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether anybody on the Internet means the same machine by this address, as far as addresses can tell."""
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return is_public(IPv4Address(address.packed[-4:]))
        if address not in PUBLIC_IPV6 or address.scope_id:
            return False
    return address.is_global and not any(address in network for network in NOT_PUBLIC)


def is_private(address: Address) -> bool:
    """Whether this is somebody's own network or machine, and no cloud's metadata service."""
    if isinstance(address, IPv6Address) and address.scope_id:
        return False
    return any(address in network for network in PRIVATE) and not any(address in network for network in METADATA)


def literal_problem(url: str, allowed_hosts: Iterable[str]) -> str:
    """Why calls of this URL, which `check_url` accepts, will be refused whatever DNS says; "" if that is not known."""
    return Guard(allowed_hosts).problem_of_host(parsed(url).raw_host or "")


class Guard:
    """What may be reached. `allowed_hosts`: names (`*.example.internal` for all below one), addresses, networks.

    `private`: addresses of private networks and of this machine are allowed too.
    Raises ValueError for an entry that is none of these.
    """

    def __init__(self, allowed_hosts: Iterable[str], *, private: bool = False):
        self.private = private
        self.names: set[str] = set()
        self.suffixes: list[str] = []
        self.networks = []
        for entry in allowed_hosts:
            wanted = entry.strip()
            if "/" in wanted or address_of(wanted.strip("[]")):
                self.networks.append(ip_network(wanted.strip("[]")))  # ValueError names the entry
            elif wanted.startswith("*."):
                self.suffixes.append("." + name_of(wanted[2:], entry))
            else:
                self.names.add(name_of(wanted, entry))

    def is_named(self, host: str) -> bool:
        """Whether the operator allows this host by its name, wherever it is."""
        name = host.removesuffix(".")
        return name in self.names or any(name.endswith(suffix) for suffix in self.suffixes)

    def is_allowed(self, address: Address) -> bool:
        """Whether connections to this address may be made."""
        if any(address in network for network in self.networks) or is_public(address):
            return True
        return self.private and is_private(address)

    def problem_of_host(self, host: str) -> str:
        """Why an encoded host is refused before any look-up, "" if it is not."""
        if self.is_named(host):
            return ""
        name = host.removesuffix(".")
        if not self.private and (
            name == "localhost" or name.endswith(".localhost")
        ):  # RFC 6761: always this machine, whatever DNS says
            return f"is at {name}, which is this machine"
        address = address_of(host)
        if address is None:
            if NUMERIC_HOST.fullmatch(host):
                return f"has an unusual spelling of an address as its host: {host}"
            return ""
        return "" if self.is_allowed(address) else f"is at {address}, which is not a public address"

    def check(self, addresses: Iterable[str]) -> None:
        """Raise `Refused` if one of a name's addresses is not allowed: a name that is partly inside is a trick."""
        for text in addresses:
            address = address_of(text)
            if address is None or not self.is_allowed(address):
                raise Refused(f"is at {text}, which is not a public address")

    def open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket to connect to an address from getaddrinfo, or `Refused`.

        The last check, on the very address that is connected to: however it was come by, it does not pass unseen.
        """
        family, kind, protocol, _, target = info
        if len(target) == 4 and target[3]:
            raise Refused(f"is at {target[0]} with a zone, which is not a public address")
        self.check([target[0]])
        return socket.socket(family, kind, protocol)


def name_of(name: str, entry: str) -> str:
    """A host name of the operator's list as URLs have it; `entry` is what the operator wrote."""
    try:
        host = URL.build(scheme="http", host=name).raw_host or ""
    except ValueError:
        host = ""
    if not is_host(host) or NUMERIC_HOST.fullmatch(host):
        raise ValueError(f"{entry!r} is not a host name, *.name, address or network (10.0.0.0/8)")
    return host.removesuffix(".").lower()
