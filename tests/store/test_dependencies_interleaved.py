"""Parents that end while children are stored, or both at once: each child goes once, and nobody is left behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rota.ids import new_id
from rota.model import Batch, NewJob
from rota.store import batches, dependencies, jobs, results
from rota.store.claims import Claimed
from rota.store.database import Database, Tx
from tests.store import builders
from tests.store.builders import claim, get, insert, new_job
from tests.store.interleaving import Other, after, both_ends, once
from tests.store.test_dependencies import child_of

Act = Callable[[Tx], object]


@pytest.fixture
def worker(pg: Database) -> str:
    return builders.register(pg)


@pytest.fixture
def running(pg: Database, worker: str) -> list[Claimed]:
    """Two parents that run."""
    insert(pg, new_job(), new_job())
    return claim(pg, worker)


@pytest.fixture
def child(pg: Database, running: list[Claimed]) -> NewJob:
    """A child of the first of them."""
    child = child_of(running[0].call.job_id)
    insert(pg, child)
    return child


def finish(worker: str, claimed: Claimed, status: str = "completed") -> Act:
    ended = results.Finished(id=claimed.call.job_id, attempt=claimed.call.attempt, status=status)
    return lambda tx: results.finish(tx, worker, [ended])


def store(*new_jobs: NewJob) -> Act:
    return lambda tx: jobs.insert(tx, new_jobs)


@both_ends
@pytest.mark.parametrize(("status", "expected"), [("completed", "pending"), ("failed", "cancelled")])
def test_a_child_that_is_stored_while_its_parent_ends(
    pg: Database, other: Other, worker: str, running: list[Claimed], status: str, expected: str, commit: bool
) -> None:
    child = child_of(running[0].call.job_id)
    after(pg, other, finish(worker, running[0], status), lambda: once(pg, store(child)), commit=commit)
    assert get(pg, child.id).status == (expected if commit else "held")


@both_ends
@pytest.mark.parametrize(("status", "expected"), [("completed", "pending"), ("failed", "cancelled")])
def test_a_parent_that_ends_while_its_child_is_stored(
    pg: Database, other: Other, worker: str, running: list[Claimed], status: str, expected: str, commit: bool
) -> None:
    child = child_of(running[0].call.job_id)
    after(pg, other, store(child), lambda: once(pg, finish(worker, running[0], status)), commit=commit)
    found = builders.column(pg, "status", f"rota_jobs WHERE id = '{child.id}'")
    assert found == ([expected] if commit else [])
    assert builders.column(pg, "child_id", "rota_dependencies") == []


@both_ends
def test_of_two_parents_that_end_at_once_the_second_lets_the_child_go(
    pg: Database, other: Other, worker: str, running: list[Claimed], commit: bool
) -> None:
    child = child_of(*(one.call.job_id for one in running))
    insert(pg, child)
    first, second = running
    after(pg, other, finish(worker, first), lambda: once(pg, finish(worker, second)), commit=commit)
    assert get(pg, child.id).status == ("pending" if commit else "held")
    if not commit:
        once(pg, finish(worker, first))
        assert get(pg, child.id).status == "pending"


@both_ends
def test_a_child_that_is_cancelled_while_its_parent_ends(
    pg: Database, other: Other, worker: str, running: list[Claimed], child: NewJob, commit: bool
) -> None:
    after(
        pg, other, lambda tx: jobs.cancel_waiting(tx, child.id, None),
        lambda: once(pg, finish(worker, running[0])), commit=commit,
    )  # fmt: skip
    assert get(pg, child.id).status == ("cancelled" if commit else "pending")


@both_ends
def test_a_grandchild_that_is_stored_while_its_parent_is_cancelled_by_a_failure(
    pg: Database, other: Other, worker: str, running: list[Claimed], child: NewJob, commit: bool
) -> None:
    grandchild = child_of(child.id)
    after(pg, other, finish(worker, running[0], "failed"), lambda: once(pg, store(grandchild)), commit=commit)
    assert get(pg, grandchild.id).status == ("cancelled" if commit else "held")


@both_ends
def test_a_failure_that_meets_a_grandchild_being_stored_cancels_it_too(
    pg: Database, other: Other, worker: str, running: list[Claimed], child: NewJob, commit: bool
) -> None:
    grandchild = child_of(child.id)
    after(pg, other, store(grandchild), lambda: once(pg, finish(worker, running[0], "failed")), commit=commit)
    assert get(pg, child.id).status == "cancelled"
    found = builders.column(pg, "status", f"rota_jobs WHERE id = '{grandchild.id}'")
    assert found == (["cancelled"] if commit else [])


def batch_of(pg: Database, size: int) -> str:
    """Store a batch of so many jobs; the id of its callback."""
    batch = Batch(id=new_id(), total=size)
    members = [new_job(batch_id=batch.id, awaited=1) for _ in range(size)]
    callback = new_job(depends_on="[]", if_parent_failed="run", queue="callbacks")
    batch.callback_id = callback.id
    pg.run(lambda tx: batches.insert(tx, batch, members, callback))
    return callback.id


@both_ends
def test_of_the_two_last_jobs_of_a_batch_the_second_fires_the_callback(
    pg: Database, other: Other, worker: str, commit: bool
) -> None:
    callback = batch_of(pg, 2)
    first, second = claim(pg, worker)
    after(pg, other, finish(worker, first), lambda: once(pg, finish(worker, second)), commit=commit)
    assert get(pg, callback).status == ("pending" if commit else "held")
    if not commit:
        once(pg, finish(worker, first))
        assert get(pg, callback).status == "pending"


def test_ends_of_a_batch_of_which_much_waits_do_not_wait_for_each_other(pg: Database, worker: str) -> None:
    callback = batch_of(pg, 10)
    first, second = claim(pg, worker, lanes={"async": 2})
    with pg.transaction() as tx:
        finish(worker, first)(tx)
        once(pg, finish(worker, second))
    rest = claim(pg, worker)
    for one in rest:
        assert get(pg, callback).status == "held"
        once(pg, finish(worker, one))
    assert get(pg, callback).status == "pending"


def test_an_end_that_saw_others_wait_is_seen_by_the_last(pg: Database, other: Other, worker: str) -> None:
    """The last one waits for the lock that the earlier end has, and sees it."""
    callback = batch_of(pg, 2)
    (first,) = claim(pg, worker, lanes={"async": 1})
    futures = []
    with pg.transaction() as tx:
        finish(worker, first)(tx)
        (second,) = claim(pg, worker)
        futures.append(other.waits(lambda: once(pg, finish(worker, second))))
    futures[0].result(10)
    assert get(pg, callback).status == "pending"


@both_ends
def test_of_two_sweeps_the_second_finds_nothing(
    pg: Database, other: Other, worker: str, running: list[Claimed], child: NewJob, commit: bool
) -> None:
    parent = running[0].call.job_id
    builders.execute(pg, f"UPDATE rota_jobs SET status = 'completed' WHERE id = '{parent}'")

    def sweep(tx: Tx) -> int:
        return dependencies.release(tx, [dependencies.End(parent, "completed")])

    after(pg, other, sweep, lambda: once(pg, sweep), commit=commit)
    assert get(pg, child.id).status == "pending"
