"""What is left of batches."""

from __future__ import annotations

from rota.ids import new_id
from rota.model import Batch
from rota.store import batches, jobs
from rota.store.database import Database
from tests.store import builders


def stored(db: Database, size: int, *, callback: bool = False) -> tuple[Batch, list[str]]:
    batch = Batch(id=new_id(), total=size)
    members = [builders.new_job(batch_id=batch.id) for _ in range(size)]
    last = builders.new_job(depends_on="[]") if callback else None
    batch.callback_id = last.id if last else None
    db.run(lambda tx: batches.insert(tx, batch, members, last))
    return batch, [job.id for job in members]


def forget(db: Database) -> int:
    return db.run(lambda tx: batches.forget(tx, new_id(), 10))


def test_a_batch_is_forgotten_when_its_jobs_are_gone(db: Database) -> None:
    _, members = stored(db, 2)
    assert forget(db) == 0
    db.run(lambda tx: jobs.delete(tx, members[:1]))
    assert forget(db) == 0
    db.run(lambda tx: jobs.delete(tx, members[1:]))
    assert db.run(lambda tx: batches.forget(tx, "00000000-0000-0000-0000-000000000000", 10)) == 0
    assert forget(db) == 1
    assert builders.column(db, "id", "rota_batches") == []


def test_the_same_batch_again_changes_nothing(db: Database) -> None:
    batch, _ = stored(db, 2, callback=True)
    db.run(lambda tx: batches.insert(tx, batch, [builders.new_job(batch_id=batch.id)], None))
    assert len(builders.column(db, "id")) == 3
    assert db.read(lambda tx: batches.counts(tx, [batch.id])) == {batch.id: {"pending": 2}}


def test_the_jobs_of_a_batch_keep_their_order(db: Database) -> None:
    batch, members = stored(db, 20)
    assert db.read(lambda tx: batches.ids(tx, batch.id)) == members
    assert db.read(lambda tx: batches.ids(tx, "x")) == []
