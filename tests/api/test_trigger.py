"""POST /api/jobs/trigger, as the admin panel of system 3 calls it."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.api.calls import COMMAND, Api, good, problem, signed
from tests.store import builders


@pytest.fixture(autouse=True)
async def declared(api: Api) -> None:
    async with api.client() as admin:
        good(await admin.put("/api/job-types/crawl_pending", json={"target": COMMAND}))


async def test_waits_a_moment_for_the_start(
    api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rota.api.jobs.START_WAIT_S", 60.0)  # a busy worker may need more than the usual moment
    worker = builders.register(api.db)
    body = {"jobType": "crawl_pending", "triggeredBy": "user_2abc123"}
    asked = asyncio.create_task(client.post("/api/jobs/trigger", json=body))
    while not await asyncio.to_thread(builders.claim, api.db, worker):
        await asyncio.sleep(0.01)
    found = good(await asked)
    assert found.keys() == {"id", "jobId", "jobType", "status", "startedAt", "createdAt"}
    assert found["id"] == found["jobId"]
    assert found["status"] == "running"
    assert found["startedAt"] >= found["createdAt"]
    stored = builders.get(api.db, found["id"])
    assert (stored.started_by, stored.origin) == ("user_2abc123", "trigger")


async def test_waits_no_longer_than_that(client: httpx.AsyncClient) -> None:
    found = good(await asyncio.wait_for(client.post("/api/jobs/trigger", json={"jobType": "crawl_pending"}), 5))
    assert (found["status"], found["startedAt"]) == ("pending", None)


async def test_waits_for_the_end_when_asked(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db)
    asked = asyncio.create_task(client.post("/api/jobs/trigger?wait=10s", json={"jobType": "crawl_pending"}))
    while not (claimed := await asyncio.to_thread(builders.claim, api.db, worker)):
        await asyncio.sleep(0.01)
    builders.end(api.db, worker, *claimed, status="failed", error="no")
    found = good(await asked)
    assert (found["status"], found["error"], found["jobId"]) == ("failed", "no", found["id"])


async def test_refuses_a_type_never_declared(client: httpx.AsyncClient) -> None:
    found = problem(await client.post("/api/jobs/trigger", json={"jobType": "never"}), 422)
    assert (found["field"], found["code"]) == ("jobType", "unknown-job-type")


async def test_needs_a_type(client: httpx.AsyncClient) -> None:
    assert problem(await client.post("/api/jobs/trigger", json={}), 422)["field"] == "jobType"


async def test_a_key_triggers_once(api: Api, client: httpx.AsyncClient) -> None:
    body, headers = {"jobType": "crawl_pending"}, {"Idempotency-Key": "click-1"}
    first = good(await client.post("/api/jobs/trigger", json=body, headers=headers))
    assert good(await client.post("/api/jobs/trigger", json=body, headers=headers))["id"] == first["id"]
    assert len(builders.column(api.db, "id")) == 1


async def test_an_operator_may_trigger_and_a_viewer_may_not(api: Api) -> None:
    body = {"jobType": "crawl_pending"}
    async with api.client(signed("operator")) as operator, api.client(signed("viewer")) as viewer:
        good(await operator.post("/api/jobs/trigger", json=body))
        problem(await viewer.post("/api/jobs/trigger", json=body), 403)
