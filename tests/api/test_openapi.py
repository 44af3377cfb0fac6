"""The description of the API, and its reference page."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.api.calls import Api, good


@pytest_asyncio.fixture
async def document(admin: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = good(await admin.get("/api/openapi.json"))
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


async def test_describes_every_operation(small: Api, document: dict[str, Any]) -> None:
    described = set(operations(document))
    served = {f"{operation.method} {operation.path.replace(':path', '')}" for operation in small.app.state.operations}
    assert described == served
    assert document["openapi"].startswith("3.1")


async def test_each_has_an_id_words_and_refusals(document: dict[str, Any]) -> None:
    found = operations(document)
    ids = [operation["operationId"] for operation in found.values()]
    assert len(set(ids)) == len(ids)
    for name, operation in found.items():
        assert operation["summary"], name
        assert operation["tags"], name
        wanted = {"401", "403"} if operation.get("x-rota-role") else set()
        wanted |= {"404"} if "{" in name else set()
        wanted |= {"413", "415", "422"} if "requestBody" in operation else set()
        assert wanted <= operation["responses"].keys(), name
        assert bool(operation["security"]) == ("x-rota-role" in operation), name


async def test_each_body_has_an_example_that_it_takes(document: dict[str, Any], admin: httpx.AsyncClient) -> None:
    for name, operation in operations(document).items():
        if "requestBody" in operation:
            (content,) = operation["requestBody"]["content"].values()
            assert content["example"], name
            method, path = name.split()
            answer = await admin.request(
                method, path.replace("{id}", "x").replace("{name}", "x"), json=content["example"]
            )
            # Nothing that it names is there, but no field is wrong.
            assert answer.status_code < 500, name
            if answer.status_code == 422:
                assert answer.json()["code"] == "unknown-job-type" or "service" in answer.json()["field"], answer.text


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def follow(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(reference := value.get("$ref"), str):
                place: Any = document
                for part in reference.removeprefix("#/").split("/"):
                    place = place[part]
            for inner in value.values():
                follow(inner)
        elif isinstance(value, list):
            for inner in value:
                follow(inner)

    follow(document)
    assert "JobIn" in document["components"]["schemas"]
    assert document["components"]["schemas"]["JobIn"]["additionalProperties"] is False


async def test_what_may_be_left_out_has_no_default_of_null(document: dict[str, Any]) -> None:
    """Generators of clients, as openapi-typescript, demand a field that has a default."""
    schemas = document["components"]["schemas"]
    for name in ("JobIn", "ScheduleIn", "FilterIn", "RetryErrorIn", "CalendarIn"):
        fields = schemas[name]["properties"]
        optional = fields.keys() - set(schemas[name].get("required", ()))
        assert optional, name
        assert [field for field in optional if fields[field].get("default", ...) is None] == [], name
    assert schemas["BackfillIn"]["properties"]["limit"]["default"] == 100
    assert schemas["OccurrenceOut"]["properties"]["startedAt"]["default"] is None


@pytest.mark.parametrize(
    ("operation", "names"),
    [
        ("GET /api/jobs", {"type", "status", "queue", "schedule", "tag", "startedBy", "since", "until", "q"}),
        ("GET /api/jobs", {"limit", "page", "cursor"}),
        ("POST /api/jobs", {"wait", "Idempotency-Key"}),
        ("GET /api/jobs/{id}/logs", {"id", "after", "limit"}),
        ("GET /api/jobs/{id}/logs/stream", {"id", "after", "Last-Event-ID"}),
    ],
)
async def test_parameters_are_described(document: dict[str, Any], operation: str, names: set[str]) -> None:
    assert names <= {parameter["name"] for parameter in operations(document)[operation]["parameters"]}


async def test_the_reference_shows_it_all_without_a_script(document: dict[str, Any], admin: httpx.AsyncClient) -> None:
    page = await admin.get("/api/docs")
    assert page.status_code == 200
    for operation in operations(document).values():
        assert f'id="{operation["operationId"]}"' in page.text
    assert "<script" not in page.text
    assert "http://" not in page.text.replace("http://localhost", "")
    assert "https://" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
