"""Webhooks reach public addresses and what the operator allows, however an address is written or come by."""

import socket
from ipaddress import ip_address

import pytest

from agents.errors import WebhookFailed
from agents.outbound.client import WebhookClient, WebhookLimits
from agents.outbound.guard import Guard, Refused, check_url, is_public, literal_problem
from tests.agents.outbound.webhook_server import always, answer, serve

OK = always(answer(b'{"response": "ok"}'))
PUBLIC = "93.184.216.34"


@pytest.fixture
def connects(monkeypatch) -> list[object]:
    """Every address that a socket is connected to; all but loopback fail at once: nothing leaves the machine."""
    seen: list[object] = []
    connect = socket.socket.connect

    def spy(self: socket.socket, address: tuple[str, int]) -> None:
        seen.append(address)
        if not address[0].startswith("127."):
            raise ConnectionRefusedError(111, "the tests stay on this machine")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", spy, raising=False)
    return seen


class Names:
    """A name server: what each name has, one list of addresses a look-up; the last one stays."""

    def __init__(self, **names: list[list[str]]):
        self.names = {name.replace("_", "."): answers for name, answers in names.items()}
        self.asked: list[str] = []

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        answers = self.names.get(host.removesuffix("."), [])
        if not answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answers.pop(0) if len(answers) > 1 else answers[0]


async def post(url: str, names: Names | None = None, *allowed: str, times: int = 1) -> None:
    """Call a webhook; raises WebhookFailed."""
    client = WebhookClient(WebhookLimits(seconds=2, allowed_hosts=allowed), names or Names())
    try:
        for _ in range(times):
            await client.post("desk", url, {}, b"{}")
    finally:
        await client.close()


# --- addresses --------------------------------------------------------------------------------------------------------

INSIDE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.8.8.8",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "1::1",
    "2001::1",
    "2001:0:7f00:1::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
OUTSIDE = ["1.1.1.1", "8.8.8.8", PUBLIC, "100.63.0.1", "100.128.0.1", "172.32.0.1", "192.0.1.1", "223.255.255.255"]
OUTSIDE += ["2606:4700::1111", "2001:4860:4860::8888", "2a00:1450::1", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_not_on_the_internet_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["2606:4700::1111%eth0", "fe80::1%eth0"])
def test_an_address_with_a_zone_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_on_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


# --- URLs that name an address ----------------------------------------------------------------------------------------

SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0X7F.1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "127.0.0.01",
    "0",
    "0.0.0.0",
    "1.2.3.4.5",
    "256.1.1.1",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "127\u30020\u30020\u30021",
    "\u2460\u2461\u2466.0.0.1",
    "localhost",
    "LOCALHOST",
    "LocalHost.",
    "api.localhost",
    "\u24dbocalhost",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7F00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fec0::1]",
    "[fd00:ec2::254]",
    "169.254.169.254",
    "10.0.0.1",
    "100.64.0.1",
    "255.255.255.255",
]


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_an_address_inside_is_connected_to(host: str, connects: list[object]) -> None:
    names = Names()
    async with serve(OK) as server:
        url = f"http://{host}:{server.port}/hook"
        with pytest.raises(WebhookFailed, match=r"is at|has an unusual spelling"):
            await post(url, names)
        assert literal_problem(url, ())
    assert (server.connections, connects, names.asked) == (0, [], [])


@pytest.mark.parametrize(
    "host",
    ["[fe80::1%25eth0]", "[fe80::1%eth0]", "127%2e0.0.1", "user@127.0.0.1", "127.0.0.1\\@example.com", "a b", "a..b"],
)
async def test_no_trick_with_a_url_is_connected_to(host: str, connects: list[object]) -> None:
    async with serve(OK) as server:
        with pytest.raises(WebhookFailed, match=r"^the webhook cannot be called: the URL"):
            await post(f"http://{host}:{server.port}/hook")
    assert (server.connections, connects) == (0, [])


async def test_what_is_public_is_connected_to(connects: list[object]) -> None:
    """So the tests above could fail."""
    for url in (f"http://{PUBLIC}/", "http://[2606:4700::1111]/", "http://api.test/"):
        with pytest.raises(WebhookFailed, match="cannot be reached: Connection refused"):
            await post(url, Names(api_test=[[PUBLIC]]))
    assert [address[:2] for address in connects] == [(PUBLIC, 80), ("2606:4700::1111", 80), (PUBLIC, 80)]


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [*INSIDE, "fe80::1%lo", "nonsense", ""])
async def test_a_name_that_is_inside_is_not_connected_to(address: str, connects: list[object]) -> None:
    with pytest.raises(WebhookFailed, match="which is not a public address"):
        await post("http://api.test/", Names(api_test=[[address]]))
    assert connects == []


