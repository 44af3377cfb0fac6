"""Claims: which jobs a worker gets, in which order, and which it does not."""

from __future__ import annotations

import itertools

import pytest

from rota.store import claims, queues, workers
from rota.store.database import Database
from rota.store.serving import Request
from tests.store import builders
from tests.store.builders import (
    HOUR,
    SECOND,
    backdate,
    claim,
    claim_ids,
    end,
    get,
    insert,
    insert_one,
    new_job,
    run_one,
)


def test_a_claimed_job_runs_under_the_workers_lease(db: Database, worker: str) -> None:
    given = {"type": "report", "lane": "http", "queue": "mail", "rank": -3, "timeout_us": 7, "on_lost": "fail"}
    origin = {"schedule_id": "s", "scheduled_for": 5, "started_by": "ann", "callback_url": "http://x/"}
    texts = {"target": '{"kind":"http"}', "args": '{"a": 1}', "retry": '{"base":1}'}
    job_id = insert_one(db, max_attempts=9, **given, **origin, **texts)
    (claimed,) = claim(db, worker)

    job = get(db, job_id)
    assert (job.status, job.worker_id, job.attempt, job.attempts_used) == ("running", worker, 1, 0)
    assert job.started_at == claimed.started_at == job.updated_at
    call = claimed.call
    assert (call.job_id, call.attempt, call.lane, call.queue, call.type) == (job_id, 1, "http", "mail", "report")
    assert (call.target, call.args, call.timeout_us, call.created_at) == (job.target, job.args, 7, job.created_at)
    assert (call.scheduled_for, call.schedule_id, call.started_by, call.callback_url) == (5, "s", "ann", "http://x/")
    assert (call.max_attempts, call.attempts_used, call.priority, call.previous) == (9, 0, 3, None)
    assert (claimed.run_at, claimed.retry, claimed.log_lines, claimed.on_lost) == (job.run_at, job.retry, 0, "fail")


def test_priority_then_due_time_then_id(db: Database, worker: str) -> None:
    now = db.read(lambda tx: tx.now())
    wanted = [
        new_job(rank=rank, run_at=now - age * SECOND) for rank, age in itertools.product((-5, 0, 5), (30, 20, 20, 10))
    ]
    insert(db, *wanted[1::2], *wanted[::2])
    assert claim_ids(db, worker) == [job.id for job in wanted]


def test_batches_follow_the_same_order(db: Database, worker: str) -> None:
    ranks = [3, -1, 0, -7, 5, 0, -1, 2, 0]
    ids = insert(db, *[new_job(rank=rank) for rank in ranks])
    wanted = [job_id for _, job_id in sorted(zip(ranks, ids, strict=True))]
    got = [job_id for _ in range(5) for job_id in claim_ids(db, worker, lanes={"async": 2})]
    assert got == wanted


def test_nothing_is_claimed_twice_or_early(db: Database, worker: str) -> None:
    later = insert_one(db, delay_us=HOUR)
    ready = insert_one(db)
    assert claim_ids(db, worker) == [ready]
    assert claim(db, worker) == []
    assert get(db, later).status == "scheduled"


def test_an_expired_job_is_not_started(db: Database, worker: str) -> None:
    expired, fresh = insert_one(db, expires_us=HOUR), insert_one(db, expires_us=HOUR)
    backdate(db, expired, expires_at=-1)
    assert claim_ids(db, worker) == [fresh]


class TestLanes:
    def test_each_lane_has_its_own_slots(self, db: Database, worker: str) -> None:
        for lane in ("async", "http", "sync", "command"):
            insert(db, *[new_job(lane=lane) for _ in range(4)])
        got = claim(db, worker, lanes={"http": 3, "async": 1, "sync": 2})
        assert sorted(one.call.lane for one in got) == ["async", "http", "http", "http", "sync", "sync"]

    def test_a_full_lane_keeps_no_other_waiting(self, db: Database, worker: str) -> None:
        insert(db, *[new_job(lane="http", rank=-100) for _ in range(5)])
        honest = insert_one(db, lane="async", rank=100)
        assert claim_ids(db, worker, lanes={"async": 1}) == [honest]

    def test_slots_are_filled_from_several_queues(self, db: Database, worker: str) -> None:
        insert(db, *[new_job(queue=queue) for queue in ("a", "b", "c") for _ in range(2)])
        got = claim(db, worker, lanes={"async": 5})
        assert [one.call.queue for one in sorted(got, key=lambda one: one.call.queue)] == ["a", "a", "b", "b", "c"]


