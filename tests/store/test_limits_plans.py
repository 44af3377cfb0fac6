"""Claims from queues with limits go by their indexes, whatever the statistics say and however many wait."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from rota.store import claims, limits, queues, rings
from rota.store.database import Database, Tx
from rota.store.picking import Rounds
from rota.store.serving import Request
from tests.store import builders, filling
from tests.store.filling import ID, NUMBERS, Statistics
from tests.store.plans import Plan, recorded

TOTAL = 50_000
WAITING = 100_000
RUNNING = 500

KEYED = """
INSERT INTO rota_jobs (id, type, lane, queue, rank, status, run_at, max_attempts, args, origin, concurrency_key, ring,
  created_at, updated_at)
SELECT [ID], 'type' || (i % 7), 'async', 'queue' || (i % 5), 0, 'pending', i, 4, {json|:args}, 'enqueue',
  'key' || (i % 3000), CASE WHEN i % 10 = 0 THEN '["gpu"]' ELSE '' END || '|key' || (i % 3000), i, i
FROM (SELECT i + 10000000 AS i FROM [NUMBERS]) n
"""
RATES = [{"limit": 100_000, "per": builders.HOUR}, {"limit": 5, "per": builders.HOUR, "scope": "key"}]


def fill(db: Database, statistics: Statistics) -> str:
    """Finished jobs, a few that wait and run, and a great many that wait with keys."""
    worker = filling.fill(db, TOTAL, statistics, RUNNING)
    sql = KEYED.replace("[NUMBERS]", NUMBERS[db.dialect]).replace("[ID]", ID[db.dialect])
    db.run(lambda tx: tx.run(sql, {"total": WAITING, "args": "{}"}))
    builders.execute(db, "INSERT INTO rota_pauses (kind, queue, name, at) VALUES ('type', '', 'type6', 1)")
    for number in range(4):
        limit = {"concurrency": 5000, "key_concurrency": 3, "rate_limits": msgspec.json.encode(RATES).decode()}
        db.run(lambda tx, number=number, limit=limit: queues.change(tx, f"queue{number}", limit))  # type: ignore[misc]
    starts = "SELECT 'queue' || (i % 5), 'key' || i, rota_now(), 1 FROM [NUMBERS]".replace(
        "[NUMBERS]", NUMBERS[db.dialect]
    )
    db.run(lambda tx: tx.run(f"INSERT INTO rota_starts (queue, key, at, starts) {starts}", {"total": 3000}))
    if statistics == "fresh":
        builders.execute(db, "ANALYZE")
    return worker


def act(db: Database, worker: str) -> None:
    rounds = Rounds()
    for _ in range(2):
        found = claims.look(db, Request(worker, {"async": 50, "http": 5}, labels=frozenset({"gpu"})), rounds)
        assert len(found.jobs) >= 50
    db.read(rings.places)
    db.run(lambda tx: limits.unpark(tx, "type6", 5))
    db.run(limits.prune)
    db.read(used)


def used(tx: Tx) -> None:
    queue = queues.get(tx, "queue1")
    assert queue is not None
    limits.usage(tx, queue, "key7")
    for rate in limits.of(queue).rates:
        limits.frees_at(tx, "queue1", rate, tx.now(), ["key7", "key8"])


def faults(plans: list[Plan]) -> list[str]:
    wanted = {
        "rota_jobs_ready", "rota_jobs_ring", "rota_jobs_running", "rota_jobs_running_key", "rota_starts_queue",
        "rota_starts_key",
    }  # fmt: skip
    found = [f"the whole table is read:\n{plan}" for plan in plans if "rota_jobs" in plan.whole]
    missing = wanted - {index for plan in plans for index in plan.indexes}
    return found + [f"goes without {missing}"] * bool(missing)


@pytest.mark.parametrize("statistics", get_args(Statistics))
def test_on_sqlite(lite: Database, statistics: Statistics) -> None:
    worker = fill(lite, statistics)
    with recorded() as plans:
        act(lite, worker)
    assert not (found := faults(plans)), "\n\n".join(found)


@pytest.mark.parametrize("statistics", get_args(Statistics))
def test_on_postgresql(pg: Database, statistics: Statistics) -> None:
    worker = fill(pg, statistics)
    for generic in (False, True):
        with recorded(generic=generic) as plans:
            act(pg, worker)
        assert not (found := faults(plans)), "\n\n".join(found)


def test_an_idle_probe_goes_by_its_indexes(db: Database) -> None:
    worker = builders.register(db)
    builders.insert(db, *[builders.new_job(lane="http") for _ in range(2000)])
    builders.insert(db, *[builders.new_job(lane="http", concurrency_key="a") for _ in range(2000)])
    builders.execute(db, "ANALYZE")
    with recorded() as plans:
        assert builders.claim(db, worker, lanes={"async": 5}) == []
    assert plans
    for plan in plans:
        assert "rota_jobs" not in plan.whole, plan
