"""Settings: what each section shows, does and refuses."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from dashboard.pages.settings.health import health
from registry.actions import agents, pauses, trash
from registry.actions.tokens import create_token
from registry.actions.transaction import Actor
from registry.base.checks import OK, Check
from registry.log import partitions
from registry.models import ApiToken, Worker
from registry.rehearsal.stage import Stage
from registry.routing.probes import Probes
from registry.routing.table import Tables
from tests.client import HTTP, load_table
from tests.dashboard.browsing import words_of
from tests.events import write_events
from tests.registry.api.conftest import person

pytestmark = pytest.mark.django_db
BASE = "/dashboard/settings"
BY = Actor("alice", "command")


@pytest.fixture
def sign_in(db: None) -> Callable[[str], Client]:
    """A client of somebody with a role, called after it."""

    def make(role: str) -> Client:
        client = Client()
        client.force_login(person(role.lower(), role))
        return client

    return make


@pytest.fixture
def admin(sign_in: Callable[[str], Client]) -> Client:
    return sign_in("Admin")


def test_settings_leads_to_the_first_section(admin: Client) -> None:
    assert admin.get(f"{BASE}/")["Location"] == f"{BASE}/tokens/"


def test_only_an_admin_is_offered_the_members(admin: Client, sign_in: Callable[[str], Client]) -> None:
    assert f"{BASE}/members/" in admin.get(f"{BASE}/audit/").content.decode()
    assert f"{BASE}/members/" not in sign_in("Viewer").get(f"{BASE}/audit/").content.decode()


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_works_and_is_revoked(admin: Client) -> None:
    made = admin.post(f"{BASE}/tokens/new/", {"name": "ci", "scope": "read", "days": "30", "owner": "admin"})
    token = re.findall(r"swb_[a-z2-7]{12}_[0-9a-f]{48}", made.content.decode())[0]
    bearer = {"Authorization": f"Bearer {token}"}
    assert Client().get("/api/v1/me", headers=bearer).json()["level"] == "read"
    listed = admin.get(f"{BASE}/tokens/").content.decode()
    key = ApiToken.objects.get().key
    assert key in listed
    assert token not in listed
    asked = words_of(admin.get(f"{BASE}/tokens/", {"revoke": key}))
    assert "Revoke ci?" in asked
    assert "cannot be undone" in asked
    done = admin.post(f"{BASE}/tokens/revoke/", {"key": key}, follow=True)
    assert f"ci ({key}) is revoked" in words_of(done)
    assert Client().get("/api/v1/me", headers=bearer).status_code == 401


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": " "}, "name"),
        ({"scope": "all"}, "scope"),
        ({"days": "other", "other_days": "0"}, "days"),
        ({"days": "other", "other_days": "many"}, "days"),
        ({"owner": "nobody-here"}, "owner"),
    ],
)
def test_what_is_wrong_with_a_token_stands_beside_its_field(admin: Client, given: dict[str, str], field: str) -> None:
    answer = admin.post(f"{BASE}/tokens/new/", {"name": "ci", "scope": "read", "days": "30", "owner": "", **given})
    assert answer.status_code == 422
    assert f'id="{field}-problem"' in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_tokens_are_told_by_their_state_and_one_sees_ones_own(admin: Client, sign_in: Callable[[str], Client]) -> None:
    viewer = sign_in("Viewer")
    create_token("theirs", "admin", by=BY, owner=User.objects.get(username="viewer"), days=5)
    create_token("nobodys", "read", by=BY, days=None)
    old = create_token("old", "read", by=BY).token
    ApiToken.objects.filter(pk=old.pk).update(expires=timezone.now() - timedelta(days=1))
    everything = words_of(admin.get(f"{BASE}/tokens/"))
    assert "worth less: viewer has Viewer" in everything
    assert all(word in everything for word in ("Expiring", "Expired", "Active", "nobodys"))
    expiring = words_of(admin.get(f"{BASE}/tokens/", {"state": "expiring"}))
    assert "theirs" in expiring
    assert "nobodys" not in expiring
    own = words_of(viewer.get(f"{BASE}/tokens/"))
    assert "theirs" in own
    assert "nobodys" not in own
    assert "Revoke" not in own


def test_many_tokens_take_few_queries_and_pages(admin: Client, django_assert_max_num_queries: Any) -> None:
    owner = User.objects.get(username="admin")
    for number in range(60):
        create_token(f"t{number}", "read", by=BY, owner=owner)
    with django_assert_max_num_queries(25):
        page = admin.get(f"{BASE}/tokens/").content.decode()
    after = re.findall(r'href="\?(after=\d+)"', page)[0]
    assert "<b>t0</b>" in admin.get(f"{BASE}/tokens/?{after}").content.decode()


# --- members ---------------------------------------------------------------------------------------------------------


def test_a_member_is_added_and_the_link_signs_in(admin: Client) -> None:
    answer = admin.post(f"{BASE}/members/new/", {"username": "nina", "role": "Operator", "email": "nina@example.com"})
    link = re.findall(r"http://testserver(/dashboard/sign-in/link/[^<]+)<", answer.content.decode())[0]
    theirs = Client()
    assert theirs.post(link)["Location"] == "/dashboard/password/"
    assert theirs.get(f"{BASE}/audit/").status_code == 200
    assert link not in admin.get(f"{BASE}/members/").content.decode()


def test_a_name_that_is_taken_is_said_beside_it(admin: Client) -> None:
    answer = admin.post(f"{BASE}/members/new/", {"username": "admin", "role": "Viewer"})
    assert answer.status_code == 422
    assert "There is an account admin already." in words_of(answer)


def save(client: Client, name: str, **given: str) -> Any:
    """Save a member as its open form would, with these fields."""
    page = client.get(f"{BASE}/members/", {"edit": name}).content.decode()
    tag = re.findall(r'name="tag" value="(\w+)"', page)[0]
    return client.post(f"{BASE}/members/save/", {"username": name, "tag": tag, "email": "", **given})


def test_a_role_is_changed_and_the_change_undone(admin: Client) -> None:
    person("nina", "Viewer")
    assert save(admin, "nina", role="Operator", active="on").status_code == 302
    page = admin.get(f"{BASE}/members/").content.decode()
    assert "nina has Operator instead of Viewer." in page
    toast = page[page.index('class="toast"') :]
    fields = dict(re.findall(r'name="(username|email|tag|role|active|staff)" value="([^"]*)"', toast))
    assert admin.post(f"{BASE}/members/save/", fields).status_code == 302
    assert [group.name for group in User.objects.get(username="nina").groups.all()] == ["Viewer"]


def test_the_last_admin_stays_one(admin: Client) -> None:
    answer = save(admin, "admin", role="Viewer", active="on")
    assert answer.status_code == 409
    assert "admin is the last Admin" in words_of(answer)
    assert 'id="role-problem"' in answer.content.decode()
    answer = save(admin, "admin", role="Admin")
    assert 'id="active-problem"' in answer.content.decode()
    assert User.objects.get(username="admin").is_active


def test_an_account_that_somebody_else_changed_is_shown_anew(admin: Client) -> None:
    nina = person("nina", "Viewer")
    answer = admin.post(f"{BASE}/members/save/", {"username": "nina", "tag": "old", "role": "Admin", "active": "on"})
    assert answer.status_code == 412
    assert not nina.groups.filter(name="Admin").exists()


def test_who_was_locked_out_is_listed(admin: Client) -> None:
    AccessAttempt.objects.create(username="admin", ip_address="203.0.113.9", failures_since_start=5)
    assert "203.0.113.9" in words_of(admin.get(f"{BASE}/members/"))
    assert "Locked out" in words_of(admin.get(f"{BASE}/members/"))


def test_the_page_of_many_members_takes_few_queries(admin: Client, django_assert_max_num_queries: Any) -> None:
    viewers = Group.objects.get_or_create(name="Viewer")[0]
    for number in range(60):
        User.objects.create(username=f"u{number:02}").groups.add(viewers)
    with django_assert_max_num_queries(20):
        page = words_of(admin.get(f"{BASE}/members/"))
    assert "u48" in page
    assert "u59" in words_of(admin.get(f"{BASE}/members/", {"after": "u48"}))
    assert "u59" in words_of(admin.get(f"{BASE}/members/", {"q": "U59"}))


# --- audit -----------------------------------------------------------------------------------------------------------


def test_the_audit_tells_before_and_after(admin: Client, fleet: Any) -> None:
    pauses.pause("pharmacy", "Back at two.", by=Actor("bo", "api", "203.0.113.5", "req-7", "swb_abc"))
    page = words_of(admin.get(f"{BASE}/audit/", {"who": "bo"}))
    assert "state serving → paused" in page
    assert "token swb_abc, 203.0.113.5" in page
    assert "booking-desk" not in page
    assert "paused" in words_of(admin.get(f"{BASE}/audit/", {"request_id": "req-7"}))
    trash.unregister_agent("pharmacy", by=BY)
    assert f"trashed {timezone.now():%-d %b %Y}" in words_of(admin.get(f"{BASE}/audit/", {"q": "pharmacy"}))
    assert "Nothing matches" in words_of(admin.get(f"{BASE}/audit/", {"until": "2001-01-01T00:00"}))


def test_a_time_that_is_none_is_said(admin: Client) -> None:
    answer = admin.get(f"{BASE}/audit/", {"since": "tomorrow"})
    assert answer.status_code == 422
    assert "A day and a time" in words_of(answer)


def test_the_audit_is_paged_without_a_hole(admin: Client, fleet: Any, django_assert_max_num_queries: Any) -> None:
    for _ in range(30):
        pauses.pause("pharmacy", by=BY)
        pauses.resume("pharmacy", by=BY)
    with django_assert_max_num_queries(20):
        first = admin.get(f"{BASE}/audit/", {"agent": "pharmacy"})
    rows = first.context["rows"]
    second = admin.get(f"{BASE}/audit/", {"agent": "pharmacy", "after": first.context["next"]}).context["rows"]
    assert len(rows) == 50
    assert not {row["id"] for row in rows} & {row["id"] for row in second}
    assert second[-1]["action"] == "created"
    for nonsense in ("x", "2026~agent-1", "~agent-", "2026-01-01T00:00:00~agent-99999999999999999999"):
        assert admin.get(f"{BASE}/audit/", {"after": nonsense}).status_code == 200


def test_the_search_is_exported(admin: Client, fleet: Any) -> None:
    agents.update_agent("pharmacy", title="=1+1", by=Actor("=cmd", "api"))
    lines = b"".join(admin.get(f"{BASE}/audit/audit.csv", {"who": "=cmd"}).streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[0].startswith("time,who,via")
    assert len(lines) == 2
    assert "'=cmd" in lines[1]
    items = admin.get(f"{BASE}/audit/audit.json", {"agent": "pharmacy"}).json()["items"]
    changed = next(item for item in items if item["action"] == "changed" and "title" in item["changes"])
    assert changed["changes"]["title"] == {"before": "", "after": "=1+1"}
    assert admin.get(f"{BASE}/audit/audit.exe").status_code == 404


# --- replicas, retention, health -------------------------------------------------------------------------------------


def test_replicas_with_their_workers(sign_in: Callable[[str], Client], fleet: Any) -> None:
    now = timezone.now()
    Worker.objects.create(replica="sb-1", pid=7, revision=10**6, started=now, seen=now)
    Worker.objects.create(replica="sb-1", pid=8, revision=1, started=now, seen=now, last_error="listener: reset")
    Worker.objects.create(replica="sb-2", pid=9, revision=1, started=now, seen=now - timedelta(minutes=5))
    page = words_of(sign_in("Viewer").get(f"{BASE}/replicas/"))
    assert "1 of 2 workers serve revision" in page
    assert all(word in page for word in ("Behind", "Silent", "In step", "listener: reset"))


def test_retention_says_how_long_and_how_much(sign_in: Callable[[str], Client], settings: Any) -> None:
    settings.LOG_DAYS = 12
    partitions.keep()
    write_events([{}])
    page = words_of(sign_in("Viewer").get(f"{BASE}/retention/"))
    assert "12 days, back to" in page
    assert "LOG_DAYS changes it" in page
    assert timezone.now().strftime("%-d %b %Y") in page


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        ({"database": OK, "log": OK, "snapshot": OK}, ["Loaded", "There", "Written"]),
        ({"database": Check("away")}, ["Degraded", "Check that PostgreSQL runs"]),
        ({"log": Check("waiting")}, ["Nothing is lost"]),
        ({"log": Check("trouble", "3 events lost: the disk took no more")}, ["3 events lost", "is it full"]),
        (
            {"agents": Check("building", "2 of 3 Python agents are not built yet")},
            ["Being built", "2 of 3 Python agents"],
        ),
        ({"snapshot": Check("unwritten", "ok")}, ["Not written", "Calls are not affected"]),
        ({"table": Check("stale", "revision 3 of the snapshot")}, ["Stale", "revision 3 of the snapshot"]),
        ({"table": Check("missing", "not loaded")}, ["Not loaded", "Calls get a 503"]),
        ({"disk": OK}, ["Disk"]),
    ],
)
def test_each_check_in_words(admin: Client, checks: dict[str, Check], words: list[str], fleet: Any, rf: Any) -> None:
    tables = Tables()
    tables.current = load_table()
    request = rf.get(f"{BASE}/health/")
    request.user = User.objects.get(username="admin")
    probes = Probes(tables, HTTP, lambda: checks)
    request.scope = {"stage": Stage(tables, None, None, probes.told)}  # type: ignore[arg-type]
    page = words_of(health(request))
    assert all(word in page for word in words), page


def test_health_shows_no_secret_and_looks_at_the_public_url(admin: Client, settings: Any) -> None:
    settings.SWML_BASIC_AUTH_PASSWORD = "fleet-password"
    settings.SIGNALWIRE_SIGNING_KEY = "signing-key-value"
    settings.PUBLIC_URL = "http://voice.example.com"
    page = words_of(admin.get(f"{BASE}/health/"))
    assert "fleet-password" not in page
    assert "signing-key-value" not in page
    assert "Not encrypted" in page
    settings.PUBLIC_URL = ""
    proxied = words_of(admin.get(f"{BASE}/health/", headers={"X-Forwarded-Proto": "https"}))
    assert "Its words count only if its address is in TRUSTED_PROXIES" in proxied


# --- import, export, trash -------------------------------------------------------------------------------------------

HOURS = "switchboard: 1\nagents:\n  hours:\n    routes: {/hours: {}}\n    definition: {prompt: {text: Nine to five.}}\n"


def hidden(answer: Any) -> dict[str, str]:
    """The plan's hidden fields."""
    return dict(re.findall(r'name="(packed|digest|remove)" value="([^"]*)"', answer.content.decode()))


