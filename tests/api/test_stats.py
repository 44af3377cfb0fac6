"""What ended, what failed, and what does not go as it should, over REST."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rota.engine.rollups import Rollups
from rota.insight import series as insight
from rota.store import meta, queues, rollups, schedules
from rota.store.database import Database, Tx
from tests.api.calls import Api, good, problem
from tests.store import builders
from tests.store.builders import DAY, HOUR, SECOND
from tests.store.filling import NUMBERS
from tests.store.plans import recorded

FUNCTIONS: dict[str, Any] = {"queues": None, "lanes": '["async"]', "types": '["report"]', "labels": "[]"}
ZEROS = {
    **dict.fromkeys(("completed", "failed", "cancelled", "retried", "lost", "interrupted", "snoozed"), 0),
    "waitingMs": None,
    "runningMs": None,
}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "LATEST_US", -1)


def ended(db: Database, worker: str, *, ago: int = 0, ran: int = 0, status: str = "completed", **given: Any) -> str:
    """A job that ended so long ago (µs); its id."""
    error = given.pop("error", None)
    claimed = builders.run_one(db, worker, **given)
    builders.end(db, worker, claimed, status=status, error=error)
    start = -ago - ran
    times = {"created_at": start, "run_at": start, "started_at": start, "completed_at": -ago}
    builders.backdate(db, claimed.call.job_id, **times)
    return claimed.call.job_id


def sum_up(db: Database) -> None:
    while Rollups(db).run_once() == 0:
        pass


async def test_counts_what_ended(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db)
    for ago in (0, 10 * 60 * SECOND, 2 * HOUR):
        ended(api.db, worker, ago=ago, ran=2 * SECOND, queue="mail")
    ended(api.db, worker, status="failed", queue="mail", ran=2 * SECOND)
    builders.give_back(api.db, worker, builders.run_one(api.db, worker, queue="slow"), delay_us=HOUR)
    sum_up(api.db)
    found = good(await client.get("/api/stats/series?window=1h"))
    assert found["stepMs"] == 60_000
    (group,) = found["groups"]
    assert group["name"] is None
    totals = group["totals"]
    assert (totals["completed"], totals["failed"], totals["retried"]) == (2, 1, 1)
    assert totals["waitingMs"] == {"avg": 0.0, "p50": 0.5, "p90": 0.9, "p99": 1.0}
    assert totals["runningMs"]["avg"] == 2000
    assert 1448 <= totals["runningMs"]["p50"] <= totals["runningMs"]["p99"] <= 2048
    assert len(group["points"]) == 60
    assert group["points"][0]["at"] == found["since"]
    assert group["points"][0] == {"at": found["since"], **ZEROS}
    assert sum(point["completed"] for point in group["points"]) == 2
    assert sum(point["retried"] for point in group["points"]) == 1


@pytest.mark.parametrize(("window", "points", "step"), [
    ("1h", 60, 60), ("6h", 72, 300), ("24h", 96, 900), ("7d", 84, 7200), ("30d", 120, 21_600)
])  # fmt: skip
async def test_windows(api: Api, client: httpx.AsyncClient, window: str, points: int, step: int) -> None:
    worker = builders.register(api.db)
    ended(api.db, worker)
    ended(api.db, worker, ago=40 * 60 * SECOND)
    sum_up(api.db)
    found = good(await client.get(f"/api/stats/series?window={window}"))
    (group,) = found["groups"]
    assert (len(group["points"]), found["stepMs"]) == (points, step * 1000)
    assert group["totals"]["completed"] == sum(point["completed"] for point in group["points"]) == 2
    assert group["points"][-1]["at"] < found["until"]


async def test_groups_and_narrows(api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insight, "MOST_GROUPS", 2)
    worker = builders.register(api.db)
    for queue, kind in (("a", "x"), ("a", "x"), ("a", "y"), ("b", "x"), ("b", "x"), ("c", "x")):
        ended(api.db, worker, queue=queue, type=kind)
    sum_up(api.db)

    async def counts(query: str) -> dict[str | None, int]:
        groups = good(await client.get(f"/api/stats/series?{query}"))["groups"]
        return {group["name"]: group["totals"]["completed"] for group in groups}

    assert await counts("") == {None: 6}
    assert await counts("by=queue") == {"a": 3, "b": 2, "(others)": 1}
    assert await counts("by=type") == {"x": 5, "y": 1}
    assert await counts("by=type&queue=a") == {"x": 2, "y": 1}
    assert await counts("queue=a&type=y") == {None: 1}
    assert await counts("queue=none") == {None: 0}
    assert await counts("queue=none&by=type") == {}


@pytest.mark.parametrize("query", ["window=2h", "by=status", "window=", "since=1"])
async def test_refuses_with_the_field(admin: httpx.AsyncClient, query: str) -> None:
    assert problem(await admin.get(f"/api/stats/series?{query}"), 422)["field"] == query.partition("=")[0]


FILL = """
INSERT INTO rota_rollups (step, at, queue, type, outcome, ends, timed, waiting_us, running_us, waiting, running)
SELECT :step, :now - CAST(n.i AS bigint) * :step * 1000000, 'queue' || q.i, 'type',
  CASE WHEN o.i = 1 THEN 'completed' ELSE 'failed' END, 100,
  100, 100000, 200000, '{"3":40,"5":50,"7":5,"12":5}', '{"8":20,"9":50,"12":25,"20":5}'
