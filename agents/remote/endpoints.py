"""A remote agent's endpoints: which is asked for a call, and which is left alone because it does not answer."""

import time
from collections.abc import Callable, Sequence
from hashlib import blake2b

from yarl import URL

from agents.remote.places import Place, origin_of, path_of, place_of

FAILURES = 3  # in a row; then the endpoint is left alone until its server answers a probe
PROBE_SECONDS = 30  # between two probes of a server of which nothing was heard since
RETRY_SECONDS = 5  # of one that does not answer


class Origin:
    """A server: one probe is for all agents on it. Times are monotonic seconds."""

    __slots__ = ("good_at", "private", "probed_at", "url")

    def __init__(self, url: str, *, private: bool, probed_at: float = 0.0):
        self.url = url
        self.private = private
        self.good_at = 0.0  # something good was heard
        self.probed_at = probed_at

    def is_due(self, now: float, *, ailing: bool) -> bool:
        """Whether it should be probed. `ailing`: one of its endpoints does not answer."""
        if ailing:
            return now - self.probed_at >= RETRY_SECONDS
        return now - max(self.probed_at, self.good_at) >= PROBE_SECONDS


class Endpoint:
    """One instance of an agent, as one process knows it."""

    __slots__ = (
        "address",
        "ails",
        "answered",
        "clock",
        "failures",
        "is_open",
        "origin",
        "path",
        "place",
        "problem",
        "seed",
        "since",
        "url",
    )

    def __init__(self, url: str, origin: Origin, clock: Callable[[], float] = time.time):
        """`clock`: seconds since 1970."""
        self.url = url
        self.address = str(URL(url)).rstrip("/")  # as it is sent: encoded
        self.origin = origin
        self.clock = clock
        place = place_of(url)
        assert place is not None
        self.place: Place = place
        self.path = path_of(url)
        self.seed = url.encode()
        self.failures = 0
        self.is_open = False  # as of a circuit: nothing goes through
        self.ails = False  # people should know of its problem
        self.answered = False  # the problem is what it answered: a probe cannot tell that it is over
        self.problem = ""
        self.since = 0.0

    @property
    def trouble(self) -> str:
        """What is wrong, for people."""
        return f"{self.url} {self.problem}"

    @property
    def trouble_since(self) -> str:
        """The same, and since when."""
        return f"{self.trouble}, since {time.strftime('%H:%M', time.gmtime(self.since))} UTC"

    def good(self) -> None:
        """It has answered as it should."""
        self.origin.good_at = time.monotonic()
        self.failures, self.is_open, self.ails, self.answered, self.problem = 0, False, False, False, ""

    def failed(self, problem: str, *, answered: bool = False) -> None:
        """It has not answered, or with an error of its own (`answered`)."""
        self.note(problem, answered=answered)
        self.failures += 1
        if self.failures >= FAILURES:
            self.is_open = self.ails = True

    def complain(self, problem: str) -> None:
        """It has no document for us, but is there: no reason to leave it alone."""
        self.note(problem, answered=True)
        self.ails = True

    def note(self, problem: str, *, answered: bool) -> None:
        """Remember what was wrong, and since when something is."""
        if not self.problem:
            self.since = self.clock()
        self.problem, self.answered = problem, answered

    def alive(self) -> None:
        """Its server has answered a probe: requests go through again; one more error of its own ends that."""
        if not self.answered:
            self.good()
        elif self.is_open:
            self.is_open, self.failures = False, FAILURES - 1


def origin_key(url: str, *, private: bool) -> tuple[str, bool]:
    """What endpoints of one server have in common."""
    return origin_of(url), private


def in_order(endpoints: Sequence[Endpoint], call_id: str) -> list[Endpoint]:
    """The endpoints that may be asked, the call's own first: the same in all workers and replicas.

    Rendezvous hashing: if an endpoint is left alone, only its own calls move to others.
    """
    closed = [endpoint for endpoint in endpoints if not endpoint.is_open]
    if len(closed) < 2:
        return closed
    key = blake2b(call_id.encode(errors="replace"), digest_size=16).digest()
    return sorted(closed, key=lambda endpoint: blake2b(endpoint.seed, key=key, digest_size=8).digest())
