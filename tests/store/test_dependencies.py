"""Jobs that wait for others: they go, or are cancelled, when those have ended."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rota.ids import new_id
from rota.model import NewJob
from rota.store import dependencies, due, jobs, results, turns
from rota.store.database import Database
from rota.store.dependencies import End
from tests.store import builders
from tests.store.builders import HOUR, claim, claim_ids, get, insert, insert_one, new_job

POLICIES = ("cancel", "run", "wait")


def child_of(*parents: str, **given: Any) -> NewJob:
    """A job that waits for others."""
    policy = given.pop("policy", "cancel")
    return new_job(depends_on=msgspec.json.encode(parents).decode(), if_parent_failed=policy, **given)


def status(db: Database, *ids: str) -> list[str]:
    return [get(db, job_id).status for job_id in ids]


def waits_for(db: Database, job_id: str) -> list[tuple[str, str]]:
    return db.read(lambda tx: dependencies.waiting_for(tx, job_id))


def edges(db: Database) -> int:
    return len(builders.column(db, "child_id", "rota_dependencies"))


def end(db: Database, worker: str, job_id: str, status: str = "completed") -> None:
    """Claim all that is ready, and end one of it."""
    (mine,) = [one for one in claim(db, worker) if one.call.job_id == job_id]
    builders.end(db, worker, mine, status=status)


def test_it_is_held_until_all_its_parents_have_completed(db: Database, worker: str) -> None:
    first, second = insert(db, new_job(), new_job())
    child = child_of(first, second)
    insert(db, child)
    assert status(db, child.id) == ["held"]
    assert waits_for(db, child.id) == [(first, "pending"), (second, "pending")]
    one, two = claim(db, worker)
    builders.end(db, worker, one)
    assert status(db, child.id) == ["held"]
    assert waits_for(db, child.id) == [(second, "running")]
    builders.end(db, worker, two)
    assert (status(db, child.id), waits_for(db, child.id), edges(db)) == (["pending"], [], 0)
    assert claim_ids(db, worker) == [child.id]


def test_a_parent_that_has_completed_need_not_be_waited_for(db: Database, worker: str) -> None:
    done = insert_one(db)
    end(db, worker, done)
    child, later = child_of(done), child_of(done, delay_us=HOUR)
    insert(db, child, later)
    assert status(db, child.id, later.id) == ["pending", "scheduled"]


def test_a_child_whose_time_is_later_becomes_scheduled(db: Database, worker: str) -> None:
    parent = insert_one(db)
    child = child_of(parent, delay_us=HOUR)
    insert(db, child)
    end(db, worker, parent)
    assert status(db, child.id) == ["scheduled"]


@pytest.mark.parametrize(("policy", "expected"), [("cancel", "cancelled"), ("run", "pending"), ("wait", "held")])
@pytest.mark.parametrize("how", ["failed", "cancelled"])
@pytest.mark.parametrize("before", [True, False])
def test_the_end_of_a_parent_that_did_not_complete(
    db: Database, worker: str, policy: str, expected: str, how: str, before: bool
) -> None:
    parent = insert_one(db)
    child = child_of(parent, policy=policy)
    if before:
        end(db, worker, parent, how)
    insert(db, child)
    if not before:
        end(db, worker, parent, how)
    assert status(db, child.id) == [expected]
    if expected == "cancelled":
        found = get(db, child.id)
        told = {"failed": "failed", "cancelled": "was cancelled"}[how]
        assert (found.reason, found.error) == ("parent-failed", f"job {parent}, which it waited for, {told}")
    assert edges(db) == (1 if expected == "held" else 0)


@pytest.mark.parametrize("before", [True, False])
def test_one_that_waits_goes_when_its_parent_was_retried_and_completed(db: Database, worker: str, before: bool) -> None:
    parent = insert_one(db)
    child = child_of(parent, policy="wait")
    if before:
        end(db, worker, parent, "failed")
    insert(db, child)
    if not before:
        end(db, worker, parent, "failed")
    assert db.run(lambda tx: jobs.retry(tx, parent))
    end(db, worker, parent)
    assert status(db, child.id) == ["pending"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("ended", [True, False])
def test_a_parent_that_is_deleted_before_it_completed(db: Database, worker: str, policy: str, ended: bool) -> None:
    parent = insert_one(db)
    child = child_of(parent, policy=policy)
    if ended:
        end(db, worker, parent, "failed")
        policy = policy if policy == "run" else "wait"
        child = child_of(parent, policy=policy)
    insert(db, child)
    db.run(lambda tx: jobs.delete(tx, [parent]))
    assert status(db, child.id) == ["pending" if policy == "run" else "cancelled"]
    if policy != "run":
        assert get(db, child.id).error == f"job {parent}, which it waited for, was deleted"
    assert edges(db) == 0


def test_a_parent_that_was_deleted_before_is_as_one_that_failed(db: Database) -> None:
    child, anyway = child_of(new_id()), child_of(new_id(), policy="run")
    insert(db, child, anyway)
    assert status(db, child.id, anyway.id) == ["cancelled", "pending"]


def test_the_deletion_of_a_parent_that_completed_changes_nothing(db: Database, worker: str) -> None:
    first, second = insert(db, new_job(), new_job(queue="later"))
    child = child_of(first, second)
    insert(db, child)
    (one,) = claim(db, worker, queues=("default",))
    builders.end(db, worker, one)
    db.run(lambda tx: jobs.delete(tx, [first]))
    assert status(db, child.id) == ["held"]


def test_whoever_ends_a_parent_lets_its_child_go(db: Database, worker: str) -> None:
    """By all the ways in which a job can end."""

    def cancel_it(parent: str) -> None:
        assert db.run(lambda tx: jobs.cancel_waiting(tx, parent, "ann"))

    def expire_it(parent: str) -> None:
        builders.backdate(db, parent, expires_at=-1)
        assert db.run(lambda tx: due.expire(tx, 10)) == [parent]

    def give_it_back_cancelled(parent: str) -> None:
        (claimed,) = claim(db, worker, queues=("default",))
        db.run(lambda tx: jobs.request_cancel(tx, parent, "ann"))
        builders.give_back(db, worker, claimed)

    def lose_it(parent: str) -> None:
        other = builders.register(db)
        assert claim_ids(db, other, queues=("default",)) == [parent]
        assert [one.status for one in builders.lose(db, other)] == ["failed"]

    for how in (cancel_it, expire_it, give_it_back_cancelled, lose_it):
        parent = insert_one(db, on_lost="fail")
        child = child_of(parent, policy="run", queue="children")
        insert(db, child)
        how(parent)
        assert status(db, child.id) == ["pending"], how
    assert edges(db) == 0


def test_an_attempt_that_is_tried_again_is_no_end(db: Database, worker: str) -> None:
    parent = insert_one(db)
    child = child_of(parent)
    insert(db, child)
    builders.give_back(db, worker, *claim(db, worker), used=1)
    assert status(db, child.id) == ["held"]


def test_who_has_no_children_is_not_asked_for_them(db: Database, worker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(dependencies, "end", refuse)
    end(db, worker, insert_one(db))


def test_children_of_one_that_is_cancelled_are_cancelled_too(db: Database, worker: str) -> None:
    parent = insert_one(db)
    child = child_of(parent)
    grandchild = child_of(child.id)
    anyway, waiting = child_of(child.id, policy="run"), child_of(child.id, policy="wait")
    insert(db, child, grandchild, anyway, waiting)
    end(db, worker, parent, "failed")
    assert status(db, child.id, grandchild.id, anyway.id, waiting.id) == ["cancelled", "cancelled", "pending", "held"]
    assert get(db, grandchild.id).error == f"job {child.id}, which it waited for, was cancelled"


def test_of_a_diamond_each_is_cancelled_once(db: Database, worker: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    parent = insert_one(db)
    left, right = child_of(parent), child_of(parent)
    last = child_of(left.id, right.id)
    insert(db, left, right, last)
    end(db, worker, parent, "failed")
    assert status(db, left.id, right.id, last.id) == ["cancelled"] * 3
    assert caplog.text.count("parent-failed") == 3


@pytest.mark.parametrize("length", [3000])
def test_a_long_chain_is_cancelled_in_one_go(db: Database, worker: str, length: int) -> None:
    chain = [new_job()]
    for _ in range(length):
        chain.append(child_of(chain[-1].id))
    insert(db, *chain)
    end(db, worker, chain[0].id, "failed")
    assert builders.column(db, "DISTINCT status", "rota_jobs WHERE attempt = 0") == ["cancelled"]
    assert edges(db) == 0


def test_jobs_of_one_call_may_wait_for_each_other(db: Database, worker: str) -> None:
    parent = new_job()
    child = child_of(parent.id)
    insert(db, parent, child)
    assert status(db, parent.id, child.id) == ["pending", "held"]
    end(db, worker, parent.id)
    assert status(db, child.id) == ["pending"]


def test_the_same_call_again_changes_nothing(db: Database, worker: str) -> None:
    parent = insert_one(db)
    child = child_of(parent)
    assert insert(db, child) == [child.id]
    assert insert(db, child) == []
    end(db, worker, parent)
    assert insert(db, child) == []
    assert (status(db, child.id), edges(db)) == (["pending"], 0)


def test_one_that_is_cancelled_itself_waits_for_nothing(db: Database, worker: str) -> None:
    parent = insert_one(db)
    child = child_of(parent)
    insert(db, child)
    db.run(lambda tx: jobs.cancel_waiting(tx, child.id, None))
    assert edges(db) == 0
    assert db.run(lambda tx: jobs.retry(tx, child.id))
    assert status(db, child.id) == ["pending"]


def test_one_that_is_deleted_is_forgotten(db: Database, worker: str) -> None:
    parent = insert_one(db)
    child = child_of(parent)
    insert(db, child)
    db.run(lambda tx: jobs.delete(tx, [child.id]))
    assert edges(db) == 0


def test_one_that_has_a_turn_keeps_its_place_and_waits_for_both(db: Database, worker: str) -> None:
    parent, active = insert(db, new_job(), new_job(turn_key="k"))
    child = child_of(parent, turn_key="k")
    after = new_job(turn_key="k")
    insert(db, child, after)
    one, two = sorted(claim(db, worker), key=lambda each: each.call.job_id != active)
    builders.end(db, worker, one)
    assert status(db, child.id, after.id) == ["held", "held"]
    builders.end(db, worker, two)
    assert status(db, child.id, after.id) == ["pending", "held"]
    end(db, worker, child.id)
    assert status(db, after.id) == ["pending"]


def test_the_turn_that_comes_last(db: Database, worker: str) -> None:
    parent, active = insert(db, new_job(), new_job(turn_key="k"))
    child = child_of(parent, turn_key="k")
    insert(db, child)
    one, two = sorted(claim(db, worker), key=lambda each: each.call.job_id != active)
    builders.end(db, worker, two)
    assert status(db, child.id) == ["held"]
    builders.end(db, worker, one)
    assert status(db, child.id) == ["pending"]


def swept(db: Database, limit: int = 100, after: str = dependencies.FIRST) -> dependencies.Left:
    return db.read(lambda tx: dependencies.left(tx, limit, after))


def test_the_sweep_finds_who_was_left_behind(db: Database, worker: str) -> None:
    done, failed, open_one, gone = insert(db, new_job(), new_job(), new_job(), new_job())
    children = [child_of(parent) for parent in (done, failed, open_one, gone)]
    insert(db, *children)
    assert swept(db).ended == []
    builders.execute(db, f"UPDATE rota_jobs SET status = 'completed' WHERE id = '{done}'")
    builders.execute(db, f"UPDATE rota_jobs SET status = 'failed' WHERE id = '{failed}'")
    builders.execute(db, f"DELETE FROM rota_jobs WHERE id = '{gone}'")
    found = swept(db)
    assert found.ended == [End(done, "completed"), End(failed, "failed"), End(gone, "deleted")]
    assert db.run(lambda tx: dependencies.release(tx, found.ended)) == 3
    assert status(db, *(child.id for child in children)) == ["pending", "cancelled", "held", "cancelled"]


def test_the_sweep_goes_on_where_it_was(db: Database) -> None:
    parents = insert(db, *(new_job() for _ in range(5)))
    insert(db, *(child_of(parent) for parent in parents))
    builders.execute(db, "UPDATE rota_jobs SET status = 'completed' WHERE status = 'pending'")
    first = swept(db, 3)
    assert ([one.id for one in first.ended], first.last) == (parents[:3], parents[2])
    second = swept(db, 3, first.last)
    assert ([one.id for one in second.ended], second.last) == (parents[3:], dependencies.FIRST)


def test_one_transaction_lets_go_a_bounded_number(db: Database, worker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "MOST", 10)
    good, bad = insert(db, new_job(), new_job())
    insert(db, *(child_of(good) for _ in range(25)), *(child_of(bad) for _ in range(25)))
    one, two = sorted(claim(db, worker), key=lambda each: each.call.job_id != good)
    builders.end(db, worker, one)
    builders.end(db, worker, two, status="failed")
    states = list(builders.column(db, "status", "rota_jobs WHERE attempt = 0"))
    assert [states.count(one) for one in ("held", "pending", "cancelled")] == [30, 10, 10]
    for _ in range(3):
        db.run(lambda tx: dependencies.release(tx, swept(db).ended))
    states = list(builders.column(db, "status", "rota_jobs WHERE attempt = 0"))
    assert [states.count(one) for one in ("held", "pending", "cancelled")] == [0, 25, 25]


def test_turns_that_make_way_are_told_by_the_sweep(db: Database) -> None:
    parent = insert_one(db, turn_key="k")
    child = child_of(parent)
    insert(db, child)
    db.run(lambda tx: turns.clear(tx, ["k"], "stop", None))
    db.run(lambda tx: dependencies.release(tx, swept(db).ended))
    assert status(db, child.id) == ["cancelled"]


@pytest.mark.parametrize("fails", [True, False])
def test_outside_of_a_transaction_all_is_stored_together(
    db: Database, worker: str, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    parent = insert_one(db)
    child = child_of(parent)

    def fail(*_: object) -> None:
        raise KeyError

    if fails:
        monkeypatch.setattr(dependencies, "hold", fail)
        with pytest.raises(KeyError):
            db.run_alone(lambda tx: jobs.insert(tx, [child]))
        assert (edges(db), len(builders.column(db, "id"))) == (0, 1)
        return
    assert db.run_alone(lambda tx: jobs.insert(tx, [child])) == [child.id]
    end(db, worker, parent)
    assert status(db, child.id) == ["pending"]


def test_results_recorded_twice_release_once(db: Database, worker: str) -> None:
    parent = insert_one(db)
    child = child_of(parent)
    insert(db, child)
    (claimed,) = claim(db, worker)
    for _ in range(2):
        builders.end(db, worker, claimed)
    assert status(db, child.id) == ["pending"]
    assert db.run(results.lose) == []
