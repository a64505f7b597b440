"""What of a body comes to Django: not more than it may have, and not later."""

import asyncio
from typing import Any

import pytest
from django.conf import settings

from config.asgi import declared, limited, most_of
from config.background import http_settings
from registry.fleet.document import UPLOAD_BYTES
from registry.routing.http import BODY_SECONDS


def receiving(*parts: "bytes | float") -> Any:
    """A client that sends these parts, and waits so many seconds in between; then it leaves."""
    waiting = list(parts)

    async def receive() -> dict[str, Any]:
        if waiting and isinstance(waiting[0], float):
            await asyncio.sleep(waiting.pop(0))  # type: ignore[arg-type]
        if not waiting:
            return {"type": "http.disconnect"}
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    return receive


async def all_of(receive: Any) -> list[Any]:
    got = []
    while True:
        message = await receive()
        got.append(message.get("body"))
        if not message.get("more_body"):
            return got


async def test_a_body_within_its_limit_comes_whole() -> None:
    assert await all_of(limited(receiving(b"ab", b"cd"), 4)) == [b"ab", b"cd"]


async def test_of_a_larger_one_nothing_more_comes() -> None:
    assert await all_of(limited(receiving(b"ab", b"cd", b"ef"), 3)) == [b"ab", None]


async def test_a_slow_one_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.asgi.BODY_SECONDS", 0.05)
    assert await all_of(limited(receiving(b"ab", 5.0, b"cd"), 100)) == [b"ab", None]


async def test_once_it_has_come_the_clients_leaving_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.asgi.BODY_SECONDS", 0.05)
    receive = limited(receiving(b"ab", 0.2), 100)
    assert (await receive())["body"] == b"ab"
    assert (await receive())["type"] == "http.disconnect"


@pytest.mark.parametrize(("text", "size"), [(b"12", 12), (b"", 0), (b"-1", 0), (b"x", 0), (b"9" * 30, 0)])
def test_the_declared_length(text: bytes, size: int) -> None:
    assert declared({"headers": [(b"content-length", text)]}) == size


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/dashboard/agents/sales/definition/edit/", settings.MAX_BODY_BYTES),
        ("/dashboard/register/", settings.MAX_BODY_BYTES),
        ("/dashboard/register/check/", settings.MAX_BODY_BYTES),
        ("/dashboard/register/x/done/", 64 * 1024),
        ("/dashboard/agents/sales/definition/check/", settings.MAX_BODY_BYTES),
        ("/dashboard/agents/sales/definition/theirs/", settings.MAX_BODY_BYTES),
        ("/dashboard/agents/sales/routes/restore/", settings.MAX_BODY_BYTES),
        ("/dashboard/routing/routes/restore/", settings.MAX_BODY_BYTES),
        ("/dashboard/agents/sales/definition/discard/", 64 * 1024),
        ("/dashboard/agents/sales/x/definition/edit/", 64 * 1024),
        ("/dashboard/sign-in/", 64 * 1024),
        ("/api/v1/apply", UPLOAD_BYTES),
        ("/dashboard/settings/apply/plan/", UPLOAD_BYTES),
        ("/dashboard/settings/apply/", 64 * 1024),
        ("/dashboard/settings/tokens/new/", 64 * 1024),
        ("/api/v1/decide", settings.MAX_BODY_BYTES),
        ("/ws/page", 0),
    ],
)
def test_only_where_definitions_fleets_and_removed_routes_come_in_a_body_may_be_large(path: str, most: int) -> None:
    assert most_of(path, path[1:].partition("/")[0]) == most


def test_what_an_operator_sets_is_what_requests_are_held_to(settings: Any) -> None:
    settings.MAX_BODY_BYTES, settings.SWML_SSL_ENABLED = 5, True
    http = http_settings()
    assert (http.body_bytes, http.body_seconds) == (5, BODY_SECONDS)
    assert b"strict-transport-security" in dict(http.json_headers)
    settings.SWML_SSL_ENABLED = False
    assert b"strict-transport-security" not in dict(http_settings().json_headers)
