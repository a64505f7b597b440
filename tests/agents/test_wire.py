"""A request to an agent is made in one way."""

import re
from pathlib import Path

import pytest

from agents.wire import FixedUrls, Onward, Sent, request_to
from tests.agents.building import URLS, NoWebhooks, request

ROOT = Path(__file__).parents[2]
CALL = re.compile(r"(?<!class )\bAgentRequest(?:\(|\._make)|tuple\.__new__\(AgentRequest")


def test_one_builder_makes_all_requests() -> None:
    folders = ("agents", "registry", "dashboard", "config", "tests", "benchmarks")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)]
    assert [path.name for path in files if CALL.search(path.read_text())] == ["wire.py"]


def test_its_parts_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        request_to("sales", now=0, sent=Sent(), urls=URLS, onward=Onward(NoWebhooks()))  # type: ignore[misc]


def test_a_request_cannot_be_changed_but_a_copy_can() -> None:
    asked = request("swaig", "POST", {"function": "f"}, raw=b"{}")
    with pytest.raises(AttributeError):
        asked.call_id = "C8"  # type: ignore[misc]
    other = asked._replace(call_id="C8", sent=asked.sent._replace(raw=b"[]"))
    assert (asked.call_id, asked.sent.raw, other.call_id, other.sent.raw) == ("C7", b"{}", "C8", b"[]")
    assert other.body is asked.body


@pytest.mark.parametrize(
    ("sub_path", "method", "expected"),
    [("sip", "POST", ("", "POST")), ("", "HEAD", ("", "GET")), ("swaig", "POST", ("swaig", "POST"))],
)
def test_the_sip_sub_path_is_the_document_and_head_is_get(
    sub_path: str, method: str, expected: tuple[str, str]
) -> None:
    asked = request(sub_path, method)
    assert (asked.sub_path, asked.method) == expected


def test_whoever_knows_no_routes_leads_nowhere() -> None:
    urls = FixedUrls(b"http://h/sales", b"http://h")
    assert (urls.of("sales"), urls.at("/sales")) == (None, None)
