"""Python agents that do their worst: their own host ends, nobody else notices, and the agent answers again."""

import contextlib
import http.client
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.hosting import (
    SAFE,
    act,
    alive,
    done,
    folder_of_agents,
    functions,
    is_host,
    processes_of,
    registering,
    serving,
    wait_for,
    workers_of,
)
from tests.e2e.server import Server, database_url

SECONDS = 6  # that an agent has for a request here
# What the row of each says. Each is an agent of its own, for one that fails again is started ever more slowly.
ENDS = {
    "sleep": f"did not answer within {SECONDS} seconds",
    "block": f"did not answer within {SECONDS} seconds",
    "loop": f"did not answer within {SECONDS} seconds",
    "loop-inside": f"did not answer within {SECONDS} seconds",
    "recurse": "RecursionError",
    "exit": "sys.exit(3)",
    "exit-inside": "sys.exit(4)",
    "hard-exit": "ended with exit code 7",
    "eat": "MemoryError|did not answer within",  # where others need the machine, it takes its time
    "segfault": "was killed by SIGSEGV",
    "kill-itself": "was killed by SIGKILL",
    "close-all": "the agent's host",
    "write-garbage": "the agent's host",
    "cut-off": "the agent's host",
}
BY_ITSELF = tuple(ENDS)
LEAVE_IT_RUNNING = ("recurse", "exit", "exit-inside")  # only the answer is lost
OTHERS = ("counting", "dying", "document", "noisy")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker, so that every request meets the same hosts."""
    folder = tmp_path_factory.mktemp("horrors")
    agents = folder_of_agents(folder / "agents")
    harmful = [registering(name, f"/{name}", "sdk_agents:Horrors") for name in (*BY_ITSELF, *OTHERS)]
    with serving(
        database_url("e2e_horrors"),
        folder / "data",
        workers=1,
        example=True,
        AGENT_PATH=str(agents),
        AGENT_SECONDS=str(SECONDS),
        AGENT_DOCUMENT_SECONDS=str(SECONDS),
        AGENT_MEMORY_MB="512",
    ) as server:
        done(act(server, registering("steady", "/steady", "sdk_agents:Steady"), *harmful, once=True))
        wait_for(lambda: well(server, "steady"))
        yield server


class Others:
    """Everybody else, asked again and again; `failed` has what was not as it should be."""

    def __init__(self, server: Server, python: bool):
        self.server = server
        self.python = python
        self.stop = threading.Event()
        self.failed: list[Any] = []
        self.answered = 0

    def ask(self) -> None:
        """Once everybody."""
        paths = {"/sales": '"answer"', "/health": '"ok"', **({"/steady": "You are steady"} if self.python else {})}
        for path, text in paths.items():
            answer = self.server.get(path)
            if answer.status != 200 or text not in answer.text:
                self.failed.append((path, answer.status, answer.text[:200]))
            self.answered += 1
        if self.python and (said := functions(self.server, "/steady", "well")) != {"response": "well"}:
            self.failed.append(said)

    def run(self) -> None:
        """Until it is enough."""
        while not self.stop.is_set():
            try:
                self.ask()
            except Exception as error:  # noqa: BLE001
                self.failed.append(error)


@contextmanager
def others_asked(server: Server, *, python: bool = True) -> Iterator[None]:
    """Ask everybody else meanwhile, and see that all were answered. `python`: another Python agent, too."""
    others = Others(server, python)
    thread = threading.Thread(target=others.run)
    thread.start()
    try:
        yield
    finally:
        others.stop.set()
        thread.join()
    assert others.failed == []
    assert others.answered > 0


def well(server: Server, name: str) -> bool:
    return functions(server, f"/{name}", "well") == {"response": "well"}


def is_blocked(server: Server, name: str) -> bool:
    """Whether an agent's host hears nothing."""
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(well, server, name)
        try:
            return not asked.result(0.5)
        except TimeoutError:
            return True


def troubles(server: Server) -> dict[str, Any]:
    """What the worker tells of its agents."""
    return server.query("SELECT troubles FROM registry_worker")[0][0]


def event(server: Server, agent: str, call_id: str) -> dict[str, Any]:
    [row] = server.events(1, "agent = %s AND call_id = %s", agent, call_id)
    return row


def test_every_horror_ends_its_own_host_only(server: Server) -> None:
    with others_asked(server), ThreadPoolExecutor(len(ENDS)) as threads:
        calls = {
            name: threads.submit(functions, server, f"/{name}", name.replace("-", "_"), f"H-{name}") for name in ENDS
        }
        assert {name: call.result() for name, call in calls.items()} == dict.fromkeys(ENDS, SAFE)
        for name, words in ENDS.items():
            row = event(server, name, f"H-{name}")
            assert (row["outcome"], row["function"], row["status"]) == ("error", name.replace("-", "_"), 200)
            assert any(word in row["detail"] for word in words.split("|")), (name, row["detail"])
        in_trouble = set(ENDS) - set(LEAVE_IT_RUNNING)
        assert set(wait_for(lambda: in_trouble <= set(troubles(server)) and troubles(server))) == in_trouble
        for name in ENDS:
            wait_for(lambda name=name: well(server, name))
    assert "Traceback" in server.printed, "the server's log has the whole story"


