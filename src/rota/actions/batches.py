"""Batches: jobs that are enqueued together, with one that goes when all of them have ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from rota import logs
from rota.actions import jobs as job_actions
from rota.actions.present import instant
from rota.actions.specs import BatchIn, Caller
from rota.errors import Invalid, NotFound
from rota.ids import new_id
from rota.jsontext import check_text
from rota.model import FINAL, STATUSES, Batch, JobType, NewJob, State, Status, shown_as
from rota.settings import Settings
from rota.store import audit, batches
from rota.store.database import Tx


class Order(msgspec.Struct):
    """A batch that was prepared, ids and all, so that storing it can be repeated."""

    batch: Batch
    jobs: list[NewJob]
    callback: NewJob | None

    def all(self) -> list[NewJob]:
        """Return its jobs with its callback."""
        return self.jobs if self.callback is None else [*self.jobs, self.callback]


def prepare(
    tx: Tx,
    spec: BatchIn,
    caller: Caller,
    settings: Settings,
    known: dict[str, JobType | None] | None = None,
    *,
    fitting: bool = False,
) -> Order:
    """Check a batch and fill in the defaults; nothing is stored.  The rest is as for ``jobs.prepare``."""
    name = check_text(spec.name, "name", max_length=200) if spec.name is not None else None
    if spec.if_failed is not None and spec.callback is None:
        raise Invalid("ifFailed", "needs a callback")
    known = {} if known is None else known
    batch = Batch(id=new_id(), name=name, total=len(spec.jobs), created_by=caller.subject)
    members = job_actions.prepare(tx, spec.jobs, caller, settings, known, fitting=fitting)
    for place, job in enumerate(members):
        if job.unique_key is not None:  # the job that has it may be in no batch, or in another
            raise Invalid(f"jobs.{place}.uniqueKey", "has no place in a batch", hint="enqueue that job beside it")
        job.batch_id = batch.id
        job.awaited = 1 if spec.callback is not None else job.awaited
    callback = _callback(tx, spec, caller, settings, known, fitting=fitting)
    batch.callback_id = callback.id if callback is not None else None
    return Order(batch, members, callback)


def _callback(
    tx: Tx, spec: BatchIn, caller: Caller, settings: Settings, known: dict[str, JobType | None], *, fitting: bool
) -> NewJob | None:
    if spec.callback is None:
        return None
    with _of_callback():
        (job,) = job_actions.prepare(tx, [spec.callback], caller, settings, known, fitting=fitting)
        for field, value in (("uniqueKey", job.unique_key), ("dependsOn", job.depends_on)):
            if value is not None:
                raise Invalid(field, "has no meaning here: it goes when all jobs of the batch have ended")
    if spec.jobs:
        job.depends_on = "[]"  # of the batch: see ``store.dependencies``
        job.if_parent_failed = spec.if_failed or "run"
    return job


@contextmanager
def _of_callback() -> Iterator[None]:
    try:
        yield
    except Invalid as error:
        raise type(error)(f"callback.{error.field}", error.reason, hint=error.hint) from None


def store(tx: Tx, order: Order) -> None:
    """Store a prepared batch, its jobs and its callback: all or nothing."""
    batches.insert(tx, order.batch, order.jobs, order.callback)


def tell(order: Order) -> None:
    """Write the line of an accepted batch, once it is durable."""
    batch = order.batch
    logs.event(
        "batch/created", f"batch of {batch.total} jobs", batchId=batch.id, count=batch.total, by=batch.created_by
    )


def cancel(tx: Tx, batch_id: str, caller: Caller) -> int:
    """Cancel what has not been started; return how many jobs."""
    changed = batches.cancel(tx, known(tx, batch_id).id, caller.subject)
    audit.record(tx, caller, "cancelled", "batch", batch_id, after={"changed": changed})
    return changed


def look(tx: Tx, batch_id: str) -> dict[str, Any]:
    """Return a batch as it is shown; raises NotFound."""
    record = known(tx, batch_id)
    return shown(record, batches.counts(tx, [record.id])[record.id])


def known(tx: Tx, batch_id: str) -> Batch:
    """Return a batch; raises NotFound."""
    found = batches.get(tx, batch_id)
    if found is None:
        raise NotFound(f"there is no batch {batch_id[:100]}")
    return found


def by_status(states: Mapping[State, int]) -> dict[Status, int]:
    """Return how many jobs are in which status, as it is shown."""
    found = dict.fromkeys(STATUSES, 0)
    for state, count in states.items():
        found[shown_as(state)] += count
    return found


def shown(record: Batch, states: Mapping[State, int]) -> dict[str, Any]:
    """Return a batch with how many of its jobs are in which state: ``states`` is of ``store.batches.counts``."""
    return {
        "id": record.id,
        "name": record.name,
        "total": record.total,
        "done": not any(state not in FINAL for state in states),
        "counts": {**by_status(states), "deleted": record.total - sum(states.values())},
        "callbackId": record.callback_id,
        "createdBy": record.created_by,
        "createdAt": instant(record.created_at),
    }
