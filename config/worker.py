"""One worker process of `serve`: uvicorn on the supervisor's socket, for as long as the supervisor lives."""

import argparse
import contextlib
import importlib.util
import logging
import os
import resource
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType

if __name__ == "__main__":  # run by its path with -P, so that the folder we are started in has no say in imports
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import django
import uvicorn
from django.conf import settings

from config.listen_socket import BACKLOG
from config.protocol import Protocol
from config.slots import LAST_RESORT_SECONDS

logger = logging.getLogger(__name__)
KEEP_ALIVE_SECONDS = 75  # longer than a load balancer's usual 60, so that it is never us who closes under its request
MAX_SOCKET_MESSAGE_BYTES = 64 * 1024  # a dashboard's socket sends short words


class Life:
    """The read end of the supervisor's pipe: at its end the supervisor is gone, however it went."""

    def __init__(self, fd: int):
        self.fd = fd
        self.server: uvicorn.Server | None = None
        threading.Thread(target=self.watch, name="life", daemon=True).start()

    def announce_end(self, _number: int, _frame: FrameType | None) -> None:
        """The supervisor is about to stop us: load balancers and clients shall go elsewhere, and nothing is cut off."""
        Protocol.ending = True
        if self.server is not None and self.server.config.loaded:
            announce = getattr(self.server.config.loaded_app, "announce_end", None)  # ours has it
            if announce is not None:
                announce()

    def watch(self) -> None:
        """Wait for the end; then stop the server as SIGTERM would, or at last the process."""
        os.read(self.fd, 1)  # nobody ever writes
        if self.server is None:
            os._exit(1)
        self.server.should_exit = True
        last_resort = threading.Event()
        last_resort.wait(settings.DRAIN_SECONDS + LAST_RESORT_SECONDS)
        os._exit(1)


def serve(application: str, listener: socket.socket, life: Life) -> None:
    """Serve until told to stop."""
    django.setup()
    sockets = any(importlib.util.find_spec(name) for name in ("websockets", "wsproto"))
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=Protocol,
        ws="auto" if sockets else "none",
        ws_max_size=MAX_SOCKET_MESSAGE_BYTES,
        lifespan="on",
        log_config=None,
        log_level=logging.WARNING,  # "started", "stopped": the supervisor says that
        access_log=False,  # the routing log is better
        proxy_headers=False,  # registry/routing/public_url.py knows whom to trust
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.DRAIN_SECONDS,
    )
    life.server = uvicorn.Server(config)
    life.server.run(sockets=[listener])


def take_descriptors() -> None:
    """As many open files as the system allows: connections, and what the spool keeps while the database is away."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS calls more unlimited than it gives
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Take what the supervisor left open: the listening socket, the life pipe, the embedded server's lock."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--application", required=True)
    parser.add_argument("--socket-fd", type=int, required=True)
    parser.add_argument("--life-fd", type=int, required=True)
    parser.add_argument("--lock-fd", type=int)
    options = parser.parse_args()
    for fd in (options.socket_fd, options.life_fd, options.lock_fd):
        if fd is not None:
            os.set_inheritable(fd, False)  # our own children get nothing of it
    take_descriptors()
    life = Life(options.life_fd)
    signal.signal(signal.SIGUSR1, life.announce_end)
    serve(options.application, socket.socket(fileno=options.socket_fd), life)


if __name__ == "__main__":
    main()
