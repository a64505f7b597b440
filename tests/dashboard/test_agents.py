"""The list of agents: what it shows, what is done with those that are picked, and who may."""

import pytest
import yaml
from django.core.cache import cache
from django.test import Client

from agents.models import Agent
from registry.actions import agents, pauses, routes
from registry.actions.bulk import unregister_many
from registry.installation import register_examples
from registry.models import Route
from tests.dashboard.browsing import html_of, signed_in
from tests.events import write_minutes

pytestmark = pytest.mark.django_db
LIST = "/dashboard/agents/"
ACT = "/dashboard/fleet/act/"
TWO = ["info-line", "pharmacy"]
PART = {"HX-Request": "true", "HX-Target": "list"}


@pytest.fixture(autouse=True)
def _nothing_is_kept(monkeypatch):
    monkeypatch.setattr("registry.heartbeats.EVERYWHERE_SECONDS", 0)
    cache.clear()


@pytest.fixture
def operator(db) -> Client:
    return signed_in("Operator")


@pytest.fixture
def viewer(db) -> Client:
    return signed_in("Viewer")


def toasts(client: Client) -> str:
    text = html_of(client.get(LIST))
    return text[text.index('id="toasts"') :]


def states() -> dict[str, str]:
    return dict(Agent.objects.values_list("name", "state"))


def test_a_row_says_how_an_agent_is_doing(fleet, actor, viewer):
    write_minutes("pharmacy", [(10, 5)])
    agents.update_agent("pharmacy", title="Refills", tags=["eu"], by=actor)
    text = html_of(viewer.get(LIST))
    for expected in (
        "Failing",
        "Refills",
        "/pharmacy",
        "50.0\N{NO-BREAK SPACE}%",
        "v1",
        "10 requests in 24 hours",
        "alice",
    ):
        assert expected in text
    assert 'href="/dashboard/agents/pharmacy/"' in text


def test_the_address_is_the_state_of_the_list(fleet, actor, viewer):
    pauses.pause("pharmacy", by=actor)
    answer = viewer.get(LIST, {"status": "paused", "sort": "-changed"}, headers=PART)
    text = html_of(answer)
    assert "<html" not in text
    assert "info-line" not in text
    assert 'id="status-pharmacy"' in text
    for outside in ("views", "chips"):
        assert f'id="{outside}"' in text
    assert text.count('hx-swap-oob="true"') == 2
    assert 'name="sort" value="-changed"' in text
    whole = html_of(viewer.get(LIST, {"status": "paused", "sort": "-changed", "after": "nonsense"}))
    assert "<html" in whole


@pytest.mark.parametrize("query", ["sort=nothing", "status=x", "after=~~", "sort=-errors&after=x~y", "before=1"])
def test_an_address_that_says_nonsense_is_no_error(fleet, viewer, query):
    assert viewer.get(f"{LIST}?{query}").status_code == 200


def test_what_is_not_found_has_a_next_step(fleet, viewer):
    text = html_of(viewer.get(LIST, {"q": "pharmcy"}))
    assert "No agent matches" in text
    assert "The nearest name is" in text
    assert "Clear the filters" in text
    assert "No agent needs attention" in html_of(viewer.get(LIST, {"status": "trouble"}))
    assert "The trash is empty" in html_of(viewer.get(LIST, {"status": "trash"}))


def test_without_any_agent_the_example_fleet_is_offered_and_loaded(operator, viewer):
    text = html_of(viewer.get(LIST))
    assert "No agent is registered yet" in text
    assert "Load the example fleet" not in text
    assert "Load the example fleet" in html_of(operator.get(LIST))
    assert operator.post("/dashboard/fleet/example/").status_code == 302
    assert set(states()) == {"front-desk", "sales-agent", "support-agent", "billing-agent"}
    assert "Registered the example fleet" in toasts(operator)


def test_the_example_fleet_is_all_or_nothing(fleet, actor, operator):
    routes.register_route("pharmacy", "/billing", by=actor)
    before = states()
    assert operator.post("/dashboard/fleet/example/").status_code == 409
    assert states() == before
    unregister_many(["pharmacy"], by=actor)
    assert len(register_examples(by=actor)) == 4


def test_cells_are_patched_in_place_and_nothing_else(fleet, actor, viewer):
    page = html_of(viewer.get(LIST))
    address = page[page.index("/dashboard/fleet/cells/?") :].partition('"')[0].replace("&amp;", "&")
    pauses.pause("pharmacy", "Closed.", by=actor)
    text = html_of(viewer.get(address))
    assert text.count('hx-swap-oob="true"') == 6 * 3 + 1
    assert "Callers hear: Closed." in text
    assert "registered or removed" not in text
    unregister_many(TWO, by=actor)
    assert "2 agents were registered or removed" in html_of(viewer.get(address))
    assert viewer.get("/dashboard/fleet/cells/?name=nobody&seen=x").status_code == 200


