"""Python and remote agents on the dashboard: registering, their tabs, reloading, and what is wrong with them."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from agents.models import Agent, AgentVersion
from dashboard.pages import test as bench_page
from dashboard.pages.agent import document as document_page
from registry.actions import agents
from registry.models import Worker
from tests.dashboard.browsing import html_of, signed_in
from tests.dashboard.sources import ADMIN, OWN, TOKEN, World, stage_with, world
from tests.dashboard.test_places import Page

__all__ = ["world"]
pytestmark = pytest.mark.django_db
REGISTER, LOOK, CHECK = "/dashboard/register/", "/dashboard/register/look/", "/dashboard/register/check/"
SALES, DESK = "/dashboard/agents/sales/", "/dashboard/agents/desk/"
PYTHON = {"source": "python", "class": "shop.sales:Sales", "arguments": "voice: v\nsize: 3", "name": "sales",
          "credentials": "made"}  # fmt: skip
REMOTE = {"source": "remote", "url": "https://desk.example.com/desk", "name": "desk", "credentials": "made",
          "server_user": "me", "server_password": "a-password-of-theirs"}  # fmt: skip
WRONG_REMOTE = [
    ({"seconds": "soon"}, "seconds"), ({"url": "ftp://x"}, "url"), ({"server_password": ""}, "server"),
    ({"more_urls": "https://x y"}, "more_urls"),
]  # fmt: skip
WRONG_PYTHON = [
    ({"class": "no class"}, "class"), ({"arguments": "- a"}, "arguments"), ({"class": ""}, "class"),
    ({"arguments": "a: ["}, "arguments"),
]  # fmt: skip
HTMX = {"HX-Request": "true", "HX-Target": "looked"}


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    cache.clear()


@pytest.fixture
def admin(fleet: Any) -> Client:
    return signed_in("Admin", "ada")


@pytest.fixture
def operator(fleet: Any) -> Client:
    return signed_in("Operator", "olga")


@pytest.fixture
def viewer(fleet: Any) -> Client:
    return signed_in("Viewer", "vera")


def register_both(world: World) -> None:
    python = {"python": {"class": "shop.sales:Sales", "arguments": {"voice": "v"}}}
    agents.register("sales", "/sales-desk", python, by=ADMIN)
    remote = {"remote": {"url": "https://a.example.com/desk", "more_urls": ["https://b.example.com/desk"]}}
    agents.register("desk", "/desk", remote, upstream=("me", "a-password-of-theirs"), by=ADMIN)


@pytest.fixture
def both(world: World, fleet: Any) -> World:
    register_both(world)
    return world


# --- registering -----------------------------------------------------------------------------------------------------


def test_looking_shows_what_is_found_and_registers_nothing(admin: Client, world: World) -> None:
    text = html_of(admin.post(LOOK, PYTHON, headers=HTMX))
    for words in ("shop.sales:Sales can be built", "price", "size: integer", "claims the SIP names buy", "by MCP",
                  "asks for credentials of its own", "it takes its time"):  # fmt: skip
        assert words in text
    assert OWN not in text
    assert "its class renders the document" in text
    assert not Agent.objects.filter(name="sales").exists()
    whole = html_of(admin.post(LOOK, PYTHON))
    assert "shop.sales:Sales can be built" in whole
    assert "<h1>Register agent</h1>" in whole


def test_typing_neither_runs_nor_asks(admin: Client, world: World) -> None:
    world.trouble = "it was asked"
    for given in (PYTHON, REMOTE, {name: text for name, text in REMOTE.items() if name != "server_password"}):
        answer = admin.post(CHECK, given)
        assert "it was asked" not in html_of(answer)
        assert not answer.context["source_problems"]  # a password is not sent while one types
        assert "answers with version 1" in re.sub("<[^>]+>", "", html_of(answer))


def test_a_python_class_is_registered(admin: Client, world: World) -> None:
    answer = admin.post(REGISTER, PYTHON)
    assert answer["Location"] == "/dashboard/register/sales/done/"
    agent = Agent.objects.get(name="sales")
    source = agent.live.definition["python"]  # type: ignore[union-attr]
    assert (agent.kind, source["class"], source["arguments"]) == (
        "python",
        "shop.sales:Sales",
        {"voice": "v", "size": 3},
    )
    assert "it takes its time" in html_of(admin.get(answer["Location"]))


def test_credentials_that_the_code_asks_for_are_its_own_unless_others_are_chosen(
    admin: Client, world: World, settings: Any
) -> None:
    for fleet, chosen, kept in (("", "made", f"they:{OWN}"), ("p", "fleet", f"they:{OWN}"), ("p", "own", "me:pw")):
        settings.SWML_BASIC_AUTH_PASSWORD = fleet
        name = f"sales-{fleet or 0}-{chosen}"
        admin.post(REGISTER, PYTHON | {"name": name, "credentials": chosen, "user": "me", "password": "pw"})
        assert Agent.objects.get(name=name).credentials == kept


def test_a_remote_server_is_registered_with_its_credentials(operator: Client, world: World) -> None:
    options = {"more_urls": "https://b.example.com/desk\n", "seconds": "20", "keep_last_document": "on"}
    assert operator.post(REGISTER, REMOTE | options).status_code == 302
    agent = Agent.objects.get(name="desk")
    source = agent.live.definition["remote"]  # type: ignore[union-attr]
    assert (agent.upstream, world.upstreams) == ("me:a-password-of-theirs", [("me", "a-password-of-theirs")])
    assert (source["more_urls"], source["seconds"]) == (["https://b.example.com/desk"], 20)
    assert source["keep_last_document"] is True


def test_a_problem_stands_beside_its_field_and_what_was_typed_is_kept(admin: Client, world: World) -> None:
    world.trouble = "https://desk.example.com/desk refuses the connection"
    answer = admin.post(REGISTER, REMOTE | {"seconds": "7"})
    text = html_of(answer)
    assert answer.status_code == 422
    assert answer.context["source_problems"] == {"url": "https://desk.example.com/desk refuses the connection."}
    assert 'value="https://desk.example.com/desk"' in text
    assert 'value="7"' in text
    assert "a-password-of-theirs" not in text
    for given, field in WRONG_REMOTE:
        assert set(admin.post(REGISTER, REMOTE | given).context["source_problems"]) == {field}
    for given, field in WRONG_PYTHON:
        answer = admin.post(REGISTER, PYTHON | given)
        assert (answer.status_code, set(answer.context["source_problems"])) == (422, {field})
    assert not Agent.objects.filter(name__in=["desk", "sales"]).exists()


def test_an_operator_is_told_who_may_run_code(operator: Client, world: World) -> None:
    text = html_of(operator.get(REGISTER, {"source": "python"}))
    assert "an Admin may register one" in text
    assert 'name="class"' not in text
    assert "only an Admin may" in html_of(operator.post(LOOK, PYTHON, headers=HTMX))
    answer = operator.post(REGISTER, PYTHON)
    assert answer.status_code == 422
    assert not Agent.objects.filter(name="sales").exists()


def test_classes_of_the_folders_are_offered(admin: Client, settings: Any, tmp_path: Any) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "sales.py").write_text("class Sales(AgentBase):\n    pass\n")
    (tmp_path / "desk.py").write_text("import nothing_that_exists\nclass Desk(AgentBase): pass\n")
    (tmp_path / "no-module.py").write_text("class Hidden(AgentBase): pass\n")
    packages = tmp_path / "packages"
    (packages / "pumps-1.0.dist-info").mkdir(parents=True)
    (packages / "pumps.py").write_text("class Pump(Machine): pass\n")
    settings.AGENT_PATH = [str(tmp_path), str(packages), "/nowhere"]
    text = html_of(admin.get("/dashboard/register/classes/"))
    assert 'value="desk:Desk"' in text
    assert 'value="shop.sales:Sales"' in text
    assert "Hidden" not in text
    assert "Pump" not in text, "what pip put there is no agent"


# --- the tabs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Admin"])
def test_every_tab_opens(both: World, role: str, django_assert_max_num_queries: Any) -> None:
    client = signed_in(role, "someone")
    for agent in (SALES, DESK):
        for tab in ("", "definition/", "document/", "functions/", "routing/", "versions/?from=1&to=1&view=document",
                    "versions/1/", "log/", "history/", "publish/", "definition/source/"):  # fmt: skip
            with django_assert_max_num_queries(30):
                answer = client.get(f"{agent}{tab}")
            if role == "Viewer" and tab in ("publish/", "definition/source/"):
                assert answer.status_code == 403
                continue
            assert answer.status_code == 200, tab
            page = Page(html_of(answer))
            assert not page.inline
            assert not [each for each, count in page.ids.items() if count > 1], tab
            for tag, found in page.elements:
                for attribute in ("for", "aria-describedby", "aria-labelledby", "list"):
                    assert set(found.get(attribute, "").split()) <= set(page.ids), (tab, tag, found)
            assert OWN not in html_of(answer)
            assert "a-password-of-theirs" not in html_of(answer)


def test_the_source_is_shown(both: World, admin: Client, operator: Client) -> None:
    text = html_of(admin.get(f"{SALES}definition/"))
    for words in ("shop.sales:Sales", "digest-one-a", "voice: v", "Reload", "Change source", "Python"):
        assert words in text
    assert "digest-one-and-more" not in text
    text = html_of(operator.get(f"{SALES}definition/"))
    assert "an Admin may" in text
    assert "definition/reload/" not in text
    text = html_of(operator.get(f"{DESK}definition/"))
    assert "https://b.example.com/desk" in text
    assert "Look again" in text


def test_the_editor_is_for_what_is_built_here(both: World, admin: Client) -> None:
    for path, method in (("edit/", "post"), ("check/", "post"), ("preview/", "get"), ("theirs/", "post")):
        answer = getattr(admin, method)(f"{SALES}definition/{path}")
        assert answer.status_code == 409, path
        assert f'href="{SALES}definition/"' in html_of(answer)
    answer = admin.get("/dashboard/agents/pharmacy/definition/source/")
    assert answer["Location"] == "/dashboard/agents/pharmacy/definition/"
    assert admin.post("/dashboard/agents/pharmacy/definition/reload/").status_code == 409


def test_reloading_says_what_has_become_of_it(both: World, admin: Client, operator: Client) -> None:
    text = html_of(admin.post(f"{SALES}definition/reload/", follow=True))
    assert "Its code is the same: version 1 stays live" in text
    both.code = "digest-two"
    text = html_of(admin.post(f"{SALES}definition/reload/", follow=True))
    assert "Version 2 is live" in text
    assert ">Undo<" not in text
    text = html_of(admin.post(f"{SALES}definition/reload/", {"force": "1"}, follow=True))
    assert "Version 3 is live" in text
    assert operator.post(f"{SALES}definition/reload/").status_code == 403
    assert "Its server says the same" in html_of(operator.post(f"{DESK}definition/reload/", follow=True))
    both.trouble = "SyntaxError in sales.py, line 3"
    answer = admin.post(f"{SALES}definition/reload/")
    assert (answer.status_code, "SyntaxError in sales.py" in html_of(answer)) == (422, True)


def test_another_source_becomes_the_next_version_and_can_be_undone(both: World, admin: Client) -> None:
    shown = html_of(admin.get(f"{SALES}definition/source/"))
    assert 'value="shop.sales:Sales"' in shown
    given = {"class": "shop.sales:Better", "arguments": "{}"}
    text = html_of(admin.post(f"{SALES}definition/source/", given, follow=True))
    assert "Version 2 is live" in text
    assert ">Undo<" in text
    compared = html_of(admin.get(f"{SALES}versions/", {"from": "1", "to": "2"}))
    assert "shop.sales:Better" in compared
    assert "found." not in compared
    assert 'aria-label="Show the difference as"' in compared
    assert "view=document" not in compared
    admin.post(f"{SALES}versions/restore/", {"number": "1"})
    live = Agent.objects.get(name="sales").live
    assert live is not None
    assert (live.number, live.definition["python"]["class"]) == (3, "shop.sales:Sales")
    answer = admin.post(f"{SALES}definition/source/", {"class": "nothing"})
    assert (answer.status_code, 'value="nothing"' in html_of(answer)) == (422, True)
    downloaded = html_of(admin.get(f"{SALES}versions/2/yaml/"))
    assert "shop.sales:Better" in downloaded
    assert "found" not in downloaded


def test_credentials_of_a_server_are_replaced_once_it_accepts_them(both: World, operator: Client) -> None:
    page = f"{DESK}definition/server/"
    given = {"server_user": "me", "server_password": "another-of-theirs"}
    both.trouble = "it refuses the user and the password"
    answer = operator.post(page, given)
    assert (answer.status_code, "it refuses the user" in html_of(answer).lower()) == (422, True)
    assert "another-of-theirs" not in html_of(answer)
    both.trouble = ""
    assert operator.post(page, given).status_code == 302
    assert Agent.objects.get(name="desk").upstream == "me:another-of-theirs"
    assert AgentVersion.objects.filter(agent__name="desk").count() == 1
    assert operator.post(page, {"server_user": "me"}).status_code == 422
    assert "asked without credentials" in html_of(operator.post(page, {"act": "none"}, follow=True))
    assert Agent.objects.get(name="desk").upstream == ""
    assert operator.post(f"{SALES}definition/server/", given).status_code == 409


# --- asking the agent itself -----------------------------------------------------------------------------------------


def test_the_document_is_asked_of_the_agent_and_masked(
    both: World, viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "serves no agents" in html_of(viewer.get(f"{SALES}document/"))
    speaking = stage_with(monkeypatch, "sales", document_page)
    text = html_of(viewer.get(f"{SALES}document/", {"from": "+1555"}))
    assert "/sales-desk/swaig?__token=***" in text
    assert TOKEN not in text
    assert "secret-word" not in text
    assert speaking.asked[0].body["call"]["from"] == "+1555"
    agents.publish("sales", {"python": {"class": "shop.sales:Better"}}, by=ADMIN)
    assert "not served here yet" in html_of(viewer.get(f"{SALES}document/"))
    assert "only the live one can be asked" in html_of(viewer.get(f"{SALES}document/", {"version": "1"}))


def test_a_function_runs_with_a_token_of_the_agents_own_document(
    both: World, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = html_of(operator.get(f"{SALES}functions/"))
    assert "agent=sales&amp;function=price" in text
    assert "function=map" not in text
    speaking = stage_with(monkeypatch, "sales", bench_page)
    shown = html_of(operator.get("/dashboard/test/", {"agent": "sales", "function": "price"}))
    assert "This runs <b>shop.sales:Sales</b> for real" in shown
    answer = operator.post(
        "/dashboard/test/run/", {"agent": "sales", "function": "price", "arg.size": "3", "act": "run"}
    )
    assert "3 cost 9" in html_of(answer)
    assert TOKEN not in html_of(answer)
    document, function = speaking.asked
    assert document.call_id == function.call_id != ""
    assert (function.sub_path, function.sent.query["__version"]) == ("swaig", "2")
    agents.publish("sales", {"python": {"class": "shop.sales:Better"}}, by=ADMIN)
    text = html_of(operator.get("/dashboard/test/", {"agent": "sales", "version": "1"}))
    assert "only the live version runs" in text


# --- trouble ---------------------------------------------------------------------------------------------------------


def test_an_agent_in_trouble_is_seen_everywhere(both: World, viewer: Client) -> None:
    now = timezone.now()
    since = datetime(2026, 3, 1, 10, 41, tzinfo=UTC).timestamp()
    down = {"state": "down", "detail": "its process ended with 3", "since": since}
    shaky = {
        "state": "shaky",
        "detail": "one of two does not answer",
        "since": since,
        "away": ["https://b.example.com/desk"],
    }
    Worker.objects.create(
        replica="r", pid=1, revision=0, started=now, seen=now, troubles={"sales": down, "desk": shaky}
    )
    Worker.objects.create(replica="r", pid=2, revision=0, started=now, seen=now, troubles={"sales": down})
    text = html_of(viewer.get("/dashboard/agents/"))
    assert "Down" in text
    assert 'title="its process ended with 3"' in text
    assert "Remote" in text
    assert 'id="status-sales"' in html_of(viewer.get("/dashboard/agents/", {"status": "trouble"}))
    text = html_of(viewer.get("/dashboard/overview/"))
    assert "Down: its process ended with 3." in text
    assert "Shaky: " in text
    assert viewer.get("/dashboard/frame/failing/").json() == {"failing": ["sales"]}
    text = html_of(viewer.get(SALES))
    assert "sales cannot be asked" in text
    assert "on 2 of 2 workers" in text
    text = html_of(viewer.get(f"{DESK}definition/")).partition('class="endpoints"')[2]
    assert text.index("a.example.com") < text.index("Answers</span>") < text.index("b.example.com")


def test_a_detail_that_mentions_an_endpoint_does_not_say_that_it_is_away(both: World, viewer: Client) -> None:
    now = timezone.now()
    trouble = {"state": "shaky", "detail": "https://b.example.com/desk sends to https://a.example.com/desk", "since": 1}
    told = {"desk": {**trouble, "away": ["https://b.example.com/desk"]}}
    worker = Worker.objects.create(replica="r", pid=1, revision=0, started=now, seen=now, troubles=told)

    def endpoints() -> str:
        cache.clear()
        return html_of(viewer.get(f"{DESK}definition/")).partition('class="endpoints"')[2].partition("</ul>")[0]

    assert (endpoints().count("Answers</span>"), endpoints().count("Down</span>")) == (1, 1)
    worker.troubles = {"desk": trouble}  # a worker of before says nothing of endpoints: all of them are in doubt
    worker.save()
    assert "Answers</span>" not in endpoints()
    assert endpoints().count("Shaky</span>") == 2
