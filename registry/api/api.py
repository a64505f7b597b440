"""The API as a whole: its operations, its description, its way with JSON."""

from collections.abc import Iterator
from typing import Any, ClassVar

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.defaults import page_not_found
from ninja import NinjaAPI, Swagger
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from ninja.types import DictStrAny

from registry.api import adopt, agents, fleet, log, routing, system, versions
from registry.api.problems import MEDIA_TYPE, Refused, handle_problems, problem
from registry.api.security import Token
from registry.policy import NEEDS
from registry.requests import public_path

VERSION = "1"
DESCRIPTION = """Everything that the dashboard can do, for scripts.

Send a token, `Authorization: Bearer swb_…`; `python3 manage.py token create NAME --scope operate` makes one. The scope
`read` looks, `operate` changes, `admin` manages people and tokens.

Lists are paged: pass `next` of an answer as `after`. Errors are problem documents (RFC 9457). What can be edited has an
`ETag`; a change with `If-Match` is refused with 412 if somebody else was faster. With `?wait=true` a change is answered
when every live worker serves it. Send `X-Request-ID` to find a request in the log and the audit."""

SECURITY = {
    "Token": {
        "type": "http",
        "scheme": "bearer",
        "description": "a token with the scope that the operation needs: `x-scope`",
    },
    "Session": {
        "type": "apiKey",
        "in": "cookie",
        "name": settings.SESSION_COOKIE_NAME,
        "description": "somebody who has signed in; changes need the header X-CSRFToken too",
    },
}
TAGGED = {"get_agent", "get_draft", "get_route", "register_agent", "register_route"}
HEADERS = {
    401: {"WWW-Authenticate": "how to sign in"},
    429: {"Retry-After": "seconds until the token may ask again"},
    503: {"Retry-After": "seconds until it is worth trying again"},
}


class Json(BaseRenderer):
    """JSON by orjson."""

    media_type = "application/json"

    def render(self, _request: HttpRequest, data: Any, *, response_status: int) -> Any:
        """The bytes."""
        return orjson.dumps(data, default=str)


class JsonParser(Parser):
    """Bodies by orjson: what is no JSON is a 400, half surrogates and NaN included."""

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        """The value."""
        kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(415, f"send application/json, not {kind[:100]}")
        try:
            value: DictStrAny = orjson.loads(request.body)
        except orjson.JSONDecodeError as error:
            raise Refused(400, f"the body is no JSON: {error}") from None
        return value


class Api(NinjaAPI):
    """Ninja's, with a description that says all that can happen; made once, for making it takes 0.3 s."""

    described: ClassVar[dict[tuple[str, str], OpenAPISchema]] = {}

    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params: Any = None) -> OpenAPISchema:
        """Ninja's description, completed. The path of PUBLIC_URL is the server's, not each operation's."""
        base = public_path("")
        given = self.get_root_path(path_params or {}) if path_prefix is None else path_prefix
        inner = given.removeprefix(base)
        if (known := self.described.get((base, inner))) is not None:
            return known
        schema = super().get_openapi_schema(path_prefix=inner, path_params=path_params)
        schema["servers"] = [{"url": base or "/", "description": "here"}]
        scopes = {operation.operation_id: scope_of(operation) for _, operation in self.operations()}
        for operations in schema["paths"].values():
            for operation in operations.values():
                complete(operation, scopes[operation["operationId"]])
        schema["components"]["securitySchemes"] = SECURITY
        self.described[base, inner] = schema
        return schema

    def operations(self) -> Iterator[tuple[str, Operation]]:
        """All operations, with their paths behind /api/v1."""
        for bound in self._get_bound_routers():
            for path, view in bound.path_operations.items():
                for operation in view.operations:
                    yield f"{bound.prefix}{path}", operation


def scope_of(operation: Operation) -> str:
    """The scope that an operation needs, "" if none."""
    return next((NEEDS[auth.deed].name.lower() for auth in operation.auth_callbacks if isinstance(auth, Token)), "")


def complete(operation: dict[str, Any], scope: str) -> None:
    """Say of an operation what ninja does not know: its scope, the media type of problems, headers."""
    if scope:
        operation["x-scope"] = scope
    for parameter in operation["parameters"]:
        parameter.pop("examples", None)  # ninja copies the schema's, which are a list; of a parameter they are a map
    tagged = any(parameter["name"] == "If-Match" for parameter in operation["parameters"])
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        if int(status) >= 400:
            answer["content"] = {MEDIA_TYPE: content["application/json"]}
        headers = dict(HEADERS.get(int(status), {}))
        if int(status) < 300 and (tagged or operation["operationId"] in TAGGED):
            headers["ETag"] = "for If-Match"
        if headers:
            answer["headers"] = {
                name: {"description": words, "schema": {"type": "string"}} for name, words in headers.items()
            }


api = Api(
    title="Switchboard",
    version=VERSION,
    description=DESCRIPTION,
    docs=Swagger(settings={"persistAuthorization": False}),
    docs_url="/docs",
    urls_namespace="api",
    renderer=Json(),
    parser=JsonParser(),
)
handle_problems(api)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler of unknown URLs: those of the API get a problem document."""
    if request.path_info.startswith("/api/"):
        return problem(request, 404, f"there is nothing at {request.path[:200]}: see {public_path('/api/v1/docs')}")
    return page_not_found(request, exception)


api.add_router("/agents", agents.router)
api.add_router("/agents", versions.router)
api.add_router("", routing.router)
api.add_router("", log.router)
api.add_router("", fleet.router)
api.add_router("", adopt.router)
api.add_router("", system.router)
