"""The Routing page: the tester's answers, the tables, and acts that name their effects and can be undone."""

import json

import pytest
from django.test import Client

from agents.models import Agent
from registry.actions import pauses, routes
from registry.models import Route, SipMapping
from tests.dashboard.browsing import html_of
from tests.events import write_events, write_minutes
from tests.registry.api.conftest import person

pytestmark = pytest.mark.django_db
PAGE = "/dashboard/routing/"


@pytest.fixture
def operator(fleet):
    client = Client()
    client.force_login(person("olga", "Operator"))
    return client


def act(client, name, fields, query=""):
    """An act, which leads back to the page."""
    answer = client.post(f"{PAGE}{name}/{query}", fields)
    assert answer.status_code == 302, answer.content.decode()[:2000]
    assert answer["Location"] == PAGE + query


def mapping(username):
    return SipMapping.objects.filter(username=username).values_list("route__path", "typed", "source").first()


# --- the tester -------------------------------------------------------------------------------------------------------


def test_a_name_is_explained_from_what_was_typed_to_the_version(operator):
    answer = operator.get(PAGE, {"ask": "sip:Appointments@example.com"})
    told = answer.context["told"]
    assert (told.tone, told.sip_user, told.agent) == ("ok", "appointments", "booking-desk")
    words = [str(step.what) for step in told.steps]
    assert words[0] == "Name <code>appointments</code>"
    assert words[1] == "SIP name <code>appointments</code> is mapped to <code>/clinic/booking</code>"
    assert "/clinic/booking" in words[2]
    assert "booking-desk" in words[2]
    assert words[3] == "<b>booking-desk</b> answers with version 1"
    assert [step.tone for step in told.steps] == ["ok", "ok", "ok", "end"]
    assert "filter=sip%3Aappointments" in answer.content.decode()


def test_nobodys_name_comes_with_the_nearest_one_and_is_mapped_with_one_click(operator):
    answer = operator.get(PAGE, {"ask": "sip:appointments2@example.com"})
    told, text = answer.context["told"], answer.content.decode()
    assert (told.tone, told.near) == ("bad", ("appointments", "/clinic/booking"))
    assert "Nobody answers: 404" in text
    assert "Map appointments2 to /clinic/booking" in text
    fields = {"username": "sip:appointments2@example.com", "route": "/clinic/booking"}
    act(operator, "map", fields, "?ask=sip%3Aappointments2%40example.com")
    assert operator.get(PAGE, {"ask": "appointments2"}).context["told"].agent == "booking-desk"


def test_a_number_whose_other_form_is_mapped_is_told_to_be_perhaps_the_same(operator):
    act(operator, "map", {"username": "+1 (555) 123-4567", "route": "/info"})
    told = operator.get(PAGE, {"ask": "sip:1-555-123-4567@example.com"}).context["told"]
    assert (told.tone, told.near) == ("bad", ("+15551234567", "/info"))
    assert "+15551234567, which leads to /info, may be the same number" in [str(step.why) for step in told.steps]
    assert operator.get(PAGE, {"ask": "tel:+1.555.1234567"}).context["told"].agent == "info-line"


def test_the_default_route_takes_what_nobody_has(operator, actor):
    path = Route.objects.get(agent__name="pharmacy").path
    routes.set_default_route(path, by=actor)
    told = operator.get(PAGE, {"ask": "zzz"}).context["told"]
    assert (told.tone, told.agent, told.unmatched) == ("warn", "pharmacy", True)
    assert f"The default route <code>{path}</code> takes it" in [str(step.what) for step in told.steps]


@pytest.mark.parametrize(
    ("asked", "agent"),
    [
        ("/clinic/booking", "booking-desk"),
        ("/clinic/booking/swaig", "booking-desk"),
        ("http://testserver/clinic/booking?x=1", "booking-desk"),
        ("/nobody", ""),
        ("sip:@", ""),
        ("http://[", ""),
    ],
)
def test_names_paths_and_urls_can_be_asked(operator, asked, agent):
    answer = operator.get(PAGE, {"ask": asked, "call": "c1", "from": "+1 212", "at": "2026-11-22T09:00"})
    assert answer.status_code == 200
    assert "told" not in answer.context or answer.context["told"].agent == agent


