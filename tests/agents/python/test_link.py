"""What a worker makes of what its hosts send, also of what no host of ours would send."""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest

from agents.python.link import HostGone, Link, Reply
from agents.python.zygote import framed

IGNORED: Any = lambda *_: None  # noqa: E731


class Transport:
    """Keeps what was done with it."""

    aborted = False

    def write(self, data: bytes) -> None:
        """Nobody reads it."""

    def abort(self) -> None:
        """Note it."""
        self.aborted = True


@pytest.fixture
def transport() -> Transport:
    """Where a link writes to."""
    return Transport()


@pytest.fixture
def link(transport: Transport) -> Iterator[Link]:
    """A link to a host that does nothing by itself."""
    made = Link(IGNORED, IGNORED, IGNORED)
    os.close(made.open())
    made.connection_made(transport)  # type: ignore[arg-type]
    yield made
    made.close()


async def test_an_answer_reaches_whoever_asked(link: Link, transport: Transport) -> None:
    """With its status and body."""
    asked = link.ask({"m": "GET"}, b"", 1, changes=False)
    link.data_received(framed({"i": link.number, "s": 200}, b"body"))
    assert await asked == Reply(200, b"body")
    assert not transport.aborted


@pytest.mark.parametrize(
    "sent",
    [
        {"i": 1},
        {"i": 1, "s": None},
        {"i": 1, "s": "good"},
        {"i": [1], "s": 200},
    ],
)
async def test_what_is_no_answer_ends_the_connection_and_leaves_nobody_waiting(
    link: Link, transport: Transport, sent: dict[str, Any]
) -> None:
    """Whoever asked hears that the host is gone, once it is."""
    asked = link.ask({"m": "POST"}, b"", 1, changes=True)
    link.data_received(framed(sent))
    assert transport.aborted
    link.give_up("ended")
    with pytest.raises(HostGone):
        await asyncio.wait_for(asked, 1)


def test_what_is_closed_leaves_no_descriptor(link: Link) -> None:
    """The memory that was shared has one, which must not wait for the garbage collector."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    link.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1  # noqa: PTH208


def test_a_link_that_never_was_connected_can_be_closed() -> None:
    """Its host may have ended before."""
    Link(IGNORED, IGNORED, IGNORED).close()
