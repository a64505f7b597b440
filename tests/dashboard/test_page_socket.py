"""The live connection of a page: rows as HTML in a zone, and the revision that is served."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from channels.testing import WebsocketCommunicator

from dashboard.consumers import PageConsumer
from dashboard.watchers import Watched
from registry.log.tail import Live
from registry.routing.table import RoutingTable, Tables
from tests.registry.log.test_consumers import live, session
from tests.registry.log.test_cursor import Connection, connected, insert

__all__ = ["connected", "live", "session"]  # fixtures


class Stage:
    """Of registry.rehearsal.stage.Stage what a page's socket asks for."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.tables.current = RoutingTable(revision=7)


def socket(live: Live, session: str, stage: Stage, **query: Any) -> WebsocketCommunicator:
    headers = [(b"origin", b"http://localhost"), (b"cookie", f"sessionid={session}".encode())]
    made = WebsocketCommunicator(Watched(PageConsumer.as_asgi()), f"/ws/page?{urlencode(query)}", headers=headers)
    made.scope |= {"live": live, "stage": stage}
    return made


def test_rows_come_as_html_in_the_zone_and_the_cursor_beside_them(
    live: Live, session: str, connected: Callable[[], Connection]
) -> None:
    writer = connected()

    async def watch(zone: str) -> tuple[str, dict[str, Any]]:
        viewer = socket(live, session, Stage(), rows=1, recent=5, tz=zone)
        await viewer.connect(5)
        html = await viewer.receive_from(5)
        told = json.loads(await viewer.receive_from(5))
        await viewer.disconnect()
        return html, told

    made = insert(writer)
    html, told = asyncio.run(watch("UTC"))
    assert html.startswith('<tbody hx-swap-oob="beforeend:#log-arrived">')
    assert f'id="event-{made}"' in html
    assert (told["type"], told["events"], bool(told["cursor"])) == ("events", [], True)
    elsewhere, _ = asyncio.run(watch("Asia/Kathmandu"))
    clocks = [re.search(r"\d\d:(\d\d):\d\d\.\d{3}", text) for text in (html, elsewhere)]
    assert clocks[0]
    assert clocks[1]
    assert (int(clocks[1][1]) - int(clocks[0][1])) % 60 == 45  # 5:45 ahead


def test_a_page_hears_of_another_revision_but_not_of_the_one_it_came_with(live: Live, session: str) -> None:
    async def watch(**query: Any) -> dict[str, Any]:
        stage = Stage()
        viewer = socket(live, session, stage, rate=0, **query)
        await viewer.connect(5)
        assert json.loads(await viewer.receive_from(5))["type"] == "events"
        assert await viewer.receive_nothing(0.1)
        assert stage.tables.current is not None
        stage.tables.current = replace(stage.tables.current, revision=8)
        told: dict[str, Any] = json.loads(await viewer.receive_from(5))
        await viewer.disconnect()
        return told

    assert asyncio.run(watch()) == {"type": "revision", "revision": 8}
    assert asyncio.run(watch(revision=7)) == {"type": "revision", "revision": 8}


def test_a_page_that_is_older_than_what_is_served_hears_so_at_once(live: Live, session: str) -> None:
    async def watch() -> set[str]:
        viewer = socket(live, session, Stage(), rate=0, revision=6)
        await viewer.connect(5)
        told = [json.loads(await viewer.receive_from(5)) for _ in range(2)]
        await viewer.disconnect()
        return {message["type"] for message in told}

    assert asyncio.run(watch()) == {"revision", "events"}