def test_a_document_is_planned_then_applied(sign_in: Callable[[str], Client], fleet: Any, settings: Any) -> None:
    settings.SWML_BASIC_AUTH_PASSWORD = "p"
    operator = sign_in("Operator")
    planned = operator.post(f"{BASE}/apply/plan/", {"act": "plan", "document": HOURS})
    assert planned.status_code == 200
    assert "1 to add, 0 to change, 0 to remove; 0 unchanged, 3 not in the document and kept" in words_of(planned)
    done = operator.post(f"{BASE}/apply/plan/", {"act": "apply", **hidden(planned)}, follow=True)
    assert done.redirect_chain[0][0].startswith(f"{BASE}/audit/?request_id=")
    assert "Applied: 1 added." in words_of(done)
    assert "/hours" in words_of(done)
    again = operator.post(f"{BASE}/apply/plan/", {"act": "plan", "document": HOURS})
    assert "Nothing to do" in words_of(again)


def test_credentials_that_are_made_are_shown_in_the_answer(sign_in: Callable[[str], Client], db: None) -> None:
    operator = sign_in("Operator")
    planned = operator.post(f"{BASE}/apply/plan/", {"act": "plan", "document": HOURS})
    done = operator.post(f"{BASE}/apply/plan/", {"act": "apply", **hidden(planned)})
    assert done.status_code == 200
    assert 'id="credentials-1"' in done.content.decode()


