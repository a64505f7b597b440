"""Asks the REST API in-process, with a token of some scope."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from registry.actions.tokens import create_token, revoke_token
from registry.actions.transaction import Actor
from registry.models import ApiToken

PREFIX = "/api/v1"
PUMP = {
    "prompt": {"text": "You sell pumps."},
    "functions": {
        "price": {
            "description": "Get a price",
            "parameters": {"type": "object", "properties": {"product": {"type": "string"}}, "required": ["product"]},
            "handler": {"reply": "A ${args.product} costs $9."},
        }
    },
}


class Asker:
    """A client with a token."""

    def __init__(self, authorization: str = "", client: Client | None = None):
        self.client = client or Client(raise_request_exception=False)
        self.headers = {"Authorization": authorization} if authorization else {}

    def __call__(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str) -> Any:
        """One request; `body` is sent as JSON, `raw` as it is."""
        content_type = headers.pop("content_type", "application/json")
        options: dict[str, Any] = {"headers": {**self.headers, **headers}}
        if body is not None or raw is not None:
            options["content_type"] = content_type
            options["data"] = body if raw is None else raw
        return self.client.generic(method, PREFIX + path, **prepared(options))

    def get(self, path: str, **headers: str) -> Any:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self("POST", path, body, **headers)


def prepared(options: dict[str, Any]) -> dict[str, Any]:
    """`Client.generic` takes bytes."""
    if "data" in options and not isinstance(options["data"], bytes):
        options["data"] = json.dumps(options["data"]).encode()
    return options


def person(name: str, role: str = "", **fields: Any) -> User:
    """An account with a role."""
    user = User.objects.create(username=name, **fields)
    if role:
        user.groups.add(Group.objects.get_or_create(name=role)[0])  # a test may have emptied the table
    return user


@pytest.fixture
def token(db) -> Callable[..., str]:
    """Makes tokens; the Authorization header of each."""

    def make(scope: str = "operate", state: str = "active", **options: Any) -> str:
        by = Actor("alice", "command")
        made = create_token(f"{scope} token", scope, by=by, **options)
        if state == "revoked":
            revoke_token(made.token.key, by=by)
        if state == "expired":
            ApiToken.objects.filter(pk=made.token.pk).update(expires=timezone.now() - timedelta(seconds=1))
        return f"Bearer {made.text}"

    return make


@pytest.fixture
def ask(token) -> Asker:
    """With a token that may change things."""
    return Asker(token("operate"))


@pytest.fixture
def look(token) -> Asker:
    """With a token that may only look."""
    return Asker(token("read"))


@pytest.fixture
def pumps(ask) -> Asker:
    """The same as `ask`, with an agent registered: pumps at /pumps."""
    made = ask.post("/agents", {"name": "pumps", "route": "/pumps", "definition": PUMP, "sip": ["Pump-Sales"]})
    assert made.status_code == 201, made.content
    return ask
