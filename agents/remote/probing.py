"""Looks at a remote agent when it is registered: does it answer, with what, and which addresses does it write."""

from dataclasses import dataclass, field

from agents.errors import UnusableSource
from agents.sources import RemoteSource


@dataclass(frozen=True)
class Reach:
    """Where remote agents may be: public addresses, and these names, addresses and networks."""

    allowed_hosts: tuple[str, ...] = ()


@dataclass
class Probed:
    """A remote source with all that was found, and what whoever registers it should know."""

    source: RemoteSource
    warnings: list[str] = field(default_factory=list)


def probe(
    source: RemoteSource, upstream: tuple[str, str] | None, reach: Reach, *, may_be_private: bool = False
) -> Probed:
    """Ask every endpoint for its document; `UnusableSource` says why the agent cannot be served from there.

    `may_be_private`: addresses inside the network are allowed, and the source remembers that.
    """
    raise UnusableSource("remote agents are not there yet")
