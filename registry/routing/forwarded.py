"""What proxies write into X-Forwarded-For, -Proto and -Host, and what of it is an address, a scheme, a host.

An address comes as `203.0.113.9` from nginx and Cloudflare, as `203.0.113.9:50001` from Azure's gateway, IIS and, if it
is to keep ports, AWS's balancer; `[2001:db8::1]:443` has brackets with a port and may have them without; in quotes and
as `unknown` or `_hidden` it is what RFC 7239 (section 6) calls a node. HAProxy adds a line of the same name, others a
comma. Nothing here raises, whatever comes: strangers write into these headers before the proxies do.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

FOR, PROTO, HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
FORWARDED = (FOR, PROTO, HOST)
MAX_ENTRIES = 20  # of one header, from its end; a request passes a few proxies
MAX_TEXT = 300  # characters of one entry that are looked at; a host has 253
NODE = re.compile(r"(?:\[([^\]]*)\]|([0-9.]+))(?::[A-Za-z0-9._-]*)?", re.ASCII)  # with a port, maybe an obfuscated one
BARE_V6 = re.compile(r"([0-9A-Fa-f:.]+):[0-9]{1,5}", re.ASCII)
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}  # Traefik says ws and wss of sockets

Headers = Mapping[bytes, bytes]


def headers_by_name(lines: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name; of those that come twice the last line, of forwarded ones all, as if they were one."""
    headers = dict(lines)
    if len(headers) != len(lines):
        for name in FORWARDED:
            if name in headers:
                headers[name] = b",".join(value for other, value in lines if other == name)
    return headers


def entries(headers: Headers, name: bytes) -> list[str]:
    """The values of a header; the last one was written by the nearest proxy."""
    value = headers.get(name)
    if not value:
        return []
    found = [text[:MAX_TEXT] for part in value.decode("latin-1").split(",") if (text := part.strip())]
    return found[-MAX_ENTRIES:]


@lru_cache(1024)
def address_of(text: str) -> str:
    """The IP address that somebody is said to have, without port, brackets and zone; "" for what is none.

    An IPv4 address that was mapped into IPv6 (`::ffff:203.0.113.9`) is itself: it is who it is by any socket.
    """
    text = text.strip().strip('"').strip()
    node = NODE.fullmatch(text)
    named = (node[1] if node[1] is not None else node[2]) if node else text
    found = parsed(named)
    if found is None and node is None and (bare := BARE_V6.fullmatch(text)):
        found = parsed(bare[1])  # 2001:db8::1:50001, which is no address with its port
    return str(found) if found else ""


def parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address that may have a zone, such as `fe80::1%eth0`; None for what is none."""
    if ":" in text:
        text = text.partition("%")[0]  # it says which of the proxy's networks, and no column takes it
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def scheme_of(text: str) -> str:
    """http or https; "" for what is neither."""
    return SCHEMES.get(text.strip('"').lower(), "")


def without_usual_port(host: bytes, scheme: str) -> bytes:
    """A host without the port that its scheme has anyway, as browsers name it."""
    return host.removesuffix(b":443" if scheme == "https" else b":80")
