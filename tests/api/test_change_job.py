"""Cancel, retry and delete one job."""

from __future__ import annotations

import httpx
import pytest

from tests.api.calls import UNKNOWN_ID, Api, good, problem
from tests.store import builders


async def test_cancels_what_waits(api: Api, client: httpx.AsyncClient) -> None:
    job_id = builders.insert_one(api.db)
    found = good(await client.post(f"/api/jobs/{job_id}/cancel"))
    assert (found["status"], found["cancelRequestedBy"]) == ("cancelled", "secret")
    again = problem(await client.post(f"/api/jobs/{job_id}/cancel"), 409)
    assert (again["code"], again["detail"]) == ("conflict", f"job {job_id} was cancelled already")


async def test_asks_what_runs_to_stop(api: Api, client: httpx.AsyncClient) -> None:
    claimed = builders.run_one(api.db, builders.register(api.db))
    found = good(await client.post(f"/api/jobs/{claimed.call.job_id}/cancel", json={}))
    assert found["status"] == "running"
    assert found["cancelRequestedAt"] is not None


async def test_kills_what_runs_when_told(api: Api, client: httpx.AsyncClient) -> None:
    job_id = builders.run_one(api.db, builders.register(api.db)).call.job_id
    for body, mode, sentence in (
        ({"force": False}, "stop", "it was asked to stop by secret"),
        ({"force": True}, "kill", "it is to be killed, as asked by secret"),
        ({}, "kill", "it is to be killed, as asked by secret"),
    ):
        found = good(await client.post(f"/api/jobs/{job_id}/cancel", json=body))
        assert found["why"]["text"].endswith(sentence)
        assert builders.get(api.db, job_id).cancel_mode == mode
    assert problem(await client.post(f"/api/jobs/{job_id}/cancel", json={"force": 1}), 422)["field"] == "force"


async def test_retries_what_has_ended(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db)
    claimed = builders.run_one(api.db, worker, max_attempts=1)
    builders.end(api.db, worker, claimed, status="failed", error="no")
    found = good(await client.post(f"/api/jobs/{claimed.call.job_id}/retry"))
    assert (found["status"], found["attempt"], found["attemptsUsed"]) == ("pending", 1, 0)
    assert len(found["attempts"]) == 1


async def test_makes_what_is_scheduled_due(api: Api, client: httpx.AsyncClient) -> None:
    job_id = builders.insert_one(api.db, delay_us=builders.HOUR)
    assert good(await client.post(f"/api/jobs/{job_id}/retry"))["status"] == "pending"


async def test_does_not_retry_what_runs(api: Api, client: httpx.AsyncClient) -> None:
    claimed = builders.run_one(api.db, builders.register(api.db))
    problem(await client.post(f"/api/jobs/{claimed.call.job_id}/retry"), 409)


async def test_deletes_what_does_not_run(api: Api, client: httpx.AsyncClient) -> None:
    waiting = builders.insert_one(api.db, delay_us=builders.HOUR)
    running = builders.run_one(api.db, builders.register(api.db)).call.job_id
    answer = await client.delete(f"/api/jobs/{waiting}")
    assert (answer.status_code, answer.content) == (204, b"")
    problem(await client.delete(f"/api/jobs/{running}"), 409)
    problem(await client.get(f"/api/jobs/{waiting}"), 404)
    good(await client.get(f"/api/jobs/{running}"))


@pytest.mark.parametrize(("method", "part"), [("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")])
@pytest.mark.parametrize("job_id", [UNKNOWN_ID, "no-id"])
async def test_an_unknown_job_is_not_found(admin: httpx.AsyncClient, method: str, part: str, job_id: str) -> None:
    problem(await admin.request(method, f"/api/jobs/{job_id}{part}"), 404)


async def test_does_not_hurry_what_waits_for_its_turn(api: Api, client: httpx.AsyncClient) -> None:
    first, held = builders.insert(api.db, *(builders.new_job(turn_key="k") for _ in range(2)))
    found = problem(await client.post(f"/api/jobs/{held}/retry"), 409)
    assert (found["detail"], found["hint"]) == (
        f"job {held} waits for job {first} to end",
        "cancel that job, or let it end",
    )


async def test_a_job_that_is_retried_while_another_of_its_key_runs_waits(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db)
    claimed = builders.run_one(api.db, worker, turn_key="k")
    builders.end(api.db, worker, claimed, status="failed")
    builders.run_one(api.db, worker, turn_key="k")
    job_id = claimed.call.job_id
    assert good(await client.post(f"/api/jobs/{job_id}/retry"))["status"] == "pending"
    assert builders.get(api.db, job_id).status == "held"
