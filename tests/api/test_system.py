"""Workers, numbers, who asks."""

from __future__ import annotations

import asyncio

import httpx
import msgspec
import pytest

from rota.errors import DatabaseUnavailable
from rota.store import meta, queues
from rota.store.database import Database, Tx
from tests.api.calls import Api, good, signed
from tests.store import builders

NOON = 1_795_176_000_000_000
"""20 November 2026, µs UTC."""


async def test_lists_processes(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db, lanes='{"command":2}', queues='["mail"]', types='["x"]', labels='["gpu"]')
    builders.register(api.db, role="scheduler", detail='{"loops":[]}')
    found = good(await client.get("/api/workers"))
    assert found["total"] == 2
    shown = next(one for one in found["workers"] if one["id"] == worker)
    assert (shown["role"], shown["state"], shown["queues"]) == ("worker", "running", ["mail"])
    assert (shown["jobTypes"], shown["labels"], shown["lanes"]) == (["x"], ["gpu"], {"command": 2})
    assert (shown["slots"], shown["loops"], shown["consumers"], shown["lastClaim"]) == (None, [], [], None)


async def test_processes_go_on_where_the_last_one_is_gone(api: Api, client: httpx.AsyncClient) -> None:
    for _ in range(5):
        builders.register(api.db)
    whole = [one["id"] for one in good(await client.get("/api/workers"))["workers"]]
    part = good(await client.get("/api/workers?limit=2"))
    again = good(await client.get(f"/api/workers?limit=2&cursor={part['nextCursor']}"))
    assert [one["id"] for one in again["workers"]] == whole[2:4]
    builders.execute(api.db, f"DELETE FROM rota_workers WHERE id = '{whole[1]}'")
    rest = good(await client.get(f"/api/workers?limit=9&cursor={part['nextCursor']}"))
    assert [one["id"] for one in rest["workers"]] == whole[2:]


async def test_says_what_a_worker_does_with_its_queues(api: Api, client: httpx.AsyncClient) -> None:
    loop = {"name": "claimer", "state": "sleeping", "sleepsUntil": NOON, "turnedMsAgo": 4, "error": None}
    detail = {"slots": {"command": {"taken": 1, "of": 2}}, "loops": [loop], "loopLagMs": 3, "sleeping": {}}
    worker = builders.register(api.db, lanes='{"command":2}', detail=msgspec.json.encode(detail).decode())
    builders.insert(api.db, *(builders.new_job(lane="command", queue="mail") for _ in range(3)))
    assert len(builders.claim(api.db, worker, lanes={"command": 1})) == 1
    api.db.run(lambda tx: queues.change(tx, "mail", {"concurrency": 1}))
    (shown,) = good(await client.get("/api/workers"))["workers"]
    assert shown["consumers"] == [
        {"queue": "mail", "numRunningLoops": 1, "sleeping": {"reason": "full", "until": None}}
    ]
    assert (shown["slots"], shown["loopLagMs"]) == ({"command": {"taken": 1, "of": 2}}, 3)
    assert shown["loops"] == [{**loop, "sleepsUntil": "2026-11-20T12:00:00.000Z"}]


async def test_gives_numbers(api: Api, client: httpx.AsyncClient) -> None:
    builders.register(api.db)
    builders.insert(api.db, builders.new_job(queue="a"), builders.new_job(queue="b", delay_us=builders.HOUR))
    builders.put(api.db)
    set_watermark(api.db, NOON)
    found = good(await client.get("/api/stats"))
    assert found["jobs"] == {"pending": 1, "scheduled": 1, "running": 0, "failed": 0}
    assert (found["queues"], found["schedules"], found["workers"], found["schedulers"]) == (2, 1, 1, 0)
    assert found["accountedTo"] == "2026-11-20T12:00:00.000Z"


async def test_every_answer_says_what_is_accounted_for(api: Api, client: httpx.AsyncClient) -> None:
    set_watermark(api.db, NOON)
    for path in ("/api/me", "/api/nothing", "/live"):
        assert (await client.get(path)).headers["rota-accounted-to"] == "2026-11-20T12:00:00.000Z"


async def test_what_it_says_is_never_older_than_a_second(
    api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the first answer after a night without requests."""
    reads: list[int] = []

    def counted(tx: Tx) -> int | None:
        reads.append(1)
        return read(tx)

    read = meta.accounted_to
    monkeypatch.setattr(meta, "accounted_to", counted)
    set_watermark(api.db, NOON)
    for _ in range(20):
        assert (await client.get("/api/me")).headers["rota-accounted-to"] == "2026-11-20T12:00:00.000Z"
    assert len(reads) <= 2, "no statement of its own for each request"
    set_watermark(api.db, NOON + 60_000_000)
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda time=loop.time: time() + 1.0)
    assert (await client.get("/api/me")).headers["rota-accounted-to"] == "2026-11-20T12:01:00.000Z"


async def test_no_watermark_is_said_that_nobody_knows(
    api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(tx: Tx) -> int | None:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(meta, "accounted_to", gone)
    for path in ("/api/me", "/live"):
        assert "rota-accounted-to" not in (await client.get(path)).headers


async def test_counts_what_failed_in_the_last_day(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db)
    for age in (0, 23 * builders.HOUR, 25 * builders.HOUR):
        claimed = builders.run_one(api.db, worker)
        builders.end(api.db, worker, claimed, status="failed")
        builders.backdate(api.db, claimed.call.job_id, completed_at=-age)
    builders.end(api.db, worker, builders.run_one(api.db, worker))
    assert good(await client.get("/api/stats"))["failedLastDay"] == 2


def set_watermark(db: Database, at: int) -> None:
    db.run(lambda tx: meta.put(tx, meta.ACCOUNTED_TO, str(at)))


async def test_says_who_asks(small: Api) -> None:
    async with small.client(signed("viewer", sub="ann")) as ann:
        found = good(await ann.get("/api/me"))
    assert "listJobs" in found.pop("permissions")
    assert found == {"subject": "ann", "role": "viewer", "source": "signed"}
