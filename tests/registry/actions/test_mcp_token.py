"""Tokens for MCP clients: who gets one, what it opens, what the audit says."""

import json
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.utils import timezone

from agents.tokens import FOR_MCP, MCP_CALL, TokenKey
from registry.actions import agents, credentials, routes
from registry.actions.transaction import Actor
from registry.base.errors import Conflict, Malformed, NotFound

pytestmark = pytest.mark.django_db
AgentEvent = apps.get_model("agents", "AgentEvent")
DEFINITION = {"prompt": {"text": "I sell."}, "mcp": True}


@pytest.fixture
def sales(actor):
    agents.register("sales", "/sales", DEFINITION, by=actor, credentials=("u", "p"))


def events():
    return list(AgentEvent.objects.filter(pgh_label="mcp_token_issued"))


def test_a_token_opens_the_agents_secure_functions_for_so_many_days(sales, settings):
    path, token = credentials.issue_mcp_token("sales", 2, by=Actor("eve", "dashboard"))
    assert path == "/sales/mcp"
    key = TokenKey(str(settings.SIGNALWIRE_SWAIG_SECRET), "sales")
    now = timezone.now().timestamp()
    days = 24 * 60 * 60
    assert key.version_of(token, FOR_MCP, (MCP_CALL,), now + 1.99 * days) == 0
    assert key.version_of(token, FOR_MCP, (MCP_CALL,), now + 2.01 * days) is None
    assert TokenKey(str(settings.SIGNALWIRE_SWAIG_SECRET), "other").version_of(token, FOR_MCP, (MCP_CALL,), now) is None
    (event,) = events()
    assert event.pgh_context.metadata == {"user": "eve", "via": "dashboard"}


def test_the_root_routes_mcp_has_one_slash(actor):
    agents.register("root", "/", DEFINITION, by=actor, credentials=("u", "p"))
    assert credentials.issue_mcp_token("root", 1, by=actor)[0] == "/mcp"


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_a_token_lives_neither_for_ever_nor_not_at_all(sales, actor, days):
    with pytest.raises(Malformed, match="1 to 3650 days"):
        credentials.issue_mcp_token("sales", days, by=actor)
    assert events() == []
    for limit in (1, 3650):
        credentials.issue_mcp_token("sales", limit, by=actor)


def test_an_agent_that_offers_no_mcp_has_no_tokens(sales, actor):
    agents.publish("sales", {"prompt": {"text": "I sell."}}, by=actor)
    with pytest.raises(Conflict, match="publish a definition with `mcp: true` first"):
        credentials.issue_mcp_token("sales", 1, by=actor)
    assert events() == []


def test_nobody_and_the_trash_have_none_either(sales, actor):
    with pytest.raises(NotFound, match="no agent 'nobody'"):
        credentials.issue_mcp_token("nobody", 1, by=actor)
    routes.unregister("/sales", by=actor)
    with pytest.raises(NotFound, match="in the trash"):
        credentials.issue_mcp_token("sales", 1, by=actor)
    assert events() == []


def run(*arguments):
    out = StringIO()
    call_command("mcp", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_prints_the_url_with_a_token(sales, settings):
    text = run("sales")
    assert text.startswith("http://127.0.0.1:8000/sales/mcp?__token=")
    assert "for 90 days; HTTP Basic with the agent's credentials is needed besides" in text
    settings.PUBLIC_URL = "https://voice.example.com"
    printed = json.loads(run("sales", "--days", "7", "--json"))
    assert printed["url"] == f"https://voice.example.com/sales/mcp?__token={printed['token']}"
    assert printed["days"] == 7
    assert len(events()) == 2


def test_the_command_refuses_in_words(sales):
    for arguments, words in ((["nobody"], "no agent 'nobody'"), (["sales", "--days", "0"], "1 to 3650 days")):
        with pytest.raises(CommandError, match=words) as refusal:
            run(*arguments)
        assert refusal.value.returncode == 1
