"""Everything that can be asked for x everybody who may ask: what the policy says, and nothing else."""

from uuid import UUID

import pytest
from django.test import Client

from registry.api.api import api
from registry.api.security import Session, Token
from registry.policy import NEEDS, Level
from tests.registry.api.conftest import PREFIX, PUMP, Asker, person

# What each operation needs, once more, by hand: a new one must be added here.
READ, OPERATE, ADMIN, NOTHING = Level.READ, Level.OPERATE, Level.ADMIN, Level.NOTHING
OPERATIONS = {
    "list_agents": READ, "register_agent": OPERATE, "get_agent": READ, "update_agent": OPERATE,
    "unregister_agent": OPERATE, "pause_agent": OPERATE, "resume_agent": OPERATE, "restore_agent": OPERATE,
    "reload_agent": OPERATE,
    "reveal_credentials": OPERATE,
    "list_versions": READ, "publish_definition": OPERATE, "get_version": READ, "get_draft": READ,
    "save_draft": OPERATE, "discard_draft": OPERATE, "publish_draft": OPERATE, "preview_document": READ,
    "run_function": OPERATE,
    "list_routes": READ, "register_route": OPERATE, "get_route": READ, "update_route": OPERATE,
    "unregister_route": OPERATE, "list_sip_names": READ, "register_sip_username": OPERATE,
    "unregister_sip_username": OPERATE, "decide": READ,
    "list_events": READ, "export_events": READ, "get_event": READ, "get_call": READ, "list_calls": READ,
    "export_fleet": READ, "apply_fleet": OPERATE, "adopt_server": OPERATE,
    "who_am_i": READ, "get_definition_schema": NOTHING, "list_replicas": READ, "list_audit": READ,
    "list_tokens": ADMIN, "create_token": ADMIN, "revoke_token": ADMIN,
}  # fmt: skip
PLACES = {"{name}": "pumps", "{function}": "price", "{key}": "swb_none", "{uuidstr:event_id}": str(UUID(int=7 << 76)),
          "{int:number}": "1", "{int:route_id}": "1", "{path:username}": "pumps", "{path:call_id}": "c"}  # fmt: skip
BODIES = {
    "register_agent": {"name": "new", "route": "/new", "definition": PUMP},
    "update_agent": {"title": "Pumps"},
    "publish_definition": {"definition": PUMP},
    "save_draft": {"definition": PUMP},
    "register_route": {"path": "/more", "agent": "pumps"},
    "update_route": {"enabled": True},
    "register_sip_username": {"username": "more", "route": "/pumps"},
    "decide": {},
    "apply_fleet": {"switchboard": 1, "agents": {}},
    "adopt_server": {"url": "nowhere"},
    "create_token": {"name": "x", "scope": "read"},
}
# Everybody: what they may, and with what they come.
PEOPLE = {
    "nobody": None,
    "stranger": Level.NOTHING,
    "Viewer": Level.READ,
    "Operator": Level.OPERATE,
    "Admin": Level.ADMIN,
    "switched off": None,
}
TOKENS = {"read": Level.READ, "operate": Level.OPERATE, "admin": Level.ADMIN, "revoked": None, "expired": None}


def walk():
    """(operation id, method, path)."""
    for path, operation in api.operations():
        for place, value in PLACES.items():
            path = path.replace(place, value)
        assert "{" not in path, f"{path}: say in PLACES what stands there"
        for method in operation.methods:
            yield operation.operation_id, method, path


WALK = list(walk())


def test_the_table_here_has_every_operation():
    assert {name for name, _, _ in WALK} == set(OPERATIONS)


def test_every_operation_asks_the_policy():
    for path, operation in api.operations():
        doors = operation.auth_callbacks
        if OPERATIONS[operation.operation_id] is NOTHING:
            assert not doors, path
            continue
        assert [type(door) for door in doors] == [Token, Session], path
        assert {NEEDS[door.deed] for door in doors} == {OPERATIONS[operation.operation_id]}, path


def expected(needed: Level, level: Level | None) -> set[int] | None:
    """The statuses that may come; None = anything but 401, 403 and our own errors."""
    if needed is NOTHING:
        return None
    if level is None:
        return {401}
    return None if level >= needed else {403}


def check(asker: Asker, name: str, method: str, path: str, level: Level | None) -> None:
    answer = asker(method, path, BODIES.get(name))
    if answer.streaming:
        answer.close()
    wanted = expected(OPERATIONS[name], level)
    if wanted is None:
        assert answer.status_code not in (401, 403), (name, answer.content)
        # 503: a function cannot be run in this process, which serves no agents
        assert answer.status_code < 500 or name == "run_function", (name, answer.content)
    else:
        assert answer.status_code in wanted, (name, answer.status_code)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("who", PEOPLE)
def test_people_may_what_their_role_says(who, pumps):
    client = Client(raise_request_exception=False)
    if who != "nobody":
        user = person("someone", who if PEOPLE[who] else "Admin" if who == "switched off" else "")
        client.force_login(user)
        user.is_active = who != "switched off"
        user.save()
    for name, method, path in WALK:
        check(Asker(client=client), name, method, path, PEOPLE[who])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("which", TOKENS)
def test_tokens_may_what_their_scope_says(which, pumps, token):
    text = token("admin", which) if TOKENS[which] is None else token(which)
    for name, method, path in WALK:
        check(Asker(text), name, method, path, TOKENS[which])


@pytest.mark.django_db
def test_a_token_may_no_more_than_its_owner(token):
    olga = person("olga", "Operator")
    asker = Asker(token("admin", owner=olga))
    assert asker.get("/me").json()["level"] == "operate"
    olga.groups.clear()
    assert asker.get("/me").status_code == 403
    olga.is_active = False
    olga.save()
    assert asker.get("/me").status_code == 401


def test_the_paths_here_are_those_of_the_api():
    assert {f"{PREFIX}{path}" for _, _, path in WALK if path == "/agents"} == {"/api/v1/agents"}
