"""Rollups: every end is counted once, whoever wrote it, with how long it waited and ran."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.store import due, meta, rollups, turns
from rota.store.database import Database, Tx
from rota.store.rollups import BOUNDS, Rollup
from tests.store import builders
from tests.store.builders import DAY, HOUR, SECOND
from tests.support.clock import hand_clock


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has just ended is summed up without the wait for those who commit late; the next end is later than that."""
    monkeypatch.setattr(rollups, "LATEST_US", -1)


def sum_up(db: Database) -> int:
    """Sum up all; how many turns it took."""
    turned = 0
    while (found := db.read(rollups.ended)) is not None:
        db.run(lambda tx, found=found: rollups.store(tx, found))  # type: ignore[misc]
        turned += 1
    return turned


def stored(db: Database, step: int = 60) -> list[tuple[int, str, str, str, Rollup]]:
    """All stretches of a length."""
    return db.read(lambda tx: rollups.between(tx, step, 0, 1 << 62))


def counted(db: Database, step: int = 60) -> Counter[tuple[str, str, str]]:
    """How many ends there are by queue, type and outcome."""
    found: Counter[tuple[str, str, str]] = Counter()
    for _, queue, kind, outcome, one in stored(db, step):
        found[queue, kind, outcome] += one.ends
    return found


def test_counts_ends_of_every_kind(db: Database) -> None:
    worker = builders.register(db)
    for status in ("completed", "failed", "cancelled", "completed"):
        builders.end(db, worker, builders.run_one(db, worker, queue="mail"), status=status)
    builders.end(db, worker, builders.run_one(db, worker, type=None, target='{"kind":"command"}', lane="command"))
    for outcome in ("failed", "timeout", "snoozed", "interrupted"):
        builders.give_back(db, worker, builders.run_one(db, worker), outcome=outcome, delay_us=HOUR)
    sum_up(db)
    wanted = {
        ("mail", "report", "completed"): 2,
        ("mail", "report", "failed"): 1,
        ("mail", "report", "cancelled"): 1,
        ("default", "", "completed"): 1,
        ("default", "report", "retried"): 2,
        ("default", "report", "snoozed"): 1,
        ("default", "report", "interrupted"): 1,
    }
    for step in rollups.STEPS:
        assert counted(db, step) == wanted


def test_counts_what_ends_without_a_worker(db: Database) -> None:
    builders.insert_one(db, turn_key="k")
    db.run(lambda tx: turns.clear(tx, {"k"}, "stop", None))
    builders.insert_one(db, expires_us=0)
    assert len(db.run(lambda tx: due.expire(tx, 10))) == 1
    worker = builders.register(db)
    builders.run_one(db, worker)
    builders.run_one(db, worker, on_lost="fail")
    assert len(builders.lose(db, worker)) == 2
    sum_up(db)
    found = counted(db)
    assert found["default", "report", "lost"] == 1
    assert sum(found.values()) == 4


def test_counts_each_end_once(db: Database) -> None:
    worker = builders.register(db)
    for _ in range(3):
        builders.end(db, worker, builders.run_one(db, worker))
        sum_up(db)
        sum_up(db)
    assert counted(db) == {("default", "report", "completed"): 3}


