import ipaddress
import logging

import pytest
from django.http.request import validate_host
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.routing.http import Connection
from registry.routing.public_url import MAX_REMEMBERED, MAX_WARNINGS, PublicUrl, is_allowed

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


def ask(
    public_url, host=b"voice.example.com", *, client="192.0.2.7", scheme="http", server=("10.0.0.1", 8000), **headers
):
    scope = {"client": (client, 1) if client else None, "scheme": scheme, "server": server}
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return public_url.sender(Connection.of(scope), {b"host": host, **named} if host is not None else named)


def make(public_url="", hosts=("voice.example.com",), proxies=()):
    return PublicUrl(public_url, list(hosts), list(proxies))


@pytest.mark.parametrize("host", ["voice.example.com", "voice.example.com:8443", "VOICE.example.com"])
def test_an_allowed_host_is_the_public_url(host):
    sender = ask(make(), host.encode(), scheme="https")
    assert (sender.base, sender.refused_host) == (f"https://{host}", "")
    assert sender.address == "192.0.2.7"


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example.org",
        b"voice.example.com.evil.org",
        b"voice.example.com@evil.org",
        b"u:p@voice.example.com",
        b"",
        b" ",
        b"voice.example.com/x",
        b"voice.example.com:80:80",
        b"voice.example.com:",
        b"voice.example.com:x",
        b"voice.example.com:\xb2",
        b"voice.example.com\xa0",
        b"\xff\xfe",
        b"voice.example.com?",
        b"voice.example.com#",
        b"voice.example.com\\",
        b":80",
    ],
)
def test_any_other_host_gives_the_address_that_the_request_came_in_at(host):
    sender = ask(make(), host)
    assert sender.base == "http://10.0.0.1:8000"
    assert sender.refused_host == host.decode("latin-1")


@pytest.mark.parametrize(
    "host",
    [
        b'a".example.com',
        b"a b.example.com",
        b"a<.example.com",
        b"a\n.example.com",
        b"a/.example.com",
        b"x@a.example.com",
    ],
)
def test_a_wildcard_allows_no_characters_that_are_none_of_a_host(host):
    for hosts in ([".example.com"], ["*"]):
        assert ask(make(hosts=hosts), host).refused_host == host.decode("latin-1")
    assert ask(make(hosts=[".example.com"]), b"any.example.com").base == "http://any.example.com"


def test_a_server_without_a_port_and_one_on_ipv6_have_an_address_too():
    assert ask(make(), b"x", server=("::1", 8000)).base == "http://[::1]:8000"
    assert ask(make(), b"x", server=("/run/switchboard.sock", None)).base == "http:///run/switchboard.sock"
    assert ask(make(), b"x", server=None).base == "http://127.0.0.1"
    assert ask(make(), None, client=None).address == ""


def test_public_url_is_all_that_counts_if_it_is_set():
    sender = ask(make("https://public.example.com/base"), b"evil.org", x_forwarded_host=b"evil.org")
    assert (sender.base, sender.scheme, sender.host) == (
        "https://public.example.com/base",
        "https://",
        "public.example.com/base",
    )
    assert sender.refused_host == ""


def test_forwarded_headers_of_strangers_do_not_count():
    for proxies in ([], PROXIES):
        sender = ask(
            make(hosts=["voice.example.com", "other.example.com"], proxies=proxies),
            x_forwarded_host=b"other.example.com",
            x_forwarded_proto=b"https",
            x_forwarded_for=b"198.51.100.1",
            forwarded=b"host=other.example.com;proto=https",
            x_original_host=b"other.example.com",
        )
        assert (sender.base, sender.address) == ("http://voice.example.com", "192.0.2.7")


def test_a_trusted_proxy_says_host_scheme_and_sender():
    sender = ask(
        make(proxies=PROXIES),
        b"inner:8000",
        client="10.1.2.3",
        x_forwarded_host=b"evil.org, voice.example.com",
        x_forwarded_proto=b"http, https",
        x_forwarded_for=b"1.1.1.1, 198.51.100.1, 10.9.9.9",
    )
    assert (sender.base, sender.address, sender.refused_host) == ("https://voice.example.com", "198.51.100.1", "")


def test_what_a_trusted_proxy_says_must_be_allowed_too():
    public_url = make(proxies=PROXIES)
    sender = ask(
        public_url, b"voice.example.com", client="10.1.2.3", x_forwarded_host=b"evil.org", x_forwarded_proto=b"ftp"
    )
    assert (sender.base, sender.refused_host) == ("http://10.0.0.1:8000", "evil.org")
    assert ask(public_url, client="fd00::1", x_forwarded_for=b" , ,").address == "fd00::1"


def test_what_is_remembered_and_what_is_said_is_bounded(caplog):
    public_url = make(proxies=PROXIES)
    with caplog.at_level(logging.WARNING):
        for number in range(3 * MAX_REMEMBERED):
            ask(public_url, f"{number}.evil.org".encode(), client=f"192.0.2.{number % 256}")
    assert len(caplog.records) == MAX_WARNINGS
    assert len(public_url.known_hosts) <= MAX_REMEMBERED
    assert len(public_url.known_proxies) <= MAX_REMEMBERED


@settings(deadline=None, max_examples=200)
@given(
    st.binary(max_size=40),
    st.binary(max_size=40),
    st.binary(max_size=40),
    st.sampled_from(["10.0.0.1", "192.0.2.1", "", "unix:"]),
)
def test_no_sender_can_choose_a_base_that_is_not_ours(host, forwarded_host, forwarded_for, client):
    public_url = make(proxies=PROXIES)
    public_url.warnings_left = 0
    sender = ask(public_url, host, client=client, x_forwarded_host=forwarded_host, x_forwarded_for=forwarded_for)
    name = sender.host.lower().rpartition(":")[0] or sender.host.lower()
    assert name in ("voice.example.com", "10.0.0.1")
    assert len(sender.address) <= 64


@pytest.mark.parametrize("host", [b"[x", b"[::1", b"a b", b"a/b", b"a:b", b"a:123456", b"\xe4.example.com", b"@a"])
def test_what_cannot_stand_in_a_url_is_no_host_even_if_all_are_allowed(host):
    assert PublicUrl("", ["*"], []).check_host(host) == ""


DOMAINS = [
    "",
    ".",
    "example.com",
    "a.example.com",
    "a.b.example.com",
    "xexample.com",
    ".example.com",
    "[::1]",
    "*",
    "é.com",
]
PATTERNS = ["", ".", "*", "**", "example.com", "EXAMPLE.com", ".example.com", ".EXAMPLE.COM", "*.example.com", "[::1]"]


@pytest.mark.parametrize("domain", DOMAINS)
def test_allowed_hosts_means_what_it_means_to_django(domain):
    for pattern in PATTERNS:
        assert is_allowed(domain, [pattern]) is validate_host(domain, [pattern]), pattern
    for patterns in ([], PATTERNS[:2], PATTERNS[3:], ["", ".example.com"], ["nobody", "example.com"]):
        assert is_allowed(domain, patterns) is validate_host(domain, patterns), patterns
