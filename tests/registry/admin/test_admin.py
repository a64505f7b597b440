"""The Django admin: allowed by the policy, carried out by the actions, quick with many agents."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.admin import site
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import OuterRef
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Agent, AgentVersion
from registry.actions import agents as agent_actions
from registry.actions import people, trash
from registry.actions import routes as route_actions
from registry.actions.tokens import check_token, create_token
from registry.base.errors import Conflict
from registry.log.models import RoutingEvent
from registry.models import ApiToken, Member, Route, SipMapping
from tests.registry.pretending import pretend

LISTS = [
    "agents/agent", "agents/agentversion", "registry/route", "registry/sipmapping", "registry/worker",
    "registry/routingevent",
]  # fmt: skip
FOR_ADMINS = ["registry/apitoken", "registry/member", "axes/accessattempt"]
ADDING = ["agents/agent", "registry/route", "registry/sipmapping"]
TEXT = "prompt:\n  text: I sell.\n"


@pytest.fixture
def make_browser(db, actor):
    """Makes signed-in staff."""

    def make(role="Operator"):
        name = f"the-{role}".lower()
        browser = Browser()
        browser.force_login(
            people.add_member(name, role, by=actor, staff=True), "django.contrib.auth.backends.ModelBackend"
        )
        return browser

    return make


@pytest.fixture
def staff(make_browser):
    return make_browser()


@pytest.fixture
def admin(make_browser):
    return make_browser("Admin")


@pytest.fixture
def event(db):
    texts = dict.fromkeys(
        ["replica", "kind", "method", "path", "source", "route", "agent", "call_id", "sip_user", "caller", "dialled",
         "function", "outcome", "detail"],
        "",
    )  # fmt: skip
    return RoutingEvent.objects.create(
        id=uuid.UUID(int=1_800_000_000_000 << 80), status=200, steps=[], microseconds=50, **texts
    )


def text_of(answer) -> str:
    return answer.content.decode()


def change_url(obj) -> str:
    return f"/admin/{obj._meta.app_label}/{obj._meta.model_name}/{obj.pk}/change/"


def list_url(model) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def filled(browser, obj, **changes):
    """What the form of an object's page would send."""
    form = browser.get(change_url(obj)).context["adminform"].form
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    values = {name: value for name, value in (values | changes).items() if value not in (None, False)}
    return {name: "on" if value is True else str(value).replace("\n", "\r\n") for name, value in values.items()}


def save(browser, obj, **changes):
    return browser.post(change_url(obj), filled(browser, obj, **changes))


def bulk(browser, action, *objects, **data):
    chosen = {"action": action, "_selected_action": [obj.pk for obj in objects]}
    return browser.post(list_url(type(objects[0])), chosen | data, follow=True)


def last_audit(model):
    event = apps.get_model(*model).objects.order_by("pgh_id").last()
    return event.pgh_context.metadata


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", LISTS)
def test_a_viewer_sees_every_list_and_changes_nothing(make_browser, fleet, event, model):
    viewer = make_browser("Viewer")
    page = viewer.get(f"/admin/{model}/")
    assert page.status_code == 200
    assert f"/admin/{model}/add/" not in text_of(page)
    assert 'name="action"' not in text_of(page)
    assert viewer.get(f"/admin/{model}/add/").status_code == 403
    first = apps.get_model(*model.split("/")).objects.first()
    if first:
        assert viewer.get(change_url(first)).status_code == 200
        assert viewer.post(change_url(first), {}).status_code == 403
        assert viewer.post(change_url(first).replace("change", "delete")).status_code == 403


@pytest.mark.parametrize("model", FOR_ADMINS)
def test_people_and_tokens_are_for_admins(make_browser, actor, model):
    create_token("ci", "read", by=actor)
    for role in ("Viewer", "Operator"):
        browser = make_browser(role)
        assert browser.get(f"/admin/{model}/").status_code == 403
        assert model not in text_of(browser.get("/admin/"))
    admin = make_browser("Admin")
    assert admin.get(f"/admin/{model}/").status_code == 200
    for obj in apps.get_model(*model.split("/")).objects.all():
        assert admin.get(change_url(obj)).status_code == 200


