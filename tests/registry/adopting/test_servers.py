"""A running AgentServer: what it says of itself becomes remote agents; each for itself, and once."""

import pytest

from agents.errors import UnusableSource
from agents.models import Agent, AgentVersion
from registry.actions import agents as agent_actions
from registry.actions import routes as route_actions
from registry.adopting import Wishes, adopt_server
from registry.base.errors import Forbidden, Malformed
from registry.models import RegistryChange, Route, SipMapping
from tests.registry.adopting.conftest import ADMIN, OPERATOR, PROMPT, by_original, states

pytestmark = pytest.mark.django_db


def test_every_route_of_a_server_becomes_a_remote_agent(elsewhere, probed):
    server = elsewhere("/sales", "/clinic/booking", "")
    report = adopt_server([server.url], Wishes(upstream=("u", "p")), by=ADMIN)
    found = {entry.original: (entry.agent, entry.route, entry.state) for entry in report.entries}
    assert found == {
        "/sales": ("sales", "/sales", "registered"),
        "/clinic/booking": ("clinic-booking", "/clinic/booking", "registered"),
        "/": ("127-0-0-1", "/", "registered"),
    }
    agent = Agent.objects.get(name="sales")
    assert (agent.kind, agent.upstream) == ("remote", "u:p")
    assert agent.live.definition["remote"]["url"] == f"{server.url}/sales"
    assert Agent.objects.get(name="127-0-0-1").live.definition["remote"]["url"] == server.url
    assert agent.live.note == f"adopted from {server.url}"
    assert by_original(report)["/sales"].as_json()["functions"] == ["ask"]
    assert by_original(report)["/sales"].as_json()["credentials"]["user"] == "signalwire"
    assert SipMapping.objects.filter(username="booking", route__path="/clinic/booking").exists()
    assert {asked[1] for asked in probed} == {("u", "p")}


def test_a_dry_run_changes_nothing(elsewhere):
    before = RegistryChange.newest()
    report = adopt_server([elsewhere("/sales", "/broken").url], Wishes(dry_run=True), by=ADMIN)
    assert states(report) == {"/sales": "register", "/broken": "refused"}
    assert list(by_original(report)["/sales"].found.functions) == ["ask"]
    assert "--user and --password" in by_original(report)["/broken"].reason
    assert RegistryChange.newest() == before
    assert not Agent.objects.exists()


def test_adopting_twice_changes_nothing(elsewhere):
    server = elsewhere("/sales", "/help")
    adopt_server([server.url], Wishes(), by=ADMIN)
    before = RegistryChange.newest()
    again = adopt_server([f"HTTP://127.0.0.1:{server.server_port}/health"], Wishes(), by=ADMIN)
    assert states(again) == {"/sales": "skipped", "/help": "skipped"}
    assert by_original(again)["/help"].reason == "registered already as help at /help"
    assert RegistryChange.newest() == before


def test_what_cannot_be_registered_is_said_and_the_others_go_on(elsewhere):
    agent_actions.register("sales", "/here", PROMPT, by=ADMIN)
    agent_actions.register("pumps", "/taken", PROMPT, by=ADMIN)
    agent_actions.register("old", "/old", PROMPT, by=ADMIN)
    route_actions.unregister("/old", by=ADMIN)
    routes = ["/sales", "/taken", "/old", "/api", "/a b", "//x", "/@elsewhere", "/a/b", "/a-b", "/broken", "/good"]
    report = adopt_server([elsewhere(*routes).url], Wishes(), by=ADMIN)
    refused = {entry.original: entry.reason for entry in report.entries if entry.state == "refused"}
    assert refused["/sales"].startswith("the name 'sales' is taken")
    assert refused["/taken"].startswith("route /taken is taken by agent pumps")
    assert "in the trash" in refused["/old"]
    assert "reserved" in refused["/api"]
    assert all("is not a route" in refused[route] for route in ("/a b", "//x", "/@elsewhere"))
    assert "another one of these agents" in refused["/a-b"]
    assert {entry.agent for entry in report.entries if entry.state == "registered"} == {"a-b", "good"}
    assert report.totals == {"registered": 2, "updated": 0, "skipped": 0, "refused": 9}


def test_prefixes_make_room(elsewhere):
    agent_actions.register("sales", "/sales", PROMPT, by=ADMIN)
    server = elsewhere("/sales", "/api", "")
    adopt_server([server.url], Wishes(name_prefix="old", route_prefix="/old"), by=ADMIN)
    agents = dict(Route.objects.filter(agent__kind="remote").values_list("path", "agent__name"))
    assert agents == {"/old/sales": "old-sales", "/old/api": "old-api", "/old": "old"}
    assert Agent.objects.get(name="old-api").live.definition["remote"]["url"] == f"{server.url}/api"


def test_some_routes_only(elsewhere):
    server = elsewhere("/sales", "/help", "/more")
    report = adopt_server([server.url], Wishes(only=("sales/", "/more")), by=ADMIN)
    assert states(report) == {"/sales": "registered", "/more": "registered"}
    with pytest.raises(Malformed, match=r"no route /none.*Its routes: /sales, /help, /more"):
        adopt_server([server.url], Wishes(only=("/none",)), by=ADMIN)
    assert states(adopt_server([f"{server.url}/help"], Wishes(), by=ADMIN)) == {"/help": "registered"}


