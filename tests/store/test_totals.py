"""Totals: sums that only grow, whatever is deleted, under a bounded number of names."""

from __future__ import annotations

import pytest

from rota.engine.rollups import Rollups
from rota.model import Occurrence
from rota.store import measures, occurrences, retention, rollups, totals
from rota.store.database import Database
from rota.store.totals import OTHERS, Total
from tests.store import builders
from tests.store.builders import DAY, HOUR, SECOND


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has just ended is summed up without the wait for those who commit late."""
    monkeypatch.setattr(rollups, "LATEST_US", -1)


def sum_up(db: Database) -> None:
    """Sum up all."""
    loop = Rollups(db)
    while not loop.run_once():
        pass


def stored(db: Database) -> dict[totals.Key, Total]:
    """All totals."""
    return db.read(totals.read)


def add(db: Database, *keys: totals.Key, ends: int = 1) -> None:
    """Add ends."""
    db.run(lambda tx: totals.add(tx, {key: Total(ends) for key in keys}))


def decide(db: Database, *decided: Occurrence) -> None:
    """Store occurrences."""
    db.run(lambda tx: occurrences.account(tx, decided))


def test_they_grow_with_every_end_and_stay_when_jobs_and_rollups_go(db: Database) -> None:
    worker = builders.register(db)
    ids = []
    for _ in range(2):
        claimed = builders.run_one(db, worker)
        ids.append(claimed.call.job_id)
        builders.end(db, worker, claimed)
        builders.backdate(db, ids[-1], created_at=-HOUR, run_at=-HOUR, started_at=-3 * SECOND, completed_at=-SECOND)
    sum_up(db)
    (one,) = stored(db).values()
    assert list(stored(db)) == [("default", "report", "completed")]
    assert (one.ends, one.timed, one.running_us) == (2, 2, 4 * SECOND)
    assert one.waiting_us == 2 * (HOUR - 3 * SECOND)
    assert (one.running, one.whole) == ({rollups.bucket(2 * SECOND): 2}, {rollups.bucket(HOUR - SECOND): 2})
    assert db.run(lambda tx: retention.delete_jobs(tx, ids)) == 2
    assert db.run(lambda tx: rollups.forget(tx, -DAY, 1000))
    sum_up(db)
    assert stored(db) == {("default", "report", "completed"): one}


def test_two_who_sum_up_the_same_count_it_once(db: Database) -> None:
    worker = builders.register(db)
    builders.end(db, worker, builders.run_one(db, worker))
    found = db.read(rollups.ended)
    assert found is not None
    assert [db.run(lambda tx: rollups.store(tx, found)) for _ in range(2)] == [True, False]
    assert stored(db)["default", "report", "completed"].ends == 1


def test_decisions_about_instants_are_counted_when_nothing_ends(db: Database) -> None:
    builders.put(db)
    decide(db, builders.occurrence(1000), builders.occurrence(2000, disposition="missed"))
    sum_up(db)
    decide(db, builders.occurrence(3000, 9000, disposition="missed"))
    sum_up(db)
    assert db.read(lambda tx: totals.counted(tx, "occurrences")) == {"paused": 1, "missed": 2}
    db.run(lambda tx: retention.delete_occurrences(tx, 1 << 62, 100))
    sum_up(db)
    assert db.read(measures.measure).decided == {"paused": 1, "missed": 2}


def test_names_are_bounded_and_keep_their_place(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "MOST_PAIRS", 2)
    add(db, ("a", "", "completed"), ("b", "", "failed"), ("a", "", "failed"))
    add(db, ("c", "", "completed"), ("d", "", "completed"), ends=100)
    add(db, ("a", "", "completed"), ("c", "", "completed"))
    found = {key: one.ends for key, one in stored(db).items()}
    others = (OTHERS, OTHERS, "completed")
    assert found == {
        ("a", "", "completed"): 2, ("a", "", "failed"): 1, ("b", "", "failed"): 1, others: 201,
    }  # fmt: skip


def test_the_busiest_of_new_names_come_first(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "MOST_PAIRS", 1)
    db.run(lambda tx: totals.add(tx, {("a", "", "completed"): Total(1), ("b", "", "completed"): Total(2)}))
    assert {key[0] for key in stored(db)} == {"b", OTHERS}


def test_what_was_idle_for_long_gives_way(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "MOST_PAIRS", 1)
    add(db, ("a", "", "completed"))
    add(db, ("b", "", "completed"))
    db.run(lambda tx: tx.run("UPDATE rota_totals SET at = at - :idle", {"idle": totals.IDLE_US}))
    add(db, ("c", "", "completed"))
    assert {key[0] for key in stored(db)} == {"c", OTHERS}


def test_counters_add_up(db: Database) -> None:
    for _ in range(2):
        db.run(lambda tx: totals.count(tx, {"deleted/jobs": 3, "deleted/logs": 0, "other/jobs": 1}))
    assert db.read(lambda tx: totals.counted(tx, "deleted")) == {"jobs": 6}