class TestQueues:
    def test_listed_queues_in_order_of_preference(self, db: Database, worker: str) -> None:
        insert(db, *[new_job(queue=queue) for queue in ("a", "b", "c", "d") for _ in range(2)])
        got = claim(db, worker, queues=("c", "none", "a", "b"), lanes={"async": 5})
        assert sorted(one.call.queue for one in got) == ["a", "a", "b", "c", "c"]
        assert [one.call.queue for one in claim(db, worker, queues=("c", "a", "b"))] == ["b"]
        assert claim(db, worker, queues=("c", "none")) == []

    def test_a_queue_listed_twice_gives_its_jobs_once(self, db: Database, worker: str) -> None:
        job_id = insert_one(db, queue="a")
        assert claim_ids(db, worker, queues=("a", "a")) == [job_id]

    def test_all_queues_are_served_also_new_ones(self, db: Database, worker: str) -> None:
        claim(db, worker)
        job_id = insert_one(db, queue="never seen")
        assert claim_ids(db, worker) == [job_id]

    def test_the_start_queue_comes_first(self, db: Database, worker: str) -> None:
        insert(db, *[new_job(queue=queue) for queue in ("a", "b", "c")])
        served = [claim(db, worker, start=start, lanes={"async": 1})[0].call.queue for start in ("b", "b", "b")]
        assert served == ["b", "c", "a"]

    @pytest.mark.parametrize("listed", [None, ("a", "b")])
    def test_a_paused_queue_gives_nothing_until_resumed(
        self, db: Database, worker: str, listed: tuple[str, ...] | None
    ) -> None:
        paused, other = insert_one(db, queue="a"), insert_one(db, queue="b")
        assert db.run(lambda tx: queues.pause(tx, "a", by="ann", note="n"))
        assert claim_ids(db, worker, queues=listed) == [other]
        assert db.run(lambda tx: queues.resume(tx, "a"))
        assert claim_ids(db, worker, queues=listed) == [paused]

    def test_a_paused_queue_with_a_limit_gives_nothing(self, db: Database, worker: str) -> None:
        insert_one(db, queue="a")
        db.run(lambda tx: queues.change(tx, "a", {"concurrency": 5}))
        db.run(lambda tx: queues.pause(tx, "a", by=None, note=None))
        assert claim(db, worker) == []


