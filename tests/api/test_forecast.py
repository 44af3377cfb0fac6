"""The forecast over REST."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rota.actions import forecasting
from rota.model import NewJob
from rota.store import queues
from rota.store.database import Database
from tests.api.calls import COMMAND, Api, good, problem
from tests.store import builders

MINUTE = 60 * builders.SECOND


async def put(client: httpx.AsyncClient, name: str, **spec: Any) -> None:
    good(await client.put(f"/api/schedules/{name}", json={"target": COMMAND, **spec}))


def ran(db: Database, name: str, *durations_s: float) -> None:
    """Let runs of a schedule have taken so long, the earliest first."""
    worker = builders.register(db, lease_us=builders.DAY, lanes='{"command":9}')
    for place, seconds in enumerate(durations_s):
        job: NewJob = builders.new_job(
            lane="command", type=None, target="{}", queue="past", origin="schedule", schedule_id=name,
            scheduled_for=1000 + place,
        )  # fmt: skip
        builders.insert(db, job)
        (claimed,) = builders.claim(db, worker, queues=("past",))
        builders.end(db, worker, claimed)
        builders.backdate(db, job.id, started_at=-int(seconds * 1e6), completed_at=0)
    builders.stop(db, worker)


async def test_tells_what_will_start(api: Api, client: httpx.AsyncClient) -> None:
    await put(client, "often", every="10m", queue="mail")
    # In a zone whose clocks never change: elsewhere 24 hours may have that time twice, or not at all.
    await put(client, "nightly", cron="0 3 * * *", timezone="Asia/Tokyo")
    await put(client, "paused", cron="* * * * *", paused=True)
    await put(client, "past", at="2020-01-01T00:00:00Z", paused=True)
    found = good(await client.get("/api/forecast"))
    assert found["complete"] is True
    by_id = {one["id"]: one for one in found["schedules"]}
    assert {name: one["count"] for name, one in by_id.items()} == {"often": 144, "nightly": 1, "paused": 0, "past": 0}
    assert (found["starts"], sum(hour["starts"] for hour in found["hours"])) == (145, 145)
    assert (by_id["often"]["queue"], by_id["nightly"]["queue"]) == ("mail", "default")
    assert by_id["often"]["next"][0] == good(await client.get("/api/schedules/often"))["nextAt"]
    assert len(by_id["often"]["next"]) == 5
    assert (by_id["paused"]["paused"], by_id["often"]["paused"]) == (True, False)
    assert len(found["hours"]) in (24, 25)


async def test_tells_the_load_and_the_clashes(api: Api, client: httpx.AsyncClient) -> None:
    builders.register(api.db, lease_us=builders.DAY, lanes='{"command":1,"async":200}')
    builders.register(api.db, lease_us=builders.DAY, lanes='{"command":50}', queues='["other"]')
    await put(client, "slow", every="1h", queue="mail")
    for name in ("a", "b"):
        await put(client, name, cron="0 * * * *", queue="mail")
        ran(api.db, name, 1800, 60, 1800, 1800)
    ran(api.db, "slow", 7200, 7201)
    found = good(await client.get("/api/forecast?from=2100-01-01T00:00:00Z&hours=48"))
    by_id = {one["id"]: one for one in found["schedules"]}
    assert by_id["a"]["expected"] == {"p50Ms": 1_800_000, "p90Ms": 1_800_000, "runs": 4}
    (room,) = found["queues"]
    assert (room["name"], room["capacity"], room["slots"], room["concurrency"]) == ("mail", 1, 1, None)
    hour = found["hours"][5]["queues"]["mail"]
    assert (hour["starts"], hour["busy"], hour["peak"]) == (3, 2.0, 3)
    texts = {one["kind"]: one["text"] for one in found["clashes"]}
    assert texts.keys() == {"overload", "overrun", "together"}
    assert texts["overload"] == "queue mail has work for 2.0 jobs at once, and 1 may run at once"
    assert (
        texts["overrun"] == "slow usually takes 2h and is due again after 1h: instants that come meanwhile are skipped"
    )
    assert texts["together"].startswith("2 jobs of queue mail start in the same second, and 47 times more; 1 may run")


async def test_only_the_last_runs_tell_how_long_it_takes(api: Api, client: httpx.AsyncClient) -> None:
    await put(client, "a", every="1h")
    ran(api.db, "a", *(1000 for _ in range(5)), *(1 for _ in range(20)))
    (one,) = good(await client.get("/api/forecast"))["schedules"]
    assert one["expected"] == {"p50Ms": 1000, "p90Ms": 1000, "runs": 20}


async def test_one_schedule_or_one_queue(api: Api, client: httpx.AsyncClient) -> None:
    await put(client, "a", every="1h", queue="mail")
    await put(client, "b", every="1h")
    good(await client.put("/api/job-types/report", json={"target": COMMAND, "defaults": {"queue": "mail"}}))
    good(await client.put("/api/schedules/c", json={"jobType": "report", "every": "1h"}))
    for query, ids in (("schedule=b", {"b"}), ("queue=mail", {"a", "c"}), ("queue=none", set())):
        assert {one["id"] for one in good(await client.get(f"/api/forecast?{query}"))["schedules"]} == ids


async def test_a_queue_that_is_paused_has_no_room(api: Api, client: httpx.AsyncClient) -> None:
    builders.register(api.db, lease_us=builders.DAY, lanes='{"command":9}')
    await put(client, "a", every="1h", queue="mail")
    api.db.run(lambda tx: queues.change(tx, "mail", {"concurrency": 4}))
    assert good(await client.get("/api/forecast"))["queues"][0]["capacity"] == 4
    api.db.run(lambda tx: queues.pause(tx, "mail", by=None, note=None))
    found = good(await client.get("/api/forecast"))
    assert (found["queues"][0]["capacity"], found["queues"][0]["paused"]) == (0, True)
    (clash,) = found["clashes"]
    assert clash["text"] == "24 jobs of queue mail start, but it is paused, or no living worker takes them"


async def test_calendars_are_taken_off(api: Api, client: httpx.AsyncClient) -> None:
    good(await client.put("/api/calendars/works", json={"dates": ["2100-01-02"]}))
    await put(client, "a", cron="0 * * * *", timezone="Asia/Tokyo", calendars=["works"])
    found = good(await client.get("/api/forecast?from=2100-01-01T00:00:00Z&to=2100-01-03T00:00:00Z"))
    (one,) = found["schedules"]
    assert one["count"] == 24
    assert one["blackouts"] == [
        {"begin": "2100-01-01T15:00:00.000Z", "end": "2100-01-02T15:00:00.000Z", "calendar": "works", "count": 24}
    ]
    assert sum(hour["starts"] for hour in found["hours"][15:39]) == 0


async def test_the_time_can_be_chosen(admin: httpx.AsyncClient) -> None:
    await put(admin, "a", cron="0 12 * * *")
    found = good(await admin.get("/api/forecast?from=2100-01-01T00:00:00Z&to=2100-01-03T12:30:00Z"))
    assert found["schedules"][0]["next"] == [f"2100-01-0{day}T12:00:00.000Z" for day in (1, 2, 3)]
    assert len(found["hours"]) == 61
    assert len(good(await admin.get("/api/forecast?hours=168"))["hours"]) in (168, 169)


async def test_looks_up_to_the_end_of_all_time(api: Api, client: httpx.AsyncClient) -> None:
    builders.register(api.db, lease_us=builders.DAY, lanes='{"command":1}')
    await put(client, "often", every="1s", queue="mail", maxRuns=None)
    ran(api.db, "often", 5, 7200)
    good(await client.put("/api/calendars/days", json={"dates": ["9999-12-31"]}))
    await put(client, "a", cron="*/5 * * * *", calendars=["days"])
    found = good(await client.get("/api/forecast?from=9999-12-31T22:30:00Z&hours=168"))
    assert (found["end"], len(found["hours"])) == ("9999-12-31T23:59:59.999Z", 2)
    assert {one["id"]: one["count"] for one in found["schedules"]} == {"often": 5400, "a": 0}
    assert problem(await client.get("/api/forecast?from=9999-12-31T23:59:59.999999Z"), 422)["field"] == "to"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("hours=0", "hours"),
        ("hours=169", "hours"),
        ("from=soon", "from"),
        ("from=2020-01-01T00:00:00Z", "from"),
        ("to=2020-01-01T00:00:00Z", "to"),
        ("from=2100-01-01T00:00:00Z&to=2100-01-08T00:00:01Z", "to"),
        ("hours=null", "hours"),
        ("queue=a b", "queue"),
        ("days=1", "days"),
    ],
)
async def test_what_is_wrong(admin: httpx.AsyncClient, query: str, field: str) -> None:
    assert problem(await admin.get(f"/api/forecast?{query}"), 422)["field"] == field


async def test_an_unknown_schedule(admin: httpx.AsyncClient) -> None:
    problem(await admin.get("/api/forecast?schedule=nosuch"), 404)


async def test_one_that_is_not_understood_is_named(small: Api, admin: httpx.AsyncClient) -> None:
    await put(admin, "a", every="1h")
    await put(admin, "b", every="1h")
    small.db.run(lambda tx: tx.run("UPDATE rota_schedules SET timezone = 'Moon/Crater' WHERE id = 'a'"))
    found = good(await admin.get("/api/forecast"))
    assert (found["notUnderstood"], [one["id"] for one in found["schedules"]]) == (["a"], ["b"])


async def test_too_many_are_told(admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasting, "MOST_SCHEDULES", 1)
    await put(admin, "later", every="2h")
    await put(admin, "sooner", every="1h")
    found = good(await admin.get("/api/forecast"))
    assert (found["complete"], [one["id"] for one in found["schedules"]]) == (False, ["sooner"])
