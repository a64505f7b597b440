import json

import pytest

from registry.actions import routes
from registry.base.errors import Conflict, Malformed
from registry.fleet import apply_plan, export_document, make_plan
from registry.fleet.document import Document, FleetAgent, FleetRoute
from registry.fleet.lines import plan_lines
from registry.fleet.plan import ABSENT, Difference
from tests.registry.fleet.conftest import DEFINITION, everything


def plain(**agents):
    """A document as a plain value; agents without routes get one of their name, and the definition of the others."""
    return {
        "switchboard": 1,
        "agents": {
            name.replace("_", "-"): {"routes": {f"/{name}": {}}, "definition": DEFINITION, **about}
            for name, about in agents.items()
        },
    }


def plan(remove=False, **agents):
    return make_plan(json.dumps(plain(**agents)), remove=remove)


def differences(plan):
    return {
        (step.agent, difference.path): (difference.before, difference.after)
        for step in plan.steps
        for difference in step.differences
    }


def test_a_plan_says_what_is_added_changed_removed_unchanged_and_kept(register, actor):
    for name in ("billing", "old", "same"):
        register(name, credentials=None)
    before = everything()
    found = plan(
        sales={"routes": {"/sales": {"sip": ["Tele-Sales"], "auto_sip": True}}},
        billing={"definition": {"prompt": {"text": "I bill."}}},
        same={},
    )
    assert [(step.action, step.agent) for step in found.steps] == [("change", "billing"), ("add", "sales")]
    assert found.totals == {"add": 1, "change": 1, "remove": 0, "unchanged": 1, "kept": 1}
    assert differences(found)["billing", "definition.prompt.text"] == ("I sell.", "I bill.")
    assert list(plan_lines(found)) == [
        '~ billing  definition.prompt.text: "I sell." → "I bill."',
        "+ sales  /sales; SIP names tele-sales, sales",
        (
            "Plan: 1 to add, 1 to change, 0 to remove, 1 unchanged, "
            "1 not in the document and kept (--remove removes them)."
        ),
    ]
    removing = plan(remove=True, same={})
    assert [(step.action, step.agent, step.routes) for step in removing.steps] == [
        ("remove", "billing", ("/billing",)),
        ("remove", "old", ("/old",)),
    ]
    assert removing.totals["kept"] == 0
    assert removing.digest != plan(same={}).digest
    assert everything() == before, "a plan writes nothing"
    assert json.loads(json.dumps(found.as_json()))["steps"][0]["differences"] == [
        {"path": "definition.prompt.text", "before": "I sell.", "after": "I bill."}
    ]


def test_every_field_has_its_difference(varied):
    document = export_document().as_plain()
    desk, info, signed = (document["agents"][name] for name in ("booking-desk", "info-line", "signed"))
    del desk["title"], desk["tags"]
    desk |= {"state": "paused", "pause_message": "Later."}
    desk["definition"]["functions"] = {"other": {"description": "x", "handler": {"reply": "y"}}}
    desk["definition"]["hints"] = ["Elm Street"]
    info["routes"] = {
        "/info/more": {"sip": ["more-info", "extra"], "auto_sip": ["info-line"]},
        "/info": {"default": True},
    }
    del signed["signing_key"]
    found = make_plan(json.dumps(document))
    assert not found.all_problems
    told = differences(found)
    assert told["booking-desk", "title"] == ("Booking: desk #1", "")
    assert told["booking-desk", "tags"] == (["clinic", "yes", "é"], [])
    assert told["booking-desk", "state"] == ("serving", "paused")
    assert told["booking-desk", "pause_message"] == ("", "Later.")
    assert told["booking-desk", "definition.hints.1"] == ("Dr Okafor", ABSENT)
    assert told["booking-desk", "definition.functions.find_slot"][1] is ABSENT
    assert told["booking-desk", "definition.functions.other"][0] is ABSENT
    assert told["info-line", "routes./info/more.enabled"] == (False, True)
    assert told["info-line", "routes./info/more.sip"] == (["more-info"], ["more-info", "extra"])
    assert told["info-line", "routes./info.default"] == (False, True)
    assert told["info-line", "routes./a-first"] == ({"default": True}, ABSENT)
    assert told["info-line", "routes (order)"] == (["/info", "/info/more", "/a-first"], ["/info/more", "/info"])
    assert told["signed", "signing_key"] == ("own", "none")
    lines = "\n".join(plan_lines(found))
    assert "~ info-line\n" in lines
    assert '    routes./a-first: - {"default": true}' in lines