class TestConcurrency:
    def limit(self, db: Database, queue: str, concurrency: int | None) -> None:
        db.run(lambda tx: queues.change(tx, queue, {"concurrency": concurrency}))

    def test_a_limit_counts_what_runs_anywhere(self, db: Database, worker: str) -> None:
        insert(db, *[new_job(queue="a", lane=lane) for lane in ("http", "async") for _ in range(4)])
        self.limit(db, "a", 3)
        first = claim(db, worker, lanes={"http": 2, "async": 1})
        other = builders.register(db)
        assert (len(first), claim(db, other)) == (3, [])

        end(db, worker, first[0])
        builders.give_back(db, worker, first[1], delay_us=HOUR)
        assert len(claim(db, other)) == 2

    def test_lanes_share_the_room(self, db: Database, worker: str) -> None:
        insert(db, *[new_job(queue="a", lane=lane) for lane in ("http", "async", "sync") for _ in range(4)])
        self.limit(db, "a", 5)
        assert len(claim(db, worker)) == 5
        assert claim(db, worker) == []

    def test_a_limit_of_nothing_and_none(self, db: Database, worker: str) -> None:
        job_id = insert_one(db, queue="a")
        self.limit(db, "a", 0)
        assert claim(db, worker) == []
        self.limit(db, "a", None)
        assert claim_ids(db, worker) == [job_id]

    def test_a_limit_does_not_lose_a_queue_its_place(self, db: Database, worker: str) -> None:
        insert(db, *[new_job(queue=queue) for queue in ("busy", "limited") for _ in range(10)])
        self.limit(db, "limited", 2)
        got = claim(db, worker, queues=("limited", "busy"), lanes={"async": 4})
        assert sorted(one.call.queue for one in got) == ["busy", "busy", "limited", "limited"]
        got = claim(db, worker, start="limited", lanes={"async": 4})
        assert [one.call.queue for one in got] == ["busy"] * 4

    def test_other_queues_go_on_beside_a_full_one(self, db: Database, worker: str) -> None:
        insert(db, *[new_job(queue=queue) for queue in ("a", "b") for _ in range(3)])
        self.limit(db, "a", 1)
        assert sorted(one.call.queue for one in claim(db, worker)) == ["a", "b", "b", "b"]

    def test_many_claimers_never_exceed_it(self, db: Database) -> None:
        """Each thread claims, notes how many run, and ends what it has; the limit is seen from inside the database."""
        total, limit = 120, 3
        insert(db, *[new_job(queue="a", lane=lane) for lane in ("http", "async") for _ in range(total // 2)])
        self.limit(db, "a", limit)
        count = "SELECT count(*) FROM rota_jobs WHERE status = 'running'"
        ended: list[str] = []

        def drain() -> int:
            worker, most = builders.register(db, lease_us=builders.HOUR), 0
            while len(ended) < total:
                claimed = claim(db, worker, lanes={"http": 2, "async": 2})
                most = max(most, int(db.read(lambda tx: tx.value(count))))
                ended.extend(end(db, worker, *claimed) if claimed else ())
            return most

        most = builders.at_once(*[drain] * 5)
        assert max(most) == limit
        assert len(ended) == len(set(ended)) == total


class TestForeignTypes:
    def test_declared_types_without_code_are_left_alone(self, db: Database, worker: str) -> None:
        mine, theirs, inline = (
            insert_one(db, type="mine"),
            insert_one(db, type="theirs", rank=-9),
            insert_one(db, type=None),
        )
        assert claim_ids(db, worker, foreign=("theirs", "others")) == [mine, inline]
        assert get(db, theirs).status == "pending"
        assert claim_ids(db, worker, foreign=("others",)) == [theirs]

    def test_beside_a_limit_too(self, db: Database, worker: str) -> None:
        mine, _ = insert_one(db, type="mine"), insert_one(db, type="theirs")
        db.run(lambda tx: queues.change(tx, "default", {"concurrency": 10}))
        assert claim_ids(db, worker, foreign=("theirs",)) == [mine]


class TestLease:
    def test_without_a_lease_nothing_is_claimed(self, db: Database, worker: str) -> None:
        insert_one(db)
        builders.end_lease(db, worker)
        assert claim(db, worker) == []
        assert claim(db, builders.new_job().id) == []

    @pytest.mark.parametrize("limited", [False, True])
    def test_a_draining_or_lost_worker_claims_nothing(self, db: Database, worker: str, limited: bool) -> None:
        job_id = insert_one(db)
        if limited:
            db.run(lambda tx: queues.change(tx, "default", {"concurrency": 1}))
        db.run(lambda tx: workers.renew(tx, worker, builders.LEASE, running=0, state="draining", detail=None))
        assert claim(db, worker) == []
        builders.lose(db, worker)
        assert claim(db, worker) == []
        assert (get(db, job_id).status, get(db, job_id).attempt) == ("pending", 0)


class TestPreviousResult:
    def run(self, db: Database, worker: str, at: int | None, result: str, status: str = "completed") -> str | None:
        claimed = run_one(db, worker, schedule_id="s", scheduled_for=at)
        end(db, worker, claimed, status=status, result=result)
        return claimed.call.previous

    def test_it_is_that_of_the_last_good_run(self, db: Database, worker: str) -> None:
        assert self.run(db, worker, 10, '{"n": 1}') is None
        assert self.run(db, worker, 30, '{"n": 3}') == '{"n": 1}'
        assert self.run(db, worker, 20, '{"n": 2}') == '{"n": 3}'
        assert self.run(db, worker, 40, '{"n": 4}', status="failed") == '{"n": 3}'
        assert self.run(db, worker, None, '{"n": 5}') == '{"n": 3}'
        assert self.run(db, worker, 50, '{"n": 6}') == '{"n": 3}'

    def test_commands_and_calls_do_not_get_it(self, db: Database, worker: str) -> None:
        self.run(db, worker, 10, "1")
        claimed = run_one(db, worker, schedule_id="s", scheduled_for=20, lane="http")
        assert claimed.call.previous is None


def test_four_threads_start_each_job_exactly_once(db: Database) -> None:
    total = 2000
    insert(db, *[new_job(lane=lane) for lane in ("async", "http") for _ in range(total // 2)])

    def drain() -> list[tuple[str, int]]:
        worker, done = builders.register(db, lease_us=builders.HOUR), []
        while claimed := claims.claim(db, Request(worker, {"async": 25, "http": 15})):
            assert end(db, worker, *claimed) == {one.call.job_id for one in claimed}
            done += [(one.call.job_id, one.call.attempt) for one in claimed]
        return done

    done = [one for part in builders.at_once(*[drain] * 4) for one in part]
    assert len(done) == len(set(done)) == total
    assert {attempt for _, attempt in done} == {1}
    assert set(builders.column(db, "status")) == {"completed"}
