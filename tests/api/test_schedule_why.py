"""One sentence on a schedule, over REST."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rota.engine.scheduler import Scheduler
from rota.store import queues
from rota.store.database import Database
from tests.api.calls import COMMAND, Api, good, problem
from tests.store import builders


async def put(client: httpx.AsyncClient, **spec: Any) -> None:
    good(await client.put("/api/schedules/a", json={"target": COMMAND, "queue": "mail", **spec}))


async def why(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = good(await client.get("/api/schedules/a/why"))
    return found


def codes(found: dict[str, Any]) -> list[str]:
    return [cause["code"] for cause in found["causes"]]


@pytest.fixture
def well(db: Database) -> Database:
    """A system in which a scheduler and a worker live."""
    builders.register(db, role="scheduler")
    builders.register(db, lanes='{"command":9}')
    return db


def make_due(db: Database, ago_s: int = 1) -> None:
    """Let the next instant have come; of the same rule, so long ago."""
    sql = """
    UPDATE rota_schedules SET next_at = next_at - (next_at - rota_now()) / 1000000 * 1000000 - :us,
      anchor_at = anchor_at - (next_at - rota_now()) / 1000000 * 1000000 - :us
    """
    db.run(lambda tx: tx.run(sql, {"us": ago_s * builders.SECOND}))


def fire(api: Api, ago_s: int = 1) -> None:
    make_due(api.db, ago_s)
    Scheduler(api.db, api.settings).run_once()


async def test_it_is_due(well: Database, api: Api, client: httpx.AsyncClient) -> None:
    await put(client, every="1h")
    found = await why(client)
    next_at = good(await client.get("/api/schedules/a"))["nextAt"]
    assert found["text"] == f"it is next due at {next_at}; nothing was due yet"
    assert (found["until"], codes(found)) == (next_at, ["due", "never"])


async def test_nothing_can_run_it(api: Api, client: httpx.AsyncClient) -> None:
    await put(client, every="1h")
    found = await why(client)
    assert codes(found) == ["due", "no-scheduler", "no-worker", "never"]
    assert ", but no scheduler lives and no worker lives; nothing" in found["text"]


async def test_its_queue_is_paused(well: Database, api: Api, client: httpx.AsyncClient) -> None:
    await put(client, every="1h")
    well.run(lambda tx: queues.change(tx, "mail", {}))
    well.run(lambda tx: queues.pause(tx, "mail", by="ann", note="the host moves"))
    found = await why(client)
    text = "queue mail is paused by ann (the host moves)"
    assert found["causes"][1] == {"code": "queue-paused", "text": text, "until": None}


async def test_its_type_has_no_worker(well: Database, api: Api, client: httpx.AsyncClient) -> None:
    good(await client.put("/api/job-types/t", json={"target": {"kind": "http", "url": "http://localhost:1/"}}))
    good(await client.put("/api/schedules/a", json={"jobType": "t", "every": "1h"}))
    assert "but no live worker runs http jobs" in (await why(client))["text"]
    well.run(lambda tx: tx.run("DELETE FROM rota_types"))
    found = await why(client)
    assert codes(found) == ["due", "invalid", "never"]
    assert "no job can be made: jobType: 't' was never declared" in found["text"]


async def test_it_is_paused(well: Database, api: Api, client: httpx.AsyncClient) -> None:
    await put(client, every="1h")
    body = {"note": "the host moves", "until": "2100-01-05T08:00:00Z"}
    good(await client.post("/api/schedules/a/pause", json=body))
    found = await why(client)
    at = good(await client.get("/api/schedules/a"))["pausedAt"]
    said = f" since {at} until 2100-01-05T08:00:00.000Z (the host moves); nothing was due yet"
    assert found["text"].startswith("it is paused by ")
    assert found["text"].endswith(said)
    assert (codes(found), found["until"]) == (["paused", "never"], "2100-01-05T08:00:00.000Z")
    make_due(api.db)
    Scheduler(api.db, api.settings).run_once()
    assert codes(await why(client)) in (["paused", "paused"], ["paused", "missed"])


async def test_a_calendar_is_in_the_way(well: Database, api: Api, client: httpx.AsyncClient) -> None:
    good(await client.put("/api/calendars/works", json={"ranges": [{"from": "2100-01-01", "to": "2100-01-03"}]}))
    await put(client, cron="0 9 * * *", startAt="2100-01-01T00:00:00Z", calendars=["works"])
    found = await why(client)
    assert codes(found) == ["blackout", "never"]
    assert found["text"].startswith(
        "calendar works lets nothing run at 2100-01-01T09:00:00.000Z; it is next due at 2100-01-04T09:00:00.000Z"
    )
    assert found["until"] == "2100-01-04T09:00:00.000Z"


@pytest.mark.parametrize(
    ("spec", "change", "said"),
    [
        ({"every": "1h", "maxRuns": 3}, "next_at = NULL, runs = 3", "it has made its 3 runs (maxRuns)"),
        ({"at": "2100-01-01T00:00:00Z"}, "next_at = NULL", "its last instant has passed"),
        (
            {"every": "1h", "endAt": "2100-01-01T00:00:00Z"},
            "next_at = NULL, end_at = rota_now() - 1000000",
            "it ended at 2",
        ),
    ],
)
async def test_it_has_ended(
    well: Database, api: Api, client: httpx.AsyncClient, spec: dict[str, Any], change: str, said: str
) -> None:
    await put(client, **spec)
    well.run(lambda tx: tx.run(f"UPDATE rota_schedules SET {change}"))
    found = await why(client)
    assert (codes(found), found["until"]) == (["ended", "never"], None)
    assert said in found["text"]


async def test_it_ran_and_runs(well: Database, api: Api, client: httpx.AsyncClient) -> None:
    await put(client, every="1h")
    fire(api)
    (job,) = good(await client.get("/api/jobs?schedule=a"))["jobs"]
    at = job["scheduledFor"]
    found = await why(client)
    assert codes(found) == ["due", "running", "fired"]
    said = f"job {job['id']} waits to be started: an instant that comes before it has ended is skipped"
    assert found["text"].endswith(f"{said}; the instant {at} ran as job {job['id']}, which waits")
    worker = builders.register(api.db)
    (claimed,) = builders.claim(api.db, worker)
    assert f"job {job['id']} runs since " in (await why(client))["text"]
    builders.end(api.db, worker, claimed)
    found = await why(client)
    assert codes(found) == ["due", "fired"]
    assert found["text"].endswith(f"the instant {at} ran as job {job['id']}, which completed")


async def test_an_instant_was_skipped(well: Database, api: Api, client: httpx.AsyncClient) -> None:
    await put(client, every="1h")
    fire(api, 3)
    fire(api, 2)
    (job,) = good(await client.get("/api/jobs?schedule=a"))["jobs"]
    found = await why(client)
    assert codes(found) == ["due", "running", "skipped"]
    assert found["text"].endswith(f" was skipped (job {job['id']} still ran)")


async def test_runs_that_wait_for_each_other(well: Database, api: Api, client: httpx.AsyncClient) -> None:
    await put(client, every="1h", overlap="queueAll")
    for ago in (4, 3, 2):
        fire(api, ago)
    assert "(2 more wait for it): the next instants wait for it to end" in (await why(client))["text"]


async def test_instants_were_missed(well: Database, api: Api, client: httpx.AsyncClient) -> None:
    await put(client, every="1h", catchup="none")
    make_due(api.db, 5 * 3600 + 60)
    Scheduler(api.db, api.settings).run_once()
    found = await why(client)
    assert codes(found) == ["due", "missed"]
    assert "; each instant from " in found["text"]
    assert " was missed (no scheduler was running" in found["text"]


async def test_it_is_overdue(api: Api, client: httpx.AsyncClient) -> None:
    await put(client, every="1h")
    make_due(api.db)
    found = await why(client)
    assert codes(found)[:2] == ["overdue", "no-scheduler"]
    assert found["text"].startswith("it is due since ")


async def test_nobody_understands_it(well: Database, api: Api, client: httpx.AsyncClient) -> None:
    await put(client, every="1h")
    well.run(lambda tx: tx.run("UPDATE rota_schedules SET timezone = 'Moon/Crater'"))
    found = await why(client)
    assert codes(found)[0] == "invalid"
    assert "nothing can be decided about it: timezone: " in found["text"]


async def test_there_is_no_such_schedule(admin: httpx.AsyncClient) -> None:
    problem(await admin.get("/api/schedules/nosuch/why"), 404)
