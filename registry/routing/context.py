"""What all requests of a process share."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from agents.wire import Webhooks
from registry.log.group_commit import GroupSync
from registry.log.recorder import Recorder
from registry.routing.http import Http
from registry.routing.public_url import PublicUrl
from registry.routing.strangers import Strangers
from registry.routing.table import Credentials


def not_counted(_agent: str, _kind: str, _outcome: str, _microseconds: int) -> None:
    """For whoever keeps no metrics."""


@dataclass(slots=True)
class Context:
    """What all exchanges share.

    `webhooks`: asks authors' servers. `http`: limits and headers. `fleet`: the credentials of `POST /sip`, None if the
    fleet has none. `fleet_key`: the signing key for requests that lead to no agent. `clock`: seconds since 1970.
    `strangers`: counts requests to nobody's paths, None if each is a row. `sync`: makes answers wait for the disk, None
    if they do not. `count`: is told agent, kind, outcome and microseconds of every request.
    """

    recorder: Recorder
    public_url: PublicUrl
    webhooks: Webhooks
    http: Http
    fleet: Credentials | None = None
    fleet_key: str = ""
    clock: Callable[[], float] = time.time
    strangers: Strangers | None = None
    sync: GroupSync | None = None
    count: Callable[[str, str, str, int], None] = not_counted