def test_several_who_sum_up_at_once_count_each_end_once(db: Database) -> None:
    worker = builders.register(db)
    for place in range(60):
        claimed = builders.run_one(db, worker)
        builders.end(db, worker, claimed)
        builders.backdate(db, claimed.call.job_id, completed_at=-place * 60 * SECOND)
    threads = [threading.Thread(target=sum_up, args=(db,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted(db) == {("default", "report", "completed"): 60}


def stored_once(tx: Tx, found: rollups.Ended) -> None:
    rollups.store(tx, found)
    raise RuntimeError


def test_what_fails_to_commit_is_summed_up_again(db: Database) -> None:
    worker = builders.register(db)
    builders.end(db, worker, builders.run_one(db, worker))
    found = db.read(rollups.ended)
    assert found is not None
    with pytest.raises(RuntimeError):
        db.run(lambda tx: stored_once(tx, found))
    assert not counted(db)
    assert db.run(lambda tx: rollups.store(tx, found))
    assert not db.run(lambda tx: rollups.store(tx, found))
    assert counted(db) == {("default", "report", "completed"): 1}


def test_catches_up_minute_by_minute(db: Database) -> None:
    worker = builders.register(db)
    for ago in (DAY, HOUR, 10 * SECOND, 3 * DAY):
        claimed = builders.run_one(db, worker)
        builders.end(db, worker, claimed)
        builders.backdate(db, claimed.call.job_id, completed_at=-ago)
    assert sum_up(db) >= 3
    assert counted(db) == {("default", "report", "completed"): 3}  # one ended before the first who counted


def test_waits_for_those_who_commit_late(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "LATEST_US", HOUR)
    worker = builders.register(db)
    builders.end(db, worker, builders.run_one(db, worker))
    assert db.read(rollups.ended) is None


def test_a_clock_set_back_stops_nothing(db: Database) -> None:
    builders.put_fact(db, rollups.PLACE, str(1 << 60))
    worker = builders.register(db)
    claimed = builders.run_one(db, worker)
    sum_up(db)
    builders.end(db, worker, claimed)
    db.run(lambda tx: meta.put(tx, rollups.PLACE, str(tx.now() - SECOND)))
    sum_up(db)
    assert counted(db) == {("default", "report", "completed"): 1}


def test_what_ends_after_the_clock_was_set_back_is_counted(
    migrated: None, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "LATEST_US", 5 * SECOND)
    with hand_clock(database_url) as clock:
        db = clock.open()

        def end_one() -> None:
            builders.end(db, worker, builders.run_one(db, worker))
            clock.turn(10 * SECOND)
            sum_up(db)

        worker = builders.register(db, lease_us=3 * DAY)
        clock.turn(DAY)
        end_one()
        clock.turn(-DAY)
        sum_up(db)
        for hours in range(1, 27):
            end_one()
            assert sum(counted(db).values()) == 1 + hours + (hours > 24)  # the one that was ahead counts twice
            clock.turn(HOUR)


def test_measures_waiting_and_running(db: Database) -> None:
    worker = builders.register(db)
    change = "UPDATE rota_jobs SET created_at = :ready, run_at = :ready, started_at = :start, completed_at = :end"
    # All end in the same moment, thus in the same stretch of every length.
    end = db.read(lambda tx: tx.now()) - 10 * SECOND
    for waited, ran in ((0, 5), (2, 5), (2, 0)):
        claimed = builders.run_one(db, worker)
        builders.end(db, worker, claimed)
        start = end - ran * SECOND
        times = {"ready": start - waited * SECOND, "start": start, "end": end, "id": claimed.call.job_id}
        db.run(lambda tx, times=times: tx.run(f"{change} WHERE id = :id", times))  # type: ignore[misc]
    sum_up(db)
    for step in rollups.STEPS:
        ((*_, one),) = stored(db, step)
        assert (one.ends, one.timed, one.waiting_us, one.running_us) == (3, 3, 4 * SECOND, 10 * SECOND)
        assert one.waiting == {0: 1, rollups.bucket(2 * SECOND): 2}
        assert one.running == {0: 1, rollups.bucket(5 * SECOND): 2}


def test_does_not_measure_what_never_started(db: Database) -> None:
    worker = builders.register(db)
    claimed = builders.run_one(db, worker)
    builders.give_back(db, worker, claimed, delay_us=HOUR)
    builders.backdate(db, claimed.call.job_id, completed_at=-1)
    db.run(lambda tx: tx.run("UPDATE rota_jobs SET status = 'failed' WHERE id = :id", {"id": claimed.call.job_id}))
    sum_up(db)
    found = {row[3]: row[4] for row in stored(db)}
    assert (found["failed"].ends, found["failed"].timed, found["failed"].running) == (1, 0, {})


def test_is_narrowed_by_queue_and_type(db: Database) -> None:
    worker = builders.register(db)
    for queue, kind in (("a", "x"), ("a", "y"), ("b", "x")):
        builders.end(db, worker, builders.run_one(db, worker, queue=queue, type=kind))
    sum_up(db)
    found = db.read(lambda tx: rollups.between(tx, 900, 0, 1 << 62, queue="a", type_name="y"))
    assert [row[1:3] for row in found] == [("a", "y")]


def test_is_forgotten_in_time(db: Database) -> None:
    worker = builders.register(db)
    builders.end(db, worker, builders.run_one(db, worker))
    sum_up(db)
    assert db.run(lambda tx: rollups.forget(tx, 400 * DAY, 100)) == 0
    ages = (3 * DAY, 9 * DAY, 401 * DAY)
    left = []
    for ago in ages:
        builders.execute(db, f"UPDATE rota_rollups SET at = rota_now() - {ago}")
        db.run(lambda tx: rollups.forget(tx, 400 * DAY, 100))
        left.append({row[0] for row in db.read(lambda tx: tx.rows("SELECT step FROM rota_rollups"))})
    assert left == [{900, 7200, 21_600}, {7200, 21_600}, set()]


@pytest.mark.parametrize("value", [-5, 0, 999, 1000, 1001, *BOUNDS, *(bound - 1 for bound in BOUNDS), 1 << 60])
def test_the_database_sorts_durations_as_python_does(lite: Database, value: int) -> None:
    sql = f"SELECT {rollups._bucket('d.value')} FROM (SELECT CAST(:value AS bigint) AS value) d"  # noqa: SLF001
    assert lite.read(lambda tx: tx.value(sql, {"value": value})) == rollups.bucket(value)


@given(st.lists(st.integers(0, 10**11)))
def test_sums_are_the_same_in_whatever_order(values: list[int]) -> None:
    parts = [Rollup(1, 1, value, 0, {rollups.bucket(value): 1}) for value in values]
    forward, backward = Rollup(), Rollup()
    for part in parts:
        forward.add(part)
    for part in reversed(parts):
        backward.add(part)
    assert forward == backward
    assert sum(forward.waiting.values()) == forward.ends == len(values)
