"""Turns while somebody else ends, stores or retries a job of the same key: never two, and nobody is left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rota.store import jobs, results, turns
from rota.store.claims import Claimed
from rota.store.database import Database, Tx
from tests.store import builders
from tests.store.builders import claim, get, new_job
from tests.store.interleaving import Other, after, both_ends, once

KEY = "schedule:nightly"


@pytest.fixture
def worker(pg: Database) -> str:
    return builders.register(pg)


@pytest.fixture
def running(pg: Database, worker: str) -> Claimed:
    """The active job of the key."""
    return builders.run_one(pg, worker, turn_key=KEY)


def in_turn(tx: Tx, **given: Any) -> str:
    """Insert a job of the key; its id."""
    (job_id,) = jobs.insert(tx, [new_job(**{"turn_key": KEY, **given})])
    return job_id


def finish(worker: str, claimed: Claimed) -> Callable[[Tx], object]:
    ended = results.Finished(id=claimed.call.job_id, attempt=claimed.call.attempt, status="completed")
    return lambda tx: results.finish(tx, worker, [ended])


def failed(pg: Database, worker: str) -> str:
    """A job of the key that has failed."""
    claimed = builders.run_one(pg, worker, turn_key=KEY)
    builders.end(pg, worker, claimed, status="failed")
    return claimed.call.job_id


@both_ends
def test_one_that_is_stored_while_the_active_one_ends(
    pg: Database, other: Other, worker: str, running: Claimed, commit: bool
) -> None:
    """It saw the other one run, so it is held; the end did not see it."""
    stored = after(pg, other, finish(worker, running), lambda: pg.run(in_turn), commit=commit)
    assert get(pg, stored).status == ("pending" if commit else "held")


@both_ends
def test_one_that_ends_while_the_next_is_stored(
    pg: Database, other: Other, worker: str, running: Claimed, commit: bool
) -> None:
    stored: list[str] = []
    after(pg, other, lambda tx: stored.append(in_turn(tx)), lambda: pg.run(finish(worker, running)), commit=commit)
    assert builders.column(pg, "status", f"rota_jobs WHERE id = '{stored[0]}'") == (["pending"] if commit else [])


@both_ends
def test_of_two_that_are_stored_at_once_the_second_waits(pg: Database, other: Other, commit: bool) -> None:
    second = after(pg, other, in_turn, lambda: pg.run(in_turn), commit=commit)
    assert get(pg, second).status == ("held" if commit else "pending")
    assert sorted(builders.column(pg, "status")) == (["held", "pending"] if commit else ["pending"])


@both_ends
def test_of_two_batches_with_the_same_keys_none_waits_for_the_other(pg: Database, other: Other, commit: bool) -> None:
    keys = [f"key{n}" for n in range(20)]

    def store(order: int) -> Callable[[Tx], list[str]]:
        return lambda tx: jobs.insert(tx, [new_job(turn_key=key) for key in keys[::order]])

    stored = after(pg, other, store(1), lambda: once(pg, store(-1)), commit=commit)
    assert {get(pg, one).status for one in stored} == {"held" if commit else "pending"}


@both_ends
def test_of_two_who_release_one_finds_it_gone(
    pg: Database, other: Other, worker: str, running: Claimed, commit: bool
) -> None:
    held = pg.run(in_turn)
    builders.execute(pg, f"UPDATE rota_jobs SET status = 'completed' WHERE id = '{running.call.job_id}'")

    def release(tx: Tx) -> list[turns.Turn]:
        return turns.release(tx, [KEY])

    assert after(pg, other, release, lambda: once(pg, release), commit=commit) == (
        [] if commit else [turns.Turn(held, KEY)]
    )
    assert get(pg, held).status == "pending"


@both_ends
def test_a_release_that_meets_a_retry_lets_the_other_keys_go(
    pg: Database, other: Other, worker: str, commit: bool
) -> None:
    """Both become active in the same moment; the index refuses the second."""
    old = failed(pg, worker)
    held, elsewhere = pg.run(in_turn), pg.run(lambda tx: in_turn(tx, turn_key="other"))
    builders.execute(pg, f"UPDATE rota_jobs SET status = 'held' WHERE id IN ('{held}', '{elsewhere}')")

    released = after(
        pg, other, lambda tx: jobs.retry(tx, old), lambda: once(pg, lambda tx: turns.release(tx, ["other", KEY])),
        commit=commit,
    )  # fmt: skip
    assert {turn.id for turn in released} == ({elsewhere} if commit else {elsewhere, held})
    assert get(pg, elsewhere).status == "pending"
    assert (get(pg, old).status, get(pg, held).status) == (("pending", "held") if commit else ("failed", "pending"))


@both_ends
def test_a_retry_that_meets_a_new_one_waits(pg: Database, other: Other, worker: str, commit: bool) -> None:
    old = failed(pg, worker)
    assert after(pg, other, in_turn, lambda: once(pg, lambda tx: jobs.retry(tx, old)), commit=commit)
    assert get(pg, old).status == ("held" if commit else "pending")


@both_ends
def test_a_new_one_that_meets_a_retry_waits(pg: Database, other: Other, worker: str, commit: bool) -> None:
    old = failed(pg, worker)
    stored = after(pg, other, lambda tx: jobs.retry(tx, old), lambda: once(pg, in_turn), commit=commit)
    assert get(pg, stored).status == ("held" if commit else "pending")


@both_ends
def test_what_ends_while_it_is_to_make_way_is_not_asked(
    pg: Database, other: Other, worker: str, running: Claimed, commit: bool
) -> None:
    cleared = after(
        pg, other, finish(worker, running), lambda: once(pg, lambda tx: turns.clear(tx, [KEY], "kill", None)),
        commit=commit,
    )  # fmt: skip
    assert [one.asked for one in cleared] == ([] if commit else [True])


def test_what_is_claimed_while_it_is_to_make_way_is_left_alone_and_cancelled(pg: Database, worker: str) -> None:
    job_id = pg.run(in_turn)
    with pg.transaction() as tx:
        assert turns.clear(tx, [KEY], "kill", None) == [turns.Cleared(job_id, KEY, False)]
        assert claim(pg, worker) == []
    assert (get(pg, job_id).status, claim(pg, worker)) == ("cancelled", [])


def test_a_job_whose_turn_is_just_stored_is_claimed_a_moment_later(pg: Database, worker: str) -> None:
    """To be sure of who is active its row is locked; a claim passes it by and does not wait."""
    first = pg.run(in_turn)
    with pg.transaction() as tx:
        in_turn(tx)
        assert claim(pg, worker) == []
    assert [one.call.job_id for one in claim(pg, worker)] == [first]
