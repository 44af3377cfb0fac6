"""Many jobs changed at once while somebody else is at them, each step in an order that we choose."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rota.ids import new_id
from rota.store import changes, jobs, operations
from rota.store.database import Database, Tx
from tests.store import builders
from tests.store.builders import claim, claim_ids, end, get, insert, insert_one, new_job
from tests.store.interleaving import Other, after, both_ends, once


@pytest.fixture
def worker(pg: Database) -> str:
    return builders.register(pg)


def failed(pg: Database, worker: str, *given: Mapping[str, object]) -> list[str]:
    ids = []
    for one in given:
        claimed = builders.run_one(pg, worker, **one)
        end(pg, worker, claimed, status="failed", error="boom")
        ids.append(claimed.call.job_id)
    return ids


def statuses(pg: Database, ids: list[str]) -> list[str]:
    return [get(pg, job_id).status for job_id in ids]


@both_ends
def test_a_key_that_is_taken_in_this_moment_leaves_only_its_job(
    pg: Database, other: Other, worker: str, commit: bool
) -> None:
    keyed = {"unique_key": "k", "unique_scope": "active"}
    ids = failed(pg, worker, {}, keyed, {})
    changed = after(
        pg, other, lambda tx: jobs.insert(tx, [new_job(**keyed)]), lambda: once(pg, lambda tx: changes.retry(tx, ids)),
        commit=commit,
    )  # fmt: skip
    assert changed == (2 if commit else 3)
    assert statuses(pg, ids) == ["pending", "failed" if commit else "pending", "pending"]


@both_ends
def test_a_turn_that_is_taken_in_this_moment_has_them_wait(
    pg: Database, other: Other, worker: str, commit: bool
) -> None:
    ids = failed(pg, worker, {"turn_key": "t"}, {"turn_key": "t"}, {})
    changed = after(
        pg, other, lambda tx: jobs.insert(tx, [new_job(turn_key="t")]),
        lambda: once(pg, lambda tx: changes.retry(tx, ids)), commit=commit,
    )  # fmt: skip
    assert changed == 3
    assert statuses(pg, ids) == ["held" if commit else "pending", "held", "pending"]
    seen = []
    while found := claim(pg, worker):
        seen += [one.call.job_id for one in found]
        end(pg, worker, *found)
    assert set(ids) <= set(seen)


@both_ends
def test_of_two_who_retry_the_same_jobs_each_is_retried_once(
    pg: Database, other: Other, worker: str, commit: bool
) -> None:
    ids = failed(pg, worker, {}, {}, {})
    changed = after(
        pg, other, lambda tx: changes.retry(tx, ids), lambda: once(pg, lambda tx: changes.retry(tx, ids[::-1])),
        commit=commit,
    )  # fmt: skip
    assert changed == (0 if commit else 3)
    assert len(builders.column(pg, "job_id", "rota_attempts")) == 3


@both_ends
def test_a_job_that_starts_in_this_moment_is_not_moved(pg: Database, other: Other, worker: str, commit: bool) -> None:
    ids = insert(pg, new_job(), new_job())
    sql = "UPDATE rota_jobs SET status = 'running', worker_id = :worker, attempt = 1, started_at = 1 WHERE id = :id"

    def start(tx: Tx) -> None:
        tx.run(sql, {"id": ids[0], "worker": worker})

    changed = after(pg, other, start, lambda: once(pg, lambda tx: changes.move(tx, ids, "slow")), commit=commit)
    assert changed == (1 if commit else 2)
    assert get(pg, ids[0]).queue == ("default" if commit else "slow")


def test_what_is_being_moved_is_not_claimed_meanwhile(pg: Database, worker: str) -> None:
    ids = insert(pg, new_job(), new_job())
    with pg.transaction() as tx:
        assert changes.move(tx, ids[:1], "slow") == 1
        assert claim_ids(pg, worker) == ids[1:]
    assert claim_ids(pg, worker) == ids[:1]


@both_ends
def test_of_two_who_are_at_an_operation_one_goes_on(pg: Database, other: Other, commit: bool) -> None:
    operation_id = new_id()
    newest = insert_one(pg)
    pg.run(
        lambda tx: operations.begin(
            tx, operation_id, "delete", wanted="{}", params="{}", newest=newest, total=1, by=None
        )
    )

    def step(tx: Tx) -> bool:
        found = operations.lock(tx, operation_id)
        assert found is not None
        if found.position is not None:
            return False
        operations.advance(tx, operation_id, position=newest, looked=1, changed=1, done=False)
        return True

    assert after(pg, other, step, lambda: once(pg, step), commit=commit) is not commit
    found = pg.read(lambda tx: operations.get(tx, operation_id))
    assert found is not None
    assert found.changed == 1


def test_of_two_who_claim_an_operation_one_has_it(pg: Database) -> None:
    pg.run(lambda tx: operations.begin(tx, new_id(), "delete", wanted="{}", params="{}", newest=None, total=0, by=None))
    pg.run(lambda tx: tx.run("UPDATE rota_operations SET busy_until = NULL"))
    with pg.transaction() as tx:
        assert operations.claim(tx) is not None
        assert pg.run(operations.claim) is None
    assert pg.run(operations.claim) is None
