"""A team answers whatever happens to its hosts: it waits, asks another one, starts them ever more slowly."""

import asyncio
import mmap
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from agents.python import link, team
from agents.python.launch import HostLimits
from agents.python.link import HostGone, TooLate
from agents.python.switchboard_host.frames import BEGUN, SLOTS, Frames, Head
from agents.python.team import Team, Unavailable
from agents.python.turns import Turns
from agents.python.zygote import framed, in_words

READY = {"ready": True, "code": "c"}


class FakeHost:
    """The other end of a host's socket, in this process."""

    def __init__(self, sock: socket.socket, memory: int, ended: Callable[[str], None]):
        self.sock = sock
        self.memory = os.dup(memory)
        self.begun = mmap.mmap(self.memory, SLOTS)
        self.ended = ended
        self.asked: list[Head] = []
        self.frames = Frames(lambda head, _body: self.asked.append(head))
        sock.setblocking(False)

    def say(self, head: Mapping[str, Any], body: bytes = b"") -> None:
        """A message to the worker."""
        self.sock.send(framed(head, body))

    async def next_request(self) -> Head:
        """What it is asked next."""
        while not self.asked:
            self.frames.feed(await asyncio.get_running_loop().sock_recv(self.sock, 65536))
        return self.asked.pop(0)

    async def answer(self, text: bytes = b"{}") -> None:
        """Answer what comes next."""
        self.say({"i": (await self.next_request())["i"], "s": 200}, text)

    def end(self, how: str = "was killed by SIGKILL") -> None:
        """Be no more."""
        if self.sock.fileno() >= 0:
            self.sock.close()
            self.begun.close()
            os.close(self.memory)
            self.ended(how)


class FakeZygote:
    """Has hosts at once. `first`: what they say first."""

    def __init__(self, first: Mapping[str, Any] | None = READY):
        self.first = first
        self.hosts: list[FakeHost] = []
        self.turns = Turns()
        self.made = asyncio.Event()

    def fork(self, _order: Any, memory: int, started: Callable[[int], None], ended: Callable[[str], None]) -> Any:
        ours, its = socket.socketpair()
        ours.setblocking(False)
        host = FakeHost(its, memory, ended)
        self.hosts.append(host)
        started(0)  # no process that could be killed
        if self.first is not None:
            host.say(self.first)
        self.made.set()
        return ours

    async def host(self, number: int) -> FakeHost:
        """The host of this number, once it is there."""
        while len(self.hosts) <= number:
            self.made.clear()
            await self.made.wait()
        return self.hosts[number]


Make = Callable[..., Team]


@pytest.fixture
async def made() -> AsyncIterator[Make]:
    """Makes teams that have been started, and ends all that is left of them."""
    teams: list[tuple[Team, FakeZygote]] = []

    def make(zygote: FakeZygote, **limits: Any) -> Team:
        teams.append((Team("sales", 1, {}, zygote, HostLimits(**limits), "c"), zygote))  # type: ignore[arg-type]
        teams[-1][0].start()
        return teams[-1][0]

    yield make
    for each, zygote in teams:
        each.close()
        if each.starting is not None:
            await each.starting
        for host in zygote.hosts:
            host.end()
    await asyncio.sleep(0.05)  # sockets are closed a little later


