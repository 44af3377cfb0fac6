"""Every body and every answer of the description has an example, and each is what its schema says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest_asyncio

from tests.api.calls import good

Document = dict[str, Any]


@pytest_asyncio.fixture
async def document(admin: httpx.AsyncClient) -> Document:
    found: Document = good(await admin.get("/api/openapi.json"))
    return found


def contents(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield where it is, its media type, and what is said of it."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for media, content in operation.get("requestBody", {}).get("content", {}).items():
                yield f"{method} {path}", media, content
            for status, said in operation["responses"].items():
                name = said.get("$ref", "").rpartition("/")[2]
                answer = document["components"]["responses"][name] if name else said
                for media, content in answer.get("content", {}).items():
                    yield f"{method} {path} {status}", media, content


async def test_each_has_an_example_that_its_schema_takes(document: Document) -> None:
    count = 0
    for place, media, content in contents(document):
        assert content.get("example") is not None, place
        if media.endswith("json"):
            schema = {**content["schema"], "components": document["components"]}
            jsonschema.validate(content["example"], schema, jsonschema.Draft202012Validator)
        else:
            assert isinstance(content["example"], str), place
        count += 1
    assert count > 500


async def test_they_say_something(document: Document) -> None:
    """An example of nothing but nulls and dots would help nobody."""
    job = document["paths"]["/api/jobs/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    assert (job["jobType"], job["status"], job["attempts"][0]["outcome"]) == ("weekly_digest", "completed", "completed")
    assert job["error"] is None
    jobs = document["paths"]["/api/jobs"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    assert len(jobs["jobs"]) == jobs["total"] == 1
    audit = document["paths"]["/api/audit"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    assert audit["entries"][0]["text"].startswith("ann edited the queue mail")


async def test_every_parameter_of_an_address_has_one(document: Document) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] in ("path", "header"):
                    assert parameter["example"], (path, parameter["name"])
