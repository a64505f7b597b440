"""Agents and their routes, as operations show them."""

from datetime import datetime
from typing import Literal

from ninja import Schema
from pydantic import Field

from registry.api.sources import KindWord, SourceOut


class SipName(Schema):
    """A SIP username that leads to a route."""

    username: str = Field(description="in the form in which names are compared")
    typed: str = Field(description="as it was given")
    source: Literal["auto", "manual"] = Field(description="made from the agent's name and route, or chosen")


class RouteOut(Schema):
    """A URL path that is bound to an agent."""

    id: int
    path: str = Field(examples=["/sales"])
    agent: str
    enabled: bool
    default: bool = Field(description="takes the calls to SIP names that nobody has")
    sip: list[SipName]


class TroubleOut(Schema):
    """What live workers say of an agent that does not run as it should; the worst of them counts."""

    state: str = Field(description="down: it is unavailable; shaky: only in part", examples=["down"])
    detail: str = Field(description="why, for people")
    since: datetime
    workers: int = Field(description="so many have trouble with it")
    of: int = Field(description="live workers")


class AgentOut(Schema):
    """An agent, without its definition and its secrets."""

    name: str = Field(examples=["sales"])
    title: str
    kind: KindWord
    state: Literal["serving", "paused", "trashed"]
    pause_message: str = Field(description="what new callers hear while it is paused")
    paused_until: datetime | None = Field(
        description="when new callers reach it again by themselves; null: when somebody resumes it"
    )
    tags: list[str]
    routes: list[RouteOut]
    live_version: int | None
    draft_version: int | None
    credentials: Literal["own", "fleet"]
    signing_key: Literal["own", "fleet", "none"]
    upstream: Literal["own", "none"] | None = Field(
        description="whether a remote agent's server is asked with credentials; null for other agents"
    )
    trouble: TroubleOut | None = Field(None, description="null while it runs as it should")
    created: datetime
    trashed: datetime | None


class AgentWhole(AgentOut, SourceOut):
    """An agent with what it is, if it is not built here: then its live version has its definition."""
