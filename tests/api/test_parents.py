"""Jobs over REST that wait for others, hold keys for a while, or take the place of one that waits."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rota.ids import new_id
from tests.api.calls import COMMAND, Api, good, problem
from tests.store import builders

JOB = {"target": COMMAND}


async def enqueue(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = good(await client.post("/api/jobs", json={**JOB, **more}), 201)
    return found


async def test_a_child_says_what_it_waits_for(api: Api, client: httpx.AsyncClient) -> None:
    parent = (await enqueue(client))["id"]
    made = await enqueue(client, dependsOn=[parent, parent], ifParentFailed="wait")
    assert made["status"] == "pending"
    child = good(await client.get(f"/api/jobs/{made['id']}"))
    assert (child["dependsOn"], child["ifParentFailed"], child["status"]) == ([parent], "wait", "pending")
    assert parent in child["why"]["text"]
    refused = problem(await client.post(f"/api/jobs/{made['id']}/retry"), 409)
    assert refused["detail"].startswith(f"job {made['id']} waits for job {parent} to end")
    worker = builders.register(api.db)
    builders.end(api.db, worker, *builders.claim(api.db, worker))
    assert builders.get(api.db, made["id"]).status == "pending"


async def test_the_answer_says_what_became_of_it_at_once(api: Api, client: httpx.AsyncClient) -> None:
    parent = (await enqueue(client))["id"]
    worker = builders.register(api.db)
    builders.end(api.db, worker, *builders.claim(api.db, worker), status="failed")
    assert (await enqueue(client, dependsOn=[parent]))["status"] == "cancelled"
    assert (await enqueue(client, dependsOn=[parent], ifParentFailed="run", delayMs=1000))["status"] == "scheduled"


async def test_jobs_of_one_request_are_named_by_their_place(api: Api, client: httpx.AsyncClient) -> None:
    jobs = [JOB, {**JOB, "dependsOn": ["#0"]}, {**JOB, "dependsOn": ["#1", "#0"]}]
    found = good(await client.post("/api/jobs/bulk", json={"jobs": jobs}), 201)["jobs"]
    first, second, third = (one["id"] for one in found)
    assert good(await client.get(f"/api/jobs/{third}"))["dependsOn"] == [second, first]
    worker = builders.register(api.db)
    for expected in (first, second, third):
        (claimed,) = builders.claim(api.db, worker)
        assert claimed.call.job_id == expected
        builders.end(api.db, worker, claimed)


@pytest.mark.parametrize(
    ("jobs", "field"),
    [
        ([{**JOB, "dependsOn": ["x"]}], "dependsOn.0"),
        ([{**JOB, "dependsOn": [new_id()]}], "dependsOn.0"),
        ([{**JOB, "dependsOn": ["#0"]}], "dependsOn.0"),
        ([JOB, {**JOB, "dependsOn": ["#0", "#2"]}, JOB], "jobs.1.dependsOn.1"),
        ([{**JOB, "uniqueKey": "k"}, {**JOB, "dependsOn": ["#0"]}], "jobs.1.dependsOn.0"),
        ([{**JOB, "ifParentFailed": "run"}], "ifParentFailed"),
        ([{**JOB, "dependsOn": ["#0"] * 1001}], "dependsOn"),
        ([JOB, {**JOB, "dependsOn": ["#0"], "uniqueKey": "k", "ifExists": "replace"}], "jobs.1.ifExists"),
    ],
)
async def test_refuses_parents_that_cannot_be(
    small: Api, admin: httpx.AsyncClient, jobs: list[dict[str, Any]], field: str
) -> None:
    assert problem(await admin.post("/api/jobs/bulk", json={"jobs": jobs}), 422)["field"] == field
    assert builders.column(small.db, "id") == []


async def test_a_window_is_said_and_kept(api: Api, client: httpx.AsyncClient) -> None:
    first = await enqueue(client, uniqueKey="k", uniqueScope="window:90m")
    assert good(await client.get(f"/api/jobs/{first['id']}"))["uniqueScope"] == "window:1h30m"
    worker = builders.register(api.db)
    builders.end(api.db, worker, *builders.claim(api.db, worker))
    again = await enqueue(client, uniqueKey="k", uniqueScope="window:90m")
    assert (again["id"], again["existing"], again["replaced"], again["status"]) == (
        first["id"], True, False, "completed",
    )  # fmt: skip


async def test_a_waiting_job_is_replaced_and_said_so(api: Api, client: httpx.AsyncClient) -> None:
    first = await enqueue(client, uniqueKey="k", delayMs=60_000, args={"n": 1})
    again = await enqueue(client, uniqueKey="k", delayMs=120_000, args={"n": 2}, ifExists="debounce")
    assert (again["id"], again["existing"], again["replaced"]) == (first["id"], True, True)
    stored = builders.get(api.db, first["id"])
    assert stored.args == '{"n":2}'
    assert stored.run_at >= stored.created_at + 119_000_000


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"uniqueKey": "k", "uniqueScope": "sometimes"}, "uniqueScope"),
        ({"uniqueKey": "k", "uniqueScope": ""}, "uniqueScope"),
        ({"uniqueKey": "k", "uniqueScope": "window:"}, "uniqueScope"),
        ({"uniqueKey": "k", "uniqueScope": "window:10ms"}, "uniqueScope"),
        ({"uniqueKey": "k", "uniqueScope": "window:367d"}, "uniqueScope"),
        ({"uniqueKey": "k", "ifExists": "debounce"}, "ifExists"),
        ({"uniqueKey": "k", "ifExists": "debounce", "runAt": "2027-01-01T00:00:00Z"}, "ifExists"),
        ({"uniqueKey": "k", "ifExists": "perhaps"}, "ifExists"),
        ({"ifExists": "keep"}, "ifExists"),
    ],
)
async def test_refuses_what_no_key_can_mean(
    small: Api, admin: httpx.AsyncClient, more: dict[str, Any], field: str
) -> None:
    found = problem(await admin.post("/api/jobs", json={**JOB, **more}), 422)
    assert found["field"] == field
    assert builders.column(small.db, "id") == []
