#!/usr/bin/env python3
"""Two replicas behind nginx, restarted in turn under load: no call may fail.

    .venv/bin/python benchmarks/rolling_restart.py [--rate 200] [--restarts 2]

Needs nginx (Debian: apt-get install nginx-light). Starts a Postgres, two `serve` and an nginx of its own on loopback
and ends them. nginx has no health checks of its own here, so what it does is what a plain proxy does: it asks the other
replica when one refuses the connection. /ready is asked as a load balancer would, and its answers are shown.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
AUTHORIZATION = "Basic " + base64.b64encode(b"u:p").decode()
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


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def database(folder: Path) -> Iterator[str]:
    """The URL of a new Postgres."""
    os.environ["DATA_DIR"] = str(folder)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from config.embedded.cluster import close_all, open_cluster
    from config.embedded.locks import STOP_SECONDS

    try:
        yield open_cluster(folder).url("switchboard")
    finally:
        close_all(wait=STOP_SECONDS)


class Replica:
    """One `serve`."""

    def __init__(self, folder: Path, url: str):
        self.folder, self.url, self.port = folder, url, free_port()
        folder.mkdir(parents=True)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        environment = {
            **os.environ,
            "DATABASE_URL": self.url,
            "DATA_DIR": str(self.folder),
            "SECRET_KEY": "common",
            "SWML_BASIC_AUTH_USER": "u",
            "SWML_BASIC_AUTH_PASSWORD": "p",
            "PUBLIC_URL": "http://voice.example.com",
            "DRAIN_NOTICE_SECONDS": "3",
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", str(self.port)],
                cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
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
    head = f"POST /sales HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTHORIZATION}\r\nContent-Type: application/json\r\n"
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


async def run(options: argparse.Namespace, replicas: list[Replica], port: int) -> int:
    """Restart each replica in turn under load and print how the calls ended."""
    stop = asyncio.Event()
    loading = asyncio.create_task(load(port, options.rate, stop))
    await asyncio.sleep(1)
    for _ in range(options.restarts):
        for number, replica in enumerate(replicas, 1):
            said = await asyncio.to_thread(replica.stop)
            print(f"replica {number} stopped; /ready said {', '.join(map(str, said))}")
            await asyncio.to_thread(replica.start)
            await asyncio.sleep(0.5)
    stop.set()
    outcomes = await loading
    answered, total = outcomes["200"], sum(outcomes.values())
    print(f"{total} calls at {options.rate}/s through {2 * options.restarts} restarts: {dict(outcomes)}")
    await asyncio.sleep(1)
    import psycopg

    with psycopg.connect(replicas[0].url) as connection:
        query = (
            "SELECT count(*), count(DISTINCT call_id) FROM registry_routingevent"
            " WHERE call_id LIKE 'roll-%' AND call_id <> 'roll--1'"  # which found out that all was ready
        )
        rows = connection.execute(query).fetchone()
    print(f"rows in the routing log: {rows[0]}, of {rows[1]} calls" if rows else "no rows")
    good = answered == total and rows is not None and rows[1] == total
    print("no failed call" if good else "FAILED")
    return 0 if good else 1


def main() -> None:
    """Start everything, restart, end everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=200, help="calls per second")
    parser.add_argument("--restarts", type=int, default=2, help="of each replica")
    options = parser.parse_args()
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light")
    with tempfile.TemporaryDirectory(prefix="switchboard-rolling-") as name, contextlib.ExitStack() as ends:
        folder = Path(name)
        folder.chmod(0o755)
        url = ends.enter_context(database(folder / "database"))
        replicas = [Replica(folder / f"replica-{number}", url) for number in (1, 2)]
        for replica in replicas:
            replica.start()
            ends.callback(lambda replica=replica: replica.process.poll() is None and replica.process.kill())
        port = free_port()
        servers = " ".join(f"server 127.0.0.1:{replica.port} max_fails=1 fail_timeout=1s;" for replica in replicas)
        configuration = folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(folder=folder, servers=servers, port=port))
        proxy = subprocess.Popen([nginx, "-c", str(configuration), "-p", str(folder)])
        ends.callback(proxy.terminate)
        while asyncio.run(call(port, -1)) != "200":
            time.sleep(0.1)
        code = asyncio.run(run(options, replicas, port))
    raise SystemExit(code)


if __name__ == "__main__":
    main()
