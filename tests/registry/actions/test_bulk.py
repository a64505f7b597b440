import pytest

from agents.models import Agent
from registry.actions import routes
from registry.actions.bulk import (
    MAX_AGENTS,
    pause_many,
    restore_many,
    resume_many,
    tag_many,
    unregister_many,
)
from registry.base.errors import Conflict, Malformed, NotFound
from registry.models import Route
from registry.reports.audit import Search, read_audit

pytestmark = pytest.mark.django_db
TWO = ["pharmacy", "info-line"]


def states() -> dict[str, str]:
    return dict(Agent.objects.values_list("name", "state"))


def test_several_are_paused_and_resumed_in_one_step(fleet, actor):
    changes = pause_many(TWO, "Closed today.", by=actor)
    assert [(change.agent, change.changed) for change in changes] == [("info-line", True), ("pharmacy", True)]
    assert states() == {"booking-desk": "serving", "pharmacy": "paused", "info-line": "paused"}
    assert Agent.objects.get(name="pharmacy").pause_message == "Closed today."
    times = {row["time"] for row in read_audit(Search(), 2)}
    assert len(times) == 1
    resume_many(TWO, by=actor)
    assert set(states().values()) == {"serving"}


def test_all_or_none(fleet, actor):
    with pytest.raises(NotFound):
        pause_many([*TWO, "nobody"], by=actor)
    assert set(states().values()) == {"serving"}
    with pytest.raises(Malformed):
        pause_many([], by=actor)
    with pytest.raises(Malformed):
        pause_many([f"agent-{number}" for number in range(MAX_AGENTS + 1)], by=actor)


def test_tags_are_added_and_removed(fleet, actor):
    tag_many(TWO, ["night", " eu "], by=actor)
    tag_many(TWO, ["night"], by=actor)
    assert Agent.objects.get(name="pharmacy").tags == ["night", "eu"]
    changes = tag_many(["booking-desk", "pharmacy"], ["night"], by=actor, remove=True)
    assert [(change.agent, change.changed) for change in changes] == [("booking-desk", False), ("pharmacy", True)]
    assert Agent.objects.get(name="pharmacy").tags == ["eu"]
    with pytest.raises(Malformed):
        tag_many(TWO, [], by=actor)


def test_unregistered_ones_come_back_together(fleet, actor):
    before = set(Route.objects.values_list("path", flat=True))
    unregister_many(TWO, by=actor)
    assert states() == {"booking-desk": "serving", "pharmacy": "trashed", "info-line": "trashed"}
    restore_many(TWO, by=actor)
    assert set(Route.objects.values_list("path", flat=True)) == before
    unregister_many(TWO, by=actor)
    routes.register_route("booking-desk", "/info", by=actor)
    with pytest.raises(Conflict, match="/info"):
        restore_many(TWO, by=actor)
    assert states()["pharmacy"] == "trashed"