def test_a_removal_is_named_and_needs_the_box(sign_in: Callable[[str], Client], fleet: Any) -> None:
    operator = sign_in("Operator")
    planned = words_of(operator.post(f"{BASE}/apply/plan/", {"act": "plan", "document": HOURS, "remove": "on"}))
    assert "3 to remove" in planned
    assert "3 agents go to the trash" in planned
    assert "SIP names will reach the default route" in planned


def test_a_plan_that_no_longer_holds_is_made_again(sign_in: Callable[[str], Client], fleet: Any) -> None:
    operator = sign_in("Operator")
    planned = operator.post(f"{BASE}/apply/plan/", {"act": "plan", "document": HOURS})
    agents.register("hours", "/hours", {"prompt": {"text": "Always."}}, by=BY)
    answer = operator.post(f"{BASE}/apply/plan/", {"act": "apply", **hidden(planned)})
    assert answer.status_code == 412
    assert "Nothing was applied." in words_of(answer)
    assert "Nine to five." in words_of(answer)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("", "Choose a file, or paste a document"),
        ("switchboard: 1\nagents: [", "line"),
        ("switchboard: 1\nagents: {hours: {routes: {/hours: {}}}}", "agents.hours.definition is missing"),
        ("[" * 300_001, "too large for a page"),
    ],
)
def test_what_is_wrong_with_a_document_is_said(sign_in: Callable[[str], Client], document: str, words: str) -> None:
    answer = sign_in("Operator").post(f"{BASE}/apply/plan/", {"act": "plan", "document": document})
    assert answer.status_code == 422
    assert words in words_of(answer)


