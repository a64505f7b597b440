"""The id of a page's request: in its answer, in the log's lines, in a problem."""

import asyncio
import logging
from uuid import UUID

import pytest
from django.http import HttpResponse
from django.test import AsyncClient, RequestFactory
from django.test import Client as Browser

from config.request_ids import WithRequestId, request_ids
from registry.log.masking import MaskedFormatter
from registry.routing.trace_headers import current


def formatted(record: logging.LogRecord) -> str:
    """A line of the server's log."""
    WithRequestId().filter(record)
    return MaskedFormatter(keys=[], fmt="{levelname}{during}: {message}", style="{").format(record)


def test_every_page_says_its_requests_id(client, db):
    browser = Browser()
    assert browser.get("/admin/", headers={"X-Request-ID": "edge-1"}).headers["X-Request-ID"] == "edge-1"
    own = [browser.get(path).headers["X-Request-ID"] for path in ("/admin/", "/nothing", "/api/v1/agents")]
    assert len({UUID(text) for text in own}) == 3
    assert browser.get("/admin/", headers={"X-Request-ID": "a b"}).headers["X-Request-ID"] != "a b"


@pytest.mark.parametrize("handler", ["sync", "async"])
def test_lines_of_the_log_carry_the_id_while_a_page_is_made(handler):
    lines = []
    request = RequestFactory().get("/x", headers={"X-Request-ID": "edge-1"})

    def view(request):
        lines.append(formatted(logging.makeLogRecord({"msg": "hello", "levelname": "INFO"})))
        return HttpResponse(request.request_id)

    async def async_view(request):
        return view(request)

    response = request_ids(view)(request) if handler == "sync" else asyncio.run(request_ids(async_view)(request))
    assert response.content == b"edge-1"
    assert lines == ["INFO [edge-1]: hello"]
    assert current.get() == ""
    assert formatted(logging.makeLogRecord({"msg": "later", "levelname": "INFO"})) == "INFO: later"


def test_a_line_that_django_writes_about_a_request_afterwards_carries_its_id(db, caplog):
    with caplog.at_level("WARNING", "django.request"):
        asyncio.run(AsyncClient().get("/nothing", headers={"X-Request-ID": "edge-1"}))
    record = next(record for record in caplog.records if record.name == "django.request")
    assert formatted(record).startswith("WARNING [edge-1]: Not Found")


def test_the_api_repeats_the_id_in_a_problem(db):
    response = Browser().get("/api/v1/agents", headers={"X-Request-ID": "edge-1"})
    assert (response.status_code, response.json()["request_id"]) == (401, "edge-1")
