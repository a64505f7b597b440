"""Putting back what led to an agent: a name that was moved, a route that was unregistered."""

import pytest

from registry.actions import agents, routes, sip_names
from registry.base.errors import Conflict, Malformed, NotFound, Outdated
from registry.models import Route, SipMapping

pytestmark = pytest.mark.django_db


def test_a_name_is_moved_and_says_where_it_was(fleet, actor):
    routes.register_route("pharmacy", "/second", by=actor)
    change = sip_names.move_sip_username("Appointments", "/second", away_from="/clinic/booking", by=actor)
    assert change.former == {"route": "/clinic/booking", "typed": "appointments", "source": "manual"}
    assert (change.agent, change.changed) == ("pharmacy", True)
    back = {"typed": change.former["typed"], "route": change.former["route"], "source": change.former["source"]}
    sip_names.move_sip_username(back["typed"], back["route"], source=back["source"], away_from="/second", by=actor)
    assert SipMapping.objects.get(username="appointments").route.path == "/clinic/booking"
    assert sip_names.move_sip_username("appointments", "/clinic/booking", by=actor).changed is False


def test_a_name_that_was_moved_meanwhile_stays(fleet, actor):
    with pytest.raises(Outdated, match="since you looked"):
        sip_names.move_sip_username("appointments", "/clinic/booking", away_from="", by=actor)
    with pytest.raises(Malformed, match="auto or manual"):
        sip_names.move_sip_username("x", "/clinic/booking", source="magic", by=actor)


def test_a_route_comes_back_as_it_was(fleet, actor):
    routes.register_route("pharmacy", "/second", sip=["Two"], by=actor)
    routes.update_route("/second", enabled=False, default=True, by=actor)
    change = routes.unregister("/second", by=actor)
    assert set(change.sip) == {"two", "second"}
    sip_names.register_sip_username("second", "/clinic/booking", by=actor)
    back = routes.restore_route("pharmacy", change.former, by=actor)
    assert (back.sip, back.skipped) == (["two"], {"second": "booking-desk"})
    route = Route.objects.get(path="/second")
    assert (route.enabled, route.default) == (False, True)
    with pytest.raises(Conflict, match="is taken"):
        routes.restore_route("pharmacy", change.former, by=actor)


@pytest.mark.parametrize("former", [None, {}, {"path": 5, "sip": [], "enabled": True, "default": False}])
def test_what_was_no_route_does_not_come_back(fleet, actor, former):
    with pytest.raises(Malformed):
        routes.restore_route("pharmacy", former, by=actor)


def test_a_trashed_agent_is_restored_whole(fleet, actor):
    change = routes.unregister("/clinic/booking", by=actor)
    assert change.state == "trashed"
    with pytest.raises(NotFound, match="in the trash"):
        routes.restore_route("booking-desk", change.former, by=actor)


def test_a_title_comes_with_the_registration(fleet, actor):
    definition = {"prompt": {"text": "x"}}
    agents.register("pumps", "/pumps", definition, title=" Pump sales ", by=actor)
    assert Route.objects.get(path="/pumps").agent.title == "Pump sales"
    with pytest.raises(Malformed, match="title"):
        agents.register("wells", "/wells", definition, title="x" * 201, by=actor)