def test_a_file_is_taken_and_one_that_does_not_come_back_whole_is_not(sign_in: Callable[[str], Client]) -> None:
    operator = sign_in("Operator")
    upload = SimpleUploadedFile("fleet.yaml", HOURS.encode())
    assert "1 to add" in words_of(operator.post(f"{BASE}/apply/plan/", {"act": "plan", "file": upload}))
    broken = operator.post(f"{BASE}/apply/plan/", {"act": "apply", "packed": "no!", "digest": "x"})
    assert broken.status_code == 422


def test_the_export_can_be_imported_and_changes_nothing(sign_in: Callable[[str], Client], fleet: Any) -> None:
    operator = sign_in("Operator")
    exported = operator.get(f"{BASE}/apply/fleet.yaml").content.decode()
    assert "pharmacy" in exported
    planned = operator.post(f"{BASE}/apply/plan/", {"act": "plan", "document": exported})
    assert "Nothing to do" in words_of(planned) or "3 to change" in words_of(planned)


def test_an_agent_comes_back_from_the_trash(sign_in: Callable[[str], Client], fleet: Any) -> None:
    trash.unregister_agent("pharmacy", by=BY)
    viewer, operator = sign_in("Viewer"), sign_in("Operator")
    assert "pharmacy" in words_of(viewer.get(f"{BASE}/trash/"))
    assert "Restore" not in words_of(viewer.get(f"{BASE}/trash/"))
    assert viewer.post(f"{BASE}/trash/restore/", {"agent": "pharmacy"}).status_code == 403
    assert operator.post(f"{BASE}/trash/restore/", {"agent": "pharmacy"})["Location"] == "/dashboard/agents/pharmacy/"
    assert "The trash is empty" in words_of(operator.get(f"{BASE}/trash/"))
