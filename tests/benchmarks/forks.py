"""Scripts of benchmarks/ in processes that have loaded Django already: what they are given instead of processes anew.

Run in a process that the parent of tests/e2e/commands.py has forked. What a script starts is forked by that parent,
too, if it needs Django; its data folders begin as copies of one that has all tables; what it asks Django for it gets by
reading the settings anew. All else is the script's own.
"""

import json
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.e2e import commands

BENCHMARKS = commands.ROOT / "benchmarks"
TEMPLATE = "BENCHMARK_TEMPLATE"  # the variable that names it


def run(
    arguments: Sequence[str], folder: Path, orders: socket.socket, use_environment: Callable[[Mapping[str, str]], None]
) -> None:
    """Be that script. `orders`: by which the parent forks more; `folder`: ours, for what is known of those."""
    import django

    sys.path.insert(0, str(BENCHMARKS))
    import processes  # type: ignore[import-not-found]  # of benchmarks/, which is no package

    template = Path(os.environ[TEMPLATE], "postgres")

    def popen(command: Sequence[str], **options: Any) -> "Fork | subprocess.Popen[bytes]":
        needs_django = command[1] == "manage.py" or "django.setup()" in Path(command[1]).read_text()
        return Fork(command, folder, orders, **options) if needs_django else subprocess.Popen(command, **options)

    def prepare(into: Path) -> None:
        # As an account of its own, if root runs the tests.
        subprocess.run(["cp", "-a", template, into / "postgres"], check=True)

    processes.Ways.popen = popen
    processes.Ways.prepare = prepare
    processes.Ways.context = multiprocessing.get_context("fork")
    django.setup = lambda set_prefix=True: use_environment(dict(os.environ))
    sys.argv = list(arguments)
    runpy.run_path(arguments[0], run_name="__main__")


class Fork(commands.Process):
    """One that the parent forks for a script: what `subprocess.Popen` says of its own."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        orders: socket.socket,
        *,
        env: Mapping[str, str],
        stdout: Any,
        stderr: Any,
        **_options: Any,
    ):
        self.arguments = tuple(command[2:] if command[1] == "manage.py" else command[1:])
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        self.orders = orders
        kept = {TEMPLATE: os.environ[TEMPLATE]} if TEMPLATE in os.environ else {}
        job = {"folder": str(self.folder), "arguments": self.arguments, "environment": {**env, **kept}}
        self.order({**job, "out": stdout.name, "err": stderr.name})
        self.pid = int(self.wait_for("pid", commands.SECONDS))

    def order(self, job: Mapping[str, Any]) -> None:
        self.orders.send(json.dumps(job).encode())

    def parent_lives(self) -> bool:
        return os.getppid() != 1
