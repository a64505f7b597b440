"""Behind proxies: whose address counts, who can sign in, and where our links lead."""

import html
import json
import re
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

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


# --- PUBLIC_URL with a path ------------------------------------------------------------------------------------------

SITE = "https://voice.example.com"
BASE = "/voice"
# What leads somewhere: attributes of pages, and addresses of ours in scripts' data.
LINKS = re.compile(
    r"""\s(?:href|src|action|formaction|hx-get|hx-post|ws-connect|data-[a-z-]+)=["']((?:https?:/)?/[^"'\s]*)["']"""
)
BARE = re.compile(r"""["'`(=](/(?:dashboard|admin|api/v1|static|ws)/[^"'`]*)""")  # anywhere, also in scripts
GOOD = (200, 301, 302, 307, 401, 405)  # 401: an agent's URL; 405: a form's
ONE_OF_A_KIND = re.compile(r"/[0-9a-f-]{32,36}(?=/|$)|(?<=/)\d+(?=/|$)|\?.*")


@pytest.fixture(params=["cuts the path off", "passes it on"])
def below(request: pytest.FixtureRequest, make_server: Callable[..., Server]) -> tuple[Server, Visitor]:
    """A server whose PUBLIC_URL has a path, and somebody who is signed in, by a proxy of either sort."""
    server = make_server(workers=1, example=True, PUBLIC_URL=f"{SITE}{BASE}", TRUSTED_PROXIES="127.0.0.1")
    cut = BASE if request.param == "cuts the path off" else ""
    visitor = Visitor(server, cut, origin=SITE, Host="voice.example.com", X_Forwarded_Proto="https")
    printed = server.command("member", "link", "admin")
    link = next(word for word in printed.split() if "/sign-in/link/" in word)
    assert link.startswith(f"{SITE}{BASE}/dashboard/sign-in/link/")
    answer = visitor.sign_in(link.removeprefix(SITE))
    assert (answer.status, answer.headers["location"]) == (302, f"{BASE}/dashboard/password/"), answer.text
    assert all(f"; Path={BASE}" in cookie and "; Secure" in cookie for cookie in answer.cookies)
    return server, visitor


def links_in(page: str, at: str) -> set[str]:
    """Where a page leads on this host; other sites are none of ours."""
    found = {urljoin(f"{SITE}{at}", html.unescape(link)) for link in LINKS.findall(page)}
    return {
        urlsplit(link)._replace(scheme="", netloc="", fragment="").geturl() for link in found if link.startswith(SITE)
    }


def test_no_link_of_any_page_leaves_the_path_of_public_url(below: tuple[Server, Visitor]) -> None:
    server, visitor = below
    for number in range(2):
        server.post("/sales", {"call": {"call_id": f"c-{number}", "to": "sip:sales@x", "from": "+1"}})
    server.get("/nobody-there")
    server.events(3)
    waiting = [f"{BASE}/", f"{BASE}/dashboard/overview/", f"{BASE}/admin/", f"{BASE}/api/v1/docs"]
    seen: set[str] = set()
    kinds: set[str] = set()
    while waiting:
        at = waiting.pop()
        kind = ONE_OF_A_KIND.sub("", at)
        if kind in kinds:
            continue
        kinds.add(kind)
        accept = {"Accept": "text/html"} if at == f"{BASE}/" else {}
        answer = visitor.ask(at, **accept)
        if at.startswith(f"{BASE}/ws/"):
            continue  # a browser tries it: tests/e2e/pages/test_below_a_path.py
        assert answer.status in GOOD, (at, answer.status, answer.text[:300])
        assert all(f"; Path={BASE}" in cookie for cookie in answer.cookies), (at, answer.cookies)
        found = links_in(answer.text, at) if "html" in answer.headers.get("content-type", "") else set()
        found |= {answer.headers["location"]} if "location" in answer.headers else set()
        for link in found - seen:
            assert link == BASE or link.startswith((f"{BASE}/", f"{BASE}?")), f"{at} leads to {link}"
            waiting.append(link)
        if "/static/" not in at or "/static/js/" in at:  # what others wrote names no address of ours
            assert not BARE.findall(answer.text), at
        seen |= found
    assert {f"{BASE}/dashboard/{page}/" for page in ("agents", "routing", "log", "calls", "test")} <= kinds
    assert f"{BASE}/static/css/base.css" in kinds
    assert f"{BASE}/admin/agents/agent/" in kinds
    assert f"{BASE}/api/v1/openapi.json" in visitor.ask(f"{BASE}/api/v1/docs").text
    assert any(link.startswith(f"{BASE}/ws/page") for link in kinds)
    assert len(kinds) > 60


def test_what_the_api_hands_out_is_below_the_path_too(below: tuple[Server, Visitor]) -> None:
    server, visitor = below
    described = json.loads(visitor.ask(f"{BASE}/api/v1/openapi.json").text)
    assert [one["url"] for one in described["servers"]] == [BASE]
    assert "/api/v1/agents" in described["paths"]
    token = server.token("operate")
    body = {"agent": "sales-agent", "path": "/second"}
    made = server.post(f"{'' if visitor.cut else BASE}/api/v1/routes?wait=true", body, auth=None, headers=token)
    assert (made.status, made.headers["location"].rpartition("/")[0]) == (201, f"{BASE}/api/v1/routes"), made.text
    assert "/voice/api/v1/docs" in server.get("/api/v1/nothing", auth=None, headers=token).text
    document = server.get(f"{'' if visitor.cut else BASE}/second?call_id=c").text
    assert "@voice.example.com/voice/second/swaig/" in document
    redirected = visitor.ask(f"{BASE}/dashboard")
    assert (redirected.status, redirected.headers["location"]) == (301, f"{BASE}/dashboard/")
    gone = visitor.ask(f"{BASE}/dashboard/nowhere/")
    assert gone.status == 404
    out = Visitor(server, visitor.cut, origin=SITE, Host="voice.example.com", X_Forwarded_Proto="https")
    assert out.ask(f"{BASE}/dashboard/agents/?q=a").headers["location"] == (
        f"{BASE}/dashboard/sign-in/?next=/voice/dashboard/agents/%3Fq%3Da"
    )
