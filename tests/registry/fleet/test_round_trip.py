import json
import re

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Agent, AgentVersion
from registry.actions import agents as agent_actions
from registry.actions import credentials, sip_names
from registry.actions import routes as route_actions
from registry.base.yaml_in import read_fleet
from registry.fleet import apply_plan, export_document, export_fleet, make_plan, read_document
from registry.fleet.document import Document, FleetAgent, FleetRoute
from registry.installation import EXAMPLE_FLEET
from tests.client import load_table
from tests.conftest import FLEET_FILE
from tests.registry.fleet.conftest import everything

CONTRACT_FILE = FLEET_FILE.parent / "e2e" / "contract.yaml"
NASTY = [
    "yes", "No", "null", "~", "1e3", "012", "0x1f", "1:30", "2020-01-01", "=", "<<", "!x", "&a", "*a", "%d", "#a",
    "a #b", "a: b", "a:", "- a", "-", "?", "", " ", " a", "a ", "a\tb", "\ta", "\n", "\na", "a\n", "a\n\n\n", "a\n\nb",
    "a\n  b\n", "a\n \nb", "  a\nb", "a\r\nb", "a\n---\nb", "😀", "Grüße", "x\x85y", "a\u2028b", "\ufeffa", "\x07",
    "\x9b31m", "\uffff", "it's", '"', "\\", "{a}", "[a]", "env:X", "https://x/#y", "x" * 5000, "a" * 1100 + ": b",
    "true", "key: |\n  x",
]  # fmt: skip


def same_json(one, other):
    """Whether two JSON values are one, also in types and in the order of keys."""
    return json.dumps(one) == json.dumps(other)


texts = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    | st.sampled_from(NASTY)
    | st.lists(st.sampled_from([*NASTY, "\n", " ", ":", "#"])).map("".join)
)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    texts | numbers | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


def document_of(definition):
    return Document({"sales": FleetAgent("sales", definition, (FleetRoute("/sales"),))})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(texts, values, max_size=4))
def test_whatever_a_definition_says_is_read_as_it_was_written(definition):
    text = document_of(definition).as_yaml()
    read = read_document(text)
    assert same_json(read.agents["sales"].definition, definition)
    assert read.as_yaml() == text
    again = read_document(json.dumps(read.as_plain()))
    assert same_json(again.agents["sales"].definition, definition)


@pytest.mark.parametrize("text", NASTY)
def test_nasty_texts_stay_texts_wherever_they_stand(text):
    definition = {"value": text, text: "key", "list": [text, [text], {text: text}]}
    assert same_json(read_document(document_of(definition).as_yaml()).agents["sales"].definition, definition)


def test_texts_of_several_lines_are_blocks_and_unicode_is_itself():
    text = document_of({"prompt": {"text": "Grüße 😀.\n\nBe brief: yes.\n"}, "hints": ["Dr Okafor", "yes"]}).as_yaml()
    assert text == (
        "switchboard: 1\nagents:\n  sales:\n    routes:\n      /sales: {}\n    definition:\n      prompt:\n"
        "        text: |\n          Grüße 😀.\n\n          Be brief: yes.\n"
        '      hints:\n        - Dr Okafor\n        - "yes"\n'
    )


def test_everything_that_can_be_set_comes_back_byte_by_byte(varied, emptied, actor):
    text = export_fleet()
    served = told(load_table())
    for words in (
        'title: "Booking: desk #1"', "pause_message: |-", "paused_until: ", "Sip:More-Info@example.com",
        "enabled: false", "default: true", "signing_key: env:AGENT_SECRET_SIGNED_SIGNING_KEY",
    ):  # fmt: skip
        assert words in text
    emptied()
    assert export_fleet() == "switchboard: 1\nagents: {}\n"
    result = apply_plan(text, by=actor)
    assert (result.plan.totals["add"], result.credentials) == (4, {})
    assert export_fleet() == text
    assert told(load_table()) == served


def told(table):
    """What a table serves, without the ids of rows."""
    routes = {
        path: (
            entry.agent.name,
            entry.agent.live and entry.agent.live.number,
            entry.agent.paused,
            entry.agent.paused_until,
            entry.agent.signing_key,
        )
        for path, entry in table.routes.items()
    }
    return routes, {name: entry.path for name, entry in table.sip.items()}, table.default and table.default.path