def test_djangos_own_permissions_count_for_nothing(make_browser, fleet):
    from django.contrib.auth.models import Permission

    browser = make_browser("Viewer")
    User.objects.get().user_permissions.set(Permission.objects.all())
    assert browser.post("/admin/agents/agent/add/", {}).status_code == 403
    assert browser.get("/admin/registry/apitoken/").status_code == 403


@pytest.mark.parametrize("model", ["auth/user", "auth/group", "axes/accesslog", "pghistory/context"])
def test_what_is_not_ours_has_no_page(admin, model):
    assert admin.get(f"/admin/{model}/").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "name__regex=(", "name__contains=%00", "created__year=99999999", "credentials__startswith=a", "name=sales",
        "live__author=x", "state__regex=(", "state__exact=%00", "nothing=1", "pk__in=1,2", "kind__exact=a&name__gt=b",
    ],
)  # fmt: skip
def test_a_list_is_filtered_by_what_it_offers_only(staff, fleet, query):
    assert staff.get(f"/admin/agents/agent/?{query}").status_code == 400


@pytest.mark.parametrize("model", [*LISTS, *FOR_ADMINS])
def test_odd_addresses_of_lists_are_no_errors_of_ours(admin, fleet, event, actor, model):
    create_token("ci", "read", by=actor)
    model = apps.get_model(*model.split("/"))
    offered = [f"{field}__exact" for field in site._registry[model].list_filter]
    names = [*offered, *(name.replace("exact", "isnull") for name in offered), "pk", "pk__exact", "groups__id__exact"]
    names += ["q", "p", "o", "all", "_facets", "_popup", "_to_field", "e"]
    for name in names:
        for value in ("%00", "x%00y", "x", "", "-1", "99999999999999999999999", "True", "1", "2&" + name + "=3"):
            answer = admin.get(f"{list_url(model)}?{name}={value}")
            assert answer.status_code in (200, 302, 400), (name, value)
    for path in ("%00", "99999999999999999999999", "x"):
        assert admin.get(f"{list_url(model)}{path}/change/").status_code in (302, 404)


@pytest.mark.parametrize(
    ("model", "query", "count"),
    [
        ("agents/agent", "state__exact=serving", 3),
        ("agents/agent", "state__exact=paused", 0),
        ("agents/agent", "kind__exact=stored&_facets=True", 3),
        ("registry/route", "enabled__exact=0", 0),
        ("registry/member", "groups__isnull=True", 0),
        ("registry/member", "is_staff__exact=1&_facets=True", 1),
        ("agents/agent", "q=pharm", 1),
        ("agents/agent", "pk=0", 0),
    ],
)
def test_what_a_list_offers_filters_it(admin, fleet, model, query, count):
    answer = admin.get(f"/admin/{model}/?{query}")
    assert answer.status_code == 200
    assert answer.context["cl"].result_count == count


def test_a_list_of_people_is_filtered_by_role(admin):
    page = admin.get("/admin/registry/member/")
    role = Member.objects.get().groups.get()
    assert f"?groups__id__exact={role.pk}" in text_of(page)
    assert admin.get(f"/admin/registry/member/?groups__id__exact={role.pk}").context["cl"].result_count == 1


@pytest.mark.parametrize("model", ADDING)
def test_nothing_is_deleted_past_the_actions(staff, fleet, model):
    model = apps.get_model(*model.split("/"))
    before = model.objects.count()
    bulk(staff, "delete_selected", *model.objects.all(), post="yes")
    assert model.objects.count() == before


def test_a_role_that_was_taken_away_counts_at_once(staff, actor):
    people.set_role("the-operator", None, by=actor)
    assert staff.get("/admin/agents/agent/").status_code == 302


