"""Errors as problem documents (RFC 9457): one shape for everything that the API refuses."""

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import Error
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from pydantic import ConfigDict, Field

from agents.kinds import KINDS
from registry.base.errors import Busy, RegistryError
from registry.base.outage import RETRY_SECONDS, is_away
from registry.log.recorder import printable

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
BEARER = {"WWW-Authenticate": 'Bearer realm="Switchboard"'}


class Problem(Schema):
    """What went wrong, as RFC 9457 says it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Unprocessable Entity",
                "status": 422,
                "detail": "the definition has problems",
                "problems": {"body.definition.prompt.text": "Input should be a valid string"},
                "request_id": "0192f0c1b2a37f3e8a5d",
            }
        }
    )

    type: str = Field("about:blank", description="always about:blank: the status says what kind of problem it is")
    title: str = Field(description="the status in words")
    status: int = Field(description="the status of the answer")
    detail: str = Field(description="what is wrong and what to do, for people")
    problems: dict[str, str] = Field({}, description="what is wrong with each field, by its path in the request")
    request_id: str = Field("", description="what the server's log and the audit call this request")


class Refused(Exception):  # noqa: N818 - an answer, not a fault of ours
    """A request that is refused before anything is done."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None):
        self.status = status
        self.headers = headers or {}
        super().__init__(detail)


def problem(
    request: HttpRequest,
    status: int,
    detail: str,
    problems: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """A problem document."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "problems": problems or {},
        "request_id": getattr(request, "request_id", ""),
    }
    return HttpResponse(
        orjson.dumps(printable(body), default=str), status=status, content_type=MEDIA_TYPE, headers=headers
    )


def handle_problems(api: NinjaAPI) -> None:
    """Let the API answer every error with a problem document."""

    @api.exception_handler(RegistryError)
    def refused_by_the_registry(request: HttpRequest, error: RegistryError) -> HttpResponse:
        headers = {"Retry-After": "1"} if isinstance(error, Busy) else None
        start = "query" if request.method == "GET" else "body"
        problems = {f"{start}.{place_of(path, error.where)}": words for path, words in error.problems.items()}
        return problem(request, error.status, str(error), problems, headers)

    @api.exception_handler(Refused)
    def refused(request: HttpRequest, error: Refused) -> HttpResponse:
        return problem(request, error.status, str(error), headers=error.headers)

    @api.exception_handler(ValidationError)
    def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
        problems = {path_of(found["loc"]): sentence_of(found) for found in error.errors}
        detail = "; ".join(f"{path}: {words}" for path, words in list(problems.items())[:10])
        return problem(request, 422, detail, problems)

    @api.exception_handler(AuthenticationError)
    def unknown(request: HttpRequest, _error: AuthenticationError) -> HttpResponse:
        return problem(request, 401, "send a token: Authorization: Bearer swb_…", headers=BEARER)

    @api.exception_handler(HttpError)
    def by_ninja(request: HttpRequest, error: HttpError) -> HttpResponse:
        cause = error.__cause__  # ninja makes a 400 of whatever a parser raises
        if isinstance(cause, Refused):
            return refused(request, cause)
        if isinstance(cause, RequestDataTooBig):
            return too_large(request, cause)
        return problem(request, error.status_code, str(error))

    @api.exception_handler(RequestDataTooBig)
    def too_large(request: HttpRequest, _error: RequestDataTooBig) -> HttpResponse:
        return problem(request, 413, f"the body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes")

    @api.exception_handler(Error)
    def database(request: HttpRequest, error: Error) -> HttpResponse:
        if is_away(error):
            headers = {"Retry-After": str(RETRY_SECONDS)}
            return problem(request, 503, "the database is away: calls are answered, changes must wait", headers=headers)
        return unexpected(request, error)

    @api.exception_handler(Exception)
    def unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
        logger.error("%s %s failed", request.method, request.path, exc_info=error)
        return problem(request, 500, "an error of ours; the server's log has it under this request id")


def place_of(path: str, where: str) -> str:
    """Where in the body: other kinds stand there instead of `definition`."""
    others = [kind.key for kind in KINDS.values() if not kind.bare]
    return f"{where}.{path}" if where and path.partition(".")[0] not in others else path


def path_of(loc: Any) -> str:
    """Where in the request, without ninja's names for the arguments: body.route, query.limit."""
    source, *rest = [str(part) for part in loc]
    return ".".join([source, *(rest[1:] if source == "body" else rest)])


def sentence_of(found: Mapping[str, Any]) -> str:
    """Pydantic's sentence; of an error of ours what it says itself."""
    return str(found["ctx"]["error"] if found.get("type") == "value_error" else found["msg"])


def seconds(wait: float) -> str:
    """A Retry-After: whole seconds, at least one."""
    return str(max(1, math.ceil(wait)))