FROM [NUMBERS] CROSS JOIN (SELECT 1 AS i UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5) q
  CROSS JOIN (SELECT 1 AS i UNION ALL SELECT 2) o
"""


async def test_reads_only_what_is_shown_of_four_hundred_days(db: Database) -> None:
    now = db.read(lambda tx: tx.now())

    def fill(tx: Tx) -> None:
        for step, days in ((60, 2), (300, 2), (900, 8), (7200, 400), (21_600, 400)):
            total = days * 86_400 // step
            sql = FILL.replace("[NUMBERS]", NUMBERS[db.dialect])
            tx.run(sql, {"step": step, "now": now // (step * SECOND) * step * SECOND, "total": total})

    db.run(fill)
    builders.execute(db, "ANALYZE")
    for name in insight.WINDOWS:
        with recorded() as plans, db.statement() as tx:
            assert len(insight.series(tx, name, by="queue").groups) == 5
        for plan in plans:
            assert "rota_rollups" not in plan.whole, plan
            assert "rota_jobs" not in plan.sql, plan


async def test_groups_errors_alike(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db)
    for place, error in enumerate(("no row 1", "no row 2", "other")):
        ended(api.db, worker, ago=(10 - place) * SECOND, status="failed", error=error, queue="mail")
    last = ended(api.db, worker, ago=SECOND, status="failed", error="no row 3", queue="mail")
    ended(api.db, worker, ago=2 * DAY, status="failed", error="old")
    ended(api.db, worker)
    found = good(await client.get("/api/errors"))
    assert (found["total"], [one["count"] for one in found["errors"]]) == (2, [3, 1])
    first = found["errors"][0]
    assert (first["message"], first["jobType"], first["queue"], first["lastJobId"]) == (
        "no row 3", "report", "mail", last
    )  # fmt: skip
    assert first["firstAt"] < first["lastAt"]
    assert good(await client.get("/api/errors?window=7d"))["total"] == 3
    assert good(await client.get("/api/errors?window=7d&queue=default"))["total"] == 1
    assert good(await client.get("/api/errors?jobType=none"))["total"] == 0
    part = good(await client.get("/api/errors?limit=1"))
    assert len(part["errors"]) == 1
    rest = good(await client.get(f"/api/errors?limit=1&cursor={part['nextCursor']}"))
    assert [one["message"] for one in rest["errors"]] == ["other"]


async def test_errors_are_found_by_what_they_say_and_by_their_type(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db)
    for place, (error, kind) in enumerate((("No row 1", "report"), ("disk is full", "Mail"), ("other", "tidy"))):
        ended(api.db, worker, ago=(10 - place) * SECOND, status="failed", error=error, type=kind)
    for q, wanted in (("no ROW", ["No row 1"]), ("row 1", ["No row 1"]), ("mail", ["disk is full"]), ("none", [])):
        found = good(await client.get("/api/errors", params={"q": q}))
        assert [one["message"] for one in found["errors"]] == wanted, q
    for one in good(await client.get("/api/errors"))["errors"]:
        assert good(await client.get("/api/errors", params={"q": one["fingerprint"]}))["total"] == 0
    assert problem(await client.get("/api/errors", params={"q": "x\0"}), 422)["field"] == "q"


async def test_errors_go_on_where_the_last_one_is_gone(api: Api, client: httpx.AsyncClient) -> None:
    worker = builders.register(api.db)
    names = [f"error {letter}" for letter in "abcdefgh"]
    jobs = [
        ended(api.db, worker, ago=(10 + place) * SECOND, status="failed", error=name)
        for place, name in enumerate(names)
    ]
    for shown in (1, 2, 3, 4):
        part = good(await client.get(f"/api/errors?limit={shown}"))
        assert [one["message"] for one in part["errors"]] == names[:shown]
        assert (await client.delete(f"/api/jobs/{jobs.pop(shown - 1)}")).status_code == 204
        del names[shown - 1]
        rest = good(await client.get(f"/api/errors?limit=9&cursor={part['nextCursor']}"))
        assert [one["message"] for one in rest["errors"]] == names[shown - 1 :]
    assert problem(await client.get("/api/errors?cursor=eA"), 422)["field"] == "cursor"


@pytest.mark.parametrize("query", ["window=0s", "window=401d", "window=x"])
async def test_refuses_windows_of_errors(admin: httpx.AsyncClient, query: str) -> None:
    assert problem(await admin.get(f"/api/errors?{query}"), 422)["field"] == "window"


def calm(db: Database) -> str:
    """Let the system be well: a scheduler, a worker, a fresh watermark; the worker."""
    builders.register(db, role="scheduler")
    db.run(lambda tx: meta.raise_accounted_to(tx, tx.now()))
    return builders.register(db, **FUNCTIONS)


async def kinds(client: httpx.AsyncClient, query: str = "") -> list[tuple[str, str, str]]:
    found = good(await client.get(f"/api/problems{query}"))["problems"]
    return [(one["kind"], one["severity"], one["subject"]["id"]) for one in found]


async def test_a_calm_system_has_no_problems(api: Api, client: httpx.AsyncClient) -> None:
    calm(api.db)
    found = good(await client.get("/api/problems"))
    assert (found["problems"], found["total"]) == ([], 0)


async def test_says_that_nothing_schedules(api: Api, client: httpx.AsyncClient) -> None:
    api.db.run(lambda tx: meta.raise_accounted_to(tx, tx.now() - HOUR))
    assert await kinds(client) == [("standstill", "error", "watermark"), ("no-scheduler", "error", "scheduler")]


async def test_lists_problems_the_worst_first(api: Api, client: httpx.AsyncClient) -> None:
    db, worker = api.db, calm(api.db)
    now = db.read(lambda tx: tx.now())
    late = builders.new_schedule("late", next_at=now - 2 * HOUR, runs=3)
    db.run(lambda tx: schedules.insert(tx, [late]))
    for name, ago in (("slow", 10 * 60 * SECOND), ("slower", 3 * HOUR), ("closed", DAY), ("quick", SECOND)):
        builders.backdate(db, builders.insert_one(db, queue=name), run_at=-ago)
    db.run(lambda tx: queues.pause(tx, "closed", by="ann", note=None))
    builders.backdate(db, builders.insert_one(db, lane="command", queue="shell"), run_at=-DAY)
    gone = builders.register(db)
    builders.end_lease(db, gone)
    assert await kinds(client) == [
        ("no-worker", "error", "shell"),
        ("backlog", "error", "slower"),
        ("late", "error", "late"),
        ("backlog", "warning", "slow"),
        ("lost", "warning", gone),
    ]
    assert [kind for kind, *_ in await kinds(client, "?severity=warning")] == ["backlog", "lost"]
    assert [kind for kind, *_ in await kinds(client, "?subject=schedule")] == ["late"]
    texts = [one["text"] for one in good(await client.get("/api/problems"))["problems"]]
    assert all(text.endswith(".") and " ago" in text for text in texts), texts
    assert worker


async def test_problems_are_walked_while_time_goes_by(api: Api, client: httpx.AsyncClient) -> None:
    calm(api.db)
    jobs = []
    for place, name in enumerate("dbca"):
        jobs.append(builders.insert_one(api.db, queue=name))
        builders.backdate(api.db, jobs[-1], run_at=-(40 - place) * 60 * SECOND)
    whole = await kinds(client)
    walked: list[str] = []
    query = "?limit=1"
    while query:
        for place, job_id in enumerate(jobs):  # so that each text is another one at each look
            builders.backdate(api.db, job_id, run_at=-(50 - place + 2 * len(walked)) * 60 * SECOND)
        found = good(await client.get(f"/api/problems{query}"))
        walked += [one["subject"]["id"] for one in found["problems"]]
        query = f"?limit=1&cursor={found['nextCursor']}" if found["nextCursor"] else ""
    assert walked == [name for *_, name in whole] == list("dbca")
    assert await kinds(client, "?q=QUEUE%20a") == [("backlog", "warning", "a")]


async def test_tells_of_schedules_that_fail_in_a_row(api: Api, client: httpx.AsyncClient) -> None:
    worker = calm(api.db)

    def run(name: str, *statuses: str) -> None:
        api.db.run(lambda tx: schedules.insert(tx, [builders.new_schedule(name, next_at=None)]))
        for place, status in enumerate(statuses):
            ended(
                api.db, worker, status=status, ago=(100 - place) * SECOND, origin="schedule", schedule_id=name,
                scheduled_for=place,
            )  # fmt: skip

    run("bad", "completed", "failed", "failed", "failed")
    run("mended", "failed", "failed", "failed", "completed")
    run("twice", "completed", "failed", "failed")
    run("stopped", "failed", "failed", "cancelled", "failed")
    assert sorted(await kinds(client)) == [("failing", "error", "bad"), ("failing", "error", "stopped")]