# --- agents ----------------------------------------------------------------------------------------------------------


def register(browser, **changes):
    data = {"name": "sales", "route": "/sales", "sip": "help-desk, hotline", "definition": TEXT, "note": "first"}
    return browser.post("/admin/agents/agent/add/", data | changes, follow=True, REMOTE_ADDR="192.0.2.7")


def test_an_agent_is_registered(staff):
    page = register(staff)
    assert page.redirect_chain[-1] == ("/admin/agents/agent/", 302)
    assert "manage.py credentials sales" in text_of(page)
    agent = Agent.objects.get()
    assert (agent.live.number, agent.live.note, agent.live.author) == (1, "first", "the-operator")
    assert {"help-desk", "hotline", "sales"} <= set(SipMapping.objects.values_list("username", flat=True))
    audit = last_audit(("agents", "AgentEvent"))
    assert (audit["user"], audit["via"], audit["address"]) == ("the-operator", "admin", "192.0.2.7")
    assert len(audit["request_id"]) == 36
    assert agent.credentials.partition(":")[2] not in text_of(page)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"name": "Sales Team"}, None, "sales-team"),
        ({"route": "/admin"}, None, "admin"),
        ({"route": "/info"}, None, "Route /info is taken by agent info-line"),
        ({"sip": "refills"}, None, "SIP name refills belongs to agent pharmacy"),
        ({"definition": "a: [1"}, "definition", "neither YAML nor JSON: line"),
        ({"definition": "functions: {f: {description: 7}}"}, "definition", "functions.f"),
        ({"definition": "7"}, "definition", ""),
        ({"definition": TEXT + "note: x"}, "definition", "note"),
        ({"note": "x" * 501}, "note", "500"),
        ({"name": "info-line"}, None, "registered already"),
    ],
)
def test_what_the_registry_refuses_stands_in_the_form(staff, fleet, changes, field, said):
    page = register(staff, **changes)
    assert page.status_code == 200
    errors = page.context["adminform"].form.errors
    assert said in (str(errors[field]) if field else str(errors))
    assert Agent.objects.count() == 3


def test_an_edit_publishes_what_has_changed(staff, fleet):
    agent = Agent.objects.get(name="pharmacy")
    assert save(staff, agent, title="The pharmacy", tags="night, day").status_code == 302
    agent.refresh_from_db()
    assert (agent.title, agent.tags, agent.live.number) == ("The pharmacy", ["night", "day"], 1)
    assert save(staff, agent, definition=TEXT, note="shorter").status_code == 302
    agent.refresh_from_db()
    assert (agent.live.number, agent.live.note, agent.title) == (2, "shorter", "The pharmacy")
    page = save(staff, agent, title="Lost", definition="prompt: {txt: a}")
    assert "prompt" in str(page.context["adminform"].form.errors["definition"])
    agent.refresh_from_db()
    assert agent.title == "The pharmacy"


def test_a_definition_that_nobody_touched_is_the_same_as_before(staff, fleet):
    for agent in Agent.objects.all():
        assert save(staff, agent).status_code == 302
    assert AgentVersion.objects.count() == 3


def test_somebody_elses_change_is_not_lost(staff, fleet, actor):
    agent = Agent.objects.get(name="pharmacy")
    mine = filled(staff, agent, title="Mine", definition=TEXT)
    agent_actions.update_agent("pharmacy", by=actor, title="Theirs")
    page = staff.post(change_url(agent), mine)
    assert "Somebody else has changed this" in text_of(page)
    agent.refresh_from_db()
    assert (agent.title, agent.live.number) == ("Theirs", 1)


def test_what_is_refused_last_undoes_what_went_before(staff, fleet, monkeypatch):
    def refuse(*_arguments, **_options):
        raise Conflict("another change has been quicker")

    agent = Agent.objects.get(name="pharmacy")
    mine = filled(staff, agent, title="Half", definition=TEXT)
    monkeypatch.setattr(agent_actions, "publish", refuse)
    assert "Another change has been quicker" in text_of(staff.post(change_url(agent), mine))
    agent.refresh_from_db()
    assert (agent.title, agent.live.number) == ("", 1)


