import json
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from registry.base.errors import Malformed
from registry.fleet import parse as reading_module
from registry.fleet import read_document

GOOD = """
switchboard: 1
agents:
  sales:
    title: " Sales desk "
    tags: [emea, emea]
    routes: {sales/: {sip: ["Sip:Help-Desk@h"], auto_sip: true}, /other: }
    definition: {prompt: {text: I sell.}}
"""


def problems(text):
    with pytest.raises(Malformed) as refusal:
        read_document(text)
    return refusal.value.problems


def test_what_is_written_by_hand_is_normalised():
    agent = read_document(GOOD.encode()).agents["sales"]
    assert (agent.title, agent.tags, agent.state) == ("Sales desk", ("emea",), "serving")
    assert [route.path for route in agent.routes] == ["/sales", "/other"]
    assert (agent.routes[0].sip, agent.routes[0].all_auto_sip) == ({"help-desk": "Sip:Help-Desk@h"}, True)


def test_a_paused_agent_without_words_has_the_usual_ones():
    text = GOOD.replace("title:", "state: paused\n    title:")
    assert read_document(text).agents["sales"].pause_message.startswith("This line is paused")


def test_a_pause_ends_at_its_time_and_one_that_is_over_is_none():
    def read(until):
        text = GOOD.replace("title:", f"state: paused\n    pause_message: x\n    paused_until: {until}\n    title:")
        agent = read_document(text).agents["sales"]
        return agent.state, agent.pause_message, agent.paused_until

    until = (timezone.now() + timedelta(hours=1)).replace(microsecond=0)
    written = f"{until:%Y-%m-%dT%H:%M:%SZ}"
    for given in (written, f'"{written}"', until.astimezone(ZoneInfo("Asia/Tokyo")).isoformat()):
        assert read(given) == ("paused", "x", written)
    assert read("2020-01-01T00:00:00Z") == read("0001-01-01T00:00:00+14:00") == ("serving", "", "")
    for wrong, words in (
        ("2020-01-01T00:00:00", "offset"), ("soon", "such as 2026"), ("5", "such as 2026"), ("2020-01-01", "such"),
        ((until + timedelta(days=30)).isoformat(), "30 days"), ("9999-12-31T23:00:00-14:00", "30 days"),
    ):  # fmt: skip
        with pytest.raises(Malformed) as refusal:
            read(wrong)
        assert words in refusal.value.problems["agents.sales.paused_until"], wrong
    text = GOOD.replace("title:", f"paused_until: {written}\n    title:")
    assert problems(text) == {"agents.sales.paused_until": "is of no use without state: paused"}


def test_all_problems_are_told_at_once_by_path():
    found = problems(
        """
switchboard: 2
extra: 1
agents:
  Sales Desk: {routes: {/x: {}}, definition: {}}
  sales:
    titel: x
    title: [x]
    tags: [a, 1, ""]
    state: trashed
    routes:
      /a b: {}
      /health: {}
      /sales: {sip: [7, "a b", ok, OK], auto_sip: maybe, enabled: 1, word: x}
      sales: {}
      /list: []
    credentials: user:hunter2
    signing_key: {}
    definition: {params: {when: 2020-01-01}}
  none: {}
  text: x
  message: {pause_message: x, routes: {/m: {}}, definition: []}
"""
    )
    assert found["switchboard"] == "must be 1: the document's format, which is the only one known here"
    assert found["extra"] == "is not known here: switchboard, agents are"
    assert "how about 'sales-desk'?" in found["agents.Sales Desk"]
    assert found["agents.sales.titel"].startswith("is not known here: title, tags, state")
    assert found["agents.sales.title"] == "must be a text"
    assert found["agents.sales.tags[1]"] == "must be a text: put it in quotes"
    assert "tags of 1 to 50 characters" in found["agents.sales.tags"]
    assert "serving or paused" in found["agents.sales.state"]
    assert "is not a route" in found["agents.sales.routes./a b"]
    assert "reserved" in found["agents.sales.routes./health"]
    assert found["agents.sales.routes./sales.sip[0]"] == "must be a text: put it in quotes"
    assert "not a SIP name" in found["agents.sales.routes./sales.sip[1]"]
    assert found["agents.sales.routes./sales.sip[3]"] == "is ok, which stands here already"
    assert found["agents.sales.routes./sales.auto_sip"] == "must be a list"
    assert found["agents.sales.routes./sales.enabled"] == "must be true or false"
    assert "default, enabled, sip, auto_sip" in found["agents.sales.routes./sales.word"]
    assert found["agents.sales.routes.sales"] == "is /sales, which stands here already"
    assert found["agents.sales.routes./list"] == "must be an object"
    assert found["agents.sales.credentials"] == "must be env:NAME: secrets are in variables, never in the document"
    assert "hunter2" not in str(found)
    assert found["agents.sales.signing_key"].startswith("must be env:NAME")
    assert "put it in quotes" in found["agents.sales.definition.params.when"]
    assert found["agents.none.definition"] == "is missing: an agent has a definition, or python or remote"
    assert "one route at least" in found["agents.none.routes"]
    assert found["agents.text"] == "must be an object"
    assert found["agents.message.pause_message"] == "is of no use without state: paused"
    assert found["agents.message.definition"] == "must be an object"


