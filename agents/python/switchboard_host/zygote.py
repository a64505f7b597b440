"""The process that agent hosts are forked from: it has the SDK loaded, so a host is there in milliseconds.

It has one thread, one socket to its worker, and loads no agent itself. An order comes with the socket of the new host;
the answers say which process that is, and how it ended. When the socket ends, so do the hosts.
"""

import array
import asyncio
import contextlib
import ctypes
import gc
import mmap
import os
import resource
import select
import signal
import socket
import sys
import time

from . import notes, survey
from .build import CannotLoad, Order, build
from .frames import SLOTS, Frames, Head, frame
from .serve import AgentHost, adopt

NICE = 10  # of hosts: a worker must always get its turn
OUT_OF_MEMORY_SCORE = "500"  # of 1000: the kernel takes a host before anybody else
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
END_SECONDS = 2  # for hosts to end by themselves


def main(control_fd: int) -> None:
    """Load the SDK, then fork whenever the worker asks for it, until it is gone."""
    import signalwire.agent_server
    import signalwire.core.agent_base  # noqa: F401

    with contextlib.suppress(ImportError):
        import uvloop  # noqa: F401
    control = socket.socket(fileno=control_fd)
    notes.trace_calls()
    gc.collect()
    gc.freeze()  # else each host's first collection copies all of it
    Zygote(control).run()


class Zygote:
    """Forks, and says what became of it."""

    def __init__(self, control: socket.socket):
        self.control = control
        self.frames = Frames(self.take)
        self.sockets: list[int] = []  # of hosts that are to be: each one's socket, and its shared memory
        self.hosts: set[int] = set()

    def run(self) -> None:
        """Until the worker is gone."""
        wake, waker = socket.socketpair()
        wake.setblocking(False)
        waker.setblocking(False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self.inherited = (wake, waker)
        while True:
            ready, _, _ = select.select([self.control, wake], [], [])
            if wake in ready:
                with contextlib.suppress(BlockingIOError):
                    wake.recv(4096)
                self.reap()
            if self.control in ready and not self.receive():
                break
        self.end()

    def receive(self) -> bool:
        """Orders with their sockets; False at the end."""
        try:
            data, ancillary, _, _ = self.control.recvmsg(65536, socket.CMSG_SPACE(16 * array.array("i").itemsize))
        except OSError:
            return False
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
                self.sockets += numbers
        if not data:
            return False
        self.frames.feed(data)
        return True

    def take(self, order: Head, _body: bytes) -> None:
        """Fork a host."""
        sock = socket.socket(fileno=self.sockets.pop(0))
        memory = self.sockets.pop(0)
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            pid = os.fork()
        except OSError as error:  # too many processes: its socket's end says that there is none
            sys.stderr.write(f"agent hosts: no process for another one: {error.strerror}\n")
            sock.close()
            os.close(memory)
            return
        if pid == 0:
            self.control.close()
            for each in self.inherited:
                each.close()
            for other in self.sockets:
                os.close(other)  # of hosts whose orders came with this one
            become_host(sock, memory, order)
        sock.close()
        os.close(memory)
        self.hosts.add(pid)
        self.say({"host": order["host"], "pid": pid})

    def reap(self) -> None:
        """Say which hosts have ended, and how (the status of waitpid)."""
        for pid in list(self.hosts):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self.hosts.discard(pid)
                self.say({"ended": pid, "status": status})

    def say(self, head: Head) -> None:
        """Tell the worker."""
        with contextlib.suppress(OSError):
            self.control.sendall(frame(head))

    def end(self) -> None:
        """The hosts' own sockets have ended, too: they go, or are killed."""
        end = time.monotonic() + END_SECONDS
        while self.hosts and time.monotonic() < end:
            time.sleep(0.02)
            self.reap()
        for pid in self.hosts:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)  # what agents have started, and ourselves


def become_host(sock: socket.socket, memory: int, order: Order) -> None:
    """In the new process: build the agent and answer for it. Never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        be_harmless(order["memory"])
        os.dup2(2, 1)
        with mmap.mmap(memory, SLOTS) as begun:
            os.close(memory)
            code = serve(sock, begun, order)
    except BaseException as error:  # noqa: BLE001 - its code may do anything
        with contextlib.suppress(BaseException):
            sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stderr.flush()
        os._exit(code)


def be_harmless(memory: int) -> None:
    """Be the first to wait for a processor and the first to go when memory ends; die with the zygote."""
    os.nice(NICE)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write(OUT_OF_MEMORY_SCORE)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    limit_memory(memory)


def limit_memory(memory: int) -> None:
    """So many bytes of data and no more: an agent that wants them gets a MemoryError (setrlimit(2), RLIMIT_DATA)."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def serve(sock: socket.socket, begun: mmap.mmap, order: Order) -> int:
    """Answer until the worker is gone; the exit code."""
    notes.listen()
    try:
        agent = build(order)
    except BaseException as error:
        why = str(error) if isinstance(error, CannotLoad) else f"it cannot be built: {notes.sentence(error)}"
        with contextlib.suppress(OSError):
            sock.sendall(frame({"failed": why}))
        if isinstance(error, CannotLoad) or order.get("quiet"):  # the traceback was told more than once
            return 1
        raise
    code = survey.digest(order["path"])
    adopt(agent, order)
    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(answer(sock, AgentHost(agent, order, {"code": code}, begun)))
    return 0


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where it is there."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def answer(sock: socket.socket, host: AgentHost) -> None:
    """Serve over the socket until it ends."""
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.create_unix_connection(lambda: host, sock=sock)
    await host.over.wait()
    os._exit(0)  # threads of handlers may run for ever
