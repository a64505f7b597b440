"""The test bench: documents and functions tried out."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import AsyncRequestFactory, Client

from dashboard.pages.test import run_function
from registry.actions import agents, pauses
from registry.actions.transaction import Actor
from registry.log.masking import Masker
from registry.log.recorder import Recorder
from registry.log.spool import Spool
from registry.rehearsal.stage import Stage
from registry.routing.table import Tables
from tests.dashboard.browsing import words_of
from tests.registry.api.conftest import PUMP, person

pytestmark = pytest.mark.django_db
TEST = "/dashboard/test/"
BY = Actor("alice", "command")


@pytest.fixture
def pumps(settings: Any) -> None:
    settings.SWML_BASIC_AUTH_PASSWORD = "p"
    agents.register("pumps", "/pumps", PUMP, by=BY)


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(person("omar", "Operator"))
    return client


@pytest.fixture
def run(pumps: None, tmp_path: Path) -> Callable[..., Any]:
    """Posts the form of a function to a process that serves agents."""
    spool = Spool(tmp_path, "bench", 10**6)
    stage = Stage(Tables(), None, Recorder(spool, "r", Masker([]), 4096))  # type: ignore[arg-type]
    user = person("olga", "Operator")

    def post(**given: str) -> Any:
        fields = {"agent": "pumps", "function": "price", "act": "run", **given}
        request = AsyncRequestFactory().post(f"{TEST}run/", fields)
        request.scope["stage"] = stage  # type: ignore[index]
        request.user = user
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        request.session = {}  # type: ignore[assignment]
        return run_function(request)

    return post


def test_the_document_of_an_agent(operator: Client, pumps: None) -> None:
    page = operator.get(TEST, {"tool": "document", "agent": "pumps", "caller": "+1555"})
    document = re.findall(r'id="document"[^>]*>([^<]*)<', page.content.decode())[0]
    assert "You sell pumps." in document
    assert "Document of pumps v1" in words_of(page)
    assert "/api/v1/agents/pumps/document?version=live&amp;caller=%2B1555" in page.content.decode()


def test_a_paused_agent_says_so(operator: Client, pumps: None) -> None:
    pauses.pause("pumps", "Back at two.", by=BY)
    page = words_of(operator.get(TEST, {"tool": "document", "agent": "pumps"}))
    assert "Back at two." in page
    assert "this is what callers hear now" in page
    assert "You sell pumps." in words_of(operator.get(TEST, {"tool": "document", "agent": "pumps", "version": "1"}))


def test_the_only_function_is_chosen_and_its_form_shown(operator: Client, pumps: None) -> None:
    page = operator.get(TEST, {"agent": "pumps"}).content.decode()
    assert 'name="arg.product"' in page
    assert "Run price" in page


def test_arguments_of_the_address_fill_the_form_or_the_json(operator: Client, pumps: None) -> None:
    address = {"agent": "pumps", "function": "price", "arguments": '{"product": "widget"}'}
    assert 'name="arg.product" value="widget"' in operator.get(TEST, address).content.decode()
    odd = operator.get(TEST, {**address, "arguments": '{"other": 1}'}).content.decode()
    assert 'name="raw"' in odd
    assert "other" in odd
    assert "no JSON" in words_of(operator.get(TEST, {**address, "arguments": "{"}))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"agent": "nobody"}, "There is no agent"),
        ({"agent": "pumps", "version": "draft"}, "has no draft"),
        ({"agent": "pumps", "version": "x"}, "live, draft or a number"),
        ({"agent": "pumps", "function": "fly"}, "fly is not among the functions"),
        ({"tool": "nonsense"}, "Choose an agent"),
    ],
)
def test_what_is_not_there_is_said_beside_the_field(
    operator: Client, pumps: None, given: dict[str, str], words: str
) -> None:
    answer = operator.get(TEST, given)
    assert answer.status_code == 200
    assert words in words_of(answer)


def test_names_are_offered_while_typing(operator: Client, pumps: None) -> None:
    assert '"pumps"' in operator.get(f"{TEST}agents/", {"agent": "PUM"}).content.decode()
    assert not operator.get(f"{TEST}agents/", {"agent": "zzz"}).content.strip()


def test_a_function_runs_and_what_was_typed_stays(run: Callable[..., Any]) -> None:
    answer = run(**{"arg.product": "widget", "caller": "+1555"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "A widget costs $9." in page
    assert re.search(r"/dashboard/log/[0-9a-f-]{36}/", page)
    assert 'name="arg.product" value="widget"' in page
    body = json.loads(re.findall(r"-d &#x27;(.*?)&#x27;", page)[0].replace("&quot;", '"'))
    assert body == {"arguments": {"product": "widget"}, "version": "live", "call": {"caller": "+1555"}}


def test_what_the_function_misses_is_its_own_answer(run: Callable[..., Any]) -> None:
    page = words_of(run())
    assert "Wrong arguments" in page
    assert "Test" in page


def test_wrong_json_is_said_and_nothing_runs(run: Callable[..., Any]) -> None:
    answer = run(view="raw", raw="[1]", global_data="{")
    assert answer.status_code == 422
    assert "This must be a JSON object" in words_of(answer)
    assert 'id="global-problem"' in answer.content.decode()


def test_both_views_are_one_state(run: Callable[..., Any]) -> None:
    as_json = run(act="raw", **{"arg.product": "widget"}).content.decode()
    raw = re.findall(r'name="raw"[^>]*>([^<]*)<', as_json)[0].replace("&quot;", '"')
    assert json.loads(raw) == {"product": "widget"}
    assert 'name="arg.product" value="widget"' in run(act="form", view="raw", raw=raw).content.decode()
    assert "it stays JSON" in words_of(run(act="form", view="raw", raw='{"other": 1}'))


def test_without_a_serving_process_it_says_so(operator: Client, pumps: None) -> None:
    answer = operator.post(f"{TEST}run/", {"agent": "pumps", "function": "price", "act": "run"})
    assert answer.status_code == 503
    assert "This process serves no agents" in words_of(answer)


def test_a_viewer_reads_documents_and_runs_nothing(pumps: None) -> None:
    viewer = Client()
    viewer.force_login(person("vera", "Viewer"))
    assert "You sell pumps." in words_of(viewer.get(TEST, {"tool": "document", "agent": "pumps"}))
    page = viewer.get(TEST, {"agent": "pumps"}).content.decode()
    assert "needs the role Operator or Admin" in page
    assert 'id="run"' not in page
    assert viewer.post(f"{TEST}run/", {"agent": "pumps", "function": "price"}).status_code == 403


def test_a_webhook_is_named_beside_run(operator: Client, settings: Any) -> None:
    settings.SWML_BASIC_AUTH_PASSWORD = "p"
    function = {"description": "Ask", "handler": {"webhook": "https://crm.example.com/ask"}}
    agents.register("asker", "/asker", {"prompt": {"text": "Ask."}, "functions": {"ask": function}}, by=BY)
    assert "https://crm.example.com/ask for real" in words_of(operator.get(TEST, {"agent": "asker"}))


def test_few_queries(operator: Client, pumps: None, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(20):
        operator.get(TEST, {"agent": "pumps", "function": "price"})