def test_instances_of_a_server_are_one_agent_with_several_endpoints(elsewhere):
    one, two = elsewhere("/sales", "/help"), elsewhere("/sales")
    report = adopt_server([one.url, two.url], Wishes(), by=ADMIN)
    assert Agent.objects.get(name="sales").live.definition["remote"]["more_urls"] == [f"{two.url}/sales"]
    assert "more_urls" not in Agent.objects.get(name="help").live.definition["remote"]
    assert "not every instance" in by_original(report)["/help"].warnings[0]


def test_another_instance_is_added_when_asked_to(elsewhere):
    one, two = elsewhere("/sales"), elsewhere("/sales")
    adopt_server([one.url], Wishes(), by=ADMIN)
    report = adopt_server([one.url, two.url], Wishes(), by=ADMIN)
    assert "--update publishes these" in by_original(report)["/sales"].reason
    report = adopt_server([one.url, two.url], Wishes(update=True), by=ADMIN)
    assert states(report) == {"/sales": "updated"}
    assert Agent.objects.get(name="sales").live.definition["remote"]["more_urls"] == [f"{two.url}/sales"]
    assert AgentVersion.objects.filter(agent__name="sales").count() == 2


def test_other_credentials_for_the_server_are_taken_when_asked_to(elsewhere):
    server = elsewhere("/sales")
    adopt_server([server.url], Wishes(upstream=("u", "p")), by=ADMIN)
    assert by_original(adopt_server([server.url], Wishes(), by=ADMIN))["/sales"].reason.endswith("at /sales")
    report = adopt_server([server.url], Wishes(upstream=("u", "q")), by=ADMIN)
    assert "another user or password" in by_original(report)["/sales"].reason
    assert Agent.objects.get().upstream == "u:p"
    assert states(adopt_server([server.url], Wishes(upstream=("u", "q"), update=True), by=ADMIN)) == {
        "/sales": "updated"
    }
    assert Agent.objects.get().upstream == "u:q"


def test_a_trashed_agent_comes_back_from_the_server_that_it_was_on(elsewhere):
    server = elsewhere("/sales")
    adopt_server([server.url], Wishes(), by=ADMIN)
    route_actions.unregister("/sales", by=ADMIN)
    assert states(adopt_server([server.url], Wishes(), by=ADMIN)) == {"/sales": "registered"}
    assert states(adopt_server([server.url], Wishes(), by=ADMIN)) == {"/sales": "skipped"}


def test_a_single_agent_is_a_server_too(elsewhere):
    server = elsewhere(health={"status": "healthy", "agent": "Front Desk"})
    report = adopt_server([server.url], Wishes(route_prefix="/desk"), by=ADMIN)
    assert [(entry.agent, entry.route) for entry in report.entries] == [("front-desk", "/desk")]
    own_route = adopt_server([f"{server.url}/own"], Wishes(), by=ADMIN)
    assert [(entry.original, entry.state) for entry in own_route.entries] == [("/own", "refused")]
    report = adopt_server([f"{server.url}/own"], Wishes(name_prefix="my"), by=ADMIN)
    assert [(entry.agent, entry.route) for entry in report.entries] == [("my-front-desk", "/own")]
    assert Agent.objects.get(name="my-front-desk").live.definition["remote"]["url"] == f"{server.url}/own"


def test_a_single_agent_that_is_not_at_the_root_must_be_named_with_its_route(elsewhere, monkeypatch):
    def probe(source, *_arguments, **_options):
        raise UnusableSource(f"{source.url} has no agent at this path (404)", about)

    monkeypatch.setattr("agents.remote.kind.probe", probe)
    server = elsewhere(health={"status": "healthy", "agent": "desk"})
    for about in ("path", "document"):  # noqa: B007 - the probe above raises it
        report = adopt_server([server.url], Wishes(), by=ADMIN)
        assert f"adopt {server.url}/ITS-ROUTE" in report.entries[0].reason
    about = ""
    assert "ITS-ROUTE" not in adopt_server([server.url], Wishes(), by=ADMIN).entries[0].reason, "words say nothing"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (None, "answers 404"),
        (b"<html>", "says something else"),
        ({"status": "ok"}, "says something else"),
        ({"routes": [1]}, "routes that are no texts"),
        ({"routes": ["/x"] * 501}, "at most 500"),
        (b" " * (1024 * 1024 + 1), "more than 1048576 bytes"),
    ],
)
def test_what_is_no_agent_server_is_said(elsewhere, page, said):
    server = elsewhere(health=page)
    with pytest.raises(Malformed, match=said):
        adopt_server([server.url], Wishes(), by=ADMIN)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://u:secret@127.0.0.1:1", "given apart"),
        ("ftp://127.0.0.1", "must begin with http"),
        ("http://127.0.0.1:1/x?y", "without spaces, query"),
        ("http://127.0.0.1:1", "cannot be reached"),
    ],
)
def test_a_url_that_cannot_be_asked_is_said(url, said):
    with pytest.raises(Malformed, match=said) as refusal:
        adopt_server([url], Wishes(), by=ADMIN)
    assert "secret" not in str(refusal.value)


def test_inside_the_network_only_an_admin_may_look(elsewhere, settings):
    server = elsewhere("/sales")
    for url in (server.url, f"http://localhost:{server.server_port}"):
        with pytest.raises(Forbidden, match="an Admin may adopt"):
            adopt_server([url], Wishes(), by=OPERATOR)
    assert server.asked == []
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    assert states(adopt_server([server.url], Wishes(), by=OPERATOR)) == {"/sales": "registered"}
