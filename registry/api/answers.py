"""What operations share: the statuses they declare, tags for edits, pages, the shape in which a change is told."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from django.http import HttpResponse
from ninja import Header, Query, Schema
from pydantic import Field

from registry.actions.etags import ANY
from registry.actions.transaction import Change
from registry.api.problems import Problem, Refused
from registry.base.text import is_storable

TAG = re.compile(r'\s*(?:W/)?"([^"]*)"\s*(?:,|$)')
Row = TypeVar("Row")
MAX_LIMIT = 1000
# Whatever is asked: not known, not allowed, too often, an error of ours, the database away.
ALWAYS = (401, 403, 429, 500, 503)
READING = (422,)
CHANGING = (400, 409, 413, 415, 422)

TEXT = r"^[^\x00]*$"  # what is searched for: nothing in the database has a NUL
Wait = Annotated[bool, Query(description="answer when every live worker serves it, after 5 s at the latest")]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="an ETag: refuse with 412 if somebody has changed it since"),
]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="how many at most")]
OfAgent = Annotated[str, Query(max_length=63, pattern=TEXT, description="of this agent only")]
After = Annotated[str, Query(max_length=500, description="`next` of the page before")]


def answers(good: dict[int, Any], *more: int) -> dict[int, Any]:
    """The declared answers of an operation: its good ones, and a problem for each status that can occur besides."""
    return good | dict.fromkeys(sorted({*ALWAYS, *more}), Problem)


class Served(Schema):
    """How far a revision has come."""

    revision: int
    workers: int = Field(description="live workers")
    reached: int = Field(description="of them serve it")
    behind: list[str] = Field([], description="of them do not yet")
    silent: list[str] = Field([], description="workers not heard of for some seconds: dead, or without the database")
    done: bool = Field(description="whether all live workers serve it")


class Credentials(Schema):
    """With which the platform asks an agent, by HTTP basic authentication."""

    user: str
    password: str


class Changed(Schema):
    """What a change did."""  # as `Change.as_json` says it

    agent: str = Field(description="name of the agent that it is about")
    route: str = ""
    version: int | None = None
    changed: bool = Field(description="false = everything was so already")
    sip: list[str] = Field([], description="SIP names gained or lost")
    sip_skipped: dict[str, str] = Field({}, description="SIP names that another agent has, with its name")
    warnings: list[str] = []
    credentials: Credentials | None = Field(None, description="made just now: shown this once")
    of_code: list[str] = Field([], description="secrets that its own code asks for: credentials, signing key")
    revision: int = Field(description="of the registry, from which on it is so")
    everywhere: Served | None = Field(None, description="with wait=true: how far it has come")


def expected(if_match: str | None) -> list[str] | None:
    """The tags of an If-Match header (RFC 9110, 13.1.1); None without one. A weak one is taken, too."""
    if if_match is None:
        return None
    if if_match.strip() == ANY:
        return [ANY]
    tags, at = [], 0
    while at < len(if_match):
        found = TAG.match(if_match, at)
        if found is None:
            raise Refused(422, 'If-Match needs ETags in quotes, such as "0123abcd", or *')
        tags.append(found[1])
        at = found.end()
    return tags


def tagged(response: HttpResponse, tag: str) -> None:
    """Give an answer its ETag."""
    response["ETag"] = f'"{tag}"'


def edited(response: HttpResponse, change: Change) -> dict[str, Any]:
    """What a change did, with the tag for the next one."""
    tagged(response, change.tag)
    return change.as_json()


class Page(Schema):
    """A page of a list; subclasses have `items`."""

    next: str | None = Field(description="pass it as `after` for the next page; null on the last one")


def paged(
    found: Sequence[Row], limit: int, shown: Callable[[Row], Any], position: Callable[[Row], Any]
) -> dict[str, Any]:
    """A page of the rows found, of which there is one more than `limit` if there is another page."""
    more = len(found) > limit
    return {
        "items": [shown(row) for row in found[:limit]],
        "next": cursor_of(*position(found[limit - 1])) if more else None,
    }


def cursor_of(*position: Any) -> str:
    """Where a page ended, for the next one; nobody else needs to understand it."""
    return base64.urlsafe_b64encode(json.dumps(position, default=str).encode()).decode().rstrip("=")


def position_of(cursor: str, types: Sequence[type]) -> list[Any] | None:
    """What `cursor_of` made, None for the first page; `Refused` for anything else."""
    if not cursor:
        return None
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        position = None
    if (
        not isinstance(position, list)
        or len(position) != len(types)
        or not all(type(value) is wanted for value, wanted in zip(position, types, strict=True))
        or not all(is_storable(value) for value in position if isinstance(value, str))
    ):
        raise Refused(422, "`after` must be the `next` of the page before")
    return position
