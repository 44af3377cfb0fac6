"""Queues: what is in them, limits, pauses, failed jobs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest

from tests.api.calls import Api, good, problem
from tests.store import builders


async def test_lists_with_what_is_in_them(api: Api, client: httpx.AsyncClient) -> None:
    builders.insert(api.db, *(builders.new_job(queue="mail", rank=-5) for _ in range(3)), builders.new_job(queue="b"))
    found = good(await client.get("/api/queues"))
    assert (found["total"], found["page"], found["nextCursor"]) == (2, 1, None)
    mail = next(one for one in found["queues"] if one["name"] == "mail")
    assert mail["counts"] == {"pending": 3, "scheduled": 0, "running": 0, "failed": 0}
    assert [(one["status"], one["priority"], one["count"]) for one in mail["stats"]] == [("pending", 5, 3)]
    assert mail["oldestPendingAt"] is not None
    assert good(await client.get("/api/queues/mail")) == mail


async def test_sets_and_removes_limits(client: httpx.AsyncClient) -> None:
    assert good(await client.patch("/api/queues/mail", json={"concurrency": 5}))["concurrency"] == 5
    assert good(await client.patch("/api/queues/mail", json={}))["concurrency"] == 5
    assert good(await client.patch("/api/queues/mail", json={"concurrency": None}))["concurrency"] is None


async def test_pauses_and_resumes(client: httpx.AsyncClient) -> None:
    good(await client.patch("/api/queues/mail", json={}))
    found = good(await client.post("/api/queues/mail/pause", json={"note": "the host moves"}))
    assert (found["paused"], found["pausedBy"], found["pausedNote"]) == (True, "secret", "the host moves")
    assert good(await client.post("/api/queues/mail/resume"))["paused"] is False


@pytest.fixture
def failed(api: Api) -> None:
    worker = builders.register(api.db)
    builders.insert(api.db, *(builders.new_job(queue="mail") for _ in range(5)), builders.new_job(queue="b"))
    builders.end(api.db, worker, *builders.claim(api.db, worker), status="failed", error="no")


@pytest.mark.usefixtures("failed")
async def test_retries_what_failed(api: Api, client: httpx.AsyncClient) -> None:
    found = good(await client.post("/api/queues/mail/retry-failed"))
    assert found == {"matched": 5, "changed": 5, "done": True, "operation": found["operation"]}
    assert Counter(builders.column(api.db, "status")) == {"pending": 5, "failed": 1}


@pytest.mark.usefixtures("failed")
async def test_deletes_what_failed(api: Api, client: httpx.AsyncClient) -> None:
    found = good(await client.post("/api/queues/mail/delete-failed", json={}))
    assert found == {"matched": 5, "changed": 5, "done": True, "operation": found["operation"]}
    assert builders.column(api.db, "queue") == ["b"]


@pytest.mark.parametrize(
    ("body", "field"),
    [({"concurrency": 0}, "concurrency"), ({"concurrency": "5"}, "concurrency"), ({"speed": 1}, "speed")],
)
async def test_refuses_wrong_limits(admin: httpx.AsyncClient, body: dict[str, Any], field: str) -> None:
    assert problem(await admin.patch("/api/queues/mail", json=body), 422)["field"] == field
    problem(await admin.get("/api/queues/mail"), 404)


@pytest.mark.parametrize("name", ["no spaces", "-x", "x" * 101])
async def test_refuses_a_malformed_name(admin: httpx.AsyncClient, name: str) -> None:
    assert problem(await admin.patch(f"/api/queues/{name}", json={"concurrency": 1}), 422)["field"] == "name"


@pytest.mark.parametrize("part", ["pause", "resume", "retry-failed", "delete-failed"])
@pytest.mark.parametrize("name", ["never", "%00"])
async def test_an_unknown_queue_is_not_found(admin: httpx.AsyncClient, name: str, part: str) -> None:
    problem(await admin.post(f"/api/queues/{name}/{part}"), 404)
    problem(await admin.get(f"/api/queues/{name}"), 404)
