"""Whatever an address, a form or a path says, no page of the dashboard ends in an error of the server."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_from_bytes

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.test import Client
from django.urls import resolve, reverse

from dashboard.definition.tree import pack
from dashboard.schema_form import WrongValue, read_object, simple
from dashboard.shell import EVERY_FIELD
from registry.actions import agents, pauses, routes
from registry.models import RegistryChange, Route
from tests.dashboard.places import PLACES
from tests.events import write_events
from tests.registry.api.conftest import person

pytestmark = pytest.mark.django_db
CALL = "call-of-the-places"
NUL = b"\0%00"  # the second is one in a SIP address
HOSTILE = [
    NUL, b"\xed\xa0\x80", b"a" * 5000, b"-1", b"9" * 30, b"\xc2\xb2", b"0001-01-01T00:00:00+14:00_role-1",
    b"9999-12-31T23:59:59.999999+00:00", b"[[[[", b"\"'<script>%_\\\r\n",
]  # fmt: skip
# These take all that was sent: names that they know.
TAKING = ("register", "test", "settings-token", "settings-member")
TAKEN = "agent function version tool view raw arguments name sip route source copy text title owner days scope edit"


@pytest.fixture
def admin(fleet: Any) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(person("hostile", "Admin"))
    return client


@pytest.fixture
def things(fleet: Any) -> dict[str, str]:
    return {"agent": "pharmacy", "event": write_events([{"agent": "pharmacy", "call_id": CALL}])[0], "call": CALL}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The names of parameters that views have read."""
    names: set[str] = set()
    for method in ("__getitem__", "getlist", "__contains__"):
        monkeypatch.setattr(QueryDict, method, noted(getattr(QueryDict, method), names), raising=False)
    return names


def noted(method: Any, names: set[str]) -> Any:
    def noting(self: QueryDict, key: str, *args: Any) -> Any:
        names.add(key)
        return method(self, key, *args)

    return noting


def address(name: str, things: dict[str, str]) -> tuple[str, str]:
    place = PLACES[name]
    path = reverse(f"dashboard:{name}", args=[text.format(**things) for text in place.example])
    return path, place.query.format(**things)


def bodies(name: str, path: str, read: set[str]) -> Iterator[str]:
    """Each value in all parameters at once, and the worst in each alone: one that is refused hides the others.

    A NUL is refused by dashboard/nul.py in any field, but for those that the page reads line by line.
    """
    keys = {*read, *(TAKEN.split() if name.startswith(TAKING) else [])} - {"", "csrfmiddlewaretoken"}
    for value in HOSTILE:
        yield "&".join(f"{quote(key)}={quote_from_bytes(value)}&{quote(key)}[]=1" for key in sorted(keys))
    documents = resolve(path).func.documents  # noted by `page_for`
    own = keys if EVERY_FIELD in documents else keys & set(documents)
    yield from (f"{quote(key)}={quote_from_bytes(NUL)}" for key in sorted(own))


@pytest.mark.parametrize("name", [name for name, place in PLACES.items() if "GET" in place.methods])
def test_no_address_breaks_a_page(name: str, admin: Client, things: dict[str, str], read: set[str]) -> None:
    path, query = address(name, things)
    admin.get(f"{path}?{query}")
    asked = [f"{path}?{body}" for body in bodies(name, path, set(read))]
    assert not [url[:200] for url in asked if admin.get(url).status_code >= 500]


@pytest.mark.parametrize("name", [name for name, place in PLACES.items() if "POST" in place.methods])
def test_no_form_breaks_a_page(name: str, admin: Client, things: dict[str, str], read: set[str]) -> None:
    path, _ = address(name, things)
    admin.post(path)
    form = "application/x-www-form-urlencoded"
    sent = list(bodies(name, path, set(read)))
    assert not [body[:200] for body in sent if admin.post(path, body, content_type=form).status_code >= 500]


@pytest.mark.parametrize("name", [name for name, place in PLACES.items() if place.example])
def test_no_path_breaks_a_page(name: str, admin: Client, things: dict[str, str]) -> None:
    place = PLACES[name]
    bad = []
    for value in HOSTILE:
        for field in {*re.findall(r"\{(\w+)\}", " ".join(place.example)), "1", "csv", "get_pricing"}:
            path, query = address(name, things)
            found = things.get(field, field)
            if f"/{found}/" not in path:
                continue
            url = path.replace(f"/{found}/", f"/{quote_from_bytes(value, safe='')}/", 1)
            answer = admin.generic("GET" if "GET" in place.methods else "POST", f"{url}?{query}")
            if answer.status_code >= 500:
                bad.append((field, value[:40]))
    assert not bad


