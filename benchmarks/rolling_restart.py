#!/usr/bin/env python3
"""Two replicas behind a proxy, restarted in turn under load: no call may fail.

    .venv/bin/python benchmarks/rolling_restart.py [--rate 200] [--restarts 2] [--proxy nginx] [--quick] [--json FILE]

The proxy is nginx where it is installed (Debian: apt-get install nginx-light), else one of our own (proxy.py). Starts a
Postgres, two `serve` and the proxy on loopback and ends them. The proxy has no health checks here, so what it does is
what a plain one does: it asks the other replica when one has not answered. /ready is asked as a load balancer would,
and its answers are shown.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import options
import psycopg
import sample
from figures import Figures
from processes import HERE, environment, free_port, new_data_folder, start, stop

from config.embedded.cluster import close_all, open_cluster
from config.embedded.locks import STOP_SECONDS

NOTICE_SECONDS = 3  # for the load balancer: a replica that is to stop answers so long
CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream replicas {{ {servers} keepalive 32; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://replicas; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $host;
            # A replica that was not reached has done nothing: the other one is asked, also for a POST.
            proxy_next_upstream error timeout non_idempotent; proxy_connect_timeout 1s;
        }}
    }}
}}
"""


@contextlib.contextmanager
def database(folder: Path) -> Iterator[str]:
    """The URL of a new Postgres."""
    try:
        yield open_cluster(new_data_folder(folder)).url()
    finally:
        close_all(wait=STOP_SECONDS)


class Replica:
    """One `serve`."""

    def __init__(self, folder: Path, url: str, notice: float):
        self.folder, self.url, self.notice, self.port = folder, url, notice, free_port()
        folder.mkdir(parents=True)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        found = environment(
            DATABASE_URL=self.url, DATA_DIR=self.folder, SECRET_KEY="common", PUBLIC_URL="http://voice.example.com",
            DRAIN_NOTICE_SECONDS=self.notice,
        )  # fmt: skip
        self.process = start(["manage.py", "serve", "--port", self.port], found, self.folder / "log")
        while self.ready() != 200:
            if self.process.poll() is not None:
                raise SystemExit((self.folder / "log").read_text())
            time.sleep(0.05)

    def ready(self) -> int:
        """The status of /ready, 0 if nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=1) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def stop(self) -> list[int]:
        """SIGTERM, and wait; what /ready said meanwhile."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        said: list[int] = []
        while self.process.poll() is None:
            if (status := self.ready()) not in said[-1:]:
                said.append(status)
            time.sleep(0.05)
        return said


async def call(port: int, number: int) -> str:
    """One call's document on a connection of its own: its status, or what went wrong."""
    body = json.dumps({"call": {"call_id": f"roll-{number}"}}).encode()
    headers = "".join(f"{name}: {value}\r\n" for name, value in sample.HEADERS.items())
    head = f"POST /sales HTTP/1.1\r\nHost: x\r\n{headers}"
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            answer = await reader.read()
            writer.close()
    except (OSError, TimeoutError) as error:
        return repr(error)
    return answer.split(b" ", 2)[1].decode() if answer.startswith(b"HTTP/") else "no answer"


async def load(port: int, rate: int, stop: asyncio.Event) -> Counter[str]:
    """So many calls a second until told to stop; how they ended."""
    outcomes: Counter[str] = Counter()
    tasks: set[asyncio.Task[None]] = set()

    async def one(number: int) -> None:
        outcomes[await call(port, number)] += 1

    number, began = 0, time.monotonic()
    while not stop.is_set():
        task = asyncio.create_task(one(number))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        number += 1
        await asyncio.sleep(max(0, began + number / rate - time.monotonic()))
    await asyncio.gather(*tasks)
    return outcomes


async def run(wanted: argparse.Namespace, replicas: list[Replica], port: int, figures: Figures) -> bool:
    """Restart each replica in turn under load and print how the calls ended; whether all did well."""
    stop = asyncio.Event()
    loading = asyncio.create_task(load(port, wanted.rate, stop))
    await asyncio.sleep(min(1, wanted.notice))
    for _ in range(wanted.restarts):
        for number, replica in enumerate(replicas, 1):
            said = await asyncio.to_thread(replica.stop)
            print(f"replica {number} stopped; /ready said {', '.join(map(str, said))}")
            await asyncio.to_thread(replica.start)
            await asyncio.sleep(0.5)
    stop.set()
    outcomes = await loading
    answered, total = outcomes["200"], sum(outcomes.values())
    print(f"{total} calls at {wanted.rate}/s through {2 * wanted.restarts} restarts: {dict(outcomes)}")
    figures.add("calls", total, None, "calls", more_is_better=True, judged=False)
    figures.add("calls that failed", total - answered, None, "calls")
    await asyncio.sleep(1)  # until the last events are in the database
    with psycopg.connect(replicas[0].url) as connection:
        query = (
            "SELECT count(*), count(DISTINCT call_id) FROM registry_routingevent"
            " WHERE call_id LIKE 'roll-%' AND call_id <> 'roll--1'"  # which found out that all was ready
        )
        rows = connection.execute(query).fetchone()
    print(f"rows in the routing log: {rows[0]}, of {rows[1]} calls" if rows else "no rows")
    good = answered == total and rows is not None and rows[1] == total
    print("no failed call" if good else "FAILED")
    return good


def proxy(kind: str, folder: Path, port: int, replicas: list[Replica]) -> "subprocess.Popen[bytes]":
    """Start nginx, or our own."""
    if kind == "own":
        return start(
            [HERE / "proxy.py", port, *(replica.port for replica in replicas)], environment(), folder / "proxy"
        )
    servers = " ".join(f"server 127.0.0.1:{replica.port} max_fails=1 fail_timeout=1s;" for replica in replicas)
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, servers=servers, port=port))
    return subprocess.Popen([nginx(), "-c", str(configuration), "-p", str(folder)])


def nginx() -> str:
    """Where it is installed, "" if it is not."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or ""


def main() -> None:
    """Start everything, restart, end everything."""
    parser = options.parser(__doc__)
    parser.add_argument("--rate", type=int, default=200, help="calls per second")
    parser.add_argument("--restarts", type=int, default=2, help="of each replica")
    parser.add_argument("--notice", type=float, default=NOTICE_SECONDS, help="DRAIN_NOTICE_SECONDS of the replicas")
    parser.add_argument("--proxy", choices=("nginx", "own"), default="nginx" if nginx() else "own")
    wanted = options.read(parser, rate=40, restarts=1, notice=0, proxy="own")
    figures = Figures(__file__)
    print("\n".join([*figures.told(), f"proxy: {wanted.proxy}"]))
    with tempfile.TemporaryDirectory(prefix="switchboard-rolling-") as name, contextlib.ExitStack() as ends:
        folder = Path(name)
        folder.chmod(0o755)
        url = ends.enter_context(database(folder / "database"))
        replicas = [Replica(folder / f"replica-{number}", url, wanted.notice) for number in (1, 2)]
        for replica in replicas:
            replica.start()
            ends.callback(lambda replica=replica: replica.process and stop(replica.process))
        port = free_port()
        ends.callback(stop, proxy(wanted.proxy, folder, port, replicas))
        while asyncio.run(call(port, -1)) != "200":
            time.sleep(0.1)
        right = asyncio.run(run(wanted, replicas, port, figures))
    figures.write(wanted)
    options.end(wanted, right=right)


if __name__ == "__main__":
    main()
