"""The wire contract, replayed against a running server with two workers."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.server import Server

CONTRACT = yaml.safe_load(Path(__file__).with_name("contract.yaml").read_text())
ROUTES = {"booking-desk": "/clinic/booking", "pharmacy": "/pharmacy", "info-line": "/info"}
TOKEN = r"\?__token=[0-9a-f]{48}$"


@pytest.mark.parametrize("case", CONTRACT["cases"], ids=lambda case: case["name"])
def test_the_platform_gets_the_answer_it_relies_on(case: dict[str, Any], fleet_server: Server) -> None:
    holds(case, fleet_server)


@pytest.mark.parametrize("case", CONTRACT["cases"], ids=lambda case: case["name"])
def test_so_it_is_by_asgi(case: dict[str, Any], fleet_server_by_asgi: Server) -> None:
    holds(case, fleet_server_by_asgi)


def holds(case: dict[str, Any], server: Server) -> None:
    """Send a case, and see that the answer is as it says."""
    method, path = case["send"].split(" ")
    if about := case.get("token"):
        path = path.replace("{token}", token(server, **about))
    raw = case["raw"].encode() if "raw" in case else None
    response = server.request(
        method, path, case.get("json"), auth=case.get("auth", "u:p"), headers=case.get("headers"), raw=raw
    )
    assert response.status == case["status"]
    for name, value in case.get("answer_headers", {}).items():
        assert response.headers[name] == value
    if "document" in case:
        name = case["document"]
        assert_contains(response.json, CONTRACT["documents"][name], urls_of(server, ROUTES[name]))
    if "answer" in case:
        assert_contains(response.json, case["answer"], {})


def token(server: Server, agent: str, function: str = "", post_prompt: bool = False) -> str:
    """A token for call C7, out of a document."""
    ai = server.get(f"{agent}?call_id=C7").ai
    url = ai["post_prompt_url"] if post_prompt else ai["SWAIG"]["functions"][0]["web_hook_url"]
    assert post_prompt or ai["SWAIG"]["functions"][0]["function"] == function
    return url.partition("__token=")[2]


def urls_of(server: Server, route: str) -> dict[str, str]:
    """The placeholders of documents as patterns: always the registered route, always the address that was asked."""
    own = re.escape(f"http://u:p@127.0.0.1:{server.port}{route}")
    return {
        "<function_url>": f"{own}/swaig/{TOKEN}",
        "<defaults_url>": f"{own}/swaig/{TOKEN}",
        "<post_prompt_url>": f"{own}/post_prompt/{TOKEN}",
    }


def assert_contains(actual: Any, expected: Any, patterns: dict[str, str], where: str = "$") -> None:
    """`expected` is in `actual`: objects as subsets, lists item by item, placeholders as patterns."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict), where
        for key, value in expected.items():
            assert key in actual, f"{where}.{key}"
            assert_contains(actual[key], value, patterns, f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(actual, list), where
        assert len(actual) == len(expected), where
        for index, value in enumerate(expected):
            assert_contains(actual[index], value, patterns, f"{where}[{index}]")
    elif expected in patterns:
        assert re.match(patterns[expected], actual), f"{where}: {actual}"
    else:
        assert actual == expected, where