def test_a_path_that_nobody_has_is_shown_whole(operator):
    told = operator.get(PAGE, {"ask": "/my booking desk"}).context["told"]
    assert "<code>/my booking desk</code>" in told.steps[1].what


def test_secrets_of_a_url_do_not_stay_in_the_address(operator):
    asked = "https://u:hidden@testserver/clinic/booking/swaig?__token=hidden2"
    answer = operator.get(PAGE, {"ask": asked, "q": "x"})
    assert answer.status_code == 302
    assert "hidden" not in answer["Location"]
    assert "q=x" in answer["Location"]
    assert operator.get(answer["Location"]).context["told"].agent == "booking-desk"


def test_a_paused_agent_and_a_route_that_is_off_are_said(operator, actor):
    pauses.pause("booking-desk", by=actor)
    told = operator.get(PAGE, {"ask": "appointments"}).context["told"]
    assert told.tone == "idle"
    assert "is paused: callers hear its message" in told.verdict
    routes.update_route("/clinic/booking", enabled=False, by=actor)
    told = operator.get(PAGE, {"ask": "appointments"}).context["told"]
    assert told.tone == "bad"
    assert "switched off" in told.steps[1].why
    assert "is switched off" in operator.get(PAGE, {"ask": "/clinic/booking"}).context["told"].steps[1].what


def test_a_time_that_is_none_is_said_beside_its_field(operator):
    text = operator.get(PAGE, {"ask": "x", "at": "soon"}).content.decode()
    assert "This is not a time" in text
    assert "nothing was decided" in text


# --- the tables -------------------------------------------------------------------------------------------------------


def test_names_with_hits_and_problems(operator, actor):
    write_events([{"sip_user": "appointments", "agent": "booking-desk"}] * 3)
    pauses.pause("booking-desk", by=actor)
    rows = {row.thing.username: row for row in operator.get(PAGE).context["found"].rows}
    assert (rows["appointments"].hits.count, rows["appointments"].problem) == (3, "Agent is paused")
    only = operator.get(PAGE, {"only": "problems"}).context["found"].rows
    assert {row.thing.route.agent.name for row in only} == {"booking-desk"}
    assert [row.thing.username for row in operator.get(PAGE, {"q": "appoint"}).context["found"].rows] == [
        "appointments"
    ]


def test_routes_with_hits(operator, actor):
    routes.register_route("pharmacy", "/second", by=actor)
    write_minutes("booking-desk", [(7, 0)])
    write_events([{"agent": "pharmacy", "route": "/second", "path": "/second"}] * 2)
    rows = {row.thing.path: row for row in operator.get(PAGE, {"show": "routes"}).context["found"].rows}
    assert rows["/clinic/booking"].hits.count == 7
    assert rows["/second"].hits.count == 2
    assert rows["/second"].hits.last


def test_pages_follow_each_other_without_a_gap(operator):
    route = Route.objects.first()
    SipMapping.objects.bulk_create(
        SipMapping(username=name, typed=name, route=route, source="manual") for name in (f"n{n:03}" for n in range(120))
    )
    seen, after = [], ""
    while True:
        found = operator.get(PAGE, {"q": "n0", "after": after}).context["found"]
        seen += [row.thing.username for row in found.rows]
        if not (after := found.after):
            break
    assert seen == [f"n{number:03}" for number in range(100)]


def test_htmx_gets_only_the_part_it_asks_for(operator):
    for part in ("board", "answer", "list", "unmatched"):
        answer = operator.get(PAGE, {"ask": "x"}, headers={"HX-Request": "true", "HX-Target": part})
        assert f'id="{part}"' in answer.content.decode()
        assert "<nav class=" not in answer.content.decode()


def test_queries_are_few(operator, actor, django_assert_max_num_queries):
    write_events([{"sip_user": "appointments2", "outcome": "not_found", "status": 404, "agent": ""}])
    route = Route.objects.first()
    for show in ("", "routes"):
        with django_assert_max_num_queries(30):
            operator.get(PAGE, {"ask": "appointments2", "show": show, "route": route.pk, "unmatched": ""})


# --- acts -------------------------------------------------------------------------------------------------------------