def test_what_prints_forks_or_starts_threads_is_just_answered(server: Server) -> None:
    before = functions(server, "/noisy", "pid")
    assert functions(server, "/noisy", "shout") == {"response": "shouted"}
    assert functions(server, "/noisy", "threads") == {"response": "Function executed successfully"}
    assert functions(server, "/noisy", "pid") == before, "it is the same host"


def test_a_document_may_be_as_bad_as_a_function(server: Server) -> None:
    with others_asked(server):
        for horror, words in (("hard_exit", "exit code 7"), ("exit", "sys.exit(3)")):
            call_id = f"D-{horror}"
            answer = server.post("/document", {"horror": horror, "call": {"call_id": call_id}})
            assert answer.status == 200
            assert "say:I'm sorry" in answer.text
            assert words in event(server, "document", call_id)["detail"]
        wait_for(lambda: "You do harm" in server.get("/document").text)


def test_fifty_dead_hosts_leave_nothing_behind(server: Server) -> None:
    [worker] = workers_of(server)
    agents = 1 + len(BY_ITSELF) + len(OTHERS)

    def all_there() -> set[int]:
        """The hosts, if each agent has one and nothing else is left."""
        _zygote, *hosts = [pid for pid, line in processes_of(server).items() if is_host(line)]
        zombies = [line for line in processes_of(server).values() if line.startswith("Z")]
        return set(hosts) if len(hosts) == agents and not zombies else set()

    def descriptors() -> int:
        return len(list(Path(f"/proc/{worker}/fd").iterdir()))

    hosts, before, dead = wait_for(all_there), descriptors(), 0
    while dead < 50:
        for pid in hosts:
            os.kill(pid, signal.SIGKILL)
        dead += len(hosts)
        wait_for(lambda last=hosts: not last & set(processes_of(server)))
        hosts = wait_for(all_there)
    wait_for(lambda: descriptors() <= before)
    assert functions(server, "/steady", "well") == {"response": "well"}


def test_what_a_blocked_host_has_not_begun_goes_to_another_one_and_nothing_runs_twice(
    server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "runs"
    number = 30
    with others_asked(server), ThreadPoolExecutor(number + 1) as threads:
        blocking = threads.submit(functions, server, "/counting", "block", "B", seconds=60)
        wait_for(lambda: is_blocked(server, "counting"))
        calls = [
            threads.submit(functions, server, "/counting", "count", f"C{each}", n=each, file=str(file))
            for each in range(number)
        ]
        answers = [call.result() for call in calls]
        assert blocking.result() == SAFE
    ran = [int(line) for line in file.read_text().split()]
    assert len(ran) == len(set(ran)), "none ran twice"
    answered = [each for each, answer in enumerate(answers) if answer == {"response": "counted"}]
    assert set(answered) <= set(ran)
    assert len(answered) >= number - 2, "only what the blocked host had begun is lost"
    assert "answer within" in event(server, "counting", "B")["detail"]


def test_a_zygote_that_is_killed_is_replaced_and_nobody_else_notices(server: Server) -> None:
    zygote = next(pid for pid, line in processes_of(server).items() if is_host(line))
    with others_asked(server, python=False):
        os.kill(zygote, signal.SIGKILL)
        wait_for(lambda: zygote not in processes_of(server) and well(server, "steady"))


def test_a_worker_that_is_killed_leaves_no_host(server: Server) -> None:
    before = processes_of(server)
    [worker] = workers_of(server)
    os.kill(worker, signal.SIGKILL)
    hosts = {pid for pid, line in before.items() if is_host(line)}
    wait_for(lambda: not hosts & alive())
    wait_for(lambda: well(server, "steady"))


def test_nothing_is_left_when_serve_is_killed(server: Server) -> None:
    """The last test of this file: the server is no more after it."""
    wait_for(lambda: well(server, "steady"))
    with ThreadPoolExecutor(2) as threads:
        calls = [threads.submit(functions, server, "/noisy", name) for name in ("loop", "loop_inside")]
        wait_for(lambda: "R" in {line[0] for line in processes_of(server).values() if is_host(line)})
        left = set(processes_of(server))
        server.kill()
        wait_for(lambda: not left & alive())
        for call in calls:
            with contextlib.suppress(OSError, http.client.HTTPException):
                call.result()
