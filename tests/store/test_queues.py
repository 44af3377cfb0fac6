"""Queues: limits, pauses, and what is counted in them."""

from __future__ import annotations

from typing import Any

import pytest

from rota.store import limits, queues
from rota.store.database import Database
from tests.store import builders
from tests.store.builders import HOUR, claim, end, get, insert, insert_one, new_job


def test_limits_are_set_one_by_one(db: Database) -> None:
    given = {"concurrency": 5, "rate_limits": '[{"limit": 1, "limit": 2}]', "defaults": "{ }"}
    db.run(lambda tx: queues.change(tx, "mail", given))
    db.run(lambda tx: queues.change(tx, "mail", {"key_concurrency": 2, "concurrency": None, "retention": '{"a":1}'}))

    queue = db.read(lambda tx: queues.get(tx, "mail"))
    assert queue is not None
    assert (queue.concurrency, queue.key_concurrency, queue.rate_limits) == (None, 2, given["rate_limits"])
    assert (queue.defaults, queue.retention) == ("{ }", '{"a":1}')


def test_unknown_queues_are_not_there(db: Database) -> None:
    assert db.read(lambda tx: queues.get(tx, "none")) is None
    assert not db.run(lambda tx: queues.pause(tx, "none", by=None, note=None))
    assert not db.run(lambda tx: queues.resume(tx, "none"))
    assert db.read(queues.listed) == []


def test_a_pause_keeps_its_beginning(db: Database) -> None:
    insert(db, new_job(queue="b"), new_job(queue="a"))
    assert db.run(lambda tx: queues.pause(tx, "a", by="ann", note="why"))
    first = db.read(lambda tx: queues.get(tx, "a"))
    assert db.run(lambda tx: queues.pause(tx, "a", by="bob", note=None))
    paused, other = db.read(queues.listed)

    assert first is not None and first.paused_note == "why"
    assert (paused.name, paused.paused_at, paused.paused_by, paused.paused_note) == ("a", first.paused_at, "bob", None)
    assert (other.name, other.paused_at) == ("b", None)
    assert db.run(lambda tx: queues.resume(tx, "a"))
    again = db.read(lambda tx: queues.get(tx, "a"))
    assert again is not None and (again.paused_at, again.paused_by) == (None, None)


def test_what_waits_in_a_queue_is_counted_without_what_is_parked(db: Database) -> None:
    """In all lanes, with labels and with keys."""
    insert(db, *(new_job(queue="a", lane=lane, concurrency_key="k") for lane in ("async", "http", "sync")))
    insert(db, new_job(queue="a", lane="http", run_on='["gpu"]'), new_job(queue="a"), new_job(queue="b"))
    mails = insert(db, *(new_job(queue=queue, type="mail", lane=lane) for queue in "ac" for lane in ("async", "sync")))
    db.run(lambda tx: limits.park(tx, mails))
    found = db.read(queues.waiting)
    assert {name: count for name, (count, _) in found.items()} == {"a": 5, "b": 1}


def counted(db: Database) -> dict[tuple[str, str, int], int]:
    rows = db.read(queues.stats)
    assert all(row["oldest"] is not None for row in rows)
    found = {(row["queue"], row["status"], -row["priority"]): row["n"] for row in rows}
    assert len(found) == len(rows)
    return found


def test_jobs_are_counted_by_queue_status_and_priority(db: Database, worker: str) -> None:
    insert(db, *[new_job(queue="a", rank=-5) for _ in range(3)], new_job(queue="a"), new_job(queue="b"))
    insert(db, new_job(queue="a", delay_us=HOUR), new_job(queue="c", delay_us=HOUR))
    first, second = claim(db, worker, queues=("a",), lanes={"async": 2})
    end(db, worker, first, status="failed")

    assert counted(db) == {
        ("a", "pending", -5): 1, ("a", "pending", 0): 1, ("b", "pending", 0): 1, ("a", "scheduled", 0): 1,
        ("c", "scheduled", 0): 1, ("a", "running", -5): 1, ("a", "failed", -5): 1,
    }  # fmt: skip
    oldest = {(row["queue"], row["status"]): row["oldest"] for row in db.read(queues.stats)}
    assert oldest["a", "running"] == get(db, second.call.job_id).started_at


def test_who_waits_for_a_turn_is_pending(db: Database) -> None:
    insert(db, *[new_job(queue=queue, turn_key="k") for queue in ("a", "a", "b")], new_job(queue="a"))
    assert sorted(builders.column(db, "status")) == ["held", "held", "pending", "pending"]
    assert counted(db) == {("a", "pending", 0): 3, ("b", "pending", 0): 1}


def test_counts_are_capped_for_each_queue(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "COUNT_CAP", 4)
    insert(db, *[new_job(queue=queue) for queue in ("a", "b") for _ in range(9)], new_job(queue="c"))
    insert(db, *[new_job(queue="z", delay_us=HOUR) for _ in range(9)])
    assert counted(db) == {
        ("a", "pending", 0): 4, ("b", "pending", 0): 4, ("c", "pending", 0): 1, ("z", "scheduled", 0): 4
    }  # fmt: skip


@pytest.mark.parametrize("name", ["ünïcödé", "a b", "it's", '"q"', "%", "x" * 500])
def test_names_are_only_texts(db: Database, worker: str, name: str) -> None:
    job_id = insert_one(db, queue=name)
    requests: list[dict[str, Any]] = [{}, {"queues": (name,)}, {"start": name}]
    for request in requests:
        (claimed,) = claim(db, worker, **request)
        assert claimed.call.job_id == job_id
        builders.give_back(db, worker, claimed, outcome="interrupted")