def asked(of: Team, *, changes: bool = True, seconds: float = 20) -> "asyncio.Task[Any]":
    """A question that waits for its answer."""
    return asyncio.create_task(of.ask({"m": "POST"}, b"", seconds, changes=changes))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would take seconds takes none."""
    monkeypatch.setattr(team, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(team, "SLOT_SECONDS", 0.01)
    monkeypatch.setattr("agents.python.host.WORDS_SECONDS", 0.01)


async def test_a_host_answers_in_any_order(made: Make) -> None:
    zygote = FakeZygote()
    sales = made(zygote)
    first, second = asked(sales), asked(sales)
    host = await zygote.host(0)
    numbers = [(await host.next_request())["i"] for _ in range(2)]
    for number in reversed(numbers):
        host.say({"i": number, "s": 200, "d": f"d{number}"}, b"body")
    assert [(await each).detail for each in (first, second)] == [f"d{number}" for number in numbers]
    assert sales.trouble() is None


async def test_what_a_dead_host_had_begun_is_lost_and_the_rest_is_asked_again(made: Make) -> None:
    zygote = FakeZygote()
    sales = made(zygote)
    begun, waiting, harmless = asked(sales), asked(sales), asked(sales, changes=False)
    host = await zygote.host(0)
    requests = [await host.next_request() for _ in range(3)]
    host.begun[requests[0]["b"]] = BEGUN
    assert "b" not in requests[2], "a document changes nothing"
    host.end()
    other = await zygote.host(1)
    for _ in range(2):
        await other.answer(b"again")
    assert [(await each).body for each in (waiting, harmless)] == [b"again", b"again"]
    with pytest.raises(HostGone, match="was killed by SIGKILL"):
        await begun
    trouble = sales.trouble()
    assert trouble is not None
    assert (trouble.state, trouble.detail) == ("shaky", "its host was killed by SIGKILL")
    sales.died_at -= team.SHAKY_SECONDS
    assert sales.trouble() is None, "a while later"


async def test_hosts_that_die_young_are_started_ever_more_slowly(made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team, "FIRST_PAUSE_SECONDS", 0.1)
    zygote = FakeZygote()
    sales = made(zygote)
    await zygote.host(0)
    host = sales.host
    assert host is not None
    question = asked(sales)
    await zygote.hosts[0].answer()
    await question
    pauses = []
    for _ in range(12):
        sales.note_end(host, "died")
        assert sales.restart is not None
        sales.restart.cancel()
        pauses.append(sales.pause)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30]
    sales.host = None
    sales.leaving.append(host)
    with pytest.raises(Unavailable, match="the agent's host is gone"):
        await asyncio.wait_for(asked(sales), 2)
    host.started = time.monotonic() - team.LIVED_SECONDS
    sales.note_end(host, "died")
    assert sales.pause == 0, "one that lived long is replaced at once"


async def test_an_agent_that_cannot_be_built_is_down_until_it_can(made: Make) -> None:
    zygote = FakeZygote({"failed": "it cannot be built: ValueError: no key"})
    sales = made(zygote)
    (await zygote.host(0)).end("ended with exit code 1")
    await zygote.host(1)
    trouble = sales.trouble()
    assert trouble is not None
    assert trouble.state == "down"
    assert trouble.detail == "the agent cannot be started: it cannot be built: ValueError: no key"
    zygote.hosts[1].end("ended with exit code 1")
    await zygote.host(2)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="cannot be built: ValueError"):
        await asked(sales)
    assert time.monotonic() - began < team.WAIT_SECONDS - 1, "nobody waits for what has failed again and again"
    zygote.first = READY
    zygote.hosts[2].end("ended with exit code 1")
    host = await zygote.host(3)
    await until(lambda: sales.host is not None and sales.host.ready)
    question = asked(sales)
    await host.answer()
    assert (await question).status == 200
    again = sales.trouble()
    assert again is None or again.state == "shaky"


async def test_more_than_so_many_requests_at_once_are_refused(made: Make) -> None:
    zygote = FakeZygote()
    sales = made(zygote, running=2)
    running = [asked(sales), asked(sales)]
    host = await zygote.host(0)
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="2 requests of this agent are running already"):
        await asked(sales)
    for _ in running:
        await host.answer()
    await asyncio.gather(*running)
    question = asked(sales)
    await host.answer()
    assert (await question).status == 200


async def test_a_request_whose_time_is_up_costs_the_host_its_place(made: Make) -> None:
    zygote = FakeZygote()
    sales = made(zygote)
    slow, other = asked(sales, seconds=0), asked(sales)
    host = await zygote.host(0)
    requests = [await host.next_request() for _ in range(2)]
    sales.look(time.monotonic() + 0.01)
    with pytest.raises(TooLate):
        await slow
    assert sales.died == "its host timed out"
    assert sales.host is None
    assert len(sales.leaving) == 1
    host.say({"i": requests[1]["i"], "s": 200}, b"late but good")
    assert (await other).body == b"late but good"
    question = asked(sales)
    await (await zygote.host(1)).answer(b"new")
    assert (await question).body == b"new"


async def test_a_host_that_hears_nothing_is_left_and_what_it_has_not_begun_asked_elsewhere(
    made: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "STALE_SECONDS", 0)
    zygote = FakeZygote()
    sales = made(zygote)
    begun, waiting = asked(sales), asked(sales)
    host = await zygote.host(0)
    host.begun[(await host.next_request())["b"]] = BEGUN
    await host.next_request()
    now = time.monotonic()
    sales.look(now + team.PING_SECONDS + 0.1)
    assert await host.next_request() == {"i": 0}, "whether it hears"
    sales.look(now + team.PING_SECONDS + team.DEAF_SECONDS + 0.2)
    await (await zygote.host(1)).answer(b"elsewhere")
    assert (await waiting).body == b"elsewhere"
    assert not begun.done(), "it may still be answered"
    host.say({"i": 1, "s": 200}, b"at last")
    assert (await begun).body == b"at last"


async def test_a_host_that_answers_late_to_the_ping_is_no_deaf_one(made: Make) -> None:
    zygote = FakeZygote()
    sales = made(zygote)
    question = asked(sales)
    host = await zygote.host(0)
    number = (await host.next_request())["i"]
    now = time.monotonic()
    sales.look(now + team.PING_SECONDS + 0.1)
    host.say(await host.next_request())
    host.say({"i": number, "s": 200})
    await question
    sales.look(now + team.PING_SECONDS + team.DEAF_SECONDS + 0.2)
    assert sales.host is not None


async def until(condition: Callable[[], bool]) -> None:
    """Let others go on until it holds."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to that")


