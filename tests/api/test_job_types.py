"""Job types over REST."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rota.model import JobType
from rota.store import types
from tests.api.calls import COMMAND, Api, good, problem, signed


async def test_declares_and_changes(client: httpx.AsyncClient) -> None:
    body = {"target": COMMAND, "defaults": {"queue": "tidy", "maxAttempts": 3}, "argsSchema": {"type": "object"}}
    found = good(await client.put("/api/job-types/tidy", json=body))
    assert (found["name"], found["kind"], found["version"], found["owner"]) == ("tidy", "command", 1, "api")
    assert found["defaults"] == {"queue": "tidy", "maxAttempts": 3}
    assert good(await client.get("/api/job-types/tidy")) == found
    assert good(await client.put("/api/job-types/tidy", json={"target": COMMAND}))["version"] == 2
    listed = good(await client.get("/api/job-types"))
    assert ([one["name"] for one in listed["jobTypes"]], listed["total"]) == (["tidy"], 1)
    assert (await client.delete("/api/job-types/tidy")).status_code == 204
    problem(await client.delete("/api/job-types/tidy"), 404)


async def test_the_audit_tells_what_it_was_and_of_changes_alone(client: httpx.AsyncClient) -> None:
    target = {"kind": "http", "url": "http://127.0.0.1:1/", "auth": {"type": "bearer", "token": "s3cret"}}
    for fields, version in (({}, 1), ({}, 1), ({"defaults": {"queue": "web"}}, 2)):
        made = good(await client.put("/api/job-types/tidy", json={"target": target, **fields}))
        assert made["version"] == version
    assert (await client.delete("/api/job-types/tidy")).status_code == 204
    found = good(await client.get("/api/audit", params={"noun": "type"}))["entries"]
    assert [one["action"] for one in found] == ["deleted", "edited", "created"]
    was = {**target, "auth": {"type": "bearer", "token": "***"}}
    kept = {"target": was, "argsSchema": None, "defaults": {"queue": "web"}, "version": 2}
    assert (found[0]["before"], found[0]["after"]) == (kept, None)


async def test_what_code_declares_is_changed_there(api: Api, client: httpx.AsyncClient) -> None:
    declared = JobType(name="app/digest", lane="async", target=None, args_schema=None, defaults="{}", owner="code")
    api.db.run(lambda tx: types.put(tx, [declared]))
    assert good(await client.get("/api/job-types/app/digest"))["kind"] == "function"
    assert good(await client.get("/api/job-types/app%2Fdigest"))["owner"] == "code"


async def test_only_an_admin_declares(small: Api) -> None:
    async with small.client(signed("operator")) as operator:
        problem(await operator.put("/api/job-types/tidy", json={"target": COMMAND}), 403)
        problem(await operator.delete("/api/job-types/tidy"), 403)
        problem(await operator.get("/api/job-types/tidy"), 404)


async def test_secrets_of_a_target_are_not_shown(admin: httpx.AsyncClient) -> None:
    target = {"kind": "http", "url": "https://example.org/x", "headers": {"Authorization": "Bearer canary-4711"}}
    answer = await admin.put("/api/job-types/call", json={"target": target})
    good(answer)
    assert "canary-4711" not in answer.text
    assert "canary-4711" not in (await admin.get("/api/job-types")).text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "target"),
        ({"target": "x"}, "target"),
        ({"target": {"kind": "http"}}, "target.url"),
        ({"target": COMMAND, "defaults": {"queue": "no spaces"}}, "queue"),
        ({"target": COMMAND, "defaults": {"priority": "quickly"}}, "priority"),
        ({"target": COMMAND, "argsSchema": []}, "argsSchema"),
        ({"target": COMMAND, "name": "x"}, "name"),
        ({"target": {"kind": "function", "function": "os:system"}}, "target.function"),
    ],
)
async def test_refuses_with_the_field(admin: httpx.AsyncClient, body: dict[str, Any], field: str) -> None:
    found = problem(await admin.put("/api/job-types/tidy", json=body), 422)
    assert field in found["field"]
    problem(await admin.get("/api/job-types/tidy"), 404)