def test_another_order_of_keys_is_a_difference_for_functions_are_served_in_theirs(register):
    definition = {"prompt": {"text": "x"}, "global_data": {"a": 1, "b": 2}}
    register("sales", definition=definition, credentials=None)
    definition["global_data"] = {"b": 2, "a": 1}
    assert differences(plan(sales={"definition": definition})) == {
        ("sales", "definition.global_data (order)"): (["a", "b"], ["b", "a"])
    }


def test_conflicts_name_the_owner_by_path(register, actor):
    register("stays", sip=["hotline"])
    routes.set_default_route("/stays", by=actor)
    found = plan(
        a={"routes": {"/stays": {}, "/a": {"sip": ["Hotline", "twice"], "default": True}}},
        b={"routes": {"/a": {"sip": ["other"]}, "/b": {"auto_sip": ["twice"]}}},
    )
    owner = "agent stays, which is not in the document"
    assert found.all_problems == {
        "agents.a.routes./stays": f"is taken by {owner}",
        "agents.a.routes./a.sip[0]": f"hotline belongs to {owner}",
        "agents.a.routes./a.default": f"there is one default route at most, and it is /stays of {owner}",
        "agents.b.routes./a": "is taken by agent a",
        "agents.b.routes./b.auto_sip[0]": "twice belongs to agent a at /a",
    }
    doubled = plain(a={"routes": {"/stays": {}}}, b={"routes": {"/a": {}}}, c={"routes": {"/a": {}}})
    with pytest.raises(Conflict, match=r"agents.c.routes./a: is taken by agent b") as refusal:
        apply_plan(json.dumps(doubled), by=actor)
    assert set(refusal.value.problems) == {"agents.a.routes./stays", "agents.c.routes./a"}
    assert not plan(remove=True, a={"routes": {"/stays": {"sip": ["hotline"], "default": True}}}).all_problems


def test_two_defaults_in_one_document_are_a_problem(db):
    found = plan(a={"routes": {"/a": {"default": True}}}, b={"routes": {"/b": {"default": True}}})
    assert found.all_problems == {
        "agents.b.routes./b.default": "there is one default route at most, and it is /a of agent a"
    }


def test_problems_of_all_definitions_are_told_together(register, actor):
    register("live", credentials=None)
    wrong = plain(
        a={"definition": {"prompt": {"txt": "x"}}},
        b={"definition": {"prompt": {"text": "x"}, "params": {"api_key": "hunter2"}}},
        live={"definition": {"nonsense": 1}},
    )
    found = make_plan(json.dumps(wrong))
    assert {path.rpartition(".")[0] for path in found.problems} >= {
        "agents.a.definition.prompt", "agents.b.definition.params", "agents.live.definition",
    }  # fmt: skip
    assert "hunter2" not in json.dumps(found.as_json())
    assert found.totals == {"add": 0, "change": 0, "remove": 0, "unchanged": 0, "kept": 0}
    before = everything()
    with pytest.raises(Malformed) as refusal:
        apply_plan(json.dumps(wrong), by=actor)
    assert refusal.value.problems == found.all_problems
    assert everything() == before


def test_a_transfer_to_nobody_is_a_warning_unless_it_is_in_the_document_or_stays(register):
    register("stays")
    transfers = {
        "prompt": {"text": "x"},
        "functions": {
            f"to_{name}": {"description": "x", "handler": {"reply": "x", "transfer": name}}
            for name in ("stays", "b", "nobody")
        },
    }
    assert plan(a={"definition": transfers}, b={}).warnings == (
        "a: function to_nobody transfers to nobody, which is not registered",
    )
    assert len(plan(remove=True, a={"definition": transfers}, b={}).warnings) == 2


