"""POST /api/jobs and /api/jobs/bulk."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from rota.ids import is_id
from tests.api.calls import COMMAND, Api, good, problem, signed
from tests.store import builders

JOB = {"target": COMMAND}


async def test_accepts_a_job(api: Api, client: httpx.AsyncClient) -> None:
    found = good(await client.post("/api/jobs", json={"target": COMMAND, "queue": "mail", "priority": 7}), 201)
    assert is_id(found["id"])
    assert found == {
        "id": found["id"],
        "existing": False,
        "replaced": False,
        "jobType": None,
        "status": "pending",
        "queue": "mail",
    }
    stored = builders.get(api.db, found["id"])
    assert (stored.queue, stored.rank, stored.status, stored.lane) == ("mail", -7, "pending", "command")


async def test_accepts_a_job_for_later(api: Api, client: httpx.AsyncClient) -> None:
    found = good(await client.post("/api/jobs", json={"target": COMMAND, "delayMs": 60_000}), 201)
    assert found["status"] == builders.get(api.db, found["id"]).status == "scheduled"


async def test_keeps_the_arguments_as_they_were(api: Api, client: httpx.AsyncClient) -> None:
    args = '{"b": 1.0, "a":12345678901234567890,  "a": "\\u00e9"}'
    body = f'{{"target": {{"kind":"command","command":["true"]}}, "args": {args}}}'
    headers = {"Content-Type": "application/json"}
    found = good(await client.post("/api/jobs", content=body, headers=headers), 201)
    assert builders.get(api.db, found["id"]).args == args


async def test_of_many_at_once_each_gets_its_own_answer(api: Api, client: httpx.AsyncClient) -> None:
    bodies: list[dict[str, Any]] = [
        {"target": COMMAND, "queue": f"q{n}"} if n % 3 else {"jobType": "never-declared"} for n in range(30)
    ]
    answers = await asyncio.gather(*(client.post("/api/jobs", json=body) for body in bodies))
    for n, answer in enumerate(answers):
        if n % 3:
            assert builders.get(api.db, good(answer, 201)["id"]).queue == f"q{n}"
        else:
            assert problem(answer, 422)["field"] == "jobType"
    assert len(builders.column(api.db, "id")) == 20


async def test_gives_the_job_that_holds_the_unique_key(api: Api, client: httpx.AsyncClient) -> None:
    body = {"target": COMMAND, "uniqueKey": "one"}
    answers = await asyncio.gather(*(client.post("/api/jobs", json=body) for _ in range(10)))
    found = [good(answer, 201) for answer in answers]
    assert len({one["id"] for one in found}) == 1
    assert sorted(one["existing"] for one in found) == [False] + [True] * 9
    assert builders.column(api.db, "id") == [found[0]["id"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"jobTypo": "x"}, "jobTypo"),
        ({}, "jobType"),
        ({"jobType": "never"}, "jobType"),
        ({"target": COMMAND, "queue": "no spaces"}, "queue"),
        ({"target": COMMAND, "queue": 5}, "queue"),
        ({"target": COMMAND, "runAt": "tomorrow"}, "runAt"),
        ({"target": COMMAND, "runAt": "2027-01-01T00:00:00"}, "runAt"),
        ({"target": COMMAND, "delayMs": -1}, "delayMs"),
        ({"target": COMMAND, "maxAttempts": 0}, "maxAttempts"),
        ({"target": COMMAND, "retry": {"backoff": "sideways"}}, "retry.backoff"),
        ({"target": COMMAND, "timeout": "soon"}, "timeout"),
        ({"target": {"kind": "nothing"}}, "target.kind"),
        ({"target": COMMAND, "callbackUrl": "https://example.org"}, "callbackUrl"),
        ({"target": COMMAND, "tags": [""]}, "tags.0"),
        ({"target": COMMAND, "uniqueScope": "waiting"}, "uniqueScope"),
    ],
)
async def test_refuses_with_the_field_and_stores_nothing(
    small: Api, admin: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    assert problem(await admin.post("/api/jobs", json=body), 422)["field"] == field
    assert builders.column(small.db, "id") == []


async def test_bulk_answers_in_order(api: Api, client: httpx.AsyncClient) -> None:
    jobs = [{"target": COMMAND, "queue": f"q{n}"} for n in range(120)]
    found = good(await client.post("/api/jobs/bulk", json={"jobs": jobs}), 201)["jobs"]
    assert [builders.get(api.db, one["id"]).queue for one in found] == [f"q{n}" for n in range(120)]


async def test_bulk_is_all_or_nothing(api: Api, client: httpx.AsyncClient) -> None:
    jobs: list[dict[str, Any]] = [{"target": COMMAND}] * 5 + [{"target": COMMAND, "queue": "no spaces"}]
    assert problem(await client.post("/api/jobs/bulk", json={"jobs": jobs}), 422)["field"] == "jobs.5.queue"
    assert builders.column(api.db, "id") == []


async def test_bulk_of_nothing_is_nothing(admin: httpx.AsyncClient) -> None:
    assert good(await admin.post("/api/jobs/bulk", json={"jobs": []}), 201) == {"jobs": []}


async def test_who_asked_is_noted(small: Api, admin: httpx.AsyncClient) -> None:
    found = good(await admin.post("/api/jobs", json=JOB), 201)
    assert builders.get(small.db, found["id"]).started_by == "secret"
    async with small.client(signed("admin", sub="user_2abc")) as ann:
        found = good(await ann.post("/api/jobs", json=JOB), 201)
        assert builders.get(small.db, found["id"]).started_by == "user_2abc"
        found = good(await ann.post("/api/jobs", json={**JOB, "startedBy": "bob"}), 201)
        assert builders.get(small.db, found["id"]).started_by == "bob"


async def test_an_operator_gives_no_targets_and_no_addresses(small: Api) -> None:
    async with small.as_role("operator") as operator:
        for body in (JOB, {"jobType": "x", "callbackUrl": "https://example.org"}):
            assert problem(await operator.post("/api/jobs", json=body), 403)["detail"] == "Admin access required"
            answer = await operator.post("/api/jobs/bulk", json={"jobs": [{"jobType": "x"}, body]})
            problem(answer, 403)
        assert problem(await operator.post("/api/jobs", json={"jobType": "x"}), 422)["field"] == "jobType"
    assert builders.column(small.db, "id") == []


async def test_an_operator_runs_known_types(small: Api, admin: httpx.AsyncClient) -> None:
    good(await admin.put("/api/job-types/tidy", json={"target": COMMAND}))
    async with small.as_role("operator") as operator:
        assert good(await operator.post("/api/jobs", json={"jobType": "tidy"}), 201)["jobType"] == "tidy"


async def test_waits_for_the_end(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db)
    asked = asyncio.create_task(client.post("/api/jobs?wait=10s", json=JOB))
    claimed = await _claimed(api, worker)
    builders.end(api.db, worker, *claimed, result='{"success":true}')
    found = good(await asked, 201)
    assert (found["status"], found["result"], found["existing"]) == ("completed", {"success": True}, False)


async def test_waits_no_longer_than_asked(admin: httpx.AsyncClient) -> None:
    found = good(await admin.post("/api/jobs?wait=100ms", json=JOB), 201)
    assert found["status"] == "pending"


@pytest.mark.parametrize("wait", ["", "soon", "-1s", "6m", "5"])
async def test_refuses_a_wrong_wait_before_anything_is_stored(small: Api, admin: httpx.AsyncClient, wait: str) -> None:
    assert problem(await admin.post("/api/jobs", params={"wait": wait}, json=JOB), 422)["field"] == "wait"
    assert builders.column(small.db, "id") == []


async def test_a_key_gives_the_same_job_again(api: Api, client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "order-1"}
    answers = await asyncio.gather(*(client.post("/api/jobs", json=JOB, headers=headers) for _ in range(8)))
    assert len({good(answer, 201)["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 7
    assert len(builders.column(api.db, "id")) == 1


async def test_a_key_is_for_one_request(small: Api, admin: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "order-1"}
    good(await admin.post("/api/jobs", json=JOB, headers=headers), 201)
    other = await admin.post("/api/jobs", json={**JOB, "queue": "other"}, headers=headers)
    assert problem(other, 422)["field"] == "Idempotency-Key"
    assert len(builders.column(small.db, "id")) == 1


async def test_a_key_is_for_one_caller(small: Api, admin: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "order-1"}
    first = good(await admin.post("/api/jobs", json=JOB, headers=headers), 201)
    async with small.client(signed("admin")) as other:
        assert good(await other.post("/api/jobs", json=JOB, headers=headers), 201)["id"] != first["id"]


async def test_a_key_of_a_refused_request_can_be_used_again(admin: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "order-1"}
    problem(await admin.post("/api/jobs", json={"jobType": "never"}, headers=headers), 422)
    good(await admin.post("/api/jobs", json=JOB, headers=headers), 201)


async def test_a_key_works_for_bulk(api: Api, client: httpx.AsyncClient) -> None:
    body, headers = {"jobs": [JOB] * 60}, {"Idempotency-Key": "all-of-them"}
    first = good(await client.post("/api/jobs/bulk", json=body, headers=headers), 201)
    assert good(await client.post("/api/jobs/bulk", json=body, headers=headers), 201) == first
    assert len(builders.column(api.db, "id")) == 60


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_refuses_a_wrong_key(admin: httpx.AsyncClient, key: str) -> None:
    answer = await admin.post("/api/jobs", json=JOB, headers={"Idempotency-Key": key})
    assert problem(answer, 422)["field"] == "Idempotency-Key"


async def _claimed(api: Api, worker: str) -> list[Any]:
    for _ in range(500):
        if claimed := await asyncio.to_thread(builders.claim, api.db, worker):
            return claimed
        await asyncio.sleep(0.01)
    raise AssertionError("nothing to claim came")