def test_pausing_says_its_effect_first_and_can_be_undone(fleet, operator):
    back = f"{LIST}?sort=-errors"
    given = {"name": TWO, "act": "pause", "back": back}
    step = operator.post(ACT, given)
    assert "Calls that run go on" in html_of(step)
    assert set(states().values()) == {"serving"}
    done = operator.post(ACT, {**given, "confirmed": "1", "message": "Closed today."})
    assert (done.status_code, done["Location"]) == (302, back)
    assert states() == {"booking-desk": "serving", "info-line": "paused", "pharmacy": "paused"}
    told = toasts(operator)
    assert "Paused 2 agents" in told
    assert 'name="names" value="info-line pharmacy"' in told
    operator.post(ACT, {"act": "resume", "names": "info-line pharmacy", "confirmed": "1", "back": back})
    assert set(states().values()) == {"serving"}


def test_unregistering_names_what_goes_and_who_takes_the_names(fleet, actor, operator):
    routes.set_default_route("/clinic/booking", by=actor)
    text = html_of(operator.post(ACT, {"name": TWO, "act": "unregister"}))
    assert "2 routes answer 404" in text
    assert "will reach the default route" in text
    assert "/clinic/booking" in text
    operator.post(ACT, {"name": TWO, "act": "unregister", "confirmed": "1"})
    assert states()["pharmacy"] == "trashed"
    told = toasts(operator)
    assert "Unregistered 2 agents" in told
    assert 'value="restore"' in told
    trash = html_of(operator.get(LIST, {"status": "trash"}))
    assert "Restore" in trash
    assert "/pharmacy" in trash
    operator.post(ACT, {"name": "pharmacy", "act": "restore"})
    assert states()["pharmacy"] == "serving"
    assert Route.objects.filter(path="/pharmacy").exists()


def test_the_step_warns_of_the_default_route(fleet, actor, operator):
    routes.set_default_route("/info", by=actor)
    text = html_of(operator.post(ACT, {"name": TWO, "act": "unregister"}))
    assert "afterwards nobody takes calls to unknown SIP names" in text
    assert "will reach nobody" in text


def test_the_step_knows_a_default_route_that_is_off(fleet, actor, operator):
    routes.update_route("/clinic/booking", default=True, enabled=False, by=actor)
    assert "will reach nobody" in html_of(operator.post(ACT, {"name": TWO, "act": "unregister"}))
    assert "is switched on: callers get 404" not in html_of(operator.post(ACT, {"name": TWO, "act": "pause"}))
    text = html_of(operator.post(ACT, {"name": [*TWO, "booking-desk"], "act": "pause"}))
    assert "No route of booking-desk is switched on: callers get 404, and no message." in text


def test_tags_are_put_on_and_taken_off(fleet, operator):
    operator.post(ACT, {"name": TWO, "act": "tag", "tags": "eu, night", "remove": "", "confirmed": "1"})
    assert Agent.objects.get(name="pharmacy").tags == ["eu", "night"]
    assert "Put eu, night on 2 agents" in toasts(operator)
    assert "info-line" in html_of(operator.get(LIST, {"tag": "eu"}))
    operator.post(ACT, {"name": TWO, "act": "tag", "tags": "eu", "remove": "1", "confirmed": "1"})
    assert Agent.objects.get(name="pharmacy").tags == ["night"]


@pytest.mark.parametrize(
    ("act", "fields", "words"),
    [("tag", {"tags": " , "}, "say which tag"), ("pause", {"message": "x" * 501}, "more than 500")],
)
def test_what_is_refused_stays_in_the_form(fleet, operator, act, fields, words):
    answer = operator.post(ACT, {"name": TWO, "act": act, "confirmed": "1", **fields})
    assert answer.status_code == 422
    text = html_of(answer)
    assert words in text
    assert 'aria-invalid="true"' in text
    assert set(states().values()) == {"serving"}


def test_what_cannot_be_done_is_told_and_nothing_is_changed(fleet, actor, operator):
    unregister_many(["pharmacy"], by=actor)
    routes.register_route("info-line", "/pharmacy", by=actor)
    operator.post(ACT, {"name": "pharmacy", "act": "restore"})
    assert "Nothing was changed: route /pharmacy is taken by agent info-line" in toasts(operator)
    operator.post(ACT, {"act": "resume"})
    assert "pick agents first" in toasts(operator)
    answer = operator.post(ACT, {"name": "pharmacy", "act": "resume", "back": "https://example.com/"})
    assert answer["Location"] == LIST


def test_the_picked_ones_are_exported_as_fleet(fleet, viewer):
    answer = viewer.post("/dashboard/fleet/export/", {"name": TWO})
    assert set(yaml.safe_load(answer.content)["agents"]) == set(TWO)
    assert 'filename="agents.yaml"' in answer["Content-Disposition"]


def test_a_viewer_picks_for_export_alone(fleet, viewer):
    text = html_of(viewer.get(LIST))
    assert "Export" in text
    for word in ("Unregister …", "Pause …", "Register agent"):
        assert word not in text
    assert viewer.post(ACT, {"name": TWO, "act": "pause", "confirmed": "1"}).status_code == 403
    assert set(states().values()) == {"serving"}


def test_few_queries(fleet, operator, django_assert_max_num_queries):
    with django_assert_max_num_queries(20):
        operator.get(LIST, {"sort": "-errors", "q": "a"})
    with django_assert_max_num_queries(12):
        operator.get("/dashboard/fleet/cells/?name=pharmacy&name=info-line&seen=1")
