"""What goes wrong while a request is answered: the SDK swallows it, the operator must hear of it."""

import contextvars
import functools
import inspect
import logging
import os
import sys
import traceback
from collections.abc import Awaitable
from typing import Any

import structlog

from . import placeholders

# Events of the SDK's log that mean that the agent's own code has failed; others are about what callers send.
SERIOUS = frozenset(
    {
        "dynamic_config_error",
        "error_in_request_modifier",
        "error_in_routing_callback",
        "error_in_summary_handler",
        "function_execution_error",
        "request_failed",
    }
)
# In the paths of frames that are none of an agent's own code.
NOT_ITS_OWN = ("/site-packages/", "switchboard_host", "<frozen ", f"{os.path.dirname(os.__file__)}/")  # noqa: PTH120
MAX_DETAIL = 300  # characters of a detail
MAX_TRACE = 20_000  # characters of a traceback
MAX_FRAMES = 100  # the last ones: of endless recursion all take 13 ms of a processor


class Notes:
    """Of one request."""

    def __init__(self) -> None:
        self.detail = ""
        self.trace = ""
        self.exhausted = False  # it ran out of memory: nobody knows in which state it is

    def take(self, error: BaseException) -> None:
        """An exception of the agent's own code."""
        self.exhausted = self.exhausted or isinstance(error, MemoryError)
        if self.trace:
            return
        self.detail = sentence(error)
        self.trace = "".join(traceback.format_exception(error, limit=-MAX_FRAMES))[-MAX_TRACE:]


current: contextvars.ContextVar[Notes | None] = contextvars.ContextVar("notes", default=None)


def take(error: BaseException) -> None:
    """Note an exception for the request that is being answered."""
    notes = current.get()
    if notes is not None:
        notes.take(error)


def sentence(error: BaseException) -> str:
    """An exception in one line, with the place in the agent's code."""
    if isinstance(error, SystemExit):
        return f"its code called sys.exit({error.code!r})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if not any(mark in each.filename for mark in NOT_ITS_OWN)]
    place = f" ({own[-1].filename.rpartition('/')[2]}:{own[-1].lineno} in {own[-1].name})" if own else ""
    missing = isinstance(error, ModuleNotFoundError)
    advice = f": is it in a folder of AGENT_PATH, or installed in {sys.prefix}?" if missing else ""
    said = f": {str(error)[:MAX_DETAIL]}" if str(error) else ""
    return f"{type(error).__name__}{said}{place}{advice}"


class Traced(functools.partial):  # type: ignore[type-arg]
    """A handler whose exceptions are noted. A partial, because the SDK knows how to copy those for one call."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        try:
            result = super().__call__(*args, **kwargs)
        except Exception as error:
            take(error)
            raise
        return finished(result) if inspect.iscoroutine(result) else result


def trace(function: Any) -> None:
    """Note what goes wrong in a function's handler from now on."""
    handler = getattr(function, "handler", None)
    if handler is not None and not isinstance(handler, Traced):
        function.handler = Traced(handler)


def trace_calls() -> None:
    """The same for every function that is called: those of a copy for one call are made anew each time."""
    from signalwire.core.mixins.tool_mixin import ToolMixin

    call = ToolMixin.on_function_call

    @functools.wraps(call)
    def on_function_call(self: Any, name: str, args: dict[str, Any], raw_data: dict[str, Any] | None = None) -> Any:
        trace(self._tool_registry._swaig_functions.get(name))
        return call(self, name, args, raw_data)

    place: Any = ToolMixin
    place.on_function_call = on_function_call


async def finished(pending: Awaitable[Any]) -> Any:
    """What an asynchronous handler gives."""
    try:
        return await pending
    except Exception as error:
        take(error)
        raise


class Listening(logging.Handler):
    """Hears the errors that the SDK only logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Note one, with the exception that is being handled."""
        noted = current.get()
        said = record.msg if isinstance(record.msg, dict) else {}
        if noted is None or said.get("event") not in SERIOUS:
            return
        error = sys.exc_info()[1]
        if error is not None:
            noted.take(error)
        elif not noted.detail:
            noted.detail = " ".join(str(said[key]) for key in ("event", "error") if key in said)[:MAX_DETAIL]


def quieten(agent: Any) -> None:
    """Make the SDK's many debug messages cost nothing while nobody reads them: they are a third of a request."""
    logger = agent.log
    if logging.getLogger("signalwire").isEnabledFor(logging.INFO) or not hasattr(logger, "_processors"):
        return
    quiet: Any = structlog.make_filtering_bound_logger(logging.WARNING)
    agent.log = quiet(logger._logger, logger._processors, dict(logger._context))


def listen() -> None:
    """Hear all errors from now on; what nobody else shows of warnings goes to standard error."""
    listening = Listening(logging.ERROR)
    root = logging.getLogger()
    shown = bool(root.handlers)
    for logger in (root, logging.getLogger("signalwire")):
        logger.addHandler(listening)
    if not shown:
        visible = logging.StreamHandler()
        visible.setLevel(logging.WARNING)
        visible.setFormatter(logging.Formatter("agent host %(process)d: %(levelname)s %(name)s: %(message)s"))
        visible.addFilter(is_for_people)
        root.addHandler(visible)


def is_for_people(record: logging.LogRecord) -> bool:
    """Whether a line of the log is worth somebody's time: the SDK warns of the URL and the key that we see to."""
    text = str(record.msg) if record.name.startswith("signalwire") else ""
    return placeholders.HOST not in text and "webhook_signature_validation_disabled" not in text
