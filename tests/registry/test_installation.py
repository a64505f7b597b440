import re

import pytest
from django.contrib.auth.models import User

from agents.models import Agent
from registry.actions import agents, credentials, people, routes
from registry.base.errors import WrongSecret
from registry.installation import EXAMPLE_FLEET, banner, fingerprint, initialise
from registry.models import Installation, Route
from tests.registry.actions.test_actions import at_once

pytestmark = pytest.mark.django_db


def test_the_first_start_registers_the_example_fleet_and_no_later_one_does(actor):
    first = initialise(example=True, by=actor)
    assert (first.first, first.registered) == (True, ["front-desk", "sales-agent", "support-agent", "billing-agent"])
    routes.unregister("/sales", by=actor)
    second = initialise(example=True, by=actor)
    assert (second.first, second.registered) == (False, [])
    assert not Route.objects.filter(path="/sales").exists()


def test_the_example_fleet_has_nothing_to_warn_of_once_it_is_there(actor):
    initialise(example=True, by=actor)
    for agent in Agent.objects.all():
        assert agents.publish(agent.name, agent.live.definition, by=actor).warnings == []


def test_a_start_without_the_example_never_makes_up_for_it(actor):
    assert initialise(example=False, by=actor).registered == []
    assert initialise(example=True, by=actor).registered == []
    assert not Agent.objects.exists()


def test_another_secret_key_is_refused_with_what_to_do(actor, settings):
    initialise(example=False, by=actor)
    settings.SECRET_KEY = "another"
    with pytest.raises(WrongSecret, match="SECRET_KEY_FALLBACKS"):
        initialise(example=True, by=actor)


def test_a_key_that_was_changed_on_purpose_is_taken_over(actor, settings):
    initialise(example=False, by=actor)
    settings.SECRET_KEY_FALLBACKS = [str(settings.SECRET_KEY)]
    settings.SECRET_KEY = "another"
    initialise(example=False, by=actor)
    assert Installation.objects.get().secret_fingerprint == fingerprint("another")
    settings.SECRET_KEY_FALLBACKS = []
    initialise(example=False, by=actor)


def test_a_fingerprint_does_not_give_the_key_away():
    assert "secret" not in fingerprint("secret")
    assert fingerprint("secret") != fingerprint("secrets")


def test_of_two_first_starts_at_once_one_is_the_first(transactional_db, actor):
    outcomes = at_once(*[lambda: initialise(example=True, by=actor)] * 3)
    assert sorted(outcome.first for outcome in outcomes) == [False, False, True]
    assert Agent.objects.count() == 4


def test_a_first_start_that_fails_leaves_nothing_and_can_be_repeated(actor, monkeypatch):
    register = agents.register

    def fail(name, *arguments, **options):
        if name == "support-agent":
            raise RuntimeError("power cut")
        return register(name, *arguments, **options)

    monkeypatch.setattr(agents, "register", fail)
    with pytest.raises(RuntimeError):
        initialise(example=True, by=actor)
    assert not Agent.objects.exists()
    monkeypatch.undo()
    assert len(initialise(example=True, by=actor).registered) == 4


def test_the_banner_of_a_first_start_has_a_line_that_works_when_pasted(actor):
    initialise(example=True, by=actor)
    text = banner("http://127.0.0.1:8000", first=True)
    user, password = credentials.reveal_credentials("sales-agent", by=actor)
    assert f"curl -u {user}:{password} http://127.0.0.1:8000/sales" in text
    for name, path in (("front-desk", "/main"), ("billing-agent", "/billing")):
        assert name in text
        assert f"http://127.0.0.1:8000{path}\n" in text
    link = re.search(r"http://127.0.0.1:8000(/dashboard/sign-in/link/\S+)", text)[1]
    assert people.use_link(*link.strip("/").split("/")[-2:]).username == "admin"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_later_start_shows_the_link_on_a_terminal_only_as_long_as_no_admin_has_come(actor, monkeypatch, terminal):
    initialise(example=False, by=actor)
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    text = banner("http://h", first=False)
    assert ("/dashboard/sign-in/link/" in text) is terminal
    assert "python3 manage.py member link admin" in text
    path = people.make_sign_in_link("admin", by=actor)
    people.use_link(*path.strip("/").split("/")[-2:])
    for first in (True, False):
        text = banner("http://h", first=first)
        assert "Sign in at http://h/dashboard/" in text
        assert "link" not in text


def test_an_installation_without_an_admin_is_told_how_to_make_one(actor):
    initialise(example=False, by=actor)
    User.objects.all().delete()
    assert "member add NAME --role admin --staff" in banner("http://h", first=False)


def test_an_admin_who_was_made_before_the_first_start_is_enough(actor):
    User.objects.create_superuser("root", password="a-long-password")
    initialise(example=False, by=actor)
    assert User.objects.count() == 1
    assert "link" not in banner("http://h", first=True)


def test_the_banner_of_a_later_start_has_no_password(actor, capsys):
    initialise(example=True, by=actor)
    passwords = [credentials.reveal_credentials(agent.name, by=actor)[1] for agent in Agent.objects.all()]
    text = banner("http://127.0.0.1:8000", first=False)
    assert not [password for password in passwords if password in text]
    assert "credentials sales-agent" in text


def test_the_banner_without_agents_says_how_to_register_one(db, settings):
    settings.PUBLIC_URL = "https://voice.example.com"
    text = banner("http://127.0.0.1:8000", first=True)
    assert "ready at https://voice.example.com" in text
    assert "manage.py register" in text
    assert "curl" not in text


def test_the_banner_names_some_of_many_agents(actor):
    for number in range(22):
        agents.register(f"agent-{number}", f"/agent-{number}", {"prompt": {"text": "a"}}, by=actor)
    text = banner("http://h", first=False)
    assert "/agent-19\n" in text
    assert "/agent-20\n" not in text
    assert "manage.py agents" in text


def test_the_example_fleet_is_a_file():
    assert EXAMPLE_FLEET.is_file()
