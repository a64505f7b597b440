"""Registering an agent on one page: all problems at once, credentials shown once, and the wait for the first call."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from agents.models import Agent
from registry.actions import agents, trash
from registry.models import Route, SipMapping
from tests.dashboard.browsing import html_of
from tests.events import write_events
from tests.registry.api.conftest import person

pytestmark = pytest.mark.django_db
PAGE, CHECK = "/dashboard/register/", "/dashboard/register/check/"
GOOD = {"source": "empty", "prompt": "You sell pumps.", "name": "pumps", "route": "/pumps", "credentials": "made"}


@pytest.fixture
def operator(fleet):
    client = Client()
    client.force_login(person("olga", "Operator"))
    return client


def test_an_agent_is_registered_and_its_credentials_are_shown_once(operator):
    given = {**GOOD, "title": "Pump sales", "sip": "Pump-Sales\nsip:pumps2@example.com", "auto_sip": "on"}
    answer = operator.post(PAGE, given)
    assert (answer.status_code, answer["Location"]) == (302, "/dashboard/register/pumps/done/")
    agent = Agent.objects.get(name="pumps")
    assert (agent.title, agent.live.number, agent.live.author) == ("Pump sales", 1, "olga")
    assert agent.live.definition["prompt"]["text"] == "You sell pumps."
    names = set(SipMapping.objects.filter(route__agent=agent).values_list("username", flat=True))
    assert names == {"pump-sales", "pumps2", "pumps"}
    user, _, password = agent.credentials.partition(":")
    kept = operator.session["shown_once"]
    assert password not in str(kept)

    part = operator.get(answer["Location"], headers={"HX-Request": "true", "HX-Target": "first"})
    assert "Waiting for the first request" in part.content.decode()
    assert password not in part.content.decode()
    shown = operator.get(answer["Location"]).content.decode()
    assert f"curl -u '{user}:{password}' http://testserver/pumps" in shown
    assert f"http://{user}:{password}@testserver/pumps" in shown
    assert "pumps is registered at /pumps" in shown
    assert password not in operator.get(answer["Location"]).content.decode()


def test_credentials_of_another_agent_are_not_shown(operator):
    operator.post(PAGE, GOOD)
    password = Agent.objects.get(name="pumps").credentials.partition(":")[2]
    assert password not in operator.get("/dashboard/register/pharmacy/done/").content.decode()
    assert password in operator.get("/dashboard/register/pumps/done/").content.decode()


def test_all_problems_are_said_at_once_and_what_was_typed_is_kept(operator):
    given = {
        "source": "import", "text": "prompt: {text: Hello}\nhints: 5\nnonsense: true", "name": "pharmacy",
        "route": "/clinic/booking", "sip": "appointments\nroom service", "credentials": "own", "user": "a:b",
        "password": "a-secret-of-mine",
    }  # fmt: skip
    answer = operator.post(PAGE, given)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert set(answer.context["checked"].problems) == {"name", "route", "sip", "source", "credentials"}
    assert set(answer.context["checked"].definition_problems) == {"hints", "nonsense"}
    for word in ("Use pharmacy-2", "Use /clinic/booking-2", "Use appointments-2", "Use room-service"):
        assert word in text
    assert 'href="/dashboard/agents/booking-desk/"' in text
    assert "nonsense: true" in text
    assert 'value="/clinic/booking"' in text
    assert "room service</textarea>" in text
    assert "a-secret-of-mine" not in text
    assert Agent.objects.count() == 3


def test_what_is_not_typed_yet_is_a_problem_only_when_it_is_sent(operator):
    assert not operator.get(PAGE).context["checked"].problems
    assert not operator.post(CHECK, {"source": "example", "name": ""}).context["checked"].problems
    sent = operator.post(PAGE, {"source": "example", "name": ""}).context["checked"].problems
    assert set(sent) == {"name", "route", "source"}


def test_while_one_types_the_owner_is_named_and_the_normalised_form_shown(operator):
    answer = operator.post(CHECK, {**GOOD, "route": "clinic/booking/", "sip": "Appointments"})
    text = html_of(answer)
    assert answer.status_code == 200
    assert "<code>/clinic/booking</code> belongs to <a" in text
    assert "<code>appointments</code> belongs to <a" in text
    free = html_of(operator.post(CHECK, {**GOOD, "route": "", "sip": "Pump-Sales"}))
    assert "Free: <code>/pumps</code>" in free
    assert "<code>Pump-Sales</code> → <code>pump-sales</code> free" in free
    assert "<b>pumps</b> answers with version 1" in free
    assert "You sell pumps." in free


def test_names_that_others_have_by_themselves_are_left_out(operator):
    checked = operator.post(CHECK, {**GOOD, "route": "/line/pharmacy", "auto_sip": "on"}).context["checked"]
    assert [(each.normalised, each.owner) for each in checked.skipped] == [("pharmacy", "pharmacy")]
    assert "sip" not in checked.problems


@pytest.mark.parametrize(
    ("name", "suggestion"), [("Front Desk", "front-desk"), ("pharmacy", "pharmacy-2"), ("ünter", "nter")]
)
def test_a_name_that_cannot_be_had_comes_with_one_that_can(operator, name, suggestion):
    checked = operator.post(CHECK, {**GOOD, "name": name}).context["checked"]
    assert checked.name.suggestion == suggestion
    assert checked.problems["name"]


@pytest.mark.parametrize(
    ("route", "suggestion"),
    [("/health", "/pumps"), ("/a b", "/a-b"), ("/pharmacy", "/pharmacy-2"), ("/x/swaig", "/pumps")],
)
def test_a_route_that_cannot_be_had_comes_with_one_that_can(operator, route, suggestion):
    Route.objects.filter(agent__name="pharmacy").update(path="/pharmacy")
    checked = operator.post(CHECK, {**GOOD, "route": route}).context["checked"]
    assert checked.route.suggestion == suggestion


def test_an_example_an_agent_and_a_file_can_be_the_source(operator):
    operator.post(PAGE, {**GOOD, "source": "example", "example": "sales-agent"})
    assert "get_pricing" in Agent.objects.get(name="pumps").live.definition["functions"]
    operator.post(PAGE, {**GOOD, "source": "copy", "copy": "pharmacy", "name": "second", "route": ""})
    second = Agent.objects.get(name="second")
    assert second.live.definition == Agent.objects.get(name="pharmacy").live.definition
    assert [route.path for route in second.routes.all()] == ["/second"]
    document = b'{"version": "1.0.0", "sections": {"main": [{"answer": {}}, {"ai": {"prompt": {"text": "Hi"}}}]}}'
    upload = SimpleUploadedFile("a.json", document)
    answer = operator.post(PAGE, {**GOOD, "source": "import", "name": "third", "route": "", "upload": upload})
    assert answer.status_code == 302
    assert Agent.objects.get(name="third").live.definition["prompt"]["text"] == "Hi"


def test_a_file_with_several_agents_belongs_to_the_import(operator):
    text = "a: {route: /a, definition: {prompt: {text: A}}}\nb: {route: /b, definition: {prompt: {text: B}}}"
    answer = operator.post(CHECK, {**GOOD, "source": "import", "text": text})
    assert "There are 2 agents in this" in answer.content.decode()
    assert "/dashboard/settings/apply/" in answer.content.decode()
    one = operator.post(CHECK, {**GOOD, "source": "import", "text": text.splitlines()[0]})
    assert one.context["checked"].definition.prompt.text == "A"


@pytest.mark.parametrize("text", ["{", "a: &a [*a]", "- 1", "\0", "sections: {main: 5}", "prompt: " + "[" * 3000])
def test_no_pasted_text_breaks_the_check(operator, text):
    answer = operator.post(CHECK, {**GOOD, "source": "import", "text": text})
    assert answer.status_code == 200


def test_an_agent_in_the_trash_is_taken_out_again(operator, actor):
    trash.unregister_agent("pharmacy", by=actor)
    checked = operator.post(CHECK, {**GOOD, "name": "pharmacy"}).context["checked"]
    assert "in the trash" in checked.name.note
    assert "name" not in checked.problems
    assert operator.post(PAGE, {**GOOD, "name": "pharmacy"}).status_code == 302
    assert Agent.objects.get(name="pharmacy").live.number == 2


def test_somebody_who_was_quicker_is_a_problem_of_the_form(operator, monkeypatch, actor):
    real = agents.register

    def late(*given, **options):
        monkeypatch.setattr(agents, "register", real)
        real("quick", "/pumps", {"prompt": {"text": "x"}}, by=actor)
        return real(*given, **options)

    monkeypatch.setattr(agents, "register", late)
    answer = operator.post(PAGE, GOOD)
    assert (answer.status_code, set(answer.context["checked"].problems)) == (422, {"route", "form"})


def test_the_first_good_request_ends_the_wait(operator):
    operator.post(PAGE, GOOD)
    url = "/dashboard/register/pumps/done/"
    write_events(
        [{"agent": "pumps", "path": "/pumps", "status": 401, "outcome": "refused", "detail": "no credentials"}]
    )
    text = operator.get(url).content.decode()
    assert "Waiting for the first good request" in text
    assert "got 401: no credentials" in text
    write_events([{"agent": "pumps", "path": "/pumps", "kind": "test"}])
    assert "Waiting" in operator.get(url).content.decode()
    later = datetime.now(UTC) + timedelta(seconds=5)
    first, _ = write_events([{"agent": "pumps", "path": "/pumps"}] * 2, end=later)
    text = operator.get(url, headers={"HX-Request": "true", "HX-Target": "first"}).content.decode()
    assert "The first request has arrived" in text
    assert f"/dashboard/log/{first}/" in text
    assert "hx-get" not in text


def test_a_viewer_registers_nothing(fleet):
    viewer = Client()
    viewer.force_login(person("vera", "Viewer"))
    assert viewer.get(PAGE).status_code == 403
    assert viewer.post(PAGE, GOOD).status_code == 403
    assert viewer.post(CHECK, GOOD).status_code == 403
    assert viewer.get("/dashboard/register/pharmacy/done/").status_code == 200
    assert Agent.objects.count() == 3


def test_queries_are_few(operator, django_assert_max_num_queries):
    with django_assert_max_num_queries(30):
        operator.get(PAGE)
    sip = "\n".join(f"name-{number}" for number in range(50))
    with django_assert_max_num_queries(25):
        operator.post(CHECK, {**GOOD, "sip": sip, "auto_sip": "on"})
