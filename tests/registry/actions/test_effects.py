"""What is said of an act before it is done, compared with what the dispatcher's own decision is after it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from agents.models import Agent
from registry.actions import agents, effects, pauses, routes, sip_names, trash
from registry.actions.effects import Effect, Unmatched, effect_of_removing, effect_of_unregistering
from registry.models import Route, SipMapping
from registry.routing.decide import CENTRAL_SIP, Decision, Facts, decide
from tests.client import load_table

pytestmark = pytest.mark.django_db
DEFINITION = {"prompt": {"text": "I sell."}}
UNKNOWN = "a-name-that-nobody-has"
# Which route is the default, and whether it is on; /keep stays, /sales and /more are removed in some of the acts.
DEFAULTS = ["", "/keep on", "/keep off", "/sales on", "/sales off", "/more on"]
SITUATIONS = [
    *((default, "serving") for default in DEFAULTS),
    *(("/keep on", keeper) for keeper in ("paused", "pause over", "broken")),
]


@pytest.fixture
def register(actor) -> Callable[..., None]:
    """Sales at two routes, one of which is off if wanted, and keep; each with names of both sorts."""

    def make(default: str, keeper: str, second: bool) -> None:
        agents.register("keep", "/keep", DEFINITION, by=actor, sip=["kept"])
        agents.register("sales", "/sales", DEFINITION, by=actor, sip=["Sell"])
        routes.register_route("sales", "/more", by=actor, sip=["More-Sales"])
        routes.update_route("/more", enabled=second, by=actor)
        if default:
            path, state = default.split()
            routes.update_route(path, default=True, enabled=state == "on", by=actor)
        if keeper.startswith("pause"):
            pauses.pause("keep", by=actor)
        if keeper == "pause over":
            Agent.objects.filter(name="keep").update(paused_until=timezone.now() - timedelta(minutes=1))
        if keeper == "broken":
            Agent.objects.filter(name="keep").update(live=None)

    return make


def ids(*paths: str) -> list[int]:
    return list(Route.objects.filter(path__in=paths).values_list("pk", flat=True))


ACTS: dict[str, tuple[Callable[[], Effect], Callable[[Any], None]]] = {
    "remove a route": (
        lambda: effect_of_removing(ids("/sales")), lambda by: routes.unregister("/sales", by=by),
    ),
    "switch a route off": (
        lambda: effect_of_removing(ids("/sales")), lambda by: routes.update_route("/sales", enabled=False, by=by),
    ),
    "remove all routes": (
        lambda: effect_of_removing(ids("/sales", "/more")),
        lambda by: [routes.unregister(path, by=by) for path in ("/sales", "/more")],
    ),
    "unregister the agent": (
        lambda: effect_of_unregistering(["sales", "nobody"]), lambda by: trash.unregister_agent("sales", by=by),
    ),
    "unregister both": (
        lambda: effect_of_unregistering(["sales", "keep"]),
        lambda by: [trash.unregister_agent(name, by=by) for name in ("sales", "keep")],
    ),
}  # fmt: skip


def asked(dialled: str = "", path: str = CENTRAL_SIP) -> Decision:
    """What a caller gets now."""
    return decide(load_table(), Facts(path, dialled=dialled), timezone.now().timestamp())


def landing(decision: Decision) -> Unmatched:
    """The same, as effects say it."""
    route = decision.route
    return Unmatched(decision.outcome, route.path, route.agent.name) if route else Unmatched()


@contextmanager
def taken_back() -> Iterator[None]:
    """What is done in here is undone: a fleet is registered once for all acts."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("second", [True, False])
@pytest.mark.parametrize(("default", "keeper"), SITUATIONS)
def test_what_is_said_before_an_act_is_what_callers_get_after_it(register, actor, default, keeper, second):
    register(default, keeper, second)
    bound = dict(SipMapping.objects.values_list("username", "route__path"))
    for act, (say, do) in ACTS.items():
        said = say()
        with taken_back():
            do(actor)
            assert said.routes, act
            assert {asked(path=path).outcome for path in said.routes} == {"not_found"}, act
            assert set(said.sip) == {name for name, path in bound.items() if path in said.routes}, act
            expected = said.unmatched if said.unmatched.answers else Unmatched()
            assert {landing(asked(name)) for name in [*said.sip, UNKNOWN]} == {expected}, act
            path = default.split()[0] if default else ""
            assert said.loses_default == (path if path in said.routes else ""), act
            trashed = set(Agent.objects.filter(state=Agent.State.TRASHED).values_list("name", flat=True))
            assert trashed == (set() if act == "switch a route off" else {*said.trashed}), act


@pytest.mark.parametrize(("default", "keeper"), SITUATIONS)
def test_where_unmatched_calls_come_out_is_where_a_name_comes_out_that_is_unmapped(register, actor, default, keeper):
    register(default, keeper, True)
    said = effects.unmatched()
    sip_names.unregister_sip_username("sell", by=actor)
    expected = said if said.answers else Unmatched()
    assert [landing(asked(name)) for name in ("sell", UNKNOWN)] == [expected, expected]


@pytest.mark.parametrize("off", [(), ("/sales",), ("/sales", "/more")])
def test_a_pause_is_heard_where_a_route_is_on_and_nowhere_else(register, actor, off):
    register("", "serving", True)
    for path in off:
        routes.update_route(path, enabled=False, by=actor)
    said = effects.not_reached(["sales", "keep", "nobody"])
    pauses.pause("sales", by=actor)
    heard = {asked(path=path).outcome for path in ("/sales", "/more")} | {asked("sell").outcome}
    assert (said == ["sales"]) == ("paused" not in heard)
    assert "sales" in said or said == []


def test_the_effect_is_one_query(register, actor, django_assert_num_queries):
    register("/keep on", "serving", True)
    pks = ids("/sales", "/more")
    with django_assert_num_queries(1):
        effect_of_removing(pks)
    with django_assert_num_queries(1):
        effect_of_unregistering(["sales"])
    with django_assert_num_queries(1):
        effects.unmatched()


def test_the_effect_on_several_agents_is_named_before(fleet, actor):
    routes.set_default_route("/info", by=actor)
    effect = effect_of_unregistering(["pharmacy", "nobody"])
    assert (effect.routes, effect.unmatched.path, effect.loses_default) == (["/pharmacy"], "/info", "")
    assert "pharmacy" in effect.sip
    effect = effect_of_unregistering(["pharmacy", "info-line"])
    assert (effect.routes, effect.unmatched.path, effect.loses_default) == (["/info", "/pharmacy"], "", "/info")
    assert effect_of_unregistering([]) == Effect(unmatched=Unmatched("agent", "/info", "info-line"))


def test_of_nothing_there_is_no_effect(register):
    register("/keep on", "serving", True)
    assert effect_of_unregistering([]) == Effect(unmatched=Unmatched("agent", "/keep", "keep"))
    assert effect_of_removing([]) == effect_of_unregistering(["nobody"]) == effect_of_unregistering([])
    assert not effects.not_reached([])


@pytest.mark.parametrize(
    ("unmatched", "words"),
    [
        (Unmatched(), "nobody"),
        (Unmatched("not_found", "/keep", "keep"), "nobody"),
        (Unmatched("agent", "/keep", "keep"), "/keep (keep)"),
        (Unmatched("paused", "/keep", "keep"), "/keep (keep), which is paused"),
        (Unmatched("broken", "/keep", "keep"), "/keep (keep), which has no live version"),
    ],
)
def test_who_takes_such_calls_is_said_in_words(unmatched, words):
    assert str(unmatched) == words
    assert unmatched.is_off == (words == "nobody" and unmatched.path != "")
