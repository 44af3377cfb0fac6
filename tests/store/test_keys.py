"""The keys of a queue: what waits and runs of each; and the pauses of keys and types."""

from __future__ import annotations

import pytest

from rota.model import Pause
from rota.store import keys, limits, pauses, queues
from rota.store.database import Database
from rota.store.keys import KeyState
from tests.store import builders
from tests.store.builders import DAY, claim, claim_ids, end, give_back, insert, insert_one, new_job


def look(db: Database, after: str = "", limit: int = 100, queue: str = "default") -> dict[str, tuple[int, int]]:
    """(waiting, running) by key."""
    found = db.read(lambda tx: keys.concurrency(tx, queue, after, limit))
    return {one.key: (one.waiting, one.running) for one in found}


def test_what_waits_and_runs_is_counted_by_key(db: Database, worker: str) -> None:
    insert(db, *(new_job(concurrency_key=key) for key in ("a", "a", "b|x", "ü")), new_job())
    insert(db, new_job(concurrency_key="a", lane="http"), new_job(concurrency_key="a", run_on='["gpu"]'))
    insert(db, new_job(run_on='["gpu"]'), new_job(concurrency_key="c", queue="other"))
    assert look(db) == {"a": (4, 0), "b|x": (1, 0), "ü": (1, 0)}
    claim(db, worker, lanes={"async": 1000}, queues=("default",))
    found = look(db)
    assert found == {"a": (2, 2), "b|x": (0, 1), "ü": (0, 1)}
    assert list(found) == sorted(found)


def test_they_come_in_pages(db: Database, worker: str) -> None:
    insert(db, *(new_job(concurrency_key=f"k{n}", lane=("http", "async")[n % 2]) for n in range(7)))
    claim(db, worker, lanes={"http": 1})
    names: list[str] = []
    while page := list(look(db, names[-1] if names else "", 3)):
        assert len(page) <= 3
        names += page
    assert names == [f"k{n}" for n in range(7)]


def test_a_key_is_counted_up_to_the_cap(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "COUNT_CAP", 3)
    insert(db, *(new_job(concurrency_key="a") for _ in range(5)))
    assert look(db) == {"a": (3, 0)}


def test_what_the_pause_of_its_type_holds_is_counted_too(db: Database, worker: str) -> None:
    first = insert_one(db, concurrency_key="a")
    insert(db, new_job(concurrency_key="b", run_on='["gpu"]'), new_job())
    db.run(lambda tx: limits.park(tx, builders.column(db, "id")))
    assert set(builders.column(db, "ring")) == {"!report|", "!report||a", '!report|["gpu"]|b'}
    (one,) = db.read(lambda tx: keys.concurrency(tx, "default", "", 1))
    assert one == KeyState("a", waiting=1, oldest_at=builders.get(db, first).run_at)
    assert look(db) == {"a": (1, 0), "b": (1, 0)}


class TestOrder:
    def states(self, db: Database, **given: str) -> list[tuple[str, str, int, bool]]:
        found = db.read(lambda tx: keys.ordered(tx, given.get("queue", "default"), given.get("after", ""), 10))
        return [(one.key, one.status, one.waiting, one.blocked) for one in found]

    def test_the_one_whose_turn_it_is_and_who_is_held_behind_it(self, db: Database, worker: str) -> None:
        ids = [insert_one(db, turn_key="order:a") for _ in range(3)]
        insert(db, new_job(turn_key="schedule:x"), new_job(turn_key="order:b", queue="other"))
        assert self.states(db) == [("a", "pending", 2, False)]
        assert self.states(db, queue="other") == [("b", "pending", 0, False)]
        assert self.states(db, after="a") == []
        (claimed,) = [one for one in claim(db, worker) if one.call.job_id == ids[0]]
        give_back(db, worker, claimed, delay_us=DAY, used=1)
        assert self.states(db) == [("a", "scheduled", 2, True)]

    def test_strict_order_also_across_retries(self, db: Database, worker: str) -> None:
        ids = [insert_one(db, turn_key="order:a") for _ in range(3)]
        done = []
        for attempt in range(6):
            (claimed,) = claim(db, worker)
            done.append(claimed.call.job_id)
            if attempt % 2:
                end(db, worker, claimed)
            else:
                give_back(db, worker, claimed, used=1)
        assert done == [ids[0], ids[0], ids[1], ids[1], ids[2], ids[2]]


class TestPauses:
    def test_a_key_is_paused_in_a_queue_or_in_all(self, db: Database, worker: str) -> None:
        here, there = insert_one(db, concurrency_key="a"), insert_one(db, concurrency_key="a", queue="other")
        db.run(lambda tx: pauses.put(tx, Pause(kind="key", queue="other", name="a", note="why", author="ann")))
        assert claim_ids(db, worker) == [here]
        (held,) = db.read(lambda tx: pauses.listed(tx, "key"))
        assert (held.queue, held.name, held.note, held.author, held.at > 0) == ("other", "a", "why", "ann", True)
        db.run(lambda tx: pauses.put(tx, Pause(kind="key", name="a")))
        assert db.run(lambda tx: pauses.end(tx, "key", "a", "other"))
        assert not db.run(lambda tx: pauses.end(tx, "key", "a", "other")), "it has ended"
        assert claim_ids(db, worker) == []
        assert db.run(lambda tx: pauses.end(tx, "key", "a"))
        assert claim_ids(db, worker) == [there]

    def test_a_pause_keeps_its_beginning_and_one_that_is_over_has_a_new_one(self, db: Database) -> None:
        def put(resume_at: int | None = None) -> int:
            db.run(lambda tx: pauses.put(tx, Pause(kind="type", name="report", resume_at=resume_at)))
            found = db.read(lambda tx: pauses.get(tx, "type", "report"))
            assert found is not None
            return found.at

        first = put()
        assert put() == first
        db.run(lambda tx: pauses.end(tx, "type", "report"))
        assert db.read(lambda tx: pauses.get(tx, "type", "report")) is None
        assert db.read(lambda tx: pauses.listed(tx, "type")) == []
        assert [one.name for one in db.read(pauses.over)] == ["report"]
        assert put() > first

    def test_what_was_paused_again_meanwhile_stays_paused(self, db: Database) -> None:
        pause = Pause(kind="type", name="report")
        db.run(lambda tx: pauses.put(tx, pause))
        db.run(lambda tx: pauses.end(tx, "type", "report"))
        db.run(lambda tx: pauses.put(tx, pause))
        assert not db.run(lambda tx: pauses.go_on(tx, pause, 10))
        assert db.read(lambda tx: pauses.get(tx, "type", "report")) is not None

    def test_a_slowed_queue_is_freed_by_resume(self, db: Database) -> None:
        insert_one(db)
        db.run(lambda tx: tx.run("UPDATE rota_queues SET slowed_until = rota_now() + 1000000000, slowed_by = 'job'"))
        found = db.read(lambda tx: queues.get(tx, "default"))
        assert found is not None
        assert found.slowed_until is not None
        assert found.slowed_by == "job"
        db.run(lambda tx: queues.resume(tx, "default"))
        assert builders.column(db, "slowed_until", "rota_queues") == [None]
