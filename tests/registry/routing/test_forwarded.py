import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry.routing.forwarded import FORWARDED, MAX_ENTRIES, address_of, entries, headers_by_name
from registry.routing.http import Connection
from registry.routing.public_url import MAX_REMEMBERED, PublicUrl

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]
ADDRESSES = {
    # as nginx, Cloudflare and HAProxy write it
    "203.0.113.9": "203.0.113.9",
    " 203.0.113.9\t": "203.0.113.9",
    "2001:db8::1": "2001:db8::1",
    "2001:DB8:0:0:0:0:0:1": "2001:db8::1",
    "::1": "::1",
    # as Azure's gateway, IIS and AWS's balancer write it, if it keeps ports
    "203.0.113.9:50001": "203.0.113.9",
    "203.0.113.9:": "203.0.113.9",
    "[2001:db8::1]:443": "2001:db8::1",
    "[2001:db8::1]": "2001:db8::1",
    "[203.0.113.9]:443": "203.0.113.9",
    "2001:db8::1:50001": "2001:db8::1",
    "2001:db8:0:0:0:0:0:1:443": "2001:db8::1",
    # RFC 7239, section 6
    '"[2001:db8:cafe::17]:4711"': "2001:db8:cafe::17",
    '"203.0.113.9:_port"': "203.0.113.9",
    "unknown": "",
    "_hidden": "",
    "_SEVKISEK": "",
    "unknown:80": "",
    # zones, and what came by a socket for both sorts
    "fe80::1%eth0": "fe80::1",
    "[fe80::1%25eth0]:443": "fe80::1",
    "::ffff:203.0.113.9": "203.0.113.9",
    "[::ffff:203.0.113.9]:50001": "203.0.113.9",
    # what is none
    "": "",
    "-": "",
    "localhost": "",
    "unix:": "",
    "203.0.113": "",
    "203.0.113.999": "",
    "203.0.113.009": "",
    "203.0.113.9%eth0": "",
    "203.0.113.9:50001:1": "",
    "[2001:db8::1": "",
    "2001:db8::1]": "",
    "[]": "",
    "[]:443": "",
    "2001:db8::1::2": "",
    "for=203.0.113.9": "",
    "203.0.113.\xb9": "",
    "203.0.113.9'; DROP TABLE": "",
}


@pytest.mark.parametrize(("text", "address"), ADDRESSES.items())
def test_an_address_is_read_as_proxies_write_it(text, address):
    assert address_of(text) == address


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_address_is_itself_in_every_dress(address, port):
    mapped = getattr(address, "ipv4_mapped", None) or address
    dresses = [f"{address}", f"[{address}]", f"[{address}]:{port}", f'"[{address}]:{port}"']
    dresses += [f"{address}:{port}"] if address.version == 4 else [f"{address.exploded}:{port}", f"{address}%en0"]
    for dress in dresses:
        assert address_of(dress) == str(mapped), dress


@given(st.text(max_size=80))
def test_what_is_read_as_an_address_is_one(text):
    found = address_of(text)
    assert not found or str(ipaddress.ip_address(found)) == found


def told(client="10.0.0.1", *, hosts=("voice.example.com",), public_url="", **headers):
    url = PublicUrl(public_url, list(hosts), PROXIES)
    url.warnings_left = 0
    given = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
    return url.sender(Connection.of({"client": (client, 1), "server": ("10.0.0.9", 8000)}), given)


