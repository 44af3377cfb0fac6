"""Claim, lease and finish by a model: whoever comes late, twice or after its death, the store and the model agree."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rota.store import results, workers
from rota.store.claims import Claimed
from rota.store.database import Database
from tests.store import builders

PLACE = st.integers(0, 11)
WORKERS = 2
MOST_JOBS = 4


class Made(msgspec.Struct):
    """A job as it should be."""

    fails_when_lost: bool
    status: str = "pending"
    attempt: int = 0
    used: int = 0
    lost: int = 0
    holder: int | None = None
    """Which worker, by its place, runs it."""


class Leases(RuleBasedStateMachine):
    """What workers can do, in the store and in the model."""

    db: ClassVar[Database]
    """It is emptied before each run."""

    def __init__(self) -> None:
        super().__init__()
        for table in ("jobs", "attempts", "workers"):
            builders.execute(self.db, f"DELETE FROM rota_{table}")
        self.workers = [builders.register(self.db) for _ in range(WORKERS)]
        self.holds_lease = [True] * WORKERS
        self.made: dict[str, Made] = {}
        self.runs: list[tuple[str, Claimed]] = []
        """Whatever was claimed, by whom, also by those that are dead by now, and what is reported twice."""
        self.told: set[tuple[str, str, int, str]] = set()
        """Results that the store has taken: worker, job, attempt and outcome.  The same again changes nothing."""

    def report(self, place: int, outcome: str, *, again: bool) -> tuple[Made, Claimed, str, bool]:
        """Choose what is reported on, and how that should end."""
        worker, claimed = self.runs[place % len(self.runs)]
        if not again:
            del self.runs[place % len(self.runs)]
        job = self.made[claimed.call.job_id]
        holder = None if job.holder is None else self.workers[job.holder]
        wanted = (job.status, job.attempt, holder) == ("running", claimed.call.attempt, worker)
        if wanted:
            self.told.add((worker, claimed.call.job_id, claimed.call.attempt, outcome))
        return job, claimed, worker, wanted

    def taken(self, worker: str, claimed: Claimed, outcome: str) -> set[str]:
        """What the store should say of it: its id, also where it has said so before."""
        told = (worker, claimed.call.job_id, claimed.call.attempt, outcome) in self.told
        return {claimed.call.job_id} if told else set()

    @initialize(count=st.integers(1, 3), fails_when_lost=st.booleans())
    def begin(self, count: int, fails_when_lost: bool) -> None:
        self.insert(count, fails_when_lost)
        self.claim(0, 1)

    @precondition(lambda self: len(self.made) < MOST_JOBS)
    @rule(count=st.integers(1, 4), fails_when_lost=st.booleans())
    def insert(self, count: int, fails_when_lost: bool) -> None:
        on_lost = "fail" if fails_when_lost else "retry"
        for job_id in builders.insert(self.db, *[builders.new_job(on_lost=on_lost) for _ in range(count)]):
            self.made[job_id] = Made(fails_when_lost)

    @rule(who=st.integers(0, WORKERS - 1), places=st.integers(1, 3))
    def claim(self, who: int, places: int) -> None:
        ready = sum(job.status == "pending" for job in self.made.values())
        found = builders.claim(self.db, self.workers[who], lanes={"async": places})
        assert len(found) == (min(ready, places) if self.holds_lease[who] else 0)
        for one in found:
            job = self.made[one.call.job_id]
            assert job.status == "pending"
            job.status, job.holder, job.attempt = "running", who, job.attempt + 1
            assert one.call.attempt == job.attempt
            self.runs.append((self.workers[who], one))

    @precondition(lambda self: self.runs)
    @rule(place=PLACE, status=st.sampled_from(["completed", "failed"]), again=st.booleans())
    def finish(self, place: int, status: str, again: bool) -> None:
        """``again``: it will be said once more, since the connection was lost at commit, or something else instead."""
        job, claimed, worker, wanted = self.report(place, status, again=again)
        got = builders.end(self.db, worker, claimed, status=status)
        assert got == self.taken(worker, claimed, status)
        if wanted:
            job.status, job.holder, job.used = status, None, job.used + 1

    @precondition(lambda self: self.runs)
    @rule(place=PLACE, outcome=st.sampled_from(["retried", "snoozed", "interrupted"]), again=st.booleans())
    def give_back(self, place: int, outcome: str, again: bool) -> None:
        job, claimed, worker, wanted = self.report(place, outcome, again=again)
        used = int(outcome == "retried")
        got = builders.give_back(self.db, worker, claimed, outcome=outcome, used=used)
        assert got == self.taken(worker, claimed, outcome)
        if wanted:
            job.status, job.holder, job.used = "pending", None, job.used + used

    @rule(who=st.integers(0, WORKERS - 1))
    def let_its_lease_end(self, who: int) -> None:
        if self.holds_lease[who]:
            builders.end_lease(self.db, self.workers[who])
            self.holds_lease[who] = False

    @rule(who=st.integers(0, WORKERS - 1))
    def renew(self, who: int) -> None:
        """In time or late: until somebody has noticed, a late one is as good."""
        worker = self.workers[who]
        assert self.db.run(
            lambda tx: workers.renew(tx, worker, builders.LEASE, running=0, state="running", detail=None)
        )
        self.holds_lease[who] = True

    @rule()
    def sweep(self) -> None:
        """Whose lease is over is lost: its jobs wait again or fail; another worker takes its place."""
        dead = [who for who in range(WORKERS) if not self.holds_lease[who]]
        assert set(self.db.run(workers.expire)) == {self.workers[who] for who in dead}
        fates = {one.id: one.status for one in self.db.run(results.lose)}
        wanted: dict[str, str] = {}
        for job_id, job in self.made.items():
            if job.holder in dead:
                job.lost, job.holder = job.lost + 1, None
                ends = job.fails_when_lost or job.lost >= results.LOST_LIMIT
                job.status = wanted[job_id] = "failed" if ends else "pending"
        assert fates == wanted
        for who in dead:
            self.workers[who], self.holds_lease[who] = builders.register(self.db), True

    @invariant()
    def the_store_says_the_same(self) -> None:
        sql = "SELECT id, status, attempt, attempts_used, lost_count, worker_id FROM rota_jobs"
        rows: list[Any] = self.db.read(lambda tx: tx.rows(sql))
        found = {row[0]: (*row[1:5], row[5] if row[1] == "running" else None) for row in rows}
        assert found == {
            job_id: (
                job.status,
                job.attempt,
                job.used,
                job.lost,
                None if job.holder is None else self.workers[job.holder],
            )
            for job_id, job in self.made.items()
        }

    @invariant()
    def starts_are_numbered_without_a_gap(self) -> None:
        """All but the last are in their own table; the last one too where the job waits again."""
        rows: list[Any] = self.db.read(lambda tx: tx.rows("SELECT job_id, attempt FROM rota_attempts"))
        wanted = {
            (job_id, number)
            for job_id, job in self.made.items()
            for number in range(1, job.attempt + (job.status == "pending"))
        }
        assert sorted(rows) == sorted(wanted)


def test_whoever_comes_late_or_twice(db: Database) -> None:
    run_state_machine_as_test(
        type("LeasesThere", (Leases,), {"db": db}),
        settings=settings(
            max_examples=120,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