async def made_way(sales: Team) -> None:
    """Its host has used a processor for long."""
    await until(lambda: sales.host is not None and sales.host.ready)
    assert sales.host is not None
    sales.host.hog.made_way = True


async def test_a_host_that_made_way_is_asked_until_its_successor_is_ready(made: Make) -> None:
    zygote = FakeZygote()
    sales = made(zygote)
    await made_way(sales)
    now = time.monotonic()
    sales.look(now + team.SUCCESSION_SECONDS / 2)
    assert len(zygote.hosts) == 1, "it is young"
    zygote.first = None  # the successor takes its time
    sales.look(now + team.SUCCESSION_SECONDS + 1)
    sales.look(now + 3 * team.SUCCESSION_SECONDS)
    successor = await zygote.host(1)
    first, second = asked(sales), asked(sales)
    await zygote.hosts[0].answer(b"old")
    assert (await first).body == b"old"
    successor.say(READY)
    await until(lambda: sales.successor is None)
    question = asked(sales)
    await successor.answer(b"new")
    assert (await question).body == b"new"
    await zygote.hosts[0].answer(b"finished")
    assert (await second).body == b"finished"
    zygote.hosts[0].end()
    assert sales.leaving == []
    assert sales.trouble() is None, "nothing is wrong with it"
    assert len(zygote.hosts) == 2


@pytest.mark.parametrize("first", [{"failed": "raised ImportError"}, {"ready": True, "code": "other"}])
async def test_a_successor_that_cannot_be_one_changes_nothing(made: Make, first: Head) -> None:
    zygote = FakeZygote()
    sales = made(zygote)
    await made_way(sales)
    zygote.first = first
    now = time.monotonic() + team.SUCCESSION_SECONDS + 1
    sales.look(now)
    await zygote.host(1)
    await until(lambda: sales.successor is not None and bool(sales.successor.why or sales.successor.kill_at == 0))
    zygote.hosts[1].end()
    await until(lambda: sales.successor is None)
    sales.look(now + 1)
    await asyncio.sleep(0.01)
    assert len(zygote.hosts) == 2, "it is not tried again at once"
    sales.look(now + team.SUCCESSION_SECONDS + 1)
    await zygote.host(2)
    question = asked(sales)
    await zygote.hosts[0].answer(b"still")
    assert (await question).body == b"still"
    assert sales.trouble() is None


async def test_what_takes_long_to_make_is_replaced_seldom(made: Make) -> None:
    zygote = FakeZygote()
    sales = made(zygote)
    await made_way(sales)
    assert sales.host is not None
    assert 0 < sales.host.built_in < 5
    sales.host.built_in = 5
    now = time.monotonic()
    sales.look(now + 5 * team.SUCCESSION_TIMES - 1)
    assert sales.successor is None
    sales.look(now + 5 * team.SUCCESSION_TIMES + 1)
    assert sales.successor is not None
    await zygote.host(1)


async def test_a_closed_team_ends_its_successor_too(made: Make) -> None:
    zygote = FakeZygote()
    sales = made(zygote)
    await made_way(sales)
    sales.look(time.monotonic() + team.SUCCESSION_SECONDS + 1)
    await zygote.host(1)
    sales.close()
    assert (sales.host, sales.successor, len(sales.leaving)) == (None, None, 2)


async def test_garbage_ends_the_connection(made: Make) -> None:
    zygote = FakeZygote()
    sales = made(zygote)
    question = asked(sales, changes=False)
    host = await zygote.host(0)
    await host.next_request()
    host.sock.send(b"\xff" * 100)
    await (await zygote.host(1)).answer(b"another")
    assert (await question).body == b"another"


async def test_a_closed_team_takes_nothing_more_but_finishes(made: Make) -> None:
    zygote = FakeZygote()
    sales = made(zygote)
    question = asked(sales)
    host = await zygote.host(0)
    number = (await host.next_request())["i"]
    sales.close()
    with pytest.raises(Unavailable):
        await asked(sales)
    host.say({"i": number, "s": 200}, b"finished")
    assert (await question).body == b"finished"
    host.end("ended with exit code 0")
    assert sales.leaving == []
    assert len(zygote.hosts) == 1, "no other one is started"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "ended with exit code 0"),
        (7 << 8, "ended with exit code 7"),
        (9, "was killed by SIGKILL"),
        (40, "was killed by "),
    ],
)
def test_how_a_process_ended_is_said_in_words(status: int, words: str) -> None:
    assert in_words(status).startswith(words)
