"""Limits by a model: whatever is done in whatever order, no limit is exceeded, and nothing waits that may start."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from rota.store import queues
from rota.store.claims import Claimed, look
from rota.store.database import Database
from rota.store.picking import Rounds
from rota.store.serving import Request
from tests.store import builders

KEYS = st.sampled_from(["a", "b", "c", None])
LABELS = st.sampled_from([None, '["gpu"]', '["eu","gpu"]', '["tpu"]'])
NAMES = ("q", "r")
LIMIT = st.one_of(st.none(), st.integers(0, 3), st.integers(1, 2))
LIMITS = ("concurrency", "worker_concurrency", "key_concurrency")
HAS = frozenset({"gpu", "eu"})


class Made(msgspec.Struct):
    """A job as it should be."""

    queue: str
    key: str | None
    label: str | None
    type: str
    rank: int
    worker: int | None = None


class Limits(RuleBasedStateMachine):
    """What waits and runs, in the store and in the model."""

    db: ClassVar[Database]
    """It is emptied before each run."""

    def __init__(self) -> None:
        super().__init__()
        for table in ("jobs", "attempts", "workers", "queues", "pauses", "starts"):
            builders.execute(self.db, f"DELETE FROM rota_{table}")
        self.db.known_queues.clear()
        self.workers = [builders.register(self.db) for _ in range(2)]
        self.rounds = [Rounds(), Rounds()]
        self.limits: dict[str, dict[str, int | None]] = {name: dict.fromkeys(LIMITS) for name in NAMES}
        self.paused: set[str] = set()
        self.made: dict[str, Made] = {}
        self.claimed: dict[str, Claimed] = {}

    def running(self, queue: str) -> list[Made]:
        return [job for job in self.made.values() if job.queue == queue and job.worker is not None]

    def may_start(self, job: Made, worker: int) -> bool:
        limits, running = self.limits[job.queue], self.running(job.queue)
        counts = {
            "concurrency": len(running),
            "worker_concurrency": sum(one.worker == worker for one in running),
            "key_concurrency": sum(one.key == job.key for one in running) if job.key else -1,
        }
        labels = set(msgspec.json.decode(job.label)) if job.label else set()
        return (
            job.worker is None
            and job.type not in self.paused
            and labels <= HAS
            and all(limits[name] is None or counts[name] < (limits[name] or 0) for name in LIMITS)
        )

    @rule(
        queue=st.sampled_from(NAMES), keys=st.lists(KEYS, min_size=2, max_size=6), label=LABELS,
        kind=st.sampled_from(["x", "y"]), rank=st.integers(-1, 1), lane=st.sampled_from(["async", "http"]),
    )  # fmt: skip
    def insert(self, queue: str, keys: list[str | None], label: str | None, kind: str, rank: int, lane: str) -> None:
        for key in keys:
            job = {"queue": queue, "type": kind, "rank": rank}
            made = builders.insert_one(self.db, lane=lane, concurrency_key=key, run_on=label, **job)
            self.made[made] = Made(queue, key, label, kind, rank)

    @initialize(values=st.tuples(*[LIMIT] * 6))
    def limit_both(self, values: tuple[int | None, ...]) -> None:
        for number, value in enumerate(values):
            self.limit(NAMES[number % 2], LIMITS[number // 2], value)

    @rule(queue=st.sampled_from(NAMES), name=st.sampled_from(LIMITS), value=LIMIT)
    def limit(self, queue: str, name: str, value: int | None) -> None:
        self.db.run(lambda tx: queues.change(tx, queue, {name: value}))
        self.limits[queue][name] = value

    @rule(kind=st.sampled_from(["x", "y"]))
    def pause_or_resume(self, kind: str) -> None:
        if kind in self.paused:
            builders.execute(self.db, f"DELETE FROM rota_pauses WHERE name = '{kind}'")
        else:
            values = f"VALUES ('type', '', '{kind}', 1)"
            builders.execute(self.db, f"INSERT INTO rota_pauses (kind, queue, name, at) {values}")
        self.paused ^= {kind}

    @rule(worker=st.integers(0, 1), free=st.integers(1, 5))
    def claim_some(self, worker: int, free: int) -> None:
        self.claim(worker, {"async": free, "http": free})

    @rule(worker=st.integers(0, 1))
    def claim_all(self, worker: int) -> None:
        for _ in range(3):
            self.claim(worker, builders.EVERYTHING)
        left = [job for job in self.made.values() if self.may_start(job, worker)]
        assert not left, left

    def claim(self, worker: int, lanes: dict[str, int]) -> None:
        request = Request(self.workers[worker], lanes, labels=HAS)
        found = look(self.db, request, self.rounds[worker])
        assert Counter(one.call.lane for one in found.jobs) <= Counter(lanes)
        for one in found.jobs:
            job = self.made[one.call.job_id]
            assert self.may_start(job, worker), job
            job.worker = worker
            self.claimed[one.call.job_id] = one

    @rule(place=st.integers(0, 20), back=st.booleans())
    def end(self, place: int, back: bool) -> None:
        running = sorted(self.claimed)
        if running:
            job_id = running[place % len(running)]
            one, job = self.claimed.pop(job_id), self.made[job_id]
            assert job.worker is not None
            (builders.give_back if back else builders.end)(self.db, self.workers[job.worker], one)
            job.worker = None
            if not back:
                del self.made[job_id]

    @invariant()
    def the_store_says_the_same(self) -> None:
        sql = "SELECT id FROM rota_jobs WHERE status = 'running'"
        assert {row[0] for row in self.db.read(lambda tx: tx.rows(sql))} == set(self.claimed)


def test_whatever_is_done(db: Database) -> None:
    run_state_machine_as_test(
        type("LimitsThere", (Limits,), {"db": db}),
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
