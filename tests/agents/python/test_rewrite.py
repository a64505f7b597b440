"""Where a host has left a placeholder stands our public address, with the right credentials; the rest stays."""

import json
from typing import Any

import pytest

from agents.python.rewrite import with_our_addresses
from agents.wire import AgentRequest, FixedUrls
from tests.agents.building import request as asked

PLAIN = "http://agent-host.invalid"
KNOWN = "http://switchboard:placeholder@agent-host.invalid"
BASE = "https://voice.example.com/base"
OWN = "https://ada:p%40ss@voice.example.com/base"
OTHERS = {
    "/billing": "https://bob:b@voice.example.com/base/billing",
    "/sales/night": "https://n:n@voice.example.com/base/sales/night",
}


def request(route: str) -> AgentRequest:
    """A request to the agent that is registered there."""
    return asked(urls=FixedUrls((OWN + route.rstrip("/")).encode(), BASE.encode(), at=OTHERS.get))


def rewritten(text: str, *, route: str = "/sales", asked: str = "", version: int = 1) -> str:
    """A text with our addresses. `route`: that the host knows; `asked`: that was asked, if it is another."""
    return with_our_addresses(text.encode(), request(asked or route), route, version).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{KNOWN}/sales/swaig/", f"{OWN}/sales/swaig/"),
        (f"{KNOWN}/sales/swaig/?__token=a.b%3D", f"{OWN}/sales/swaig/?__token=a.b%3D"),
        (f"{KNOWN}/sales", f"{OWN}/sales"),
        (f"{PLAIN}/sales/logo.png", f"{BASE}/sales/logo.png"),
        (PLAIN, BASE),
        (f"{PLAIN}/", f"{BASE}/"),
        (f"{KNOWN}/billing", OTHERS["/billing"]),
        (f"{KNOWN}/billing/?a=b", f"{OTHERS['/billing']}?a=b"),
        (f"{KNOWN}/nobody?x=1", f"{BASE}/nobody?x=1"),
        (f"{KNOWN}/sales/sales/swaig", f"{OWN}/sales/swaig"),
        (f"{KNOWN}/sales/billing", OTHERS["/billing"]),
        (f"{KNOWN}/salesmen", f"{BASE}/salesmen"),
        (KNOWN, BASE),
        ("http://agent-host.invalid.example.com/", "https://voice.example.com/base.example.com/"),
        ("https://agent-host.invalid/sales", f"{BASE}/sales"),
        ("ws://agent-host.invalid/stream", "wss://voice.example.com/base/stream"),
        (f"{KNOWN}/sales/stream".replace("http", "wss"), f"{OWN}/sales/stream".replace("https", "wss")),
        ("nothing to change, not even \\u0068", "nothing to change, not even \\u0068"),
    ],
)
def test_addresses_are_replaced(text: str, expected: str) -> None:
    assert rewritten(text) == expected
    assert rewritten(f'{{"url": "{text}"}}') == f'{{"url": "{expected}"}}'


def test_in_the_middle_of_prose_they_are_found_and_the_prose_stays() -> None:
    text = f"Call {KNOWN}/sales/swaig, (or {PLAIN}/x.) And <{KNOWN}/billing>!"
    assert rewritten(text) == f"Call {OWN}/sales/swaig, (or {BASE}/x.) And <{BASE}/billing>!"


@pytest.mark.parametrize("escape", ['"', "\\", "\n", "\t", " ", "é", "\u2028", "#x"])
def test_json_stays_json_whatever_follows(escape: str) -> None:
    value = {"a": f"{KNOWN}/sales/swaig{escape}more", "b": [f"{PLAIN}/sales?q=1{escape}"]}
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        found: dict[str, Any] = json.loads(rewritten(text))
        assert (
            found["a"].startswith(f"{BASE}/sales/swaig" if escape == "é" else f"{OWN}/sales/swaig") or OWN in found["a"]
        )
        assert found["a"].endswith(f"{escape}more")
        assert found["b"][0].endswith(f"q=1{escape}")


def test_the_versions_mark_goes_to_what_a_call_comes_back_to_from_the_second_version_on() -> None:
    assert "__version" not in rewritten(f"{KNOWN}/sales/swaig/", version=1)
    assert rewritten(f"{KNOWN}/sales/swaig/", version=2) == f"{OWN}/sales/swaig/?__version=2"
    assert rewritten(f"{KNOWN}/sales/swaig?a=b", version=12) == f"{OWN}/sales/swaig?a=b&__version=12"
    assert rewritten(f"{KNOWN}/sales/post_prompt/?__token=t", version=2).endswith("?__token=t&__version=2")
    for unmarked in (f"{KNOWN}/sales", f"{KNOWN}/sales/", f"{KNOWN}/billing/swaig", f"{PLAIN}/sales/logo.png"):
        assert "__version" not in rewritten(unmarked, version=2)


def test_an_agent_at_the_root() -> None:
    assert rewritten(f"{KNOWN}/swaig/", route="/") == f"{OWN}/swaig/"
    assert rewritten(f"{KNOWN}/swaig/", route="/", version=3) == f"{OWN}/swaig/?__version=3"
    assert rewritten(KNOWN, route="/") == OWN
    assert rewritten(f"{KNOWN}/billing", route="/") == OTHERS["/billing"]


def test_an_agent_inside_anothers_route_is_that_other_one() -> None:
    assert rewritten(f"{KNOWN}/sales/night") == OTHERS["/sales/night"]


def test_an_agent_that_is_asked_at_its_second_route_stays_there() -> None:
    assert rewritten(f"{KNOWN}/sales/swaig/", asked="/second") == f"{OWN}/second/swaig/"


def test_an_url_without_credentials_has_the_route_that_was_asked() -> None:
    """The route that the host knows may be gone meanwhile."""
    assert rewritten(f"{PLAIN}/sales/logo.png", asked="/shop") == f"{BASE}/shop/logo.png"
