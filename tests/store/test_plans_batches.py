"""What ends a parent or a batch goes by its indexes too, whatever the statistics say."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from rota.ids import new_id
from rota.model import Batch
from rota.store import batches, dependencies, jobs, replacing, results, unique
from rota.store.database import Database, Tx
from rota.store.results import Finished
from rota.store.sql import batch as as_rows
from tests.store import builders, filling
from tests.store.filling import Statistics
from tests.store.plans import Plan
from tests.store.test_dependencies import child_of
from tests.store.test_plans import Acts, faults

TOTAL = 30_000
RUNNING = 300
MEMBERS = 3000
OTHERS = 40_000


class Waiting(Acts):
    """Parents, children and batches among much that has ended and waits."""

    def __init__(self, db: Database, worker: str, statistics: Statistics) -> None:
        self.db = db
        self.worker = worker
        self.table = {}
        self.held = db.read(lambda tx: results.held(tx, worker))
        parents = [job_id for job_id, _ in self.held]
        builders.insert(db, *(child_of(parent, policy="wait") for parent in parents for _ in range(10)))
        builders.insert(db, *(child_of(parent) for parent in parents))
        self._others()
        keyed = [builders.new_job(unique_key=f"k{n}", unique_scope="window:1h", unique_for_us=1) for n in range(1000)]
        builders.insert(db, *keyed)
        self.batches = [self._batch() for _ in range(2)]
        if statistics == "fresh":
            builders.execute(db, "ANALYZE")
        self._ends(parents)
        self._batches(parents)
        self._keys()

    def _batch(self) -> Batch:
        batch = Batch(id=new_id(), total=MEMBERS)
        members = [builders.new_job(batch_id=batch.id, awaited=1) for _ in range(MEMBERS)]
        callback = builders.new_job(depends_on="[]", if_parent_failed="run")
        batch.callback_id = callback.id
        self.db.run(lambda tx: batches.insert(tx, batch, members, callback))
        return batch

    def _others(self) -> None:
        """Let thousands wait that have nothing to do with these."""
        rows = [{"parent_id": new_id(), "child_id": new_id()} for _ in range(OTHERS)]
        self.db.run(lambda tx: tx.run(dependencies.HOLD, {"batch": as_rows(rows)}))

    def _ends(self, parents: list[str]) -> None:
        both = ("primary", "rota_dependencies_pkey", "rota_dependencies_child")
        children = [child_of(*parents[place : place + 3]) for place in range(0, RUNNING, 3)]
        self.add("insert children", lambda tx: jobs.insert(tx, children), "primary")
        for status in ("completed", "failed"):
            ended = [Finished(id=job_id, attempt=attempt, status=status) for job_id, attempt in self.held]
            self.add(f"finish parents, {status}", self._finish(ended), *both)
        self.add("delete parents", lambda tx: dependencies.release(tx, _deleted(parents)), *both)
        self.add("sweep", lambda tx: dependencies.left(tx, 1000), "rota_dependencies_pkey", "primary")
        self.add("waits for", lambda tx: dependencies.waiting_for(tx, children[0].id), "rota_dependencies_child")

    def _finish(self, ended: list[Finished]) -> Callable[[Tx], object]:
        return lambda tx: results.finish(tx, self.worker, ended)

    def _batches(self, parents: list[str]) -> None:
        first = self.batches[0].id
        those = "', '".join(parents)
        members = f"UPDATE rota_jobs SET batch_id = '{first}' WHERE id IN ('{those}')"
        ended = [Finished(id=job_id, attempt=attempt, status="completed") for job_id, attempt in self.held]

        def last_of_a_batch(tx: Tx) -> None:
            tx.run(members)
            results.finish(tx, self.worker, ended)

        self.add("finish in a batch", last_of_a_batch, "primary", "rota_jobs_batch")
        self.add("counts", lambda tx: batches.counts(tx, [one.id for one in self.batches]), "rota_jobs_batch")
        self.add("members", lambda tx: batches.ids(tx, first), "rota_jobs_batch")
        self.add("cancel a batch", lambda tx: batches.cancel(tx, first, None), "rota_jobs_batch", "primary")
        self.add("forget", lambda tx: batches.forget(tx, new_id(), 500), "rota_jobs_batch")

    def _keys(self) -> None:
        again = builders.new_job(unique_key="k7", unique_scope="active", if_exists="replace")
        self.add("holder", lambda tx: unique.holder(tx, "k7"), "rota_jobs_unique")
        self.add("free", lambda tx: unique.free(tx, "k7"), "rota_jobs_unique")
        self.add("replace", lambda tx: replacing.replace(tx, again), "rota_jobs_unique")


def _deleted(parents: list[str]) -> list[dependencies.End]:
    return [dependencies.End(parent, "deleted") for parent in parents]


@pytest.mark.parametrize("statistics", get_args(Statistics))
def test_on_sqlite(lite: Database, statistics: Statistics) -> None:
    acts = Waiting(lite, filling.fill(lite, TOTAL, statistics, RUNNING), statistics)
    found = list(faults(acts, generic=False, may_read_whole=lambda plan: False))
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("statistics", get_args(Statistics))
def test_on_postgresql(pg: Database, statistics: Statistics) -> None:
    acts = Waiting(pg, filling.fill(pg, TOTAL, statistics, RUNNING), statistics)

    def may_read_whole(plan: Plan) -> bool:
        return False

    for generic in (False, True):
        found = list(faults(acts, generic=generic, may_read_whole=may_read_whole))
        assert not found, "\n\n".join(found)
