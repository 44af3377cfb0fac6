"""PATCH /api/jobs/{id}: what waits, failed or was cancelled is changed, checked and audited."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from rota.model import JobType
from rota.store import types
from tests.api.calls import UNKNOWN_ID, Api, good, problem
from tests.store import builders
from tests.store.builders import HOUR

SCHEMA = '{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}'


REPORT = JobType(name="report", lane="async", target=None, args_schema=SCHEMA, defaults="{}", owner="code")


@pytest.fixture(autouse=True)
def declared(request: pytest.FixtureRequest) -> None:
    """The type `report`, whose argument is a number."""
    for name in ("api", "small"):
        if name in request.fixturenames:
            api: Api = request.getfixturevalue(name)
            api.db.run(lambda tx: types.put(tx, [REPORT]))


def failed(api: Api, **given: Any) -> str:
    worker = builders.register(api.db)
    claimed = builders.run_one(api.db, worker, **{"args": '{"n":1}', **given})
    builders.end(api.db, worker, claimed, status="failed", reason="failed", error="no")
    return claimed.call.job_id


async def audit(client: httpx.AsyncClient, job_id: str) -> list[dict[str, Any]]:
    return list(good(await client.get("/api/audit", params={"noun": "job", "name": job_id}))["entries"])


async def test_edits_what_waits(api: Api, client: httpx.AsyncClient) -> None:
    job_id = builders.insert_one(api.db, args='{"n":1}', expires_us=HOUR, concurrency_key="a")
    body = {
        "args": {"n": 2}, "queue": "mail", "priority": 5, "timeout": "90s", "maxAttempts": 9, "tags": ["x"],
        "concurrencyKey": "n={n}", "expiresIn": None, "retry": {"delays": ["5s"]}, "note": "smaller",
    }  # fmt: skip
    found = good(await client.patch(f"/api/jobs/{job_id}", json=body))
    assert (found["args"], found["queue"], found["priority"], found["timeout"]) == ({"n": 2}, "mail", 5, "1m30s")
    assert (found["maxAttempts"], found["tags"], found["concurrencyKey"], found["expiresAt"]) == (9, ["x"], "n=2", None)
    assert found["status"] == "pending"
    job = builders.get(api.db, job_id)
    assert job.ring == "|n=2"
    assert msgspec.json.decode(job.retry or "")["delays"] == [5_000_000]
    (claimed,) = builders.claim(api.db, builders.register(api.db))
    assert (claimed.call.args, claimed.call.timeout_us) == ('{"n":2}', 90_000_000)


async def test_says_in_the_audit_what_it_was(api: Api, client: httpx.AsyncClient) -> None:
    job_id = builders.insert_one(api.db, args='{"n":1}')
    good(await client.patch(f"/api/jobs/{job_id}", json={"args": {"n": 2}, "priority": 5, "note": "smaller"}))
    (entry,) = await audit(client, job_id)
    assert (entry["action"], entry["actor"], entry["role"], entry["origin"]) == ("edited", "secret", "admin", "api")
    assert entry["note"] == "smaller"
    assert entry["before"] == {"args": {"n": 1}, "priority": 0}
    assert entry["after"] == {"args": {"n": 2}, "priority": 5}


async def test_what_is_not_named_stays_and_null_goes_back(api: Api, client: httpx.AsyncClient) -> None:
    job_id = builders.insert_one(
        api.db, args='{"n":1}', retry='{"base":1}', timeout_us=5, tags='["a"]', concurrency_key="k", rank=-3
    )
    good(await client.patch(f"/api/jobs/{job_id}", json={"queue": "mail"}))
    job = builders.get(api.db, job_id)
    assert (job.rank, job.timeout_us, job.tags, job.concurrency_key) == (-3, 5, '["a"]', "k")
    assert job.retry is not None
    body = {"retry": None, "timeout": None, "tags": None, "concurrencyKey": None}
    good(await client.patch(f"/api/jobs/{job_id}", json=body))
    job = builders.get(api.db, job_id)
    assert (job.retry, job.timeout_us, job.tags, job.concurrency_key, job.ring) == (None, HOUR, None, None, None)


async def test_the_time_may_change(api: Api, client: httpx.AsyncClient) -> None:
    job_id = builders.insert_one(api.db)
    assert good(await client.patch(f"/api/jobs/{job_id}", json={"delayMs": 60000}))["status"] == "scheduled"
    at = "2030-01-01T00:00:00.000Z"
    assert good(await client.patch(f"/api/jobs/{job_id}", json={"runAt": at}))["runAt"] == at
    assert good(await client.patch(f"/api/jobs/{job_id}", json={"delayMs": 0}))["status"] == "pending"


async def test_what_failed_stays_so_until_it_is_retried(api: Api, client: httpx.AsyncClient) -> None:
    job_id = failed(api)
    found = good(await client.patch(f"/api/jobs/{job_id}", json={"args": {"n": 2}}))
    assert (found["status"], found["args"], found["error"]) == ("failed", {"n": 2}, "no")
    found = good(await client.post(f"/api/jobs/{job_id}/retry"))
    assert (found["status"], found["args"], len(found["attempts"])) == ("pending", {"n": 2}, 1)
    assert [one["action"] for one in await audit(client, job_id)] == ["retried", "edited"]


async def test_edited_and_retried_at_once(api: Api, client: httpx.AsyncClient) -> None:
    job_id = failed(api)
    body = {"args": {"n": 2}, "retry": True, "delayMs": 60000}
    found = good(await client.patch(f"/api/jobs/{job_id}", json=body))
    assert (found["status"], found["args"], found["attemptsUsed"]) == ("scheduled", {"n": 2}, 0)
    assert [one["outcome"] for one in found["attempts"]] == ["failed"]
    (entry,) = await audit(client, job_id)
    assert (entry["before"]["status"], entry["after"]["status"]) == ("failed", "scheduled")


async def test_nothing_of_it_is_done_when_the_key_is_held(api: Api, client: httpx.AsyncClient) -> None:
    job_id = failed(api, unique_key="k", unique_scope="active")
    builders.insert_one(api.db, unique_key="k", unique_scope="active")
    problem(await client.patch(f"/api/jobs/{job_id}", json={"args": {"n": 2}, "retry": True}), 409)
    assert builders.get(api.db, job_id).args == '{"n":1}'
    assert await audit(client, job_id) == []


async def test_what_has_started_or_completed_is_refused(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db)
    claimed = builders.run_one(api.db, worker)
    job_id = claimed.call.job_id
    assert "is running" in problem(await client.patch(f"/api/jobs/{job_id}", json={"priority": 1}), 409)["detail"]
    builders.end(api.db, worker, claimed)
    assert "completed" in problem(await client.patch(f"/api/jobs/{job_id}", json={"priority": 1}), 409)["detail"]
    problem(await client.patch(f"/api/jobs/{UNKNOWN_ID}", json={"priority": 1}), 404)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"note": "x"}, "body"),
        ({"retry": False}, "body"),
        ({"args": {"n": "two"}}, "args.n"),
        ({"args": [1]}, "args"),
        ({"args": {}}, "args"),
        ({"queue": "a b"}, "queue"),
        ({"priority": "vital"}, "priority"),
        ({"maxAttempts": 0}, "maxAttempts"),
        ({"retry": {"attempts": 0}}, "retry.attempts"),
        ({"retry": {"byError": [{"error": "x"}]}}, "retry.byError.0"),
        ({"timeout": "soon"}, "timeout"),
        ({"concurrencyKey": "{m}"}, "concurrencyKey"),
        ({"concurrencyKey": ""}, "concurrencyKey"),
        ({"expiresIn": "x"}, "expiresIn"),
        ({"runAt": "2030-01-01T00:00:00Z", "delayMs": 5}, "runAt"),
        ({"tags": ["x"] * 51}, "tags"),
        ({"target": {"kind": "command", "shell": "true"}}, "target"),
    ],
)
async def test_refuses_with_the_field(small: Api, admin: httpx.AsyncClient, body: dict[str, Any], field: str) -> None:
    job_id = builders.insert_one(small.db, args='{"n":1}')
    assert problem(await admin.patch(f"/api/jobs/{job_id}", json=body), 422)["field"] == field


@pytest.mark.parametrize("body", [{"delayMs": 0}, {"runAt": "2030-01-01T00:00:00Z"}, {"expiresIn": "1h"}])
async def test_a_time_of_a_job_that_does_not_wait_is_refused(
    small: Api, admin: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    job_id = failed(small)
    assert problem(await admin.patch(f"/api/jobs/{job_id}", json=body), 422)["field"] == next(iter(body))


async def test_an_operator_edits_jobs_of_a_type_only(small: Api) -> None:
    known = builders.insert_one(small.db, args='{"n":1}')
    own = builders.insert_one(small.db, type=None, lane="command", target='{"kind":"command","command":["true"]}')
    async with small.as_role("operator") as operator:
        good(await operator.patch(f"/api/jobs/{known}", json={"priority": 1}))
        problem(await operator.patch(f"/api/jobs/{own}", json={"priority": 1}), 403)
    async with small.as_role("viewer") as viewer:
        problem(await viewer.patch(f"/api/jobs/{known}", json={"priority": 1}), 403)


async def test_long_arguments_are_cut_in_the_audit(small: Api, admin: httpx.AsyncClient) -> None:
    job_id = builders.insert_one(small.db, args='{"n":1}')
    good(await admin.patch(f"/api/jobs/{job_id}", json={"args": {"n": 1, "text": "x" * 20_000}}))
    (entry,) = await audit(admin, job_id)
    assert (entry["before"]["args"], entry["after"]["args"]["bytes"]) == ({"n": 1}, 20_017)


async def test_cancel_retry_and_delete_are_in_the_audit(small: Api, admin: httpx.AsyncClient) -> None:
    job_id = builders.insert_one(small.db)
    good(await admin.post(f"/api/jobs/{job_id}/cancel"))
    good(await admin.post(f"/api/jobs/{job_id}/retry"))
    assert (await admin.delete(f"/api/jobs/{job_id}")).status_code == 204
    deleted, retried, cancelled = await audit(admin, job_id)
    assert [one["action"] for one in (cancelled, retried, deleted)] == ["cancelled", "retried", "deleted"]
    assert cancelled["before"] == {"status": "pending"}
    assert deleted["before"] == {"jobType": "report", "queue": "default", "status": "pending"}


async def test_a_key_made_of_the_arguments_follows_them(small: Api, admin: httpx.AsyncClient) -> None:
    defaults = {"concurrencyKey": "customer={customer}"}
    target = {"kind": "command", "command": ["true"]}
    good(await admin.put("/api/job-types/bill", json={"target": target, "defaults": defaults}))
    good(await admin.patch("/api/queues/plain", json={"defaults": {"concurrencyKey": "n={n}"}}))

    async def edited(job: dict[str, Any], args: dict[str, Any], **more: Any) -> Any:
        job_id = good(await admin.post("/api/jobs", json=job), 201)["id"]
        return await admin.patch(f"/api/jobs/{job_id}", json={"args": args, **more})

    typed = {"jobType": "bill", "args": {"customer": 1}}
    assert good(await edited(typed, {"customer": 2}))["concurrencyKey"] == "customer=2"
    assert problem(await edited(typed, {"client": 2}), 422)["field"] == "concurrencyKey"
    assert good(await edited(typed, {"client": 2}, concurrencyKey="mine"))["concurrencyKey"] == "mine"
    assert good(await edited({**typed, "concurrencyKey": "own"}, {"customer": 2}))["concurrencyKey"] == "own"
    of_queue = {"queue": "plain", "target": target, "args": {"n": 1}}
    assert good(await edited(of_queue, {"n": 2}))["concurrencyKey"] == "n=2"
    schedule = {"every": "1h", "target": target, "args": {"n": 1}, "concurrencyKey": "every={n}"}
    good(await admin.put("/api/schedules/hourly", json=schedule))
    job_id = (await admin.post("/api/schedules/hourly/trigger", json={})).json()["jobId"]
    found = good(await admin.patch(f"/api/jobs/{job_id}", json={"args": {"n": 2}}))
    assert found["concurrencyKey"] == "every=2"
