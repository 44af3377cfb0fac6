"""Turns by a model: whatever is done in whatever order, the store and a few lines of Python say the same."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from rota.store import due, jobs, results, turns, workers
from rota.store.claims import Claimed
from rota.store.database import Database
from tests.store import builders

KEYS = st.sampled_from(["a", "b", "c", None])
PLACE = st.integers(0, 11)
ACTIVE = ("scheduled", "pending", "running")
WAITING = ("scheduled", "pending", "held")
FINAL = ("completed", "failed", "cancelled")


class Made(msgspec.Struct):
    """A job as it should be."""

    key: str | None
    status: str
    later: bool
    """Its time comes in an hour."""
    cancelled: bool = False
    """It runs and was asked to end."""


class Turns(RuleBasedStateMachine):
    """What can become of jobs, in the store and in the model."""

    db: ClassVar[Database]
    """It is emptied before each run."""

    def __init__(self) -> None:
        super().__init__()
        for table in ("jobs", "attempts", "workers"):
            builders.execute(self.db, f"DELETE FROM rota_{table}")
        self.worker = builders.register(self.db)
        self.made: dict[str, Made] = {}
        self.claimed: dict[str, Claimed] = {}

    def one(self, place: int, *statuses: str) -> str | None:
        """The id of a job in one of these statuses."""
        found = [job_id for job_id, job in sorted(self.made.items()) if job.status in statuses]
        return found[place % len(found)] if found else None

    def active(self, key: str | None) -> bool:
        return any(job.key == key and job.status in ACTIVE for job in self.made.values())

    def release(self, *keys: str | None) -> None:
        for key in keys:
            held = [job for _, job in sorted(self.made.items()) if job.key == key and job.status == "held"]
            if key is not None and held and not self.active(key):
                held[0].status = "scheduled" if held[0].later else "pending"

    def end(self, job_id: str, status: str) -> None:
        self.made[job_id].status = status
        self.claimed.pop(job_id, None)
        self.release(self.made[job_id].key)

    @rule(keys=st.lists(KEYS, min_size=1, max_size=4), later=st.booleans(), backwards=st.booleans())
    def insert(self, keys: list[str | None], later: bool, backwards: bool) -> None:
        delay = builders.HOUR if later else 0
        batch = [builders.new_job(turn_key=key, delay_us=delay) for key in keys]
        self.db.run(lambda tx: jobs.insert(tx, batch[::-1] if backwards else batch))
        for job in batch:
            taken = any(one.key == job.turn_key and one.status not in FINAL for one in self.made.values())
            held = job.turn_key is not None and taken
            self.made[job.id] = Made(job.turn_key, "held" if held else "scheduled" if later else "pending", later)

    @rule()
    def claim(self) -> None:
        for one in builders.claim(self.db, self.worker):
            assert self.made[one.call.job_id].status == "pending"
            self.claimed[one.call.job_id] = one
            self.made[one.call.job_id].status = "running"
        assert self.one(0, "pending") is None

    @rule(place=PLACE, status=st.sampled_from(FINAL))
    def finish(self, place: int, status: str) -> None:
        if (job_id := self.one(place, "running")) is not None:
            assert builders.end(self.db, self.worker, self.claimed[job_id], status=status) == {job_id}
            self.end(job_id, status)

    @precondition(lambda self: len(self.claimed) > 1)
    @rule()
    def finish_all(self) -> None:
        running = list(self.claimed)
        assert builders.end(self.db, self.worker, *self.claimed.values()) == set(running)
        for job_id in running:
            self.made[job_id].status = "completed"
        self.claimed.clear()
        self.release(*{self.made[job_id].key for job_id in running})

    @rule(place=PLACE, later=st.booleans())
    def give_back(self, place: int, later: bool) -> None:
        if (job_id := self.one(place, "running")) is not None:
            delay = builders.HOUR if later else 0
            builders.give_back(self.db, self.worker, self.claimed.pop(job_id), delay_us=delay)
            job = self.made[job_id]
            if job.cancelled:
                self.end(job_id, "cancelled")
            else:
                job.status, job.later = ("scheduled", True) if later else ("pending", job.later)

    @rule(place=PLACE)
    def cancel_waiting(self, place: int) -> None:
        if (job_id := self.one(place, *WAITING)) is not None:
            assert self.db.run(lambda tx: jobs.cancel_waiting(tx, job_id, "ann"))
            self.end(job_id, "cancelled")

    @rule(place=PLACE)
    def request_cancel(self, place: int) -> None:
        if (job_id := self.one(place, "running")) is not None:
            assert self.db.run(lambda tx: jobs.request_cancel(tx, job_id, "ann"))
            self.made[job_id].cancelled = True

    @rule(place=PLACE)
    def retry(self, place: int) -> None:
        if (job_id := self.one(place, *FINAL)) is not None:
            assert self.db.run(lambda tx: jobs.retry(tx, job_id))
            job = self.made[job_id]
            held = job.key is not None and self.active(job.key)
            self.made[job_id] = Made(job.key, "held" if held else "pending", later=False)

    @rule(place=PLACE)
    def run_now(self, place: int) -> None:
        if (job_id := self.one(place, "scheduled")) is not None:
            assert self.db.run(lambda tx: jobs.run_now(tx, job_id))
            self.made[job_id].status, self.made[job_id].later = "pending", False

    @rule()
    def lose(self) -> None:
        running = [job_id for job_id, job in self.made.items() if job.status == "running"]
        builders.end_lease(self.db, self.worker)
        self.db.run(workers.expire)
        fates = {one.id: one.status for one in self.db.run(results.lose)}
        assert fates.keys() == set(running)
        self.worker = builders.register(self.db)
        for job_id, status in fates.items():
            if self.made[job_id].cancelled:
                assert status == "cancelled"
            self.made[job_id].status = status
        self.claimed.clear()
        self.release(*{self.made[job_id].key for job_id in running})

    @rule(place=PLACE)
    def expire(self, place: int) -> None:
        if (job_id := self.one(place, *WAITING)) is not None:
            builders.backdate(self.db, job_id, expires_at=-1)
            assert self.db.run(lambda tx: due.expire(tx, 10)) == [job_id]
            self.end(job_id, "cancelled")

    @rule(place=PLACE)
    def delete(self, place: int) -> None:
        if (job_id := self.one(place, *WAITING, *FINAL)) is not None:
            assert self.db.run(lambda tx: jobs.delete(tx, [job_id])) == 1
            self.release(self.made.pop(job_id).key)

    @rule(keys=st.sets(st.sampled_from(["a", "b"]), min_size=1))
    def clear(self, keys: set[str]) -> None:
        found = self.db.run(lambda tx: turns.clear(tx, keys, "stop", "rota"))
        concerned = [job_id for job_id, job in sorted(self.made.items()) if job.key in keys and job.status not in FINAL]
        assert [one.id for one in found] == concerned
        for one in found:
            job = self.made[one.id]
            assert one.asked == (job.status == "running")
            if one.asked:
                job.cancelled = True
            else:
                job.status = "cancelled"

    @invariant()
    def the_store_says_the_same(self) -> None:
        rows: list[Any] = self.db.read(lambda tx: tx.rows("SELECT id, status FROM rota_jobs"))
        assert dict(rows) == {job_id: job.status for job_id, job in self.made.items()}

    @invariant()
    def nobody_is_left_behind(self) -> None:
        assert self.db.read(lambda tx: turns.idle(tx, 100)).keys == []


def test_whatever_is_done(db: Database) -> None:
    run_state_machine_as_test(
        type("TurnsThere", (Turns,), {"db": db}),
        settings=settings(
            max_examples=30,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