@pytest.mark.parametrize("addresses", [[PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], [PUBLIC, "::1"]])
async def test_a_name_that_is_partly_inside_is_not_connected_to_at_all(
    addresses: list[str], connects: list[object]
) -> None:
    with pytest.raises(WebhookFailed, match="which is not a public address"):
        await post("http://api.test/", Names(api_test=[addresses]))
    assert connects == []


async def test_a_name_that_moves_inside_between_two_calls_is_refused(connects, monkeypatch) -> None:
    monkeypatch.setattr("agents.outbound.pool.DNS_SECONDS", 0)
    names = Names(api_test=[["127.0.0.1"], ["127.0.0.2"]])
    async with serve(always(answer(b"{}", "200 OK", "Connection: close")), "0.0.0.0") as server:
        with pytest.raises(WebhookFailed, match=r"is at 127.0.0.2, which is not a public address"):
            await post(f"http://api.test:{server.port}/", names, "127.0.0.1", times=2)
    assert (len(server.requests), connects, len(names.asked)) == (1, [("127.0.0.1", server.port)], 2)


async def test_the_socket_is_checked_even_if_the_look_up_was_not(connects) -> None:
    """Nothing between the look-up and the socket, like a cache, can change the address unseen."""
    async with serve(OK, "0.0.0.0") as server:
        client = WebhookClient(WebhookLimits(allowed_hosts=("127.0.0.1",)), Names(api_test=[["127.0.0.1"]]))
        url = f"http://api.test:{server.port}/"
        await client.post("desk", url, {}, b"{}")
        connector = client.pool.sessions[False].connector
        for connections in connector._conns.values():
            connections.pop()[0].abort()
        cached = connector._cached_hosts
        (found,) = cached.next_addrs(("api.test", server.port))
        cached.add(("api.test", server.port), [{**found, "host": "127.0.0.2"}])
        with pytest.raises(WebhookFailed, match=r"is at 127.0.0.2, which is not a public address"):
            await client.post("desk", url, {}, b"{}")
        await client.close()
    assert connects == [("127.0.0.1", server.port)]


def test_a_socket_is_opened_for_a_public_address_only() -> None:
    guard = Guard(["10.0.0.0/8"])
    for target in ((PUBLIC, 80), ("10.1.2.3", 80)):
        guard.open_socket((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", target)).close()
    for target in (("127.0.0.1", 80), ("127.1", 80), ("localhost", 80), ("", 80), ("2606::1", 80, 0, 3)):
        with pytest.raises(Refused):
            guard.open_socket((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", target))


# --- what the operator allows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.0/8"),
        ("\uff11\uff12\uff17.\uff10.\uff10.\uff11", "127.0.0.1"),
        ("crm.example.internal", "127.0.0.1/32"),
        ("crm.example.internal", "crm.example.internal"),
        ("crm.example.internal", "CRM.example.internal."),
        ("CRM.Example.Internal.", "crm.example.internal"),
        ("crm.example.internal", "*.example.internal"),
        ("a.b.example.internal", "*.example.internal"),
        ("localhost", "localhost"),
    ],
)
async def test_what_the_operator_allows_is_reached(host: str, allowed: str) -> None:
    names = Names(**{name: [["127.0.0.1"]] for name in ("crm_example_internal", "a_b_example_internal", "localhost")})
    names.names["CRM.Example.Internal"] = [["127.0.0.1"]]
    async with serve(OK) as server:
        await post(f"http://{host}:{server.port}/hook", names, allowed)
        assert literal_problem(f"http://{host}:{server.port}/hook", [allowed]) == ""
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("example.internal", "*.example.internal"),
        ("notexample.internal", "*.example.internal"),
        ("crm.example.internal.evil.test", "*.example.internal"),
        ("crm.example.internal", "example.internal"),
        ("crm.example.internal", "10.0.0.0/8"),
        ("crm.example.internal", "::1"),
        ("127.0.0.1", "localhost"),
        ("127.1", "127.0.0.0/8"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
    ],
)
async def test_what_the_operator_allows_allows_nothing_else(host: str, allowed: str, connects: list[object]) -> None:
    names = Names()
    names.names = {host: [["127.0.0.1"]]}
    async with serve(OK) as server:
        with pytest.raises(WebhookFailed, match=r"is at|unusual spelling"):
            await post(f"http://{host}:{server.port}/hook", names, allowed)
    assert (server.connections, connects) == (0, [])


async def test_a_host_that_is_allowed_by_name_still_cannot_redirect(connects: list[object]) -> None:
    async with serve(OK) as inner:
        location = f"Location: http://127.0.0.1:{inner.port}/"
        async with serve(always(answer(b"", "307 Temporary Redirect", location))) as outer:
            with pytest.raises(WebhookFailed, match="answered 307: redirects are not followed"):
                await post(f"http://crm.test:{outer.port}/", Names(crm_test=[["127.0.0.1"]]), "crm.test")
    assert (inner.connections, len(outer.requests)) == (0, 1)


@pytest.mark.parametrize(
    "entry", ["", "*", "*.", "*.*.x", "a:80", "http://a", "a/b", "10.0.0.1/8", "127.1", "0x7f.1", "a..b", "a b", "u@a"]
)
def test_an_entry_that_is_no_name_address_or_network_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"not a host name|not appear to be|has host bits set"):
        Guard([entry])


