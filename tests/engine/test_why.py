"""What is said of jobs that wait, with a clock that is turned by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rota.insight.why import Why, why
from rota.model import Pause
from rota.store import jobs, pauses, queues
from rota.store.database import Database
from rota.store.waiting import MOST_BEFORE
from tests.store import builders
from tests.support.clock import DAY, HOUR, MINUTE, SECOND, HandClock

LANES = '{"command":2,"http":5,"async":3}'


def ask(db: Database, job_id: str) -> Why:
    return db.read(lambda tx: why(tx, builders.get(db, job_id)))


def codes(found: Why) -> list[str]:
    return [cause.code for cause in found.causes]


def wait(db: Database, **given: Any) -> str:
    """A job of queue mail that waits."""
    return builders.insert_one(db, **{"lane": "command", "type": "digest", "queue": "mail", **given})


def set_queue(db: Database, **values: Any) -> None:
    def change(tx: Any) -> None:
        queues.change(tx, "mail", {name: value for name, value in values.items() if name in queues.SETTABLE})
        for name, value in values.items():
            if name not in queues.SETTABLE:
                tx.run(f"UPDATE rota_queues SET {name} = :value WHERE name = 'mail'", {"value": value})

    db.run(change)


@pytest.fixture
def worker(db: Database) -> str:
    """A worker that takes all but jobs with labels."""
    return builders.register(db, lease_us=DAY, lanes=LANES, types='["digest"]')


def ran(db: Database, clock: HandClock, worker: str, *took: int) -> None:
    """Runs of type digest that took so long (µs)."""
    for one in took:
        claimed = builders.run_one(db, worker, lane="command", type="digest", queue="past")
        clock.turn(one)
        builders.end(db, worker, claimed)


class TestReady:
    def test_nothing_is_in_the_way(self, db: Database, worker: str) -> None:
        found = ask(db, wait(db))
        assert (found.text, codes(found), found.until) == (
            "it is ready and will be started in a moment",
            ["ready"],
            None,
        )

    def test_others_before_it(self, db: Database, worker: str) -> None:
        wait(db, rank=-5)
        first, second = wait(db), wait(db)
        assert ask(db, first).text == "it is ready and will be started in a moment; 1 job goes before it"
        wait(db, rank=-9)
        wait(db, rank=1)
        wait(db, queue="other", rank=-9)
        wait(db, concurrency_key="k", rank=-9)
        assert ask(db, second).text == "it is ready and will be started in a moment; 3 jobs go before it"
        assert codes(ask(db, second)) == ["ready", "position"]

    def test_with_a_key_those_of_the_key(self, db: Database, worker: str) -> None:
        wait(db, rank=-1)
        wait(db, concurrency_key="a")
        wait(db, concurrency_key="k")
        assert "; 1 job goes with key k before it" in ask(db, wait(db, concurrency_key="k")).text

    def test_many_are_not_counted(self, db: Database, worker: str) -> None:
        given = {"lane": "command", "queue": "mail"}
        builders.insert(db, *(builders.new_job(**given) for _ in range(MOST_BEFORE + 5)))
        assert f"; at least {MOST_BEFORE} jobs go before it" in ask(db, wait(db)).text

    def test_all_slots_are_taken(self, db: Database, worker: str) -> None:
        for _ in range(2):
            wait(db, queue="other")
        assert len(builders.claim(db, worker)) == 2
        found = ask(db, wait(db))
        assert found.text == "it waits for a free slot (all 2 for commands of 1 worker are taken)"
        assert codes(found) == ["slots-full"]
        assert codes(ask(db, wait(db, lane="http"))) == ["ready"]
        builders.register(db, lease_us=DAY, lanes=LANES)
        assert codes(ask(db, wait(db)))[0] == "ready"

    def test_it_expires(self, db: Database, worker: str) -> None:
        found = ask(db, wait(db, expires_us=HOUR))
        assert found.text.endswith("; it is cancelled unless it starts before 2027-01-15T13:00:00.000Z")
        assert (found.causes[-1].code, found.until) == ("expires", None)
        later = ask(db, wait(db, expires_us=HOUR, delay_us=MINUTE))
        assert codes(later) == ["not-due", "expires"] and later.until == later.causes[0].until


class TestPaused:
    def test_the_queue(self, db: Database, clock: HandClock, worker: str) -> None:
        job_id = wait(db)
        set_queue(db, paused_at=clock.now, paused_by="ann", paused_note="the host moves")
        assert ask(db, job_id).text == "queue mail is paused by ann: the host moves"
        set_queue(db, resume_at=clock.now + HOUR)
        found = ask(db, job_id)
        assert found.text == "queue mail is paused by ann until 2027-01-15T13:00:00.000Z: the host moves"
        assert (codes(found), found.until) == (["queue-paused"], clock.now + HOUR)

    def test_the_type_and_the_key(self, db: Database, clock: HandClock, worker: str) -> None:
        job_id = wait(db, concurrency_key="customer=42")
        db.run(lambda tx: pauses.put(tx, Pause(kind="type", name="digest", author="ann", resume_at=clock.now + HOUR)))
        db.run(lambda tx: pauses.put(tx, Pause(kind="key", queue="mail", name="customer=42", note="unpaid")))
        found = ask(db, job_id)
        assert found.text == (
            "type digest is paused by ann until 2027-01-15T13:00:00.000Z, then key customer=42 is paused: unpaid"
        )
        assert (codes(found), found.until) == (["type-paused", "key-paused"], None)
        clock.turn(2 * HOUR)
        assert codes(ask(db, job_id)) == ["key-paused"]
        db.run(lambda tx: pauses.end(tx, "key", "customer=42", "mail"))
        db.run(lambda tx: pauses.put(tx, Pause(kind="key", name="customer=42")))
        assert codes(ask(db, job_id)) == ["key-paused"]
        db.run(lambda tx: pauses.end(tx, "key", "customer=42"))
        assert codes(ask(db, job_id)) == ["ready"]

    def test_a_pause_that_is_just_over(self, db: Database, worker: str) -> None:
        job_id = wait(db)
        builders.execute(db, "UPDATE rota_jobs SET ring = '!digest|'")
        assert ask(db, job_id).text == "the pause of type digest is over; it will be ready in a moment"


class TestNobody:
    @pytest.mark.parametrize(
        ("worker", "job", "code", "said"),
        [
            ({"lanes": LANES, "queues": '["other"]'}, {}, "no-worker", "no live worker takes queue mail"),
            ({"lanes": '{"http":1}'}, {}, "no-worker", "no live worker runs commands jobs"),
            ({"lanes": LANES, "types": "[]"}, {"lane": "async"}, "no-worker", "no live worker runs job type digest"),
            ({"lanes": LANES, "labels": '["gpu"]'}, {"run_on": '["eu","gpu"]'}, "labels",
             "no live worker has the labels eu, gpu"),
            ({"lanes": LANES, "host": "alpha"}, {"queue": "host:beta"}, "host", "no live worker is on host beta"),
        ],
    )  # fmt: skip
    def test_takes_it(self, db: Database, worker: dict[str, str], job: dict[str, str], code: str, said: str) -> None:
        job_id = wait(db, **job)
        assert ask(db, job_id).text == "no worker lives"
        builders.register(db, lease_us=DAY, **worker)
        found = ask(db, job_id)
        assert (codes(found), found.text) == ([code], said.replace("commands", "command"))

    def test_those_with_the_labels_are_busy(self, db: Database, worker: str) -> None:
        labelled = builders.register(db, lease_us=DAY, lanes='{"command":1}', labels='["eu","gpu"]')
        builders.insert_one(db, lane="command")
        assert len(builders.claim(db, labelled, lanes={"command": 1})) == 1
        found = ask(db, wait(db, run_on='["gpu"]'))
        assert found.text == "it waits for a free slot (all 1 for commands of 1 worker with the labels gpu are taken)"


class TestLimits:
    def start(self, db: Database, worker: str, **given: Any) -> str:
        """A job that is then set to run, whatever the claim thinks of it."""
        job_id = wait(db, **given)
        sql = """
        UPDATE rota_jobs SET status = 'running', attempt = 1, started_at = rota_now(), worker_id = :worker
        WHERE id = :id
        """
        assert db.run(lambda tx: tx.run(sql, {"id": job_id, "worker": worker})) == 1
        return job_id

    def test_a_key_that_is_full(self, db: Database, clock: HandClock, worker: str) -> None:
        ran(db, clock, worker, 5 * MINUTE, 4 * MINUTE, 60 * MINUTE)
        wait(db)
        set_queue(db, key_concurrency=1)
        first = self.start(db, worker, concurrency_key="customer=42")
        clock.turn(2 * MINUTE)
        job_id = wait(db, concurrency_key="customer=42")
        found = ask(db, job_id)
        assert found.text == f"it waits for key customer=42 (1 of 1 used by job {first}, about 3 min)"
        assert (codes(found), found.until) == (["key-full"], None)
        clock.turn(4 * MINUTE)
        assert f"used by job {first}, any moment now)" in ask(db, job_id).text
        assert codes(ask(db, wait(db, concurrency_key="customer=43"))) == ["ready"]

    def test_a_run_of_which_nothing_is_known(self, db: Database, worker: str) -> None:
        wait(db, queue="past")
        set_queue(db, key_concurrency=2)
        first, second = (self.start(db, worker, concurrency_key="k", lane="http") for _ in range(2))
        found = ask(db, wait(db, concurrency_key="k"))
        assert found.text == f"it waits for key k (2 of 2 used by jobs {first} and {second})"

    def test_a_queue_that_is_full(self, db: Database, clock: HandClock, worker: str) -> None:
        ran(db, clock, worker, 10 * SECOND)
        set_queue(db, concurrency=4)
        ids = [self.start(db, worker) for _ in range(4)]
        found = ask(db, wait(db))
        assert found.text == (
            f"it waits for a place in queue mail (4 of 4 used by jobs {ids[0]}, {ids[1]}, {ids[2]} and 1 more, "
            "the first is free in about 10 s), then for a free slot (all 2 for commands of 1 worker are taken)"
        )
        assert codes(found) == ["queue-full", "slots-full"]

    def test_workers_that_are_full(self, db: Database, worker: str) -> None:
        set_queue(db, worker_concurrency=1)
        self.start(db, worker)
        job_id = wait(db)
        found = ask(db, job_id)
        assert found.text == "it waits for a place of queue mail on a worker (the worker that takes it runs 1 of 1)"
        assert codes(found) == ["worker-full"]
        other = builders.register(db, lease_us=DAY, lanes=LANES)
        assert codes(ask(db, job_id)) == ["ready"]
        self.start(db, other)
        assert "(each of 2 workers runs 1 of 1)" in ask(db, job_id).text

    def test_rate_limits_one_after_the_other(self, db: Database, clock: HandClock, worker: str) -> None:
        rates = [
            {"limit": 2, "per": MINUTE, "scope": "queue"},
            {"limit": 1, "per": HOUR, "scope": "key"},
            {"limit": 1000, "per": DAY, "scope": "queue"},
        ]
        set_queue(db, rate_limits=msgspec.json.encode(rates).decode())
        ids = [wait(db, concurrency_key="k"), wait(db, concurrency_key="k"), wait(db), wait(db)]
        assert len(builders.claim(db, worker)) == 2
        waiting = [job_id for job_id in ids if builders.get(db, job_id).status == "pending"]
        texts = [ask(db, job_id) for job_id in waiting]
        keyed = next(one for one, job_id in zip(texts, waiting, strict=True) if job_id in ids[:2])
        assert codes(keyed)[:2] == ["rate-limited", "rate-limited"]
        assert keyed.text.startswith("the rate limit of queue mail (2 in 1m) frees at 2027-01-15T12:01:0")
        assert ", then the rate limit of key k in queue mail (1 in 1h) frees at 2027-01-15T13:00:0" in keyed.text
        assert keyed.until is None or keyed.until >= clock.now + HOUR
        clock.turn(2 * MINUTE)
        assert codes(ask(db, ids[1]))[0] == "rate-limited"
        clock.turn(HOUR)
        assert "rate-limited" not in codes(ask(db, ids[1]))

    def test_what_frees_first_is_said_first(self, db: Database, clock: HandClock, worker: str) -> None:
        rates = [{"limit": 1, "per": HOUR, "scope": "queue"}, {"limit": 1, "per": MINUTE, "scope": "key"}]
        set_queue(db, rate_limits=msgspec.json.encode(rates).decode(), slowed_until=clock.now + DAY)
        wait(db, concurrency_key="k")
        assert len(builders.claim(db, worker)) == 1
        found = ask(db, wait(db, lane="http", concurrency_key="k"))
        ends = [cause.until for cause in found.causes if cause.until is not None]
        assert len(ends) == 3 and ends == sorted(ends)
        assert found.until == clock.now + DAY
        assert "(1 in 1m) frees at 2027-01-15T12:01:0" in found.text.split(", then ")[0]

    def test_the_example_of_the_issue(self, db: Database, clock: HandClock, worker: str) -> None:
        ran(db, clock, worker, 3 * MINUTE)
        rates = msgspec.json.encode([{"limit": 1, "per": 4 * MINUTE, "scope": "queue"}]).decode()
        wait(db)
        set_queue(db, key_concurrency=1, rate_limits=rates)
        builders.execute(db, "DELETE FROM rota_jobs WHERE queue = 'mail'")
        first = wait(db, concurrency_key="customer=42")
        assert builders.claim_ids(db, worker) == [first]
        found = ask(db, wait(db, concurrency_key="customer=42"))
        begun = (
            f"it waits for key customer=42 (1 of 1 used by job {first}, about 3 min), then the rate limit of queue mail"
        )
        assert found.text.startswith(f"{begun} (1 in 4m) frees at 2027-01-15T12:07:0")

    def test_a_queue_that_was_slowed(self, db: Database, clock: HandClock, worker: str) -> None:
        http, command = wait(db, lane="http"), wait(db)
        set_queue(db, slowed_until=clock.now + MINUTE, slowed_by="api.example.org")
        found = ask(db, http)
        assert found.text == "queue mail is slowed until 2027-01-15T12:01:00.000Z, as api.example.org asked"
        assert (codes(found), found.until) == (["slowed"], clock.now + MINUTE)
        assert codes(ask(db, command)) == ["ready"]
        clock.turn(2 * MINUTE)
        assert codes(ask(db, http)) == ["ready"]

    def test_limits_are_told_of_beside_pauses(self, db: Database, clock: HandClock, worker: str) -> None:
        wait(db)
        set_queue(db, concurrency=0, paused_at=clock.now)
        found = ask(db, wait(db))
        assert found.text.startswith("queue mail is paused, then for a place in queue mail (0 of 0 used)")


class TestOthers:
    def test_it_is_due_and_nobody_sees_to_it(self, db: Database, clock: HandClock, worker: str) -> None:
        job_id = wait(db, delay_us=MINUTE)
        clock.turn(2 * MINUTE)
        found = ask(db, job_id)
        assert found.text == (
            "it is due since 2027-01-15T12:01:00.000Z, but no scheduler lives that would see to it: "
            "start `rota scheduler`"
        )
        assert (codes(found), found.until) == (["no-scheduler"], None)
        builders.register(db, lease_us=DAY, role="scheduler")
        assert ask(db, job_id).text == "it is due since 2027-01-15T12:01:00.000Z and will be ready in a moment"

    def test_its_process_is_lost(self, db: Database, clock: HandClock) -> None:
        worker = builders.register(db, lanes=LANES)
        job_id = builders.run_one(db, worker, lane="command", queue="mail").call.job_id
        clock.turn(HOUR)
        found = ask(db, job_id)
        assert codes(found) == ["lost"]
        assert found.text.endswith(
            "that process is lost, and the job is taken from it once a scheduler lives: start `rota scheduler`"
        )
        builders.register(db, lease_us=DAY, role="scheduler")
        assert ask(db, job_id).text.endswith("that process is lost, and the job is taken from it in a moment")

    def test_the_order_of_a_key(self, db: Database, clock: HandClock, worker: str) -> None:
        first, second = wait(db, turn_key="order:account=7"), wait(db, turn_key="order:account=7")
        begun = f"it waits for job {first} of order key account=7 to end, which"
        assert ask(db, second).text == f"{begun} has not been started yet"
        (claimed,) = builders.claim(db, worker)
        builders.give_back(db, worker, claimed, delay_us=MINUTE)
        found = ask(db, second)
        assert found.text == f"{begun} is between retries and starts again at 2027-01-15T12:01:00.000Z"
        assert codes(found) == ["order"]

    def test_parents(self, db: Database, worker: str) -> None:
        parents = [wait(db), wait(db, delay_us=HOUR)]
        child = wait(db, depends_on=msgspec.json.encode(parents).decode())
        found = ask(db, child)
        assert found.text == (
            f"it waits for job {parents[0]}, which has not been started yet, "
            f"and job {parents[1]}, which starts at 2027-01-15T13:00:00.000Z"
        )
        assert codes(found) == ["parents"]
        (claimed,) = builders.claim(db, worker)
        assert "which runs since 2027-01-15T12:00:00.000Z" in ask(db, child).text
        builders.end(db, worker, claimed)
        assert parents[0] not in ask(db, child).text
        assert db.run(lambda tx: jobs.cancel_waiting(tx, parents[1], "ann"))
        found = ask(db, child)
        assert codes(found) == ["parent-failed"] and parents[1] in found.text

    def test_a_parent_that_failed_and_may_be_retried(self, db: Database, worker: str) -> None:
        parent = wait(db)
        child = wait(db, depends_on=msgspec.json.encode([parent]).decode(), if_parent_failed="wait")
        (claimed,) = builders.claim(db, worker)
        builders.end(db, worker, claimed, status="failed", error="no")
        assert ask(db, child).text == (
            f"it waits for job {parent}, which failed at 2027-01-15T12:00:00.000Z; "
            "one that did not complete must be retried"
        )

    def test_not_due_and_between_retries(self, db: Database, clock: HandClock, worker: str) -> None:
        found = ask(db, wait(db, delay_us=HOUR))
        assert (found.text, found.until) == ("it is due at 2027-01-15T13:00:00.000Z", clock.now + HOUR)
        claimed = builders.run_one(db, worker, lane="command")
        builders.give_back(db, worker, claimed, delay_us=MINUTE)
        found = ask(db, claimed.call.job_id)
        assert found.text == "attempt 1 failed; it starts again at 2027-01-15T12:01:00.000Z"
        assert (codes(found), found.until) == (["retrying"], clock.now + MINUTE)