def test_unmapping_is_undone_exactly(operator):
    before = mapping("appointments")
    act(operator, "unmap", {"username": "appointments"})
    assert mapping("appointments") is None
    operator.post(f"{PAGE}map/", {"username": "appointments", "route": before[0], "source": before[2], "away_from": ""})
    assert mapping("appointments") == before


def test_every_undo_is_offered_with_what_it_needs(operator):
    text = operator.post(f"{PAGE}unmap/?q=a", {"username": "booking"}, follow=True).content.decode()
    assert 'action="/dashboard/routing/map/?q=a"' in text
    for field in ('name="route" value="/clinic/booking"', 'name="source" value="auto"', 'name="away_from" value=""'):
        assert field in text
    assert "it reaches nobody: 404" in text


def test_a_taken_name_is_refused_with_its_owner_and_can_be_moved(operator):
    other = Route.objects.get(agent__name="pharmacy").path
    answer = operator.post(f"{PAGE}map/", {"username": "Appointments", "route": other})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "belongs to agent booking-desk" in text
    assert "Move it here from /clinic/booking" in text
    assert 'value="Appointments"' in text
    operator.post(f"{PAGE}map/", {"username": "Appointments", "route": other, "away_from": "/clinic/booking"})
    assert mapping("appointments") == (other, "Appointments", "manual")
    late = operator.post(f"{PAGE}map/", {"username": "Appointments", "route": other, "away_from": "/clinic/booking"})
    assert late.status_code == 422
    assert "since you looked" in late.content.decode()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"username": "", "route": ""}, {"username", "route"}),
        ({"username": "x", "route": "/nowhere"}, {"route"}),
        ({"username": "a b", "route": "/clinic/booking"}, {"username"}),
        ({"username": "x", "route": "a b"}, {"route"}),
        ({"username": "route 66", "route": "/clinic/booking"}, {"username"}),
        ({"username": "x", "route": "/api/x"}, {"route"}),
    ],
)
def test_what_cannot_be_mapped_is_said_beside_its_field(operator, fields, problem):
    answer = operator.post(f"{PAGE}map/", fields)
    assert (answer.status_code, set(answer.context["problems"])) == (422, problem)


def test_a_route_is_added_and_removed_and_restored_with_its_names(operator):
    operator.post(f"{PAGE}routes/", {"agent": "pharmacy", "path": "/second", "auto_sip": "on"})
    route = Route.objects.get(path="/second")
    operator.post(f"{PAGE}map/", {"username": "Two", "route": "/second"})
    answer = operator.get(PAGE, {"route": route.pk, "show": "routes"})
    assert "2 SIP names will reach nobody: 404." in answer.context["effects"]
    text = operator.post(f"{PAGE}routes/remove/", {"route": route.pk}, follow=True).content.decode()
    assert "/second is unregistered: 2 SIP names reach nobody: 404" in text
    former = {"path": "/second", "enabled": True, "default": False, "sip": [
        {"username": "second", "typed": "second", "source": "auto"},
        {"username": "two", "typed": "Two", "source": "manual"},
    ]}  # fmt: skip
    assert json.dumps(former).replace('"', "&quot;") in text
    operator.post(f"{PAGE}routes/restore/", {"agent": "pharmacy", "former": json.dumps(former)})
    assert (mapping("two"), mapping("second")) == (("/second", "Two", "manual"), ("/second", "second", "auto"))


def test_the_last_route_takes_the_agent_to_the_trash_and_back(operator):
    route = Route.objects.get(agent__name="booking-desk")
    assert "goes to the trash" in operator.get(PAGE, {"route": route.pk}).content.decode()
    operator.post(f"{PAGE}routes/remove/", {"route": route.pk})
    assert Agent.objects.get(name="booking-desk").state == "trashed"
    operator.post(f"{PAGE}routes/restore/", {"agent": "booking-desk", "former": ""})
    assert mapping("appointments")[0] == "/clinic/booking"


@pytest.mark.parametrize("former", ["{", "5", "{}", '{"path": "/x", "enabled": 1, "default": 0, "sip": [5]}'])
def test_what_says_no_route_restores_none(operator, former):
    assert operator.post(f"{PAGE}routes/restore/", {"agent": "pharmacy", "former": former}).status_code == 422