# --- redirects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("to", ["http://127.0.0.1:{}/", "http://169.254.169.254/", "http://example.com/", "/again"])
async def test_a_redirect_is_not_followed(status: str, to: str, connects: list[object]) -> None:
    async with serve(OK) as inner:
        redirect = answer(b"", status, f"Location: {to.format(inner.port)}")
        async with serve(always(redirect)) as server:
            with pytest.raises(WebhookFailed, match=f"answered {status[:3]}: redirects are not followed"):
                await post(server.url, None, "127.0.0.1")
    assert (inner.connections, len(server.requests), len(connects)) == (0, 1, 1)


# --- URLs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "HTTPS://Example.com:8443/a/b?c=d%20e",
        "http://bücher.example/ä?ö=ü",
        "http://my_host-1.example./",
        "http://8.8.8.8:1/",
        "http://[2606:4700::1111]:65535/",
        "http://localhost/",
        "http://127.1/",
        "https://example.com/@me?to=a@b",
    ],
)
def test_a_url_that_could_work_is_accepted(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "begin with https://"),
        ("example.com/x", "begin with https://"),
        ("//example.com", "begin with https://"),
        ("ftp://example.com", "begin with https://"),
        ("file:///etc/passwd", "begin with https://"),
        ("http:/example.com", "begin with https://"),
        ("http://", "no host"),
        ("http:///x", "no host"),
        ("https://:443/", "host or port"),
        ("http://secret:hidden@example.com/", "user name"),
        ("http://secret@example.com/", "user name"),
        ("http://@example.com/", "user name"),
        ("http://example.com/#", "fragment"),
        ("http://example.com/?q#secret", "fragment"),
        ("http://example.com:0/", "port"),
        ("http://example.com:65536/", "port"),
        ("http://example.com:-1/", "port"),
        ("http://example.com:secret/", "port"),
        ("http://[::1/", "port"),
        ("http://example.com/a b", "space"),
        (" http://example.com/", "space"),
        ("http://example.com/\r\nHost: x", "control"),
        ("http://example.com/\t", "control"),
        ("http://example.com/\0", "control"),
        ("http://example.com/\u2028", "control"),
        ("http://local\u00adhost/", "control"),
        ("https://${args.host}/", "placeholder"),
        ("https://example.com/${call.id}", "placeholder"),
        ("http://[fe80::1%25eth0]/", "host"),
        ("http://exa%6dple.com/", "host"),
        ("http://*.example.com/", "host"),
        ("http://a..b/", "host"),
        ("http://./", "host"),
        (f"http://{'a' * 64}.com/", "host"),
        (f"http://{'a.' * 127}com/", "host"),
        ("http://a\\@b/", "user name"),
        ("http://a\\b/", "host"),
    ],
)
def test_a_url_that_could_never_work_is_refused_with_what_to_do(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refusal:
        check_url(url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("host", "private", "refused"),
    [
        ("10.0.0.5", True, False),
        ("127.0.0.1", True, False),
        ("localhost", True, False),
        ("192.168.1.1", True, False),
        ("100.64.0.1", True, False),
        ("fd12::1", True, False),
        ("::1", True, False),
        ("10.0.0.5", False, True),
        ("localhost", False, True),
        ("169.254.169.254", True, True),
        ("fe80::1", True, True),
        ("100.100.100.200", True, True),
        ("168.63.129.16", True, True),
        ("fd00:ec2::254", True, True),
        ("0.0.0.0", True, True),
        ("255.255.255.255", True, True),
        ("::ffff:10.0.0.1", True, True),
        ("2130706433", True, True),
    ],
)
def test_private_networks_are_open_to_those_who_may_but_no_metadata(host: str, private: bool, refused: bool) -> None:
    assert bool(Guard((), private=private).problem_of_host(host)) is refused