def test_a_signing_key_is_written_and_never_shown(staff, fleet):
    agent = Agent.objects.get(name="pharmacy")
    key = "PSK_hunter2_hunter2_hunter2"
    assert save(staff, agent, new_signing_key=key).status_code == 302
    agent.refresh_from_db()
    assert agent.signing_key == key
    assert save(staff, agent, title="x").status_code == 302
    agent.refresh_from_db()
    assert agent.signing_key == key
    assert save(staff, agent, new_signing_key="none").status_code == 302
    agent.refresh_from_db()
    assert agent.signing_key == ""


def test_a_python_agent_is_edited_without_its_source(staff, admin, monkeypatch, actor):
    pretend(monkeypatch)
    source = {"python": {"class": "fleet.sales:Sales", "arguments": {"greeting": "Hello"}}}
    by = replace(actor, may_run_code=True)
    agent_actions.register("sales", "/sales", source, by=by, credentials=("u", "p"))
    agent = Agent.objects.get()
    page = text_of(staff.get(change_url(agent)))
    for words in ("class: fleet.sales:Sales", "get_price", "register sales --update"):
        assert words in page
    assert "digest-1" not in page
    assert save(staff, agent, title="Sales desk", definition=TEXT).status_code == 302
    agent.refresh_from_db()
    assert (agent.title, agent.kind, agent.live.number) == ("Sales desk", "python", 1)
    listed = staff.get("/admin/agents/agent/?kind__exact=python")
    assert listed.context["cl"].result_count == 1
    assert staff.get(change_url(agent.live)).status_code == 200


def test_only_definitions_are_registered_here(admin, monkeypatch):
    pretended = pretend(monkeypatch)
    page = register(admin, definition="python: {class: 'a:B'}")
    assert "python" in str(page.context["adminform"].form.errors["definition"])
    assert (pretended.asked, Agent.objects.count()) == ([], 0)


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Admin"])
def test_no_page_of_an_agent_shows_its_secrets(make_browser, fleet, role):
    agent = Agent.objects.get(name="pharmacy")
    agent.credentials, agent.signing_key = "u:hunter2hunter2", "PSKhunter2hunter2"
    agent.upstream = "u:hunter2hunter2"
    agent.save()
    browser = make_browser(role)
    for path in (change_url(agent), change_url(agent).replace("change", "history"), "/admin/agents/agent/"):
        page = browser.get(path)
        assert page.status_code == 200
        assert "pharmacy" in text_of(page)
        assert "hunter2" not in text_of(page)


def test_agents_are_paused_with_a_message_and_resumed(staff, fleet):
    two = Agent.objects.exclude(name="pharmacy")
    page = bulk(staff, "pause", *two)
    assert "running calls go on" in text_of(page)
    assert not Agent.objects.filter(state="paused").exists()
    page = bulk(staff, "pause", *two, confirmed="yes", asked="Back at nine.")
    assert "Pause: 2 agents." in text_of(page)
    assert set(two.values_list("state", "pause_message")) == {("paused", "Back at nine.")}
    agent = two[0]
    assert save(staff, agent, pause="Back at ten.").status_code == 302
    agent.refresh_from_db()
    assert agent.pause_message == "Back at ten."
    until = timezone.now() + timedelta(hours=1)
    Agent.objects.filter(pk=agent.pk).update(paused_until=until)
    assert f"paused until {until:%Y-%m-%d %H:%M} UTC" in text_of(staff.get("/admin/agents/agent/"))
    assert save(staff, agent, pause="Back at eleven.").status_code == 302
    agent.refresh_from_db()
    assert (agent.pause_message, agent.paused_until) == ("Back at eleven.", until)
    bulk(staff, "resume", *two)
    assert not Agent.objects.filter(state="paused").exists()
    assert "Everything was so already" in text_of(bulk(staff, "resume", *two))