# --- automatic names -------------------------------------------------------------------------------------------------


def automatic(found):
    return {step.agent: step.sip for step in found.steps}


def test_all_automatic_names_means_those_that_are_free(register):
    register("stays", sip=["help-desk"])
    found = plan(
        help_desk={"routes": {"/help": {"auto_sip": True}}},
        sales={"routes": {"/s/first": {"auto_sip": True}, "/t/first": {"auto_sip": True, "sip": ["Sales"]}}},
        z={"routes": {"/z": {"auto_sip": ["first-come"]}}},
    )
    assert automatic(found) == {
        "help-desk": ("help", "helpdesk"),
        "sales": ("first", "sales"),
        "z": ("first-come",),
    }
    assert found.warnings == (
        "the automatic SIP name help-desk of help-desk is skipped: agent stays, which is not in the document has it",
    )
    assert not found.all_problems


def test_whoever_has_an_automatic_name_keeps_it_whatever_the_order(register, actor):
    register("a", "/x/front", auto_sip=True, credentials=None)
    register("b", "/y/front", auto_sip=True, credentials=None)
    agents = {
        name: FleetAgent(name, DEFINITION, (FleetRoute(f"/{letter}/front", all_auto_sip=True),))
        for name, letter in (("b", "y"), ("a", "x"))
    }
    found = make_plan(Document(agents))
    assert not found.changes
    assert found.warnings == ("the automatic SIP name front of b is skipped: agent a has it",)


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_variable_that_is_not_set_keeps_what_there_is(varied, monkeypatch):
    for name in ("BOOKING_DESK", "PHARMACY", "INFO_LINE", "SIGNED"):
        monkeypatch.delenv(f"AGENT_SECRET_{name}_CREDENTIALS")
    monkeypatch.delenv("AGENT_SECRET_SIGNED_SIGNING_KEY")
    assert not make_plan(export_document()).changes


def test_a_variable_that_agents_may_not_have_is_not_read(varied, monkeypatch, settings):
    settings.AGENT_SECRETS = ["OTHER_*"]
    monkeypatch.setenv("AGENT_SECRET_SIGNED_CREDENTIALS", "other:secret")
    found = make_plan(export_document())
    assert not found.changes
    assert "signed: AGENT_SECRET_SIGNED_CREDENTIALS is not for agents and was not read" in "".join(found.warnings)
    document = {"switchboard": 1, "agents": {"new": {"routes": {"/new": {}}, "definition": {"prompt": {"text": "x"}}}}}
    document["agents"]["new"]["credentials"] = "env:PATH_CREDENTIALS"
    found = make_plan(json.dumps(document))
    assert "PATH_CREDENTIALS is not for agents" in found.problems["agents.new.credentials"]


def test_secrets_that_are_missing_for_good_are_problems(register, monkeypatch, settings):
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    register("ofthefleet", credentials=None)
    monkeypatch.setenv("AGENT_SECRET_BAD_CREDENTIALS", "without-a-colon")
    found = plan(
        new={"signing_key": "env:AGENT_SECRET_NOT_SET_SIGNING_KEY"},
        ofthefleet={"credentials": "env:AGENT_SECRET_NOT_SET_CREDENTIALS"},
        bad={"credentials": "env:AGENT_SECRET_BAD_CREDENTIALS"},
    )
    assert set(found.problems) == {"agents.new.signing_key", "agents.ofthefleet.credentials", "agents.bad.credentials"}
    assert "AGENT_SECRET_NOT_SET_SIGNING_KEY is not set here" in found.problems["agents.new.signing_key"]
    assert "USER:PASSWORD" in found.problems["agents.bad.credentials"]
    assert "without-a-colon" not in json.dumps(found.as_json())


def test_credentials_left_out_are_the_fleets_if_it_has_some(register, settings):
    register("sales")
    assert not plan(sales={}).changes, "there are no others: it keeps its own"
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    assert plan(sales={}).steps[0].differences == (Difference("credentials", "own", "fleet"),)