@pytest.mark.parametrize("text", ["", "[]", "x", "null", "{}", "7"])
def test_what_is_no_document_at_all(text):
    assert "switchboard: 1" in problems(text)["document"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("switchboard: 1\nagents: {a: &x {}, b: *x}", "line 2, column 23: aliases"),
        ("switchboard: 1\nagents: {}\nagents: {}", "line 3, column 1: duplicate key 'agents'"),
        ('{"switchboard": 1, "agents": {}, "agents": {}}', "duplicate key 'agents'"),
        ("switchboard: 1\nä: [", "line 3, column 1: did not find"),
        ("a: \x07", "line 1, column 4: character 0x0007 is not allowed"),
        ("a: 2020-99-99", "line 1, column 4: '2020-99-99' cannot be read as timestamp"),
        (b"\xff", "not UTF-8: byte 0"),
        ("[" * 3000, "nested too deeply"),
        ('{"a":' * 3000, "nested too deeply"),
        ('{"a": ' + "1" * 5000 + "}", "cannot be read as int"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
    ],
)
def test_what_cannot_be_parsed_is_told_with_its_place(text, words):
    with pytest.raises(Malformed, match=r"the document") as refusal:
        read_document(text)
    assert words in str(refusal.value)


def test_json_is_read_by_its_own_rules():
    definition = {"prompt": {"text": "I sell."}, "params": {"number": 1e5, "word": "yes"}}
    text = '{"switchboard": 1, "agents": {"a": {"routes": {"/a": {}}, "definition": %s}}}'
    read = read_document(text % json.dumps(definition).replace("100000.0", "1e5"))
    assert read.agents["a"].definition == definition
    assert "is not a JSON number" in str(problems(text % '{"params": {"x": NaN}}'))
    assert read_document("{switchboard: 1, agents: {}}").agents == {}, "YAML that begins so"


def test_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(reading_module, "MAX_BYTES", 10)
    with pytest.raises(Malformed, match="more than 10 bytes"):
        read_document("ä" * 6)
    monkeypatch.undo()
    monkeypatch.setattr(reading_module, "MAX_AGENTS", 1)
    assert "more than 1" in problems('{"switchboard": 1, "agents": {"a": {}, "b": {}}}')["agents"]


def test_a_definition_that_is_nested_too_deeply_is_a_problem():
    definition = {"prompt": {"text": "x"}, "params": {}}
    inner = definition["params"]
    for _ in range(120):
        inner["x"] = inner = {}
    text = json.dumps({"switchboard": 1, "agents": {"a": {"routes": {"/a": {}}, "definition": definition}}})
    assert "nested too deeply" in problems(text)["agents.a.definition"]