def test_unregistering_names_its_effect_first_and_can_be_undone(staff, fleet):
    agent = Agent.objects.get(name="pharmacy")
    for page in (bulk(staff, "remove_selected", agent), staff.get(change_url(agent).replace("change", "delete"))):
        text = text_of(page)
        assert "404 from now on: /pharmacy." in text
        assert "will reach nobody: " in text
        assert "refills" in text
    assert Route.objects.filter(path="/pharmacy").exists()
    staff.post(change_url(agent).replace("change", "delete"), {"confirmed": "yes"})
    assert not Route.objects.filter(path="/pharmacy").exists()
    assert Agent.objects.get(name="pharmacy").state == "trashed"
    assert staff.post(change_url(agent), {}).status_code == 403, "one in the trash is restored first"
    assert "Restore: agent pharmacy." in text_of(bulk(staff, "restore", agent))
    assert Route.objects.filter(path="/pharmacy").exists()


def test_of_several_the_refused_are_named_and_the_others_done(staff, fleet, actor):
    trash.unregister_agent("pharmacy", by=actor)
    page = text_of(bulk(staff, "remove_selected", *Agent.objects.all(), confirmed="yes"))
    assert "Unregister: 2 agents." in page
    assert "Agent pharmacy is in the trash" in page
    assert not Route.objects.exists()


def test_all_that_a_filter_finds_is_chosen_across_pages(staff, fleet):
    one = Agent.objects.first()
    page = bulk(staff, "pause", one, select_across="1")
    assert "Pause 3 agents" in text_of(page)
    assert 'name="select_across" value="1"' in text_of(page)


# --- routes and SIP names --------------------------------------------------------------------------------------------


def test_a_route_is_added_changed_and_unregistered(staff, fleet):
    add = {"agent_name": "pharmacy", "path": "/drugs", "sip": "pills"}
    assert staff.post("/admin/registry/route/add/", add).status_code == 302
    route = Route.objects.get(path="/drugs")
    assert [mapping.username for mapping in route.sip_mappings.all()] == ["pills"]
    assert "is taken by agent pharmacy" in text_of(staff.post("/admin/registry/route/add/", add))
    assert "there is no agent" in text_of(staff.post("/admin/registry/route/add/", add | {"agent_name": "x"})).lower()
    assert save(staff, route, switched_on=False, fallback=True).status_code == 302
    route.refresh_from_db()
    assert (route.enabled, route.default) == (False, True)
    assert "404 from now on: /drugs." in text_of(bulk(staff, "remove_selected", route))
    only = Route.objects.get(path="/info")
    assert "in the trash: info-line." in text_of(bulk(staff, "remove_selected", only, route))
    staff.post(change_url(route).replace("change", "delete"))
    assert not Route.objects.filter(path="/drugs").exists()


def test_no_page_says_that_a_default_route_that_is_off_takes_calls(staff, fleet, actor):
    route_actions.update_route("/info", by=actor, default=True, enabled=False)
    route, agent = Route.objects.get(path="/pharmacy"), Agent.objects.get(name="pharmacy")
    mapping = SipMapping.objects.get(username="refills")
    for page in (bulk(staff, "remove_selected", thing) for thing in (route, agent, mapping)):
        assert "reach nobody" in text_of(page)
        assert "/info" not in text_of(page)
    route_actions.update_route("/info", by=actor, enabled=True)
    for page in (bulk(staff, "remove_selected", thing) for thing in (route, agent, mapping)):
        assert "reach /info (info-line)" in text_of(page)
    route_actions.update_route("/pharmacy", by=actor, enabled=False)
    assert "Not of pharmacy: no route of theirs is switched on" in text_of(bulk(staff, "pause", agent))


def test_somebody_elses_change_of_a_route_is_not_lost(staff, fleet, actor):
    route = Route.objects.get(path="/info")
    mine = filled(staff, route)
    route_actions.update_route("/info", by=actor, enabled=False)
    assert "Somebody else has changed this" in text_of(staff.post(change_url(route), mine))