@pytest.mark.parametrize(
    "query", ["agents/?q=%00", "calls/?q=%00", "log/?filter=%00", "routing/?ask=%00", "search/?q=%00", "agents/?x%00=1"]
)
def test_an_address_with_a_nul_is_refused_in_words(admin: Client, query: str) -> None:
    answer = admin.get(f"/dashboard/{query}")
    assert (answer.status_code, answer["Cache-Control"]) == (400, "no-store")
    assert "A character in it can be in no text." in answer.content.decode()
    part = admin.get(f"/dashboard/{query}", headers={"HX-Request": "true", "HX-Target": "list"})
    assert (part.status_code, part["HX-Retarget"]) == (400, "#toasts")


@pytest.mark.parametrize("name", [name for name, place in PLACES.items() if "POST" in place.methods])
def test_no_form_with_a_nul_reaches_a_page(name: str, admin: Client, things: dict[str, str], actor: Any) -> None:
    """But for the fields that hold a document: what is wrong there is said with its line."""
    path, _ = address(name, things)
    documents = resolve(path).func.documents  # noted by `page_for`
    before = RegistryChange.newest()
    assert admin.post(path, {"any": "a\0b"}).status_code == 400 or documents == (EVERY_FIELD,)
    assert RegistryChange.newest() == before


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("register/", {"source": "import", "name": "x", "route": "/x", "credentials": "made", "text": "a: 1\nb: \0"}),
        ("agents/pharmacy/definition/edit/", {"yaml": "a: 1\nb: \0", "do": "save", "base": "x"}),
        ("settings/apply/plan/", {"document": "switchboard: 1\nb: \0", "act": "plan"}),
    ],
)
def test_a_document_with_a_nul_is_refused_with_its_line(admin: Client, path: str, fields: dict[str, str]) -> None:
    answer = admin.post(f"/dashboard/{path}", fields)
    assert answer.status_code == 422
    assert re.search(r"line 2.*not allowed", answer.content.decode())


def test_a_nul_is_refused_before_signing_in_and_in_the_admin(admin: Client, fleet: Any) -> None:
    anybody = Client(raise_request_exception=False)
    User.objects.filter(username="hostile").update(is_staff=True)
    for client, path in ((anybody, "/dashboard/agents/?q=%00"), (anybody, "/dashboard/sign-in/?next=%00"),
                         (admin, "/admin/agents/agent/?q=%00"), (admin, "/admin/agents/agent/?state__exact=%00"),
                         (admin, "/admin/autocomplete/?term=%00")):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 400, path
        assert "Go back, and type it again." in answer.content.decode(), path
    assert anybody.post("/dashboard/sign-in/", {"username": "a\0", "password": "x"}).status_code == 400
    for path in ("/dashboard/agents/x%00/", "/admin/agents/agent/%00/change/", "/api/v1/agents/%00", "/api/v1/%00"):
        assert admin.get(path).status_code == 404, path


# --- found by looking for them ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["[" * 60_000, "- " * 200_000, "{a: " * 50_000])
def test_deeply_nested_yaml_is_a_problem_and_does_not_end_the_process(admin: Client, text: str) -> None:
    answer = admin.post("/dashboard/agents/pharmacy/definition/edit/", {"yaml": text, "do": "save", "base": "x"})
    assert answer.status_code == 422
    assert "nested too deeply" in answer.content.decode()


@pytest.mark.parametrize("value", [r'"\ud800"', "9" * 30, "[" * 5000, "{" * 100_000, r'"a\udfff"'])
def test_arguments_that_cannot_be_sent_are_problems(value: str) -> None:
    for read in (lambda: read_object(f'{{"a": {value}}}'), lambda: simple("integer", value)):
        with pytest.raises(WrongValue):
            read()


NAME = '{"path": "/new", "enabled": 1, "default": 0, "sip": [{"username": %s, "typed": %s, "source": "manual"}]}'
FORGED = [
    "[" * 100_000, "5", "[5]", '{"path": 5, "sip": []}', '{"path": "/new", "sip": 5}', '{"path": "/new", "sip": [5]}',
    NAME % ("5", '"a"'), NAME % ('"a"', r'"\u0000"'), NAME % ('"a"', r'"\ud800"'),
]  # fmt: skip


@pytest.mark.parametrize("former", FORGED)
def test_a_forged_undo_of_a_removal_is_refused(admin: Client, former: str) -> None:
    answer = admin.post("/dashboard/routing/routes/restore/", {"agent": "pharmacy", "former": former})
    assert answer.status_code == 422
    assert not Route.objects.filter(path="/new").exists()


@pytest.mark.parametrize("url", ["http://[", "//[", "http://testserver//evil.example/", "javascript:alert(1)"])
def test_headers_with_strange_addresses_lead_nowhere(admin: Client, url: str) -> None:
    headers = {"HX-Request": "true", "HX-Target": "x", "HX-Current-URL": url}
    answer = Client(raise_request_exception=False).get("/dashboard/agents/", headers=headers)
    assert answer.status_code == 401
    answer = admin.post("/dashboard/frame/theme/", {"theme": "dark"}, headers={"Referer": url})
    assert (answer.status_code, answer["Location"]) == (302, "/dashboard/")