def test_routes_are_switched_and_made_the_default(operator):
    one, two = Route.objects.order_by("pk")[:2]
    operator.post(f"{PAGE}routes/change/", {"route": one.pk, "default": "1"})
    text = operator.post(f"{PAGE}routes/change/", {"route": two.pk, "default": "1"}, follow=True).content.decode()
    assert f'name="route" value="{one.pk}"' in text
    assert 'name="default" value="1"' in text
    operator.post(f"{PAGE}routes/change/", {"route": two.pk, "enabled": "0"})
    two.refresh_from_db()
    assert (two.default, two.enabled) == (True, False)
    assert operator.post(f"{PAGE}routes/change/", {"route": "x", "enabled": "0"}).status_code == 404


def test_a_default_route_that_is_off_is_not_said_to_take_calls(operator, actor):
    one, two = Route.objects.order_by("pk")[:2]
    routes.update_route(one.pk, default=True, enabled=False, by=actor)
    text = html_of(operator.get(PAGE, {"route": one.pk}))
    assert "It takes the calls to SIP names that nobody has once it is switched on; until then they get 404." in text
    tested = html_of(operator.get(PAGE, {"ask": "sip:nobody-has-it@example.com"}))
    assert f"The default route <code>{one.path}</code> is switched off" in tested
    answer = operator.get(PAGE, {"route": two.pk})
    words = f"Calls to SIP names that nobody has will reach {two.agent.name}; they get 404 at present."
    assert words in html_of(answer)
    assert any(line.endswith("will reach nobody: 404.") for line in answer.context["effects"])
    routes.update_route(two.pk, enabled=False, by=actor)
    routes.update_route(one.pk, enabled=True, by=actor)
    text = html_of(operator.get(PAGE, {"route": two.pk}))
    words = "will get 404 until this route is switched on, no longer reach "
    assert f"Calls to SIP names that nobody has {words}{one.agent.name} at <code>{one.path}</code>." in text


def test_unmatched_names_can_be_mapped(operator):
    events = [{"sip_user": "appointment", "outcome": "not_found", "status": 404, "agent": "", "kind": "sip"}] * 3
    write_events([*events, {"sip_user": "1000", "outcome": "not_found", "status": 404, "agent": "", "kind": "sip"}])
    assert "Show them" in operator.get(PAGE).content.decode()
    answer = operator.get(PAGE, {"unmatched": "yes"})
    text = answer.content.decode()
    part = operator.get(PAGE, headers={"HX-Request": "true", "HX-Target": "unmatched"})
    assert 'value="appointment"' in part.content.decode()
    assert [(each.name, each.count) for each in answer.context["unmatched_names"]] == [
        ("appointment", 3), ("1000", 1),
    ]  # fmt: skip
    assert 'name="username" value="appointment"' in text
    assert "map=1000" in text
    assert 'value="/clinic/booking"' in operator.get(PAGE, {"map": "appointment"}).content.decode()
    assert 'value="/x"' in operator.get(PAGE, {"map": "appointment", "to": "/x"}).content.decode()


def test_a_viewer_sees_everything_and_can_change_nothing(fleet):
    viewer = Client()
    viewer.force_login(person("vera", "Viewer"))
    write_events([{"sip_user": "appointment", "outcome": "not_found", "status": 404, "agent": "", "kind": "sip"}])
    route = Route.objects.first()
    for query in (
        {"ask": "appointment", "unmatched": ""},
        {"name": "appointments"},
        {"route": route.pk},
        {"map": "x"},
        {"add": ""},
    ):
        text = viewer.get(PAGE, query).content.decode()
        assert "/dashboard/routing/map" not in text
        assert "/dashboard/routing/routes" not in text
        assert "Map to" not in text
        assert "unmap/" not in text
    for name in ("map", "unmap", "routes", "routes/change", "routes/remove", "routes/restore"):
        assert viewer.post(f"{PAGE}{name}/", {"username": "appointments", "route": route.pk}).status_code == 403
    assert mapping("appointments")


def test_what_is_offered_while_one_types(operator):
    url = f"{PAGE}offers/"
    assert 'value="/clinic/booking"' in operator.get(url, {"route": "clin"}).content.decode()
    assert 'value="pharmacy"' in operator.get(url, {"kind": "agent", "agent": "harm"}).content.decode()
    assert "booking" not in operator.get(url, {"route": "zzz"}).content.decode()