def test_a_sip_name_is_mapped_and_unmapped(staff, fleet):
    add = {"typed_name": "Night-Desk", "path": "/info"}
    assert staff.post("/admin/registry/sipmapping/add/", add).status_code == 302
    mapping = SipMapping.objects.get(username="night-desk")
    assert mapping.typed == "Night-Desk"
    for wrong in ({"typed_name": "refills"}, {"path": "/nowhere"}, {"typed_name": "a b"}, {"path": "x y"}):
        page = staff.post("/admin/registry/sipmapping/add/", add | wrong)
        assert page.status_code == 200
        assert page.context["adminform"].form.errors
    assert staff.get(change_url(mapping)).status_code == 200
    assert "reach nobody" in text_of(bulk(staff, "remove_selected", mapping))
    bulk(staff, "remove_selected", mapping, confirmed="yes")
    assert not SipMapping.objects.filter(username="night-desk").exists()


# --- tokens and people -----------------------------------------------------------------------------------------------


def test_a_token_is_shown_in_one_answer_and_kept_nowhere(admin):
    page = admin.post("/admin/registry/apitoken/add/", {"what_for": "ci", "opens": "operate", "days": "7"})
    token = page.context["secret"]
    assert token in text_of(page)
    assert "no-store" in page.headers["cache-control"]
    assert check_token(token).principal.name == "ci"
    assert last_audit(("registry", "ApiTokenEvent"))["via"] == "admin"
    secret = token.rpartition("_")[2]
    stored = ApiToken.objects.get()
    for path in (
        "/admin/registry/apitoken/",
        change_url(stored),
        change_url(stored).replace("change", "history"),
        "/admin/",
    ):
        assert secret not in text_of(admin.get(path))
        assert stored.digest not in text_of(admin.get(path))
    with connection.cursor() as cursor:
        cursor.execute("SELECT l::text FROM django_admin_log l UNION ALL SELECT s::text FROM django_session s")
        assert secret not in str(cursor.fetchall())
    assert secret not in str(admin.cookies)


def test_a_token_that_cannot_be_is_refused_in_the_form(admin):
    for wrong in ({"what_for": ""}, {"opens": "all"}, {"days": "0"}, {"person": "nobody"}):
        data = {"what_for": "ci", "opens": "read", "days": "7"} | wrong
        assert admin.post("/admin/registry/apitoken/add/", data).context["adminform"].form.errors
    assert not ApiToken.objects.exists()


def test_a_token_is_revoked_not_deleted(admin, actor):
    one, other = (create_token(name, "read", by=actor) for name in ("one", "other"))
    assert "cannot be undone" in text_of(bulk(admin, "remove_selected", one.token))
    bulk(admin, "remove_selected", one.token, confirmed="yes")
    admin.post(change_url(other.token).replace("change", "delete"))
    assert ApiToken.objects.exclude(revoked=None).count() == 2
    assert admin.post(change_url(one.token), {"scope": "admin"}).status_code == 403


def test_a_member_is_added_and_the_link_shown_once(admin):
    data = {"name": "bob", "role": "Viewer", "address": "bob@example.com"}
    page = admin.post("/admin/registry/member/add/", data)
    link = page.context["secret"]
    assert people.use_link(*link.strip("/").split("/")[-2:]).username == "bob"
    assert "no-store" in page.headers["cache-control"]
    assert "there is an account bob already" in text_of(admin.post("/admin/registry/member/add/", data)).lower()
    assert admin.post("/admin/registry/member/add/", data | {"name": "a b"}).context["adminform"].form.errors["name"]


