"""Batches over REST."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rota.ids import new_id
from tests.api.calls import COMMAND, Api, good, problem
from tests.store import builders

JOB = {"target": COMMAND}


async def make(client: httpx.AsyncClient, size: int = 3, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = good(await client.post("/api/batches", json={"jobs": [JOB] * size, **more}), 201)
    return found


async def look(client: httpx.AsyncClient, made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = good(await client.get(f"/api/batches/{made['id']}"))
    return found


def end_all(api: Api, status: str = "completed") -> None:
    worker = builders.register(api.db)
    for one in builders.claim(api.db, worker):
        builders.end(api.db, worker, one, status=status)


async def test_a_batch_from_its_beginning_to_its_end(api: Api, client: httpx.AsyncClient) -> None:
    made = await make(client, name="pages", callback={**JOB, "queue": "callbacks"})
    assert (made["total"], len(made["jobs"])) == (3, 3)
    begun = await look(client, made)
    assert (begun["name"], begun["done"], begun["callbackId"]) == ("pages", False, made["callbackId"])
    assert {name: count for name, count in begun["counts"].items() if count} == {"pending": 3}
    member = good(await client.get(f"/api/jobs/{made['jobs'][0]}"))
    callback = good(await client.get(f"/api/jobs/{made['callbackId']}"))
    assert (member["batchId"], callback["batchId"], callback["status"]) == (made["id"], None, "pending")
    assert builders.get(api.db, made["callbackId"]).status == "held"
    listed = good(await client.get("/api/jobs", params={"batch": made["id"]}))
    assert {one["id"] for one in listed["jobs"]} == set(made["jobs"])

    end_all(api)
    ended = await look(client, made)
    assert (ended["done"], ended["counts"]["completed"]) == (True, 3)
    assert builders.get(api.db, made["callbackId"]).status == "pending"


@pytest.mark.parametrize(("policy", "expected"), [("run", "pending"), ("cancel", "cancelled"), (None, "pending")])
async def test_a_batch_with_failures(api: Api, client: httpx.AsyncClient, policy: str | None, expected: str) -> None:
    asked: dict[str, Any] = {"ifFailed": policy} if policy else {}
    made = await make(client, callback=JOB, **asked)
    end_all(api, "failed")
    callback = builders.get(api.db, made["callbackId"])
    assert callback.status == expected
    if expected == "cancelled":
        assert callback.error == f"jobs of batch {made['id']} did not complete"


async def test_an_empty_batch_is_done_at_once(api: Api, client: httpx.AsyncClient) -> None:
    made = await make(client, 0, callback=JOB)
    assert (await look(client, made))["done"]
    assert builders.get(api.db, made["callbackId"]).status == "pending"
    assert (await make(client, 0))["callbackId"] is None


async def test_what_waits_of_a_batch_is_cancelled(api: Api, client: httpx.AsyncClient) -> None:
    made = await make(client, callback=JOB)
    worker = builders.register(api.db)
    (running,) = builders.claim(api.db, worker, lanes={"command": 1})
    assert good(await client.post(f"/api/batches/{made['id']}/cancel")) == {"id": made["id"], "changed": 2}
    found = await look(client, made)
    assert ((found["counts"]["cancelled"], found["counts"]["running"]), found["done"]) == ((2, 1), False)
    assert builders.get(api.db, made["callbackId"]).status == "held"
    builders.end(api.db, worker, running)
    assert builders.get(api.db, made["callbackId"]).status == "pending"
    assert good(await client.post(f"/api/batches/{made['id']}/cancel"))["changed"] == 0


async def test_a_batch_whose_waiting_jobs_are_deleted_is_over(api: Api, client: httpx.AsyncClient) -> None:
    made = await make(client, callback=JOB)
    for job_id in made["jobs"]:
        assert (await client.delete(f"/api/jobs/{job_id}")).status_code == 204
    found = await look(client, made)
    assert (found["counts"]["deleted"], found["done"]) == (3, True)
    assert builders.get(api.db, made["callbackId"]).status == "pending"


async def test_jobs_of_a_batch_may_wait_for_each_other(api: Api, client: httpx.AsyncClient) -> None:
    jobs = [JOB, {**JOB, "dependsOn": ["#0"]}, {**JOB, "dependsOn": ["#0", "#1"]}]
    made = good(await client.post("/api/batches", json={"jobs": jobs, "callback": JOB, "ifFailed": "cancel"}), 201)
    end_all(api, "failed")
    assert [builders.get(api.db, one).status for one in made["jobs"]] == ["failed", "cancelled", "cancelled"]
    assert builders.get(api.db, made["callbackId"]).status == "cancelled"


async def test_a_batch_of_which_all_is_cancelled_at_once_is_over(api: Api, client: httpx.AsyncClient) -> None:
    parent = good(await client.post("/api/jobs", json=JOB), 201)["id"]
    end_all(api, "failed")
    jobs = [{**JOB, "dependsOn": [parent]}] * 2
    made = good(await client.post("/api/batches", json={"jobs": jobs, "callback": JOB}), 201)
    assert (await look(client, made))["counts"]["cancelled"] == 2
    assert builders.get(api.db, made["callbackId"]).status == "pending"


async def test_the_same_key_makes_one_batch(api: Api, client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "b1"}
    answers = [await client.post("/api/batches", json={"jobs": [JOB]}, headers=headers) for _ in range(2)]
    assert good(answers[0], 201) == good(answers[1], 201)
    assert len(builders.column(api.db, "id", "rota_batches")) == len(builders.column(api.db, "id")) == 1


async def test_lists_them_page_by_page(api: Api, client: httpx.AsyncClient) -> None:
    made = [(await make(client, 1))["id"] for _ in range(3)]
    first = good(await client.get("/api/batches", params={"limit": 2}))
    assert ([one["id"] for one in first["batches"]], first["total"]) == ([made[2], made[1]], 3)
    rest = good(await client.get("/api/batches", params={"limit": 2, "cursor": first["nextCursor"]}))
    assert ([one["id"] for one in rest["batches"]], rest["nextCursor"]) == ([made[0]], None)
    numbered = good(await client.get("/api/batches", params={"limit": 2, "page": 2}))
    assert [one["id"] for one in numbered["batches"]] == [made[0]]
    assert problem(await client.get("/api/batches", params={"cursor": "x"}), 422)["field"] == "cursor"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"jobs": [JOB], "name": ""}, None),
        ({"jobs": [{**JOB, "uniqueKey": "k"}]}, "jobs.0.uniqueKey"),
        ({"jobs": [JOB, {"jobType": "never"}]}, "jobs.1.jobType"),
        ({"jobs": [JOB], "callback": {"jobType": "never"}}, "callback.jobType"),
        ({"jobs": [JOB], "callback": {**JOB, "uniqueKey": "k"}}, "callback.uniqueKey"),
        ({"jobs": [JOB], "callback": {**JOB, "dependsOn": ["#0"]}}, "callback.dependsOn.0"),
        ({"jobs": [JOB], "ifFailed": "cancel"}, "ifFailed"),
        ({"jobs": [JOB], "ifFailed": "perhaps", "callback": JOB}, "ifFailed"),
        ({"jobs": [JOB] * 10_001}, "jobs"),
        ({"name": "x"}, "jobs"),
    ],
)
async def test_refuses_what_makes_no_batch(
    small: Api, admin: httpx.AsyncClient, body: dict[str, Any], field: str | None
) -> None:
    answer = await admin.post("/api/batches", json=body)
    if field is None:
        assert answer.status_code in (201, 422)
        return
    assert problem(answer, 422)["field"] == field
    assert builders.column(small.db, "id") == builders.column(small.db, "id", "rota_batches") == []


async def test_there_is_no_such_batch(admin: httpx.AsyncClient) -> None:
    for batch_id in (new_id(), "x"):
        problem(await admin.get(f"/api/batches/{batch_id}"), 404)
        problem(await admin.post(f"/api/batches/{batch_id}/cancel"), 404)
