"""Python's cyclic collector waits while a large document is handled.

Millions of new objects that all stay make it look at everything over and over: at 10,000 agents three quarters of the
time, and each look stops the calls that a worker is answering meanwhile. What is made here is freed without it.
"""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
LOCK = threading.Lock()
waiting_for = 0  # how many threads are at it; one that ends must not wake the collector for the others


@contextmanager
def collector_waits() -> Iterator[None]:
    """A block in which it waits. One that was off already is left alone."""
    global waiting_for
    with LOCK:
        if not gc.isenabled() and not waiting_for:
            ours = False
        else:
            ours = True
            waiting_for += 1
            gc.disable()
    try:
        yield
    finally:
        if ours:
            with LOCK:
                waiting_for -= 1
                if not waiting_for:
                    gc.enable()


def without_collector(function: Callable[P, T]) -> Callable[P, T]:
    """A function during which it waits."""

    @wraps(function)
    def waiting(*arguments: P.args, **options: P.kwargs) -> T:
        with collector_waits():
            return function(*arguments, **options)

    return waiting