def test_a_member_is_changed_by_the_actions_and_the_last_admin_stays(admin, actor):
    bob = people.add_member("bob", "Viewer", by=actor)
    assert save(admin, bob, role="Operator", staff=True, address="b@example.com").status_code == 302
    bob = User.objects.get(username="bob")
    assert (people.given_role(bob), bob.is_staff, bob.email) == ("Operator", True, "b@example.com")
    assert last_audit(("registry", "MembershipEvent"))["user"] == "the-admin"
    me = people.Member.objects.get(username="the-admin")
    for change in ({"role": ""}, {"active": False}):
        assert "is the last Admin" in text_of(save(admin, me, **change))
    bulk(admin, "remove_selected", people.Member.objects.get(username="bob"), me, confirmed="yes")
    assert set(User.objects.filter(is_active=True)) == {User.objects.get(username="the-admin")}
    bulk(admin, "switch_on", people.Member.objects.get(username="bob"))
    assert User.objects.get(username="bob").is_active


def test_nobody_makes_themselves_a_superuser_by_extra_fields(admin, actor):
    bob = people.add_member("bob", "Viewer", by=actor)
    save(admin, bob, is_superuser=True, password="x", groups="3", user_permissions="1")
    bob = User.objects.get(username="bob")
    assert (bob.is_superuser, bob.has_usable_password(), people.given_role(bob)) == (False, False, "Viewer")


def test_a_sign_in_link_is_made_for_one_account(admin, actor):
    bob, eve = (people.add_member(name, "Viewer", by=actor) for name in ("bob", "eve"))
    link = bulk(admin, "link", bob).context["secret"]
    assert people.use_link(*link.strip("/").split("/")[-2:]) == bob
    assert "Choose one account" in text_of(bulk(admin, "link", bob, eve))
    people.set_active("eve", False, by=actor)
    assert "is switched off" in text_of(bulk(admin, "link", eve))


# --- the log, and many agents ----------------------------------------------------------------------------------------


def test_the_log_shows_the_time_of_an_event(staff, event):
    assert "2027-01-15 08:00:00.000" in text_of(staff.get("/admin/registry/routingevent/"))


@pytest.fixture
def many(db):
    """5,000 agents, each with a version, a route and a SIP name."""
    count = 5000
    agents = Agent.objects.bulk_create([Agent(name=f"agent-{n}") for n in range(count)])
    AgentVersion.objects.bulk_create(
        [AgentVersion(agent=agent, number=1, definition={"prompt": {"text": "a"}}, author="x") for agent in agents]
    )
    Agent.objects.update(live=AgentVersion.objects.filter(agent=OuterRef("pk")).values("pk"))
    routes = Route.objects.bulk_create([Route(path=f"/{agent.name}", agent=agent) for agent in agents])
    SipMapping.objects.bulk_create(
        [
            SipMapping(username=agent.name, typed=agent.name, route=r, source="auto")
            for agent, r in zip(agents, routes, strict=True)
        ]
    )


def test_lists_of_many_agents_take_few_queries_and_nobody_counts_the_log(staff, many, event):
    for model in LISTS:
        for query in ("", "?q=agent-4999", "?p=3", "?o=-1"):
            if model == "registry/routingevent" and query == "?p=3":
                continue
            with CaptureQueriesContext(connection) as queries:
                assert staff.get(f"/admin/{model}/{query}").status_code in (200, 302)
            assert len(queries) < 15, model
            statements = [q["sql"] for q in queries if "registry_routingevent" in q["sql"] and "COUNT(" in q["sql"]]
            assert all("LIMIT 5000" in statement for statement in statements)
    for obj in (Agent.objects.last(), Route.objects.last(), SipMapping.objects.last(), AgentVersion.objects.last()):
        with CaptureQueriesContext(connection) as queries:
            assert staff.get(change_url(obj)).status_code == 200
        assert len(queries) < 15


def test_what_is_offered_while_typing_is_found_and_nothing_breaks(staff, fleet):
    path = "/admin/autocomplete/?app_label=registry&model_name=route&field_name=agent&term="
    assert [found["text"] for found in staff.get(f"{path}phar").json()["results"]] == ["pharmacy"]
    assert staff.get(f"{path}%00").status_code == 400