def test_a_filter_that_is_too_long_makes_no_chips(admin: Client) -> None:
    answer = admin.get("/dashboard/log/", {"filter": "a " * 10_000})
    assert answer.status_code == 200
    assert len(answer.content) < 1_000_000


def test_an_audit_with_a_wrong_time_is_not_exported_unsearched(admin: Client) -> None:
    assert admin.get("/dashboard/settings/audit/audit.csv", {"since": "yesterday"}).status_code == 422


def test_undo_takes_no_tag_away_that_an_agent_had_before(admin: Client, actor: Any) -> None:
    agents.update_agent("pharmacy", tags=["eu"], by=actor)
    names = {"name": ["pharmacy", "info-line"], "act": "tag", "confirmed": "1"}
    admin.post("/dashboard/fleet/act/", {**names, "tags": "eu, night"})
    assert not offers_undo(admin)
    admin.post("/dashboard/fleet/act/", {**names, "tags": "vip"})
    assert offers_undo(admin)


def test_undo_resumes_nobody_who_was_paused_before(admin: Client, actor: Any) -> None:
    pauses.pause("pharmacy", "Closed for good.", by=actor)
    names = {"name": ["pharmacy", "info-line"], "act": "pause", "confirmed": "1"}
    admin.post("/dashboard/fleet/act/", {**names, "message": "Closed today."})
    assert not offers_undo(admin)
    admin.post("/dashboard/agents/pharmacy/pause/", {"message": "Closed.", "minutes": "0"})
    assert not offers_undo(admin)
    admin.post("/dashboard/agents/booking-desk/pause/", {"message": "Closed.", "minutes": "0"})
    assert offers_undo(admin)


def offers_undo(client: Client) -> bool:
    return ">Undo</button>" in client.get("/dashboard/agents/").content.decode()


DEEP = "/a" * 3000
FIELDS = [
    *(f"{kind}:{place}" for kind in ("text", "yaml", "required", "handler", "key", "rest", "number", "switch")
      for place in ("", "/", "?", "/prompt", "/#1", "/functions/#0", "/~9", DEEP, f"{DEEP}?a")),
    "state", "open", "base", "note",
]  # fmt: skip
DEEDS = [
    f"{verb}:{place}" for verb in ("add", "remove", "up", "down", "open", "close", "sections", "view", "x", "")
    for place in ("", "/", "/prompt", "/#0", "/languages", "/languages/#99999999", f"{DEEP}/functions", "/~9")
]  # fmt: skip


def test_no_forged_field_of_the_editor_breaks_it(admin: Client) -> None:
    """Names of fields are places in the definition, acts too."""
    state = pack({"prompt": {"text": "a"}, "languages": [{"name": "English", "code": "en-US", "voice": "v"}]})
    bad = []
    values = ("1", "[[", "{a: 1}")
    for number, page in enumerate(("edit", "check", "theirs")):
        # They read fields by the same function: each field comes to each page, and with each value to one of them.
        sent = [{"state": state, name: values[(number + at) % 3]} for at, name in enumerate(FIELDS)]
        sent += [{"state": state, "do": deed} for deed in DEEDS if page == "edit"]
        for fields in sent:
            answer = admin.post(f"/dashboard/agents/pharmacy/definition/{page}/", fields)
            if answer.status_code >= 500:
                bad.append((page, {name[:30]: value[:30] for name, value in fields.items() if name != "state"}))
    assert not bad


UPLOADS = [
    b"\0", b"\xff\xfe\xed\xa0\x80", b"[" * 60_000, b"a: &x 1\nb: *x", b'{"prompt": {"text": "\\ud800"}}',
    b'{"prompt": {"text": "\\u0000"}}', b'{"switchboard": 1, "agents": {"\\ud800": {}}}',
    b"!!python/object/apply:os.system [x]",
]  # fmt: skip


@pytest.mark.parametrize("body", UPLOADS)
def test_no_uploaded_file_breaks_a_page(admin: Client, body: bytes) -> None:
    fields = {"source": "import", "name": "hostile", "route": "/hostile", "credentials": "made", "act": "plan"}
    for place, name in (("register/", "upload"), ("settings/apply/plan/", "file")):
        answer = admin.post(f"/dashboard/{place}", {**fields, name: SimpleUploadedFile("x", body)})
        assert 400 <= answer.status_code < 500, place
    answer = admin.post("/dashboard/register/", {**fields, "text": body.decode(errors="replace")})
    assert answer.status_code == 422


def test_undoing_the_removal_of_a_default_route_leaves_the_one_that_was_chosen_since(admin: Client, actor: Any) -> None:
    routes.register_route("pharmacy", "/other", by=actor)
    routes.set_default_route("/info", by=actor)
    former = {"path": "/third", "enabled": True, "default": True, "sip": []}
    admin.post("/dashboard/agents/pharmacy/routes/restore/", {"former": json.dumps(former)})
    assert Route.objects.filter(path="/third").exists()
    assert Route.objects.get(default=True).path == "/info"
