"""Behind proxies: whose address counts, who can sign in, and where our links lead."""

import re
from collections.abc import Callable

import pytest

from tests.e2e.server import Server
from tests.e2e.visitor import Visitor

FORWARDED = {
    "203.0.113.9:50001": "203.0.113.9",
    "[2001:db8::1]:443": "2001:db8::1",
    '"[2001:db8::2]"': "2001:db8::2",
    "fe80::1%eth0": "fe80::1",
    "unknown": "127.0.0.1",
    "_hidden": "127.0.0.1",
    "198.51.100.1, 203.0.113.10:1, 127.0.0.2": "203.0.113.10",
    "'; --": "127.0.0.1",
}


@pytest.fixture
def proxied(make_server: Callable[..., Server]) -> Server:
    """Behind trusted proxies that are all here, and nothing else is set but the name."""
    return make_server(
        workers=1, example=True, TRUSTED_PROXIES="127.0.0.0/8", ALLOWED_HOSTS="voice.example.com,127.0.0.1"
    )


def link_of(server: Server, name: str = "admin") -> str:
    """A sign-in link: its path."""
    return "/dashboard/" + server.command("member", "link", name).partition("/dashboard/")[2].split()[0]


def test_whatever_the_proxy_writes_people_sign_in_and_are_told_apart(proxied: Server) -> None:
    wrong = {"username": "nobody", "password": "x", "next": ""}
    for written, address in FORWARDED.items():
        visitor = Visitor(proxied, X_Forwarded_For=written)
        answer = visitor.sign_in(link_of(proxied))
        assert (answer.status, answer.headers["location"]) == (302, "/dashboard/password/"), written
        assert visitor.ask("/dashboard/overview/").status == 200
        for _ in range(5):  # the first of whom is shown what is wrong, and who guesses waits
            answer = Visitor(proxied, X_Forwarded_For=written).send("/dashboard/sign-in/", wrong)
            assert answer.status in (200, 429), (written, answer.text[:500])
        rows = proxied.query("SELECT failures_since_start FROM axes_accessattempt WHERE ip_address = %s", address)
        assert rows, written
    password = {"new_password1": "a wholly unguessable one", "new_password2": "a wholly unguessable one"}
    assert visitor.send("/dashboard/password/", password).status == 200
    audited = proxied.query("SELECT metadata->>'address' FROM pghistory_context WHERE metadata->>'via' = 'dashboard'")
    assert audited == [(address,)]
    first = Visitor(proxied, X_Forwarded_For="203.0.113.9:1").send("/dashboard/sign-in/", wrong)
    assert first.status == 429, "the port is another with each request, the address is not"
    elsewhere = Visitor(proxied, X_Forwarded_For="203.0.113.77:1").send("/dashboard/sign-in/", wrong)
    assert elsewhere.status == 200


def test_the_log_and_its_folds_have_the_same_addresses(proxied: Server) -> None:
    for written in FORWARDED:
        assert proxied.post("/sales", {}, headers={"X-Forwarded-For": written}).status == 200
    found = proxied.events(len(FORWARDED), "agent = 'sales-agent'")
    assert [event["source"] for event in found] == list(FORWARDED.values())
    for port in range(40):  # a stranger: most of it is folded, as the address is the same
        headers = {"X-Forwarded-For": f"203.0.113.66:{50000 + port}"}
        assert proxied.get("/nobody-is-here", headers=headers, auth=None).status == 404
    proxied.post("/support", {})  # the last row: when it has come, all have
    proxied.events(1, "agent = 'support-agent'")
    told = proxied.events(1, "outcome = 'not_found'")
    assert {event["source"] for event in told} == {"203.0.113.66"}
    assert len(told) < 40


def test_several_hosts_and_schemes_name_the_outermost_proxys_in_every_url(proxied: Server) -> None:
    said = {
        "X-Forwarded-For": "203.0.113.9, 127.0.0.2",
        "X-Forwarded-Host": "voice.example.com, inner.local",
        "X-Forwarded-Proto": "https, http",
    }
    document = proxied.post("/sales", {}, headers=said).text
    assert "@voice.example.com/sales" in document
    assert set(re.findall(r"https?://(?:[^@\"]*@)?([^/\"]+)/sales", document)) == {"voice.example.com"}
    assert "http://" not in document


def test_behind_a_proxy_that_ends_tls_people_sign_in_without_a_public_url(proxied: Server) -> None:
    said = {"Host": "inner:8000", "X-Forwarded-Host": "voice.example.com", "X-Forwarded-Proto": "https"}
    visitor = Visitor(proxied, origin="https://voice.example.com", **said, X_Forwarded_For="203.0.113.9:1")
    answer = visitor.sign_in(link_of(proxied))
    assert (answer.status, answer.headers["location"]) == (302, "/dashboard/password/")
    assert answer.cookies
    assert all("; Secure" in cookie for cookie in answer.cookies), "they go by HTTPS only"
    page = visitor.ask("/dashboard/agents/sales-agent/")
    assert "https://voice.example.com/sales" in page.text
    assert "Looks right" in visitor.ask("/dashboard/settings/health/").text
    evil = visitor.ask("/dashboard/sign-out/", {"csrfmiddlewaretoken": "x"}, Origin="https://evil.example")
    assert evil.status == 403
    plain = Visitor(proxied, X_Forwarded_For="203.0.113.9")
    assert plain.sign_in(link_of(proxied)).status == 302, "who comes by HTTP is seen so"
    assert not any("Secure" in cookie for cookie in plain.ask("/dashboard/sign-in/").cookies)


def test_where_nothing_says_how_we_are_reached_a_stranger_is_told_which_setting_is_missing(
    make_server: Callable[..., Server],
) -> None:
    server = make_server(workers=1, example=True, ALLOWED_HOSTS="voice.example.com")
    visitor = Visitor(server, origin="https://voice.example.com", Host="voice.example.com", X_Forwarded_Proto="https")
    answer = visitor.sign_in(link_of(server))
    assert answer.status == 403
    for word in ("PUBLIC_URL", "TRUSTED_PROXIES", "https://voice.example.com", "http://voice.example.com"):
        assert word in answer.text
    for word in ("Overview", "Live log", "failing", "/dashboard/agents/", "/ws/page", "older"):
        assert word not in answer.text
    answer = Visitor(server, Host="inner:8000").ask("/dashboard/sign-in/")
    assert answer.status == 400
    assert "ALLOWED_HOSTS" in answer.text
    api = Visitor(server, Host="inner:8000").ask("/api/v1/agents")
    assert (api.status, api.headers["content-type"]) == (400, "application/problem+json")


def test_with_a_public_url_a_trusted_proxy_may_call_us_by_an_inner_name(make_server: Callable[..., Server]) -> None:
    settings = {"PUBLIC_URL": "https://voice.example.com", "TRUSTED_PROXIES": "127.0.0.1"}
    server = make_server(workers=1, example=True, **settings)
    for said in ({}, {"X-Forwarded-Proto": "https"}, {"X-Forwarded-Host": "inner.local", "X-Forwarded-Proto": "http"}):
        visitor = Visitor(server, origin="https://voice.example.com", Host="inner:8000", **said)
        assert visitor.sign_in(link_of(server)).status == 302, said
