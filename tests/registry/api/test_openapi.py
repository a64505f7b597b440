"""The API's description: as it is in docs/openapi.json, and complete."""

import json
from pathlib import Path

import pytest
from django.test import Client

from registry.api.api import api

PUBLISHED = Path(__file__).resolve().parents[3] / "docs" / "openapi.json"
OPERATIONS = [operation for _, operation in api.operations() if operation.include_in_schema]


def test_the_published_description_is_the_present_one():
    assert json.loads(PUBLISHED.read_text()) == json.loads(json.dumps(api.get_openapi_schema())), (
        "the API has changed: python3 manage.py export_openapi_schema --api registry.api.api.api --indent 1 "
        "--output docs/openapi.json"
    )


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.operation_id)
def test_an_operation_says_all_that_a_client_needs(operation):
    path = next(path for path, found in api.operations() if found is operation)
    described = next(
        details
        for operations in api.get_openapi_schema()["paths"].values()
        for details in operations.values()
        if details["operationId"] == operation.operation_id
    )
    assert described["operationId"].replace("_", "").isalpha(), path
    assert described["summary"] != operation.view_func.__name__.title().replace("_", " ")
    assert described["description"].endswith(".")
    assert described["tags"]
    assert {"401", "403", "429", "500", "503"} <= set(map(str, described["responses"]))
    for status, answer in described["responses"].items():
        kinds = list(answer.get("content", {}))
        assert (kinds == ["application/problem+json"]) is (int(status) >= 400), status
    if operation.operation_id != "get_definition_schema":
        assert described["security"] == [{"Token": []}, {"Session": []}]
        assert described["x-scope"] in ("read", "operate", "admin")


def test_the_documentation_page_needs_nothing_from_elsewhere(db):
    page = Client().get("/api/v1/docs").content.decode()
    assert "//" not in page.replace("<!-- ", "")
    assert "<script>" not in page
    script = Client().get("/static/ninja/swagger-ui-bundle.js")
    assert script.status_code == 200
    script.close()