@pytest.mark.parametrize(
    ("client", "header", "address"),
    [
        ("10.0.0.1", "203.0.113.9:50001", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9:1, 10.0.0.7:80", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, [fd00::7]:443, 10.0.0.7", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, ::ffff:10.0.0.7", "203.0.113.9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("fd00::1%eth0", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "_hidden", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),  # a stranger wrote the first
        ("10.0.0.1", "unknown, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", ", 203.0.113.9 ,", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.1"),
        ("192.0.2.7", "203.0.113.9", "192.0.2.7"),  # of no trusted proxy
        ("fe80::7%eth0", "203.0.113.9", "fe80::7"),
        ("unix:", "203.0.113.9", ""),
    ],
)
def test_the_sender_is_the_nearest_that_is_no_trusted_proxy(client, header, address):
    assert told(client, x_forwarded_for=header).address == address
    assert told(client, x_forwarded_for=header, public_url="https://a.example/b").address == address


@pytest.mark.parametrize(
    ("passed", "host", "scheme", "base"),
    [
        ("203.0.113.9, 10.0.0.7", "voice.example.com, inner.local", "https, http", "https://voice.example.com"),
        ("203.0.113.9, 10.0.0.7", "voice.example.com", "https", "https://voice.example.com"),
        ("203.0.113.9, 10.0.0.7", "voice.example.com", "https, http", "https://voice.example.com"),
        ("203.0.113.9, 10.0.0.7", "", "https, http", "https://voice.example.com"),
        ("203.0.113.9, 10.0.0.7", "evil.example, voice.example.com, inner.local", "http, https, http", "https://voice.example.com"),
        ("203.0.113.9, 10.0.0.7, fd00::7", "voice.example.com, a.local, b.local", "https, http, http", "https://voice.example.com"),
        # one proxy only, and the stranger's own words before its
        ("203.0.113.9", "evil.example, voice.example.com", "http, https", "https://voice.example.com"),
        ("203.0.113.9", "other.example.com, voice.example.com", "http, https", "https://voice.example.com"),
        ("203.0.113.9", "voice.example.com", "http, https", "https://voice.example.com"),
        # proxies that lengthen the one header and not the other
        ("203.0.113.9", "voice.example.com, inner.local", "https, http", "https://voice.example.com"),
        ("", "voice.example.com, inner.local", "https, http", "https://voice.example.com"),
        ("", "", "wss", "https://voice.example.com"),
        ("", "", "ws", "http://voice.example.com"),
        ("", "voice.example.com:443", "https", "https://voice.example.com"),
        ("", "voice.example.com:80", "http", "http://voice.example.com"),
        ("", "voice.example.com:8443", "https", "https://voice.example.com:8443"),
        ("", "VOICE.example.com", "HTTPS", "https://VOICE.example.com"),
        ("", "", "gopher", "http://voice.example.com"),
        ("", ", ,", ", ,", "http://voice.example.com"),
        ("", "evil.example, inner.local", "https, http", "http://10.0.0.9:8000"),
    ],
)  # fmt: skip  # a row is a case
def test_of_several_hosts_and_schemes_the_outermost_trusted_proxys_count(passed, host, scheme, base):
    sender = told(
        hosts=["voice.example.com", "other.example.com"],
        host="voice.example.com",
        x_forwarded_for=passed,
        x_forwarded_host=host,
        x_forwarded_proto=scheme,
    )
    assert sender.base == base


def test_lines_of_the_same_name_are_one_header():
    lines = [
        (b"x-forwarded-for", b"198.51.100.1"),
        (b"host", b"a"),
        (b"x-forwarded-for", b"203.0.113.9, 10.0.0.7"),
        (b"host", b"b"),
    ]
    assert headers_by_name(lines) == {b"x-forwarded-for": b"198.51.100.1,203.0.113.9, 10.0.0.7", b"host": b"b"}
    assert headers_by_name(lines[:2]) == dict(lines[:2])
    assert entries(headers_by_name(lines), b"x-forwarded-for") == ["198.51.100.1", "203.0.113.9", "10.0.0.7"]


def test_of_a_header_of_any_length_only_the_end_is_read():
    assert entries({b"x-forwarded-for": b"203.0.113.9," * 5000}, b"x-forwarded-for") == ["203.0.113.9"] * MAX_ENTRIES


BITS = [
    "203.0.113.9",
    ":",
    "[",
    "]",
    ",",
    " ",
    "unknown",
    "10.0.0.1",
    "::1",
    "%",
    '"',
    ".",
    "voice.example.com",
    "http",
]
VALUES = st.one_of(
    st.binary(max_size=60), st.lists(st.sampled_from(BITS), max_size=12).map(lambda bits: "".join(bits).encode())
)


@given(st.lists(st.tuples(st.sampled_from([*FORWARDED, b"host", b"x"]), VALUES), max_size=8), VALUES, st.booleans())
@example([(b"x-forwarded-for", b"\xff\xfe,\x00")], b"10.0.0.1", False)
def test_nothing_that_anybody_sends_raises_and_an_address_is_one_or_none(lines, client, fixed):
    url = PublicUrl("https://a.example/b" if fixed else "", ["voice.example.com"], PROXIES)
    url.warnings_left = 0
    for client_text in ("10.0.0.1", client.decode("latin-1")):
        connection = Connection.of({"client": (client_text, 1), "scheme": "ws", "server": None})
        first = url.sender(connection, headers_by_name(lines))
        assert first == url.sender(connection, headers_by_name(lines)), "what is remembered is the same"
        assert not first.address or str(ipaddress.ip_address(first.address)) == first.address


def test_what_proxies_say_is_remembered_within_bounds():
    url = PublicUrl("", ["voice.example.com"], PROXIES)
    connection = Connection.of({"client": ("10.0.0.1", 1), "server": None})
    for port in range(3 * MAX_REMEMBERED):
        assert url.sender(connection, {b"x-forwarded-for": b"203.0.113.9:%d" % port}).address == "203.0.113.9"
    assert len(url.known_told) <= MAX_REMEMBERED
    url.sender(connection, {b"x-forwarded-for": b"x" * 60_000})
    assert all(len(value or "") < 60_000 for key in url.known_told for value in key)
