"""Fleets by chance, one after the other: whatever is registered becomes whatever a document says."""

import json
import random

import pytest

from registry.fleet import apply_plan, export_document, export_fleet, make_plan
from tests.client import load_table

NAMES = ["a", "b-c", "b_c", "d"]
PATHS = ["/a", "/a/b", "/b", "/c", "/d/e", "/"]
USERNAMES = ["a", "bc", "one", "two", "three", "four"]


def some(chance, items):
    """Some of these, in any order."""
    return chance.sample(items, chance.randint(0, len(items)))


def any_fleet(chance):
    """A document without conflicts."""
    names = some(chance, NAMES)
    paths, usernames = some(chance, PATHS), some(chance, USERNAMES)
    agents = {}
    for number, name in enumerate(names):
        own = paths[number :: len(names)]
        if not own:
            continue
        routes = {}
        for path in own:
            chosen, automatic = (
                sorted(usernames.pop() for _ in range(chance.randint(0, 2)) if usernames) for _ in range(2)
            )
            about = {"enabled": chance.random() < 0.7, "sip": chosen, "auto_sip": automatic}
            routes[path] = {key: value for key, value in about.items() if value not in (True, [])}
        about = {"title": chance.choice(["", "One", "Two"]), "tags": some(chance, ["x", "y"])}
        if chance.random() < 0.3:
            about |= {"state": "paused", "pause_message": chance.choice(["Later.", "Never."])}
        about |= {"routes": routes, "definition": {"prompt": {"text": chance.choice(["I sell.", "I bill.\nWell.\n"])}}}
        agents[name] = {key: value for key, value in about.items() if value}
    if agents and chance.random() < 0.6:
        routes = agents[chance.choice(list(agents))]["routes"]
        routes[chance.choice(list(routes))]["default"] = True
    return {"switchboard": 1, "agents": agents}


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_registered_becomes_whatever_a_document_says(seed, db, actor, settings):
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    chance = random.Random(seed)
    for _ in range(8):
        wanted = any_fleet(chance)
        text = json.dumps(wanted)
        seen = make_plan(text, remove=True)
        apply_plan(text, by=actor, remove=True, expected_digest=seen.digest)
        got = export_document().as_plain()
        assert got == wanted
        assert [list(about["routes"]) for about in got["agents"].values()] == [
            list(wanted["agents"][name]["routes"]) for name in got["agents"]
        ]
        assert not make_plan(text, remove=True).changes
        assert not make_plan(export_fleet(), remove=True).changes
        assert {path: entry.agent.name for path, entry in load_table().routes.items()} == {
            path: name
            for name, about in wanted["agents"].items()
            for path, route in about["routes"].items()
            if route.get("enabled", True)
        }
