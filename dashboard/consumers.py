"""The live log's socket, /ws/events, for people and scripts that may see the log."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import orjson
import psycopg
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error, connection

from dashboard.log.rows import rows_of
from dashboard.watchers import Refusal, first_refusal, refusal
from dashboard.zones import known
from registry.log.cursor import Cursor, read_since
from registry.log.filters import Filter, FilterError
from registry.log.live import News, Viewer
from registry.log.tail import Live

logger = logging.getLogger(__name__)
SEND_SECONDS = 0.1  # between two messages: what comes meanwhile goes together
LOOK_SECONDS = 1  # how soon a viewer hears that the database is away, or back
BEAT_SECONDS = 10  # without news; the page shows how old its last one is
RECHECK_SECONDS = 5  # whether the viewer may still watch: about two small queries each time
RETRY_SECONDS = 1
REVISION_SECONDS = 0.5  # how soon a page hears that its worker serves another revision
RATE = 20  # rows a second that a viewer is shown one by one; people read no more, the rest is counted
REPLAY_ROWS = 1000  # that a viewer who comes back is shown; of more it is told how many it missed
MAX_RATE = 1000  # rows a second that a viewer may ask for
MAX_RECENT = 1000


class EventsConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """One viewer. Query: `filter`, `cursor` (of the last message), `recent` (rows to begin with), `rate` (rows/s).

    Sends `{"type": "events", "events": […], "folded"?, "between"?, "missed"?, "cursor"}`, `{"type": "beat", "cursor"}`,
    `{"type": "away"}` while the database is, `{"type": "error", "message"}`. A cursor that comes back in the next
    connection, to any worker of any replica, leaves no hole and shows nothing twice.
    """

    async def connect(self) -> None:
        """Take the viewer in, if it may watch."""
        self.tasks: list[asyncio.Task[None]] = []
        refused = await first_refusal(self.scope)
        await self.accept()  # a socket that is closed before has no code that the other side could see
        if refused:
            await self.turn_away(refused)
            return
        query = {name: values[-1] for name, values in parse_qs(self.scope["query_string"].decode("latin-1")).items()}
        try:
            wanted = Filter.parse(query.get("filter", ""))
            rate = number(query.get("rate", str(RATE)), "rate", MAX_RATE)
            recent = number(query.get("recent", "0"), "recent", MAX_RECENT)
        except ValueError as error:
            await self.say(type="error", message=str(error))
            await self.close()
            return
        live: Live = self.scope["live"]
        self.viewer = Viewer(wanted, rate)
        self.tasks = [asyncio.create_task(task) for task in self.work(live, query, recent)]

    def work(self, live: Live, query: dict[str, str], recent: int) -> list[Coroutine[Any, Any, None]]:
        """What is done as long as it watches."""
        return [self.follow(live, Cursor.parse(query.get("cursor", "")), recent), self.recheck()]

    async def disconnect(self, _code: int) -> None:
        """It left."""
        for task in self.tasks:
            task.cancel()

    async def follow(self, live: Live, since: Cursor | None, recent: int) -> None:
        """Join, show what was missed, then send what is new, a few times a second."""
        viewer = self.viewer
        live.hub.join(viewer)
        try:
            await self.catch_up(live, since, recent)
            quiet, away = 0.0, False
            while True:
                try:
                    async with asyncio.timeout(LOOK_SECONDS):  # wait_for would swallow a cancel that comes with news
                        await viewer.waiting.wait()
                except TimeoutError:
                    quiet, before, away = quiet + LOOK_SECONDS, away, bool(live.tail.last_error)
                    # A cursor must not overtake the rows that wait.
                    if (quiet >= BEAT_SECONDS or away != before) and (away or not viewer.waiting.is_set()):
                        quiet = 0.0
                        await self.say(**self.sign_of_life(away))
                    continue
                quiet, away = 0.0, False
                await self.show(viewer.message())
                await asyncio.sleep(SEND_SECONDS)
        finally:
            live.hub.leave(viewer)

    def sign_of_life(self, away: bool) -> dict[str, Any]:
        """What is sent when nothing is new."""
        cursor = self.viewer.cursor
        return {"type": "away"} if away else {"type": "beat", "cursor": str(cursor) if cursor else None}

    async def catch_up(self, live: Live, since: Cursor | None, recent: int) -> None:
        """Read what it has not seen, however long the database is away."""
        limit = REPLAY_ROWS if since else recent
        told = False
        while True:
            live.tail.watch()
            try:
                # The tail must know where it is before we look: what is new after that, it brings.
                if not await asyncio.to_thread(live.tail.positioned.wait, RETRY_SECONDS):
                    raise Error(live.tail.last_error or "the log cannot be read")
                async with live.reading:
                    missed = await asyncio.to_thread(read_missed, self.viewer.wanted, since, limit)
            except (Error, psycopg.Error, OSError):
                if not told:
                    await self.say(type="away")
                    told = True
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.viewer.caught_up(missed)
                self.viewer.waiting.set()  # a first message in any case: it has the cursor
                return

    async def show(self, message: bytes) -> None:
        """Send what is new."""
        await self.send(text_data=message.decode())

    async def recheck(self) -> None:
        """Close when the session ends, the role is taken away, or the token revoked."""
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            with contextlib.suppress(Error, psycopg.Error):  # the database being away signs nobody out
                refused = await refusal(self.scope)
                if refused:
                    await self.turn_away(refused)
                    return

    async def turn_away(self, refused: Refusal) -> None:
        """Close, saying why. When the server ends, uvicorn closes with 1012, service restart."""
        for task in self.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await self.close(refused.code, reason=refused.reason)

    async def say(self, **message: Any) -> None:
        """Send a small message."""
        await self.send(text_data=orjson.dumps(message).decode())


class PageConsumer(EventsConsumer):
    """The live connection of a page, /ws/page: as /ws/events, and it says which revision is served here.

    `revision`: the one that the page was made with; a later one is told at once. With `rows=1` events come as HTML,
    the rows of the live log in the zone `tz`, for htmx to put into the page; the message without them follows. Rows
    are rendered in a thread, once for everybody who sees them in that zone.
    """

    def work(self, live: Live, query: dict[str, str], recent: int) -> list[Coroutine[Any, Any, None]]:
        """Look for changes of the registry besides."""
        self.zone = ZoneInfo(zone) if (zone := query.get("tz", "")) in known() else None
        self.as_html = query.get("rows") == "1"
        text = query.get("revision", "")
        told = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
        return [*super().work(live, query, recent), self.tell_revisions(told)]

    async def tell_revisions(self, told: int | None) -> None:
        """Say it when this process serves a later revision: the page then asks for what it shows of the registry."""
        while True:
            table = self.scope["stage"].tables.current
            if table is not None and (told is None or table.revision > told):
                if told is not None:
                    await self.say(type="revision", revision=table.revision)
                told = table.revision
            await asyncio.sleep(REVISION_SECONDS)

    async def show(self, message: bytes) -> None:
        """Events as rows, oldest first; what was counted, and the cursor, as they are."""
        if self.as_html:
            told = orjson.loads(message)
            if told["events"]:
                rows = await asyncio.to_thread(rows_of, told.pop("events"), self.zone)
                await self.send(text_data=f'<tbody hx-swap-oob="beforeend:#log-arrived">{rows}</tbody>')
            message = orjson.dumps({**told, "events": []})
        await super().show(message)


def number(text: str, name: str, most: int) -> int:
    """A whole number between 0 and `most`; `FilterError` otherwise."""
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) > most:
        raise FilterError(f"{name} must be a whole number up to {most}")
    return int(text)


def read_missed(wanted: Filter, since: Cursor | None, limit: int) -> News:
    """What a viewer has not seen, its rows made: a long filter over many events would hold up the event loop."""
    try:
        connection.ensure_connection()
        read = read_since(connection.connection, since, limit)
    finally:
        connection.close()  # it belongs to a thread that may not come again
    news = News(read.events, read.cursor, {}, read.missed)
    news.of(wanted)
    return news
