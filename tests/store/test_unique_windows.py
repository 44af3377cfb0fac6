"""Keys that are held for a time, whatever becomes of the job; and waiting jobs that become what a later call says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rota.actions import jobs as actions
from rota.model import NewJob
from rota.store import due, jobs, replacing, results, turns, unique
from rota.store.database import Database, Tx
from tests.store import builders
from tests.store.builders import HOUR, SECOND, at_once, claim, get, insert_one, new_job
from tests.store.interleaving import Other, after, both_ends, once

MINUTE = 60 * SECOND


def windowed(**given: object) -> NewJob:
    """A job that holds the key for a minute."""
    return new_job(**{"unique_key": "k", "unique_scope": "window:1m", "unique_for_us": MINUTE, **given})


def store(db: Database, job: NewJob) -> actions.Enqueued:
    (stored,) = db.run(lambda tx: actions.store(tx, [job]))
    return stored


def holder(db: Database) -> str | None:
    return db.read(lambda tx: unique.holder(tx, "k"))


def let_the_window_end(db: Database, job_id: str) -> None:
    builders.backdate(db, job_id, unique_until=-1)


def finish(db: Database, worker: str, job_id: str) -> None:
    builders.end(db, worker, *claim(db, worker))


def fail(db: Database, worker: str, job_id: str) -> None:
    builders.end(db, worker, *claim(db, worker), status="failed")


def cancel(db: Database, worker: str, job_id: str) -> None:
    assert db.run(lambda tx: jobs.cancel_waiting(tx, job_id, None))


def cancel_running(db: Database, worker: str, job_id: str) -> None:
    claimed = claim(db, worker)
    db.run(lambda tx: jobs.request_cancel(tx, job_id, None))
    builders.give_back(db, worker, *claimed)


def lose(db: Database, worker: str, job_id: str) -> None:
    builders.execute(db, "UPDATE rota_jobs SET on_lost = 'fail'")
    other = builders.register(db)
    assert claim(db, other)
    assert [one.status for one in builders.lose(db, other)] == ["failed"]


def expire(db: Database, worker: str, job_id: str) -> None:
    builders.backdate(db, job_id, expires_at=-1)
    assert db.run(lambda tx: due.expire(tx, 10)) == [job_id]


def make_way(db: Database, worker: str, job_id: str) -> None:
    builders.execute(db, "UPDATE rota_jobs SET turn_key = 't'")
    assert db.run(lambda tx: turns.clear(tx, ["t"], "stop", None))


ENDS = (finish, fail, cancel, cancel_running, lose, expire, make_way)


@pytest.mark.parametrize("end", ENDS)
def test_a_window_outlasts_every_end_of_its_job(
    db: Database, worker: str, end: Callable[[Database, str, str], None]
) -> None:
    first = store(db, windowed()).id
    end(db, worker, first)
    assert get(db, first).completed_at is not None
    assert store(db, windowed()) == actions.Enqueued(first, existing=True)
    let_the_window_end(db, first)
    assert holder(db) is None
    second = store(db, windowed())
    assert (second.existing, second.id != first, holder(db)) == (False, True, second.id)


@pytest.mark.parametrize("end", ENDS)
def test_without_a_window_every_end_frees_the_key(
    db: Database, worker: str, end: Callable[[Database, str, str], None]
) -> None:
    first = insert_one(db, unique_key="k", unique_scope="active")
    end(db, worker, first)
    assert holder(db) is None


def test_a_window_lasts_from_the_creation(db: Database) -> None:
    first = get(db, store(db, windowed(delay_us=HOUR)).id)
    assert first.unique_until == first.created_at + MINUTE


def test_a_job_that_runs_longer_than_its_window_gives_the_key_up(db: Database, worker: str) -> None:
    first = store(db, windowed()).id
    (claimed,) = claim(db, worker)
    assert store(db, windowed()).existing
    let_the_window_end(db, first)
    second = store(db, windowed()).id
    builders.end(db, worker, claimed)
    assert holder(db) == second


def test_a_retry_within_the_window_and_after_it(db: Database, worker: str) -> None:
    first = store(db, windowed()).id
    fail(db, worker, first)
    assert db.run(lambda tx: jobs.retry(tx, first))
    assert holder(db) == first
    let_the_window_end(db, first)
    second = store(db, windowed()).id
    fail(db, worker, first)
    assert db.run(lambda tx: jobs.retry(tx, first))  # it has had its window
    assert (get(db, first).status, holder(db)) == ("pending", second)


def test_a_retry_takes_the_key_from_a_window_that_is_over(db: Database, worker: str) -> None:
    plain = insert_one(db, unique_key="k", unique_scope="active")
    fail(db, worker, plain)
    first = store(db, windowed()).id
    let_the_window_end(db, first)
    assert db.run(lambda tx: jobs.retry(tx, plain))
    assert holder(db) == plain


def test_many_who_take_a_key_over_at_once_store_one_job(db: Database) -> None:
    first = store(db, windowed()).id
    for _ in range(3):
        let_the_window_end(db, first)
        found = at_once(*(lambda: store(db, windowed()) for _ in range(6)))
        assert [one.existing for one in found].count(False) == 1
        assert len({one.id for one in found}) == 1
        first = found[0].id


@both_ends
def test_two_who_take_a_key_over(pg: Database, other: Other, commit: bool) -> None:
    first = store(pg, windowed()).id
    let_the_window_end(pg, first)
    ours, theirs = windowed(), windowed()
    found = after(
        pg, other, lambda tx: actions.store(tx, [ours]),
        lambda: once(pg, lambda tx: actions.store(tx, [theirs])), commit=commit,
    )  # fmt: skip
    assert found == [actions.Enqueued(ours.id, existing=True) if commit else actions.Enqueued(theirs.id)]


# -- replacing --------------------------------------------------------------------------------------------------------


def keyed(**given: object) -> NewJob:
    return new_job(**{"unique_key": "k", "unique_scope": "active", "if_exists": "replace", **given})


def test_a_waiting_job_becomes_what_a_later_call_says(db: Database) -> None:
    first = store(db, keyed(args='{"n": 1}', delay_us=HOUR, tags='["a"]', started_by="ann", turn_key="t"))
    before = get(db, first.id)
    later = keyed(
        args='{"n": 2}', rank=-5, queue="mail", type="other", max_attempts=9, timeout_us=7, retry='{"delays":[1]}',
        concurrency_key="c", run_on='["gpu"]', on_lost="fail", callback_url="http://x/", started_by="bob",
        expires_us=HOUR, unique_scope="window:1m", unique_for_us=MINUTE,
    )  # fmt: skip
    assert store(db, later) == actions.Enqueued(first.id, existing=True, replaced=True)
    found = get(db, first.id)
    for name in ("args", "rank", "queue", "type", "max_attempts", "timeout_us", "retry", "concurrency_key", "run_on",
                 "on_lost", "callback_url", "started_by", "tags", "unique_scope"):  # fmt: skip
        assert getattr(found, name) == getattr(later, name), name
    assert (found.id, found.run_at, found.status, found.turn_key) == (first.id, before.run_at, "scheduled", "t")
    assert (found.created_at, found.unique_until) == (before.created_at, before.created_at + MINUTE)
    assert found.ring == '["gpu"]|c'
    assert found.expires_at is not None
    assert "mail" in builders.column(db, "name", "rota_queues")


def test_its_place_in_time_moves_only_where_it_is_said(db: Database) -> None:
    first = store(db, keyed(delay_us=HOUR)).id
    before = get(db, first).run_at
    store(db, keyed())
    assert get(db, first).run_at == before
    store(db, keyed(if_exists="reschedule", delay_us=2 * HOUR))
    assert get(db, first).run_at > before
    store(db, keyed(if_exists="reschedule"))
    assert get(db, first).status == "pending"
    store(db, keyed(if_exists="reschedule", run_at=before))
    assert (get(db, first).run_at, get(db, first).status) == (before, "scheduled")


def test_one_that_is_tried_again_is_replaced_too_and_keeps_its_attempts(db: Database, worker: str) -> None:
    first = store(db, keyed()).id
    builders.give_back(db, worker, *claim(db, worker), delay_us=HOUR, used=1, error="boom")
    assert store(db, keyed(args='{"n": 2}')).replaced
    found = get(db, first)
    assert (found.args, found.attempt, found.attempts_used, found.status) == ('{"n": 2}', 1, 1, "scheduled")


def test_one_that_runs_is_left_as_it_is(db: Database, worker: str) -> None:
    first = store(db, keyed(args="[1]")).id
    assert claim(db, worker)
    assert store(db, keyed(args="[2]")) == actions.Enqueued(first, existing=True)
    assert get(db, first).args == "[1]"


def test_one_that_has_ended_within_its_window_is_left_as_it_is(db: Database, worker: str) -> None:
    first = store(db, windowed(if_exists="replace", args="[1]")).id
    finish(db, worker, first)
    assert store(db, windowed(if_exists="replace", args="[2]")) == actions.Enqueued(first, existing=True)
    assert (get(db, first).args, get(db, first).status) == ("[1]", "completed")


def test_one_whose_window_is_over_is_not_replaced(db: Database) -> None:
    first = store(db, windowed(if_exists="replace", delay_us=HOUR)).id
    let_the_window_end(db, first)
    second = store(db, windowed(if_exists="replace"))
    assert (second.existing, second.id != first, get(db, first).status) == (False, True, "scheduled")


def test_one_that_waits_for_others_goes_on_waiting(db: Database) -> None:
    parent = insert_one(db)
    first = store(db, keyed(depends_on=f'["{parent}"]', if_parent_failed="cancel")).id
    assert store(db, keyed(args="[2]", if_exists="reschedule", delay_us=HOUR)).replaced
    found = get(db, first)
    assert (found.status, found.args, found.depends_on) == ("held", "[2]", f'["{parent}"]')


def test_where_jobs_age_the_new_rank_is_of_the_time_that_stays(db: Database) -> None:
    first = store(db, keyed(delay_us=HOUR, queue="aged")).id
    builders.execute(db, "UPDATE rota_queues SET ageing_us = 1000000 WHERE name = 'aged'")
    store(db, keyed(queue="aged", rank=-5))
    found = get(db, first)
    assert (found.priority, found.rank) == (5, found.run_at - 5 * SECOND)


def test_of_one_call_the_last_wins(db: Database) -> None:
    several = [keyed(args=f"[{number}]", delay_us=HOUR) for number in range(5)]
    found = db.run(lambda tx: actions.store(tx, several))
    assert [one.id for one in found] == [several[0].id] * 5
    assert [one.replaced for one in found] == [False, True, True, True, True]
    assert get(db, several[0].id).args == "[4]"


def test_many_at_once_make_one_job(db: Database) -> None:
    def push(number: int) -> Callable[[], actions.Enqueued]:
        return lambda: store(db, keyed(args=f"[{number}]", if_exists="reschedule", delay_us=HOUR))

    found = at_once(*(push(number) for number in range(8)))
    assert len({one.id for one in found}) == 1
    assert [one.existing for one in found].count(False) == 1
    assert [one.replaced for one in found].count(True) == 7


@both_ends
def test_one_that_is_claimed_while_it_is_replaced_runs_as_one_of_both(pg: Database, commit: bool) -> None:
    """A claim passes by what is being replaced, and gets it afterwards."""
    worker = builders.register(pg)
    first = store(pg, keyed(args="[1]")).id
    try:
        with pg.transaction() as tx:
            assert replacing.replace(tx, keyed(args="[2]")) == first
            assert claim(pg, worker) == []
            if not commit:
                raise KeyError
    except KeyError:
        pass
    assert [one.call.args for one in claim(pg, worker)] == ["[2]" if commit else "[1]"]


@both_ends
def test_a_replacement_that_meets_the_end_of_its_job_is_stored_anew(pg: Database, other: Other, commit: bool) -> None:
    first = store(pg, keyed(args="[1]")).id
    later = keyed(args="[2]")

    def cancel_it(tx: Tx) -> object:
        return jobs.cancel_waiting(tx, first, None)

    found = after(pg, other, cancel_it, lambda: once(pg, lambda tx: actions.store(tx, [later])), commit=commit)
    assert found == [actions.Enqueued(later.id) if commit else actions.Enqueued(first, True, True)]


def test_results_of_lost_windows(db: Database, worker: str) -> None:
    """One that comes back to wait holds its key on."""
    first = store(db, windowed()).id
    other = builders.register(db)
    assert claim(db, other)
    assert [one.status for one in builders.lose(db, other)] == ["pending"]
    assert holder(db) == first
    assert db.run(results.lose) == []