@pytest.mark.parametrize("file", [EXAMPLE_FLEET, FLEET_FILE], ids=lambda file: file.stem)
def test_fleets_come_back_byte_by_byte_and_twice_changes_nothing(file, db, actor, emptied, settings):
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    settings.AGENT_SECRETS = ["*"]
    for entry in read_fleet(file):
        agent_actions.register(entry.name, entry.route, entry.definition, sip=entry.sip, by=actor)
    text = export_fleet()
    assert not make_plan(text).changes
    emptied()
    assert apply_plan(text, by=actor, note="from git").changed
    assert export_fleet() == text
    assert set(AgentVersion.objects.values_list("number", "note", "author")) == {(1, "from git", "alice")}
    before = everything()
    result = apply_plan(text, by=actor)
    assert not result.changed
    assert everything() == before
    assert result.revision == before[-1]


def test_plain_documents_of_the_contract_become_definitions_and_come_back(db, actor, emptied, settings):
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    text = re.sub(r"<(\w+)>", r"https://voice.example.com/\1", CONTRACT_FILE.read_text())
    agents = {
        name: {"routes": {f"/{name}": {"auto_sip": True}}, "definition": definition}
        for name, definition in yaml.safe_load(text)["documents"].items()
    }
    written = json.dumps({"switchboard": 1, "agents": agents})
    assert apply_plan(written, by=actor).changed
    assert not make_plan(written).changes, "though it was written in another way"
    text = export_fleet()
    emptied()
    apply_plan(text, by=actor)
    assert export_fleet() == text


def test_the_order_of_routes_comes_back(register, actor, emptied, settings):
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    register("sales", "/z", credentials=None)
    for path in ("/m", "/a"):
        route_actions.register_route("sales", path, by=actor, auto_sip=False)
    text = export_fleet()
    assert text.index("/z") < text.index("/m") < text.index("/a")
    emptied()
    apply_plan(text, by=actor)
    assert export_fleet() == text


def test_json_is_the_same_document(varied):
    document = export_document()
    assert not make_plan(json.dumps(document.as_plain())).changes


def test_no_secret_is_in_the_export_nor_in_a_plan(varied, monkeypatch, actor):
    monkeypatch.setenv("AGENT_SECRET_SIGNED_CREDENTIALS", "other-user:other-hunter2")
    monkeypatch.setenv("AGENT_SECRET_SIGNED_SIGNING_KEY", "PSK_another_key")
    text = export_fleet()
    plan = make_plan(text)
    (step,) = plan.steps
    assert [difference.path for difference in step.differences] == ["credentials", "signing_key"]
    result = apply_plan(text, by=actor)
    told = text + json.dumps(plan.as_json()) + json.dumps(result.as_json()) + repr(plan) + repr(result)
    for secret in ("hunter2", "PSK_", "u:p", '"p"'):
        assert secret not in told
    assert credentials.reveal_credentials("signed", by=actor) == ("other-user", "other-hunter2")


def test_what_cannot_answer_is_left_out_and_said(fleet, emptied):
    Agent.objects.filter(name="pharmacy").update(live=None)
    text = export_fleet()
    assert text.startswith("# Left out: pharmacy, which has no live version\n")
    assert "pharmacy" not in read_document(text).agents


def test_agents_whose_names_differ_in_a_dash_do_not_share_variables(register):
    register("a-b")
    register("a_b")
    agents = export_document().agents
    assert agents["a-b"].credentials == "AGENT_SECRET_A_B_CREDENTIALS"
    assert agents["a_b"].credentials == "AGENT_SECRET_A_B_2_CREDENTIALS"


def test_an_export_takes_no_more_queries_the_more_agents_there_are(fleet, django_assert_max_num_queries):
    with django_assert_max_num_queries(5):
        export_fleet()


def test_a_name_that_was_too_long_to_be_kept_as_typed_is_written_as_it_is_compared(register, actor):
    register()
    sip_names.register_sip_username("%61" * 120, "/sales", by=actor)
    assert export_document().agents["sales"].routes[0].sip == {"a" * 120: "a" * 120}
