"""What is checked of a definition when it is registered, beside its form: variables, webhooks, plain documents."""

import pytest

from agents.definition import AgentDefinition
from registry.actions import agents
from registry.actions.definitions import read_definition, warnings_of
from registry.base.errors import Malformed


def with_webhook(url="https://crm.example.com/hook", **words):
    function = {"description": "Ask", "handler": {"webhook": {"url": url, **words}}}
    return {"prompt": {"text": "I sell."}, "functions": {"ask": function}}


def test_a_variable_that_is_not_for_agents_is_refused_with_its_field():
    definition = with_webhook(headers={"Authorization": "Bearer env:DATABASE_URL", "X-Api-Key": "env:AGENT_SECRET_CRM"})
    with pytest.raises(Malformed) as refusal:
        read_definition(definition)
    assert refusal.value.problems == {
        "functions.ask.handler.webhook.headers.Authorization": (
            "the variable DATABASE_URL is not for agents: AGENT_SECRETS allows AGENT_SECRET_*"
        )
    }
    assert "functions.ask.handler.webhook.headers.Authorization: the variable DATABASE_URL" in str(refusal.value)


def test_which_variables_are_for_agents_is_a_setting(settings):
    definition = with_webhook(headers={"Authorization": "env:CRM_TOKEN"})
    settings.AGENT_SECRETS = ["OTHER_*", "CRM_TOKEN"]
    assert isinstance(read_definition(definition), AgentDefinition)
    settings.AGENT_SECRETS = []
    with pytest.raises(Malformed, match="AGENT_SECRETS allows none"):
        read_definition(definition)


@pytest.mark.django_db
def test_a_variable_that_is_not_set_here_is_a_warning(actor, monkeypatch):
    monkeypatch.delenv("AGENT_SECRET_CRM", raising=False)
    definition = with_webhook(headers={"Authorization": "Bearer env:AGENT_SECRET_CRM"})
    change = agents.register("sales", "/sales", definition, by=actor)
    assert change.warnings == ["AGENT_SECRET_CRM is not set here: the server must have it"]
    monkeypatch.setenv("AGENT_SECRET_CRM", "x")
    assert agents.publish("sales", definition, by=actor).warnings == []


@pytest.mark.django_db
@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "[::1]", "169.254.169.254"])
def test_a_webhook_at_a_private_address_is_a_warning(settings, host):
    definition = read_definition(with_webhook(f"http://{host}/hook"))
    (warning,) = warnings_of(definition, "sales")
    assert warning.startswith("function ask: ")
    assert warning.endswith("; WEBHOOK_ALLOWED_HOSTS can allow it")
    settings.WEBHOOK_ALLOWED_HOSTS = [host.strip("[]")]
    assert warnings_of(definition, "sales") == []


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["https://crm.example.com/hook", "https://8.8.8.8/hook"])
def test_a_webhook_elsewhere_is_not(url):
    assert warnings_of(read_definition(with_webhook(url)), "sales") == []


DOCUMENT = {
    "version": "1.0.0",
    "sections": {
        "main": [
            {"answer": {}},
            {
                "ai": {
                    "prompt": {"text": "I sell."},
                    "SWAIG": {
                        "functions": [{"function": "ask", "description": "Ask", "web_hook_url": "https://e.com/f"}]
                    },
                }
            },
        ]
    },
}


def test_a_plain_document_becomes_a_definition():
    stored = read_definition(DOCUMENT).stored()
    assert stored["prompt"] == {"text": "I sell."}
    assert stored["functions"]["ask"]["handler"]["webhook"] == {"url": "https://e.com/f", "direct": True}


@pytest.mark.parametrize(
    ("ai", "field"),
    [
        ({"prompt": {"txt": "I sell."}}, "prompt"),
        ({"prompt": {"text": "I sell."}, "nonsense": 1}, "nonsense"),
        ({"prompt": {"text": "I sell."}, "SWAIG": {"functions": [{"description": "x"}]}}, "SWAIG.functions.0"),
        ({"prompt": {"text": "I sell."}, "SWAIG": {"functions": [{"function": "x"}]}}, "SWAIG.functions.0"),
    ],
)
def test_problems_of_a_plain_document_are_named(ai, field):
    with pytest.raises(Malformed, match="the definition has problems") as refusal:
        read_definition({"version": "1.0.0", "sections": {"main": [{"ai": ai}]}})
    assert any(field in path for path in refusal.value.problems), refusal.value.problems
    assert any(field in line for line in str(refusal.value).splitlines())
