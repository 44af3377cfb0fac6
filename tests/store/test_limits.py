"""Limits in claims: by queue, worker, key and time; pauses of types and keys; labels; and who comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest

from rota.executor import Call
from rota.store import claims, jobs, limits, queues, results, rings
from rota.store.claims import Claimed, Found
from rota.store.database import Database
from rota.store.limits import Wait
from rota.store.picking import Rounds
from rota.store.serving import Request
from tests.store import builders
from tests.store.builders import HOUR, SECOND, claim, claim_ids, end, get, insert, insert_one, new_job
from tests.support.clock import HandClock, hand_clock

WINDOW = SECOND + SECOND // 10
"""How long a start counts for a limit of a second."""


def limit(db: Database, queue: str = "default", **values: object) -> None:
    if "rate_limits" in values:
        values["rate_limits"] = msgspec.json.encode(values["rate_limits"]).decode()
    db.run(lambda tx: queues.change(tx, queue, values))


def rate(count: int, per: int = SECOND, scope: str = "queue") -> dict[str, object]:
    return {"limit": count, "per": per, "scope": scope}


def fill(db: Database, *keys: str | None, **given: object) -> list[str]:
    """Insert a job for each key."""
    return insert(db, *[new_job(concurrency_key=key, **given) for key in keys])


def keys_of(db: Database, found: list[Claimed]) -> list[str | None]:
    return [get(db, one.call.job_id).concurrency_key for one in found]


def look(db: Database, worker: str, rounds: Rounds | None = None, **given: object) -> Found:
    return claims.look(db, Request(**{"worker": worker, "lanes": builders.EVERYTHING, **given}), rounds)  # type: ignore[arg-type]


def pause(db: Database, kind: str, name: str, queue: str = "", resume_at: int | None = None) -> None:
    sql = """
    INSERT INTO rota_pauses (kind, queue, name, at, resume_at) VALUES (:kind, :queue, :name, rota_now(), :resume_at)
    """
    db.run(lambda tx: tx.run(sql, {"kind": kind, "queue": queue, "name": name, "resume_at": resume_at}))


def resume(db: Database) -> None:
    builders.execute(db, "DELETE FROM rota_pauses")


class TestKeys:
    def test_keyed_jobs_are_claimed_without_any_limit(self, db: Database, worker: str) -> None:
        ids = fill(db, "a", None, "a", "b")
        assert sorted(claim_ids(db, worker)) == sorted(ids)

    def test_a_limit_by_key_counts_what_runs_of_it_anywhere(self, db: Database, worker: str) -> None:
        limit(db, key_concurrency=2)
        fill(db, *["a"] * 5, *["b"] * 5, None)
        first = claim(db, worker)
        assert Counter(keys_of(db, first)) == {"a": 2, "b": 2, None: 1}
        other = builders.register(db)
        found = look(db, other)
        assert (found.jobs, found.waits) == ([], {"default": Wait("keys-full")})

        end(db, worker, next(one for one, key in zip(first, keys_of(db, first), strict=True) if key == "b"))
        assert keys_of(db, claim(db, other)) == ["b"]

    def test_lanes_and_labels_share_the_room_of_a_key(self, db: Database, worker: str) -> None:
        limit(db, key_concurrency=3)
        for lane in ("http", "async", "sync"):
            fill(db, "a", "a", lane=lane)
            fill(db, "a", "a", lane=lane, run_on='["gpu"]')
        assert len(claim(db, worker, labels=frozenset({"gpu"}))) == 3
        assert claim(db, worker, labels=frozenset({"gpu"})) == []

    def test_the_same_key_in_another_queue_is_another_one(self, db: Database, worker: str) -> None:
        for queue in ("q", "r"):
            limit(db, queue, key_concurrency=1)
            fill(db, "a", "a", queue=queue)
        assert sorted(one.call.queue for one in claim(db, worker)) == ["q", "r"]

    def test_each_key_gets_as_much_as_any_other(self, db: Database, worker: str) -> None:
        fill(db, *["a"] * 100, *["b"] * 100, *["c"] * 100)
        rounds, served = Rounds(), Counter[str | None]()
        for free in (1, 2, 1, 5, 7, 2, 2, 4, 50, 1, 1, 3):
            served.update(keys_of(db, look(db, worker, rounds, lanes={"async": free}).jobs))
            assert max(served.values()) - min(served[key] for key in "abc") <= 1
        assert sum(served.values()) == 79

    def test_one_key_with_much_does_not_keep_another_waiting(self, db: Database, worker: str) -> None:
        fill(db, *["a"] * 50)
        fill(db, "b")
        assert "b" in keys_of(db, claim(db, worker, lanes={"async": 2}))

    def test_few_keys_fill_all_slots(self, db: Database, worker: str) -> None:
        fill(db, *["a"] * 30, "b", "c")
        assert len(claim(db, worker, lanes={"async": 25})) == 25

    def test_rank_comes_before_fairness(self, db: Database, worker: str) -> None:
        fill(db, "b", "c", "d")
        urgent = fill(db, *["a"] * 6, rank=-5)
        low = fill(db, "a", rank=5)
        assert claim_ids(db, worker, lanes={"async": 5}) == urgent[:5]
        got = claim_ids(db, worker, lanes={"async": 4})
        assert got[0] == urgent[5]
        assert low[0] not in got

    def test_jobs_without_a_key_stand_in_line_by_time(self, db: Database, worker: str) -> None:
        now = db.read(lambda tx: tx.now())
        plain = insert(db, *[new_job(run_at=now - age * SECOND) for age in (50, 40, 10)])
        keyed = insert(db, *[new_job(run_at=now - age * SECOND, concurrency_key="a") for age in (45, 44, 43)])
        assert claim_ids(db, worker, lanes={"async": 3}) == [plain[0], keyed[0], plain[1]]
        assert claim_ids(db, worker, lanes={"async": 2}) == [keyed[1], plain[2]]
        assert claim_ids(db, worker) == [keyed[2]]

    def test_more_keys_than_a_claim_looks_at(self, db: Database, worker: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("rota.store.picking.MOST_KEYS", 10)
        monkeypatch.setattr("rota.store.picking.MORE_KEYS", 0)
        limit(db, key_concurrency=1)
        names = [f"k{number:02}" for number in range(35)]
        fill(db, *names, *names)
        rounds, served = Rounds(), []
        for _ in range(40):
            found = look(db, worker, rounds, lanes={"async": 4})
            served += keys_of(db, found.jobs)
            if len(served) >= 35:
                break
        assert sorted(served, key=str) == names
        end(db, worker, *[one for one in self.running(db, worker) if get(db, one.call.job_id).concurrency_key == "k07"])
        more = [key for _ in range(5) for key in keys_of(db, look(db, worker, rounds, lanes={"async": 4}).jobs)]
        assert more == ["k07"]

    def running(self, db: Database, worker: str) -> list[Claimed]:
        held = db.read(lambda tx: results.held(tx, worker))
        return [
            msgspec.structs.replace(BLANK, call=msgspec.structs.replace(BLANK.call, job_id=i, attempt=n))
            for i, n in held
        ]

    def test_a_paused_key_waits_and_the_others_go_on(self, db: Database, worker: str) -> None:
        fill(db, "a", "b")
        fill(db, "a", queue="other")
        pause(db, "key", "a", "default")
        assert sorted((one.call.queue, keys_of(db, [one])[0]) for one in claim(db, worker)) == [
            ("default", "b"), ("other", "a"),
        ]  # fmt: skip
        fill(db, "a", queue="third")
        pause(db, "key", "a")
        assert claim(db, worker) == []
        resume(db)
        assert len(claim(db, worker)) == 2

    def test_a_pause_of_a_key_ends_by_itself(self, db: Database, worker: str) -> None:
        fill(db, "a")
        pause(db, "key", "a", resume_at=1)
        assert len(claim(db, worker)) == 1

    def test_keys_may_be_any_text(self, db: Database, worker: str) -> None:
        names = ["", "|", "}", "{", "a|b", "ä", "\U0001f600", "Z", "a", "!x|y", '["gpu"]|k', "%s"]
        limit(db, key_concurrency=1)
        fill(db, *names, *names)
        rounds = Rounds()
        got = [key for _ in range(20) for key in keys_of(db, look(db, worker, rounds, lanes={"async": 2}).jobs)]
        assert Counter(got) == {**dict.fromkeys(names, 1), "": 2}


class TestQueueAndWorker:
    def test_a_limit_by_worker_counts_its_own(self, db: Database, worker: str) -> None:
        limit(db, worker_concurrency=2)
        insert(db, *[new_job() for _ in range(5)])
        assert len(claim(db, worker)) == 2
        found = look(db, worker)
        assert (found.jobs, found.waits) == ([], {"default": Wait("worker-full")})
        assert len(claim(db, builders.register(db))) == 2

    def test_all_limits_together(self, db: Database, worker: str) -> None:
        limit(db, concurrency=6, worker_concurrency=4, key_concurrency=1, rate_limits=[rate(5, HOUR)])
        fill(db, *"abcdefgh", *"abcdefgh", None)
        assert len(claim(db, worker)) == 4
        other = builders.register(db)
        (last,) = claim(db, other)
        assert look(db, other).waits["default"].reason == "rate-limited"
        limit(db, rate_limits=[])
        assert len(claim(db, other)) == 1
        assert look(db, other).waits["default"] == Wait("full")
        end(db, other, last)
        assert len(claim(db, other)) == 1

    @pytest.mark.parametrize("keyed", [False, True])
    def test_every_limit_may_be_changed_live(self, db: Database, worker: str, keyed: bool) -> None:
        def three() -> int:
            builders.execute(db, "DELETE FROM rota_jobs")
            builders.execute(db, "DELETE FROM rota_starts")
            fill(db, *["a" if keyed else None] * 3)
            return len(claim(db, worker))

        names = ["concurrency", "worker_concurrency"] + ["key_concurrency"] * keyed
        for name in names:
            for value, taken in ((2, 2), (0, 0), (1, 1), (None, 3)):
                limit(db, "default", **{name: value})
                assert three() == taken
        for scope in ["queue"] + ["key"] * keyed:
            for value, taken in ((2, 2), (0, 0), (1, 1)):
                limit(db, rate_limits=[rate(value, scope=scope)])
                assert three() == taken
        limit(db, rate_limits=None)
        assert three() == 3

    def test_capacity_of_a_lost_worker_is_free_again(self, db: Database, worker: str) -> None:
        limit(db, concurrency=2, key_concurrency=1)
        fill(db, "a", "b", "a", "b")
        assert len(claim(db, worker)) == 2
        other = builders.register(db)
        assert claim(db, other) == []
        builders.lose(db, worker)
        assert len(claim(db, other)) == 2

    def test_the_end_of_a_job_is_known_to_make_room(self, db: Database, worker: str) -> None:
        insert_one(db, queue="free")
        for number, values in enumerate(({"concurrency": 9}, {"worker_concurrency": 9}, {"key_concurrency": 9})):
            limit(db, f"q{number}", **values)
            insert_one(db, queue=f"q{number}")
        limit(db, "r", rate_limits=[rate(9)])
        insert_one(db, queue="r")
        assert {one.call.queue: one.room is not None for one in claim(db, worker)} == {
            "free": False, "q0": True, "q1": True, "q2": True, "r": False,
        }  # fmt: skip

    def test_a_slowed_queue_starts_no_calls_until_then(self, db: Database, worker: str) -> None:
        call, other = insert_one(db, lane="http"), insert_one(db)
        until = db.read(lambda tx: tx.now()) + HOUR
        db.run(lambda tx: tx.run("UPDATE rota_queues SET slowed_until = :until", {"until": until}))
        found = look(db, worker)
        assert [one.call.job_id for one in found.jobs] == [other]
        assert (found.waits, found.until) == ({"default": Wait("slowed", until)}, until)
        builders.execute(db, "UPDATE rota_queues SET slowed_until = 1")
        assert claim_ids(db, worker) == [call]

    @pytest.mark.parametrize("listed", [None, ("default",)])
    @pytest.mark.parametrize("limited", [True, False])
    def test_a_pause_of_a_queue_ends_by_itself(
        self, db: Database, worker: str, listed: tuple[str, ...] | None, limited: bool
    ) -> None:
        insert_one(db)
        if limited:
            limit(db, concurrency=1)
        builders.execute(db, "UPDATE rota_queues SET paused_at = 1, resume_at = rota_now() + 3600000000")
        assert claim(db, worker, queues=listed) == []
        builders.execute(db, "UPDATE rota_queues SET resume_at = 2")
        assert len(claim(db, worker, queues=listed)) == 1


class TestRates:
    @pytest.fixture
    def clock(self, database_url: str) -> Iterator[HandClock]:
        with hand_clock(database_url) as clock:
            yield clock

    @pytest.fixture
    def db(self, clock: HandClock) -> Database:
        return clock.open()

    @pytest.fixture
    def worker(self, db: Database) -> str:
        return builders.register(db, lease_us=1000 * HOUR)

    def test_starts_within_any_window_are_counted(self, db: Database, worker: str, clock: HandClock) -> None:
        limit(db, rate_limits=[rate(3)])
        insert(db, *[new_job() for _ in range(20)])
        begin = clock.now
        assert len(claim(db, worker, lanes={"async": 1})) == 1
        clock.turn(SECOND // 2)
        found = look(db, worker)
        assert (len(found.jobs), found.again) == (2, True)
        found = look(db, worker)
        assert (found.jobs, found.until, found.now, found.again) == ([], begin + WINDOW, clock.now, False)
        assert found.waits["default"].reason == "rate-limited"

        clock.set(begin + WINDOW - 1)
        assert claim(db, worker) == []
        clock.set(begin + WINDOW)
        assert len(claim(db, worker)) == 1
        clock.set(begin + SECOND // 2 + WINDOW)
        assert len(claim(db, worker)) == 2
        assert look(db, worker).until == begin + 2 * WINDOW

    def test_what_failed_or_was_given_back_counts(self, db: Database, worker: str, clock: HandClock) -> None:
        limit(db, rate_limits=[rate(2)])
        insert(db, *[new_job() for _ in range(3)])
        first, second = claim(db, worker)
        end(db, worker, first, status="failed")
        builders.give_back(db, worker, second)
        assert claim(db, worker) == []
        clock.turn(WINDOW)
        assert len(claim(db, worker)) == 2

    def test_several_at_once(self, db: Database, worker: str, clock: HandClock) -> None:
        limit(db, rate_limits=[rate(2), rate(5, 60 * SECOND)])
        insert(db, *[new_job() for _ in range(20)])
        begin, taken = clock.now, []
        for _ in range(6):
            taken.append(len(claim(db, worker)))
            clock.turn(WINDOW)
        assert taken == [2, 2, 1, 0, 0, 0]
        assert look(db, worker).until == begin + 60 * SECOND + SECOND // 2

    def test_a_limit_by_key(self, db: Database, worker: str, clock: HandClock) -> None:
        limit(db, rate_limits=[rate(1, scope="key")])
        fill(db, "a", "a", "b", "b", None, None)
        begin, found = clock.now, look(db, worker)
        assert (sorted(keys_of(db, found.jobs), key=str), found.again) == ([None, None, "a", "b"], True)
        clock.turn(10)
        found = look(db, worker)
        assert (found.jobs, found.until) == ([], begin + WINDOW)
        clock.set(begin + WINDOW)
        assert sorted(keys_of(db, claim(db, worker)), key=str) == ["a", "b"]

    def test_by_key_and_by_queue(self, db: Database, worker: str, clock: HandClock) -> None:
        limit(db, rate_limits=[rate(3), rate(2, scope="key")])
        fill(db, *["a"] * 5, *["b"] * 5)
        assert Counter(keys_of(db, claim(db, worker))) == {"a": 2, "b": 1}
        clock.turn(WINDOW)
        assert sum(Counter(keys_of(db, claim(db, worker))).values()) == 3

    def test_it_holds_for_workers_together(self, db: Database, worker: str) -> None:
        limit(db, rate_limits=[rate(10)])
        insert(db, *[new_job() for _ in range(100)])
        others = [builders.register(db) for _ in range(4)]
        taken = builders.at_once(
            *[lambda other=other: sum(len(claim(db, other)) for _ in range(20)) for other in others]
        )
        assert sum(taken) == 10

    def test_old_starts_are_forgotten_and_many_made_few(self, db: Database, worker: str, clock: HandClock) -> None:
        limit(db, rate_limits=[rate(1000, HOUR), rate(500, HOUR, "key")])
        fill(db, *["a"] * 300)
        begin = clock.now
        for _ in range(300):
            assert len(claim(db, worker, lanes={"async": 1})) == 1
            clock.turn(SECOND // 10)
        clock.turn(60 * SECOND)
        assert db.run(limits.prune) >= 200
        assert db.run(limits.prune) == 0
        (queue,) = db.read(queues.listed)
        used = db.read(lambda tx: limits.usage(tx, queue, "a"))
        assert [one.used for one in used.rates] == [300, 300]
        rows = db.read(lambda tx: tx.rows("SELECT at, starts FROM rota_starts ORDER BY at"))
        passed = 0
        for at, starts in rows:
            passed += starts
            assert at >= begin + (passed - 1) * SECOND // 10
        clock.turn(HOUR + SECOND)
        db.run(limits.prune)
        assert builders.column(db, "starts", "rota_starts") == []

    def test_usage_says_when_each_frees(self, db: Database, worker: str, clock: HandClock) -> None:
        limit(db, key_concurrency=5, rate_limits=[rate(3), rate(2, HOUR, "key")])
        fill(db, *["a"] * 4, "b")
        begin = clock.now
        taken = claim(db, worker)
        (queue,) = db.read(queues.listed)
        used = db.read(lambda tx: limits.usage(tx, queue, "a"))
        mine = [one.call.job_id for one, key in zip(taken, keys_of(db, taken), strict=True) if key == "a"]
        assert (used.running, used.key_running) == (3, [(job_id, begin) for job_id in sorted(mine)])
        assert [(one.used, one.full, one.frees_at) for one in used.rates] == [
            (3, True, begin + WINDOW), (2, True, begin + HOUR + SECOND // 2),
        ]  # fmt: skip
        none = db.read(lambda tx: limits.usage(tx, queue))
        assert [(one.used, one.full) for one in none.rates] == [(3, True)]


class TestPausedTypes:
    @pytest.mark.parametrize("key", [None, "a"])
    @pytest.mark.parametrize("limited", [True, False])
    def test_they_wait_and_others_go_on(self, db: Database, worker: str, key: str | None, limited: bool) -> None:
        if limited:
            limit(db, concurrency=100)
        wanted = fill(db, *[key] * 30, type="paused", rank=-5)
        other = insert_one(db, type="other", concurrency_key=key)
        pause(db, "type", "paused")
        assert claim_ids(db, worker, lanes={"async": 2}) == [other]
        assert {get(db, job_id).ring for job_id in wanted} == {f"!paused||{key}" if key else "!paused|"}
        resume(db)
        got = [job_id for _ in range(3) for job_id in claim_ids(db, worker)]
        assert got == wanted
        assert {get(db, job_id).ring for job_id in wanted} == {f"|{key}" if key else None}

    def test_the_helper_lets_so_many_go(self, db: Database, worker: str) -> None:
        insert(db, *[new_job(type="paused", lane=lane) for lane in ("async", "http") for _ in range(5)])
        insert(db, *[new_job(type="paus", lane=lane) for lane in ("async", "http")])
        pause(db, "type", "paused")
        pause(db, "type", "paus")
        assert claim(db, worker) == []
        assert [db.run(lambda tx: limits.unpark(tx, "paused", 7)) for _ in range(3)] == [7, 3, 0]
        assert [place.prefix for place in db.read(rings.places)] == ["!paus", "!paus"]

    def test_many_are_touched_once(self, db: Database, worker: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("rota.store.picking.MOST_PARKED", 40)
        insert(db, *[new_job(type="paused") for _ in range(300)])
        last = insert_one(db, type="other")
        pause(db, "type", "paused")
        looks = [look(db, worker, lanes={"async": 3}) for _ in range(20)]
        served = next(number for number, found in enumerate(looks) if found.jobs)
        assert [one.call.job_id for one in looks[served].jobs] == [last]
        assert all(found.again for found in looks[:served])

    def test_a_job_that_was_retried_after_the_pause_is_found(self, db: Database, worker: str) -> None:
        job_id = insert_one(db, type="paused")
        pause(db, "type", "paused")
        assert claim(db, worker) == []
        assert db.run(lambda tx: jobs.cancel_waiting(tx, job_id, None))
        resume(db)
        assert claim(db, worker) == []
        assert db.run(lambda tx: jobs.retry(tx, job_id))
        assert [one for _ in range(2) for one in claim_ids(db, worker)] == [job_id]


class TestLabels:
    def test_a_worker_takes_what_asks_for_no_more_than_it_has(self, db: Database, worker: str) -> None:
        asked = {None: "none", '["gpu"]': "gpu", '["eu","gpu"]': "both", '["eu"]': "eu", '["GPU"]': "other"}
        for labels, name in asked.items():
            insert_one(db, run_on=labels, type=name)
            insert_one(db, run_on=labels, type=name, concurrency_key="k")

        def types(*labels: str) -> Counter[str | None]:
            return Counter(one.call.type for one in claim(db, worker, labels=frozenset(labels)))

        assert types() == {"none": 2}
        assert types("gpu") == {"gpu": 2}
        assert types("gpu", "eu", "de") == {"both": 2, "eu": 2}
        assert types("gpu", "eu") == {}

    def test_labels_beside_limits_and_priorities(self, db: Database, worker: str) -> None:
        limit(db, concurrency=3)
        low, *_ = (insert_one(db, run_on='["gpu"]', rank=5), insert_one(db, run_on='["tpu"]', rank=-9))
        high = insert_one(db, run_on='["gpu"]', rank=-5)
        plain = insert_one(db)
        got = claim_ids(db, worker, labels=frozenset({"gpu"}), lanes={"async": 2})
        assert got == [high, plain]
        assert claim_ids(db, worker, labels=frozenset({"gpu"})) == [low]


def test_what_is_claimed_shows_the_priority_that_was_given(db: Database, worker: str) -> None:
    plain, aged = insert_one(db, rank=-3), insert_one(db, rank=-4)
    builders.execute(db, f"UPDATE rota_jobs SET priority = 7 WHERE id = '{aged}'")
    assert {one.call.job_id: one.call.priority for one in claim(db, worker)} == {plain: 3, aged: 7}


BLANK = Claimed(
    Call("", 1, "async", "default", None, None, "{}", None, 0, None, None, None, None), 0, 0, None, 0, "retry"
)
