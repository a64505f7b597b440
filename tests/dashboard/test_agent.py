"""An agent's page: what its tabs show, what its forms do, and what they refuse."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from registry.actions import agents, pauses, routes, sip_names, versions
from registry.models import RegistryChange, Route, SipMapping
from registry.reports.audit import Search, read_audit
from tests.dashboard.browsing import html_of, signed_in
from tests.dashboard.test_places import Page
from tests.events import write_events, write_minutes

pytestmark = pytest.mark.django_db
PHARMACY = "/dashboard/agents/pharmacy/"


@pytest.fixture
def operator(fleet: Any) -> Client:
    return signed_in("Operator", "mara")


@pytest.fixture
def viewer(fleet: Any) -> Client:
    return signed_in("Viewer", "jonas")


def part(client: Client, path: str, target: str) -> str:
    """What htmx gets for an element."""
    return html_of(client.get(path, headers={"HX-Request": "true", "HX-Target": target}))


def undo_of(client: Client) -> tuple[str, dict[str, str]]:
    """The address and fields of the undo that the next page offers."""
    page = Page(html_of(client.get(PHARMACY)))
    at = next(i for i, (tag, found) in enumerate(page.elements) if found.get("class") == "toast")
    form = next(i for i, (tag, _) in enumerate(page.elements) if tag == "form" and i > at)
    fields = {}
    for tag, found in page.elements[form + 1 :]:
        if tag == "button":
            break
        fields[found["name"]] = found.get("value", "")
    return page.elements[form][1]["action"], fields


# --- the frame -------------------------------------------------------------------------------------------------------


def test_the_head_says_how_the_agent_is_and_hides_its_credentials(operator, actor):
    agents.update_agent("pharmacy", title="The pharmacy", tags=["night"], by=actor)
    text = html_of(operator.get(PHARMACY))
    assert "<h1>The pharmacy</h1>" in text
    assert "http://testserver/pharmacy" in text
    assert "u:p@" not in text
    assert all(word in text for word in ("Serving", "night", "v1", 'data-key="p"', 'data-key="t"', "filter=agent:"))


def test_a_name_that_nobody_has_leads_to_the_nearest(operator):
    answer = operator.get("/dashboard/agents/farmacy/")
    assert answer.status_code == 404
    assert "Did you mean pharmacy?" in html_of(answer)


def test_a_draft_offers_to_be_published(operator, actor, fleet_entries):
    versions.save_draft("pharmacy", {**fleet_entries["pharmacy"].definition, "hints": ["aspirin"]}, by=actor)
    assert "Publish v2" in html_of(operator.get(PHARMACY))


def test_a_viewer_sees_no_control_that_works(viewer):
    for tab in ("", "document/", "functions/", "routing/", "log/", "history/"):
        page = Page(html_of(viewer.get(PHARMACY + tab)))
        posts = {found["action"] for tag, found in page.elements if tag == "form" and found.get("method") == "post"}
        assert {action for action in posts if "/agents/" in action} == set()
        assert "reveal" not in page.ids
    for act in ("pause/", "resume/", "edit/", "unregister/", "restore/", "credentials/", "routes/", "names/"):
        assert viewer.post(PHARMACY + act).status_code == 403


@pytest.mark.parametrize("tab", ["", "document/", "functions/", "routing/", "log/", "history/"])
def test_a_tab_asks_few_questions(tab, operator, django_assert_max_num_queries):
    write_events([{"agent": "pharmacy"}] * 60)
    with django_assert_max_num_queries(28):
        operator.get(PHARMACY + tab)


# --- acts ------------------------------------------------------------------------------------------------------------


def test_pausing_for_a_while_and_resuming(operator):
    answer = operator.post(PHARMACY + "pause/", {"message": "Back soon.", "minutes": "15"})
    assert (answer.status_code, answer["Location"]) == (302, PHARMACY)
    agent = Agent.objects.get(name="pharmacy")
    assert (agent.state, agent.pause_message) == ("paused", "Back soon.")
    assert agent.paused_until is not None
    assert timedelta(minutes=14) < agent.paused_until - datetime.now(UTC) <= timedelta(minutes=15)
    text = html_of(operator.get(PHARMACY))
    assert "pharmacy is paused for 15 minutes" in text
    assert "Back soon." in text
    operator.post(PHARMACY + "resume/")
    assert Agent.objects.get(name="pharmacy").state == "serving"


@pytest.mark.parametrize("fields", [{"message": "x" * 501, "minutes": "15"}, {"message": "Soon.", "minutes": "7"}])
def test_a_pause_that_cannot_be_keeps_what_was_typed(fields, operator):
    answer = operator.post(PHARMACY + "pause/", fields)
    assert answer.status_code == 422
    assert fields["message"] in html_of(answer)
    assert 'aria-invalid="true"' in html_of(answer)
    assert Agent.objects.get(name="pharmacy").state == "serving"


def test_title_and_tags_are_changed_or_refused_beside_their_field(operator):
    operator.post(PHARMACY + "edit/", {"title": "Elm Street", "tags": "night, emea"})
    agent = Agent.objects.get(name="pharmacy")
    assert (agent.title, agent.tags) == ("Elm Street", ["night", "emea"])
    answer = operator.post(PHARMACY + "edit/", {"title": "t" * 201, "tags": "keep-me"})
    assert answer.status_code == 422
    assert all(text in html_of(answer) for text in ("title-problem", "keep-me", "t" * 201))


def test_credentials_are_shown_once_and_the_audit_says_to_whom(operator):
    answer = operator.post(PHARMACY + "credentials/", headers={"HX-Request": "true", "HX-Target": "credentials"})
    assert "http://u:p@testserver/pharmacy" in html_of(answer)
    assert "<html" not in html_of(answer)
    assert answer["Cache-Control"] == "no-store"
    newest = read_audit(Search(agent="pharmacy"), 1)[0]
    assert (newest["action"], newest["who"], newest["via"]) == ("credentials_revealed", "mara", "dashboard")
    assert "looked at the credentials" in html_of(operator.get(PHARMACY + "history/"))


def test_unregistering_says_where_callers_come_out_and_can_be_undone(operator, actor):
    routes.set_default_route("/clinic/booking", by=actor)
    write_events([{"agent": "pharmacy", "call_id": "runs"}])
    text = html_of(operator.get(PHARMACY + "unregister/"))
    assert "reach the default route <code>/clinic/booking</code> of booking-desk" in text
    assert "1 call is running" in text
    operator.post(PHARMACY + "unregister/")
    assert not Route.objects.filter(path="/pharmacy").exists()
    action, fields = undo_of(operator)
    text = html_of(operator.get(PHARMACY))
    assert "is in the trash" in text
    assert "Copy SWML URL" not in text
    operator.post(action, fields)
    assert Route.objects.get(path="/pharmacy").agent.name == "pharmacy"


# --- tabs ------------------------------------------------------------------------------------------------------------


def test_an_agent_without_a_call_waits_for_it(viewer):
    assert "Waiting for the first request" in html_of(viewer.get(PHARMACY))
    write_events([{"agent": "pharmacy"}])
    assert "The first request has arrived" in part(viewer, PHARMACY, "waiting")


def test_figures_come_first_and_their_charts_later(viewer):
    write_minutes("pharmacy", [(90, 0), (10, 2)])
    first, later = html_of(viewer.get(PHARMACY)), part(viewer, PHARMACY, "figures")
    assert "100" in first
    assert "2.0" in first
    assert "bone" in first
    assert "<svg" in later
    assert "bone" not in later
    assert "Waiting for" not in first


def test_the_document_is_of_the_version_that_is_asked_for(viewer, actor, fleet_entries):
    definition = {**fleet_entries["pharmacy"].definition, "hints": ["aspirin"]}
    versions.save_draft("pharmacy", definition, by=actor)
    assert "aspirin" not in html_of(viewer.get(PHARMACY + "document/"))
    text = html_of(viewer.get(PHARMACY + "document/?version=draft&from=%2B15550100&at=2026-03-01T10:00"))
    assert "aspirin" in text
    assert 'value="+15550100"' in text
    assert 'data-n="1"' in text


@pytest.mark.parametrize("query", ["version=99", "version=xyz", "at=noon", "version=draft"])
def test_a_document_that_cannot_be_shown_says_why_in_its_place(query, viewer):
    answer = viewer.get(f"{PHARMACY}document/?{query}")
    assert answer.status_code == 200
    assert "document-problem" in html_of(answer)


def test_a_paused_agents_document_is_what_callers_hear(viewer, actor):
    pauses.pause("pharmacy", "We are closed.", by=actor)
    text = html_of(viewer.get(PHARMACY + "document/"))
    assert "We are closed." in text
    assert "this is what callers hear now" in text


def test_functions_are_told_with_arguments_and_answers(operator):
    text = html_of(operator.get(PHARMACY + "functions/"))
    assert all(word in text for word in ("refill", "Order a refill", "badge", "function=refill"))
    write_events([{"agent": "pharmacy", "kind": "swaig", "function": "refill", "outcome": "timeout", "detail": "slow"}])
    results = part(operator, PHARMACY + "functions/refill/results/", "results-refill")
    assert "Timed out" in results
    assert "<html" not in results


def test_a_webhook_is_told_without_its_secrets(operator, actor):
    definition = {
        "prompt": {"text": "You look things up."},
        "functions": {
            "look": {
                "description": "Look",
                "handler": {
                    "webhook": {
                        "url": "https://erp.example.com/stock?key=geheim",
                        "headers": {"X-Tenant": "geheim"},
                    }
                },
            }
        },
    }
    agents.register("looker", "/looker", definition, by=actor, credentials=("u", "p"))
    text = html_of(operator.get("/dashboard/agents/looker/functions/"))
    assert "https://erp.example.com/stock?…" in text
    assert "X-Tenant" in text
    assert "geheim" not in text


def test_routes_and_names_are_added_with_problems_beside_their_fields(operator):
    operator.post(PHARMACY + "routes/", {"path": "/refills", "auto_sip": ""})
    assert Route.objects.get(path="/refills").agent.name == "pharmacy"
    operator.post(PHARMACY + "names/", {"username": "Night-Desk", "route": "/refills"})
    assert SipMapping.objects.get(username="night-desk").route.path == "/refills"
    for act, fields, problem in (
        ("routes/", {"path": "/info"}, "path-problem"),
        ("routes/", {"path": ""}, "path-problem"),
        ("names/", {"username": "appointments", "route": "/refills"}, "name-problem"),
        ("names/", {"username": "free", "route": "/clinic/booking"}, "name-problem"),
    ):
        answer = operator.post(PHARMACY + act, fields)
        assert answer.status_code == 422, fields
        assert problem in html_of(answer)


def test_a_removed_route_comes_back_with_its_names(operator, actor):
    routes.register_route("pharmacy", "/refills", sip=["Night-Desk"], by=actor)
    routes.set_default_route("/refills", by=actor)
    before = set(SipMapping.objects.values_list("username", "typed", "source", "route__path"))
    assert "This is the default route" in html_of(operator.get(PHARMACY + "routes/remove/?route=/refills"))
    operator.post(PHARMACY + "routes/remove/", {"route": "/refills"})
    assert not Route.objects.filter(path="/refills").exists()
    action, fields = undo_of(operator)
    operator.post(action, fields)
    assert Route.objects.get(path="/refills").default
    assert set(SipMapping.objects.values_list("username", "typed", "source", "route__path")) == before


def test_the_undo_of_a_removed_route_is_one_change(operator, actor):
    routes.register_route("pharmacy", "/refills", sip=["Night-Desk"], by=actor)
    routes.update_route("/refills", default=True, enabled=False, by=actor)
    operator.post(PHARMACY + "routes/remove/", {"route": "/refills"})
    undo = undo_of(operator)
    with CaptureQueriesContext(connection) as captured:
        operator.post(*undo)
    assert sum("pg_advisory_xact_lock" in query["sql"] for query in captured) == 1
    route = Route.objects.get(path="/refills")
    assert (route.default, route.enabled) == (True, False)


def test_a_route_comes_back_whole_or_not_at_all(operator, actor):
    """A name that another has now stays there; a route that another has now is no reason to make half of it."""
    routes.register_route("pharmacy", "/refills", sip=["Night-Desk", "Day-Desk"], by=actor)
    operator.post(PHARMACY + "routes/remove/", {"route": "/refills"})
    undo = undo_of(operator)
    sip_names.register_sip_username("night-desk", "/info", by=actor)
    operator.post(*undo)
    led = dict(
        SipMapping.objects.filter(username__in=["night-desk", "day-desk"]).values_list("username", "route__path")
    )
    assert led == {"night-desk": "/info", "day-desk": "/refills"}
    assert "night-desk belongs to info-line now" in html_of(operator.get(PHARMACY))
    operator.post(PHARMACY + "routes/remove/", {"route": "/refills"})
    undo = undo_of(operator)
    routes.register_route("info-line", "/refills", by=actor)
    before = RegistryChange.newest()
    assert operator.post(*undo).status_code == 409
    assert RegistryChange.newest() == before


def test_what_says_no_route_brings_none_back(operator):
    for former in ("", "{", "5", '{"path": "/x"}'):
        assert operator.post(PHARMACY + "routes/restore/", {"former": former}).status_code == 422


def test_a_default_route_that_is_off_takes_no_calls_and_no_page_says_so(operator, actor):
    routes.register_route("pharmacy", "/refills", sip=["Night-Desk"], by=actor)
    routes.update_route("/clinic/booking", default=True, enabled=False, by=actor)
    for path in ("routes/remove/?route=/refills", "unregister/"):
        text = html_of(operator.get(PHARMACY + path))
        assert "be refused: the default route <code>/clinic/booking</code> is switched off" in text, path
    text = html_of(operator.get(PHARMACY + "routing/"))
    assert "The default route <code>/clinic/booking</code> is switched off: SIP names that nobody has are ref" in text
    assert "Callers of a name that is removed are refused: the default route" in text
    mine = Route.objects.get(path="/pharmacy")
    routes.update_route("/pharmacy", enabled=False, by=actor)
    operator.post(f"{PHARMACY}routes/{mine.pk}/default/", {"on": "1"})
    assert "it is switched off, so names that nobody has are refused" in html_of(operator.get(PHARMACY))


def test_a_pause_that_nobody_would_hear_is_said(operator, actor):
    words = "No route of pharmacy is switched on"
    assert words not in html_of(operator.get(PHARMACY + "pause/"))
    routes.update_route("/pharmacy", enabled=False, by=actor)
    assert words in html_of(operator.get(PHARMACY + "pause/"))


def test_another_agents_route_is_not_touched(operator):
    other = Route.objects.get(path="/clinic/booking")
    for act in (f"routes/{other.pk}/switch/", f"routes/{other.pk}/default/", "routes/remove/"):
        assert operator.post(PHARMACY + act, {"on": "1", "route": other.path}).status_code == 404
    assert Route.objects.get(path="/clinic/booking").agent.name == "booking-desk"


def test_a_removed_name_comes_back_as_it_was_typed(operator):
    operator.post(PHARMACY + "names/remove/", {"username": "refills", "typed": "Refills"})
    assert not SipMapping.objects.filter(username="refills").exists()
    action, fields = undo_of(operator)
    operator.post(action, fields)
    assert SipMapping.objects.get(username="refills").typed == "Refills"


def test_switching_a_route_and_the_default_can_be_undone(operator, actor):
    routes.set_default_route("/clinic/booking", by=actor)
    mine = Route.objects.get(path="/pharmacy")
    operator.post(f"{PHARMACY}routes/{mine.pk}/switch/", {"on": ""})
    assert not Route.objects.get(pk=mine.pk).enabled
    operator.post(*undo_of(operator))
    assert Route.objects.get(pk=mine.pk).enabled
    operator.post(f"{PHARMACY}routes/{mine.pk}/default/", {"on": "1"})
    assert Route.objects.get(default=True) == mine
    operator.get(PHARMACY)
    operator.post(f"{PHARMACY}routes/{mine.pk}/default/", {"on": ""})
    assert not Route.objects.filter(default=True).exists()


def test_hits_are_counted_after_the_page_is_there(viewer):
    write_events([{"agent": "pharmacy", "route": "/pharmacy", "sip_user": "refills"}] * 3)
    write_minutes("pharmacy", [(3, 0)])
    assert "bone" in html_of(viewer.get(PHARMACY + "routing/"))
    counted = part(viewer, PHARMACY + "routing/", "reach")
    assert counted.count(">3</td>") == 2
    assert "not in 24 h" in counted


def test_the_log_is_of_this_agent_alone_and_goes_on_at_older(viewer):
    write_events(
        [{"agent": "pharmacy", "detail": "x"}] * 51
        + [{"agent": "info-line"}, {"agent": "pharmacy", "outcome": "error"}]
    )
    first = html_of(viewer.get(PHARMACY + "log/"))
    assert first.count("<tr id=") == 50
    assert "info-line v1" not in first
    older = next(found["href"] for tag, found in Page(first).elements if found.get("rel") == "next")
    assert html_of(viewer.get(PHARMACY + "log/" + older)).count("<tr id=") == 2
    assert part(viewer, PHARMACY + "log/?filter=outcome:error", "list").count("<tr id=") == 1
    assert "is not known" in html_of(viewer.get(PHARMACY + "log/?filter=nonsense:1"))
    assert "agent%3Apharmacy%20outcome%3Aerror" in html_of(viewer.get(PHARMACY + "log/?filter=outcome:error"))


def test_the_history_tells_before_and_after_and_goes_on_at_older(viewer, actor):
    for number in range(30):
        pauses.pause("pharmacy", f"Message {number}.", by=actor)
        pauses.resume("pharmacy", by=actor)
    first = html_of(viewer.get(PHARMACY + "history/"))
    assert "<b>alice</b> paused it" in first
    assert "<del>serving</del>" in first
    older = next(found["href"] for tag, found in Page(first).elements if found.get("rel") == "next")
    last = html_of(viewer.get(PHARMACY + "history/" + older))
    assert "registered it" in last
    assert "/versions/1/" in last
