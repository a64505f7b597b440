"""The commands `token` and `member`."""

import pytest
from django.contrib.auth.models import User

from registry.actions import people
from registry.actions.tokens import check_token
from registry.models import ApiToken, Member
from registry.policy import Deed
from tests.registry.management.test_commands import refused, run, run_json

__all__ = ["refused", "run", "run_json"]  # fixtures
pytestmark = pytest.mark.django_db
MemberEvent = Member.events.rel.related_model


def test_token_create_prints_the_token_once(run):
    text = run("token", "create", "ci", "--scope", "operate")
    token = text.split()[-1]
    assert check_token(token).principal.may(Deed.CHANGE)
    assert "Shown this once" in text
    assert f"good until {ApiToken.objects.get().expires:%Y-%m-%d}" in text
    listed = run("token", "list")
    assert token not in listed
    assert ApiToken.objects.get().key in listed
    assert ApiToken.objects.get().digest not in listed


def test_token_create_as_json(run_json):
    made = run_json("token", "create", "ci", "--scope", "read", "--forever")
    assert made["token"].startswith(made["key"] + "_")
    assert (made["expires"], made["state"], made["scope"], made["owner"]) == (None, "active", "read", None)
    assert "digest" not in made


def test_a_token_with_an_owner(run_json, refused, actor):
    people.add_member("bob", "viewer", by=actor)
    made = run_json("token", "create", "ci", "--scope", "admin", "--owner", "bob", "--days", "1")
    assert made["owner"] == "bob"
    assert not check_token(made["token"]).principal.may(Deed.CHANGE)
    assert "member list" in refused("token", "create", "ci", "--scope", "read", "--owner", "nobody")
    assert "1 to 3650 days" in refused("token", "create", "ci", "--scope", "read", "--days", "0")
    assert ApiToken.objects.count() == 1


def test_token_list_says_what_each_is_worth(run, run_json):
    assert "There is no token" in run("token", "list")
    used = run_json("token", "create", "used", "--scope", "read")
    run("token", "create", "unused", "--scope", "read")
    check_token(used["token"])
    run("token", "revoke", used["key"])
    rows = {row["name"]: row for row in run_json("token", "list")}
    assert (rows["used"]["state"], rows["unused"]["state"]) == ("revoked", "active")
    assert rows["used"]["last_used"]
    assert rows["unused"]["last_used"] is None
    assert "revoked" in run("token", "list")


def test_token_revoke(run, run_json, refused):
    made = run_json("token", "create", "ci", "--scope", "read")
    assert "is revoked." in run("token", "revoke", made["key"])
    assert check_token(made["token"]).problem
    assert "is revoked already." in run("token", "revoke", made["key"])
    assert run_json("token", "revoke", made["key"])["changed"] is False
    assert "token list" in refused("token", "revoke", "swb_x")


def test_member_add_prints_a_link_that_signs_in(run, client):
    text = run("member", "add", "bob", "--role", "operator", "--staff", "--email", "bob@example.com")
    assert "Added bob, Operator, staff." in text
    path = next(line for line in text.splitlines() if line.startswith("/dashboard/"))
    assert "PUBLIC_URL" in text
    assert people.use_link(*path.strip("/").split("/")[-2:]).username == "bob"


def test_links_have_the_public_url(run_json, settings):
    settings.PUBLIC_URL = "https://voice.example.com"
    assert run_json("member", "add", "bob", "--role", "admin")["link"].startswith(
        "https://voice.example.com/dashboard/"
    )
    assert run_json("member", "link", "bob")["link"].startswith("https://voice.example.com/dashboard/sign-in/link/")
    made = MemberEvent.objects.filter(pgh_label="sign_in_link_made", pgh_obj=User.objects.get().pk)
    assert made.count() == 2


def test_member_list(run, run_json):
    run("member", "add", "bob", "--role", "viewer")
    run("member", "add", "eve", "--role", "admin")
    run("member", "off", "bob")
    rows = {row["name"]: row for row in run_json("member", "list")}
    assert (rows["bob"]["active"], rows["bob"]["role"]) == (False, "Viewer")
    assert rows["eve"]["last_login"] is None
    assert "off" in run("member", "list")


def test_member_role(run, run_json, refused):
    run("member", "add", "bob", "--role", "viewer")
    assert "bob has the role Operator." in run("member", "role", "bob", "operator")
    assert "already" in run("member", "role", "bob", "operator")
    assert run_json("member", "role", "bob", "none")["role"] is None
    run("member", "role", "bob", "admin")
    assert "last Admin" in refused("member", "role", "bob", "none")


def test_member_off_and_on(run, refused):
    run("member", "add", "bob", "--role", "viewer")
    assert "switched off" in run("member", "off", "bob")
    assert "switched off" in refused("member", "link", "bob")
    assert "already" in run("member", "off", "bob")
    assert "switched on." in run("member", "on", "bob")
    assert User.objects.get().is_active
    for verb in ("off", "on", "link"):
        assert "member list" in refused("member", verb, "nobody")


def test_the_audit_says_who_ran_the_command(run):
    run("member", "add", "bob", "--role", "viewer")
    assert MemberEvent.objects.order_by("pgh_id").last().pgh_context.metadata["via"] == "command"
