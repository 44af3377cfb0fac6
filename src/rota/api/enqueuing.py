"""Enqueueing for many callers at once: what waits together is stored by one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rota import logs
from rota.actions import jobs as job_actions
from rota.actions import naming
from rota.actions.specs import Caller, JobIn
from rota.api.job_view import known_job
from rota.errors import DatabaseError, RotaError
from rota.model import JobType, NewJob, shown_as
from rota.settings import Settings
from rota.store.database import Tx

MOST_SHARED = 50
"""Jobs of one request that share a statement with those of others; more have one of their own."""


class Order:
    """The jobs of one request.  They are prepared once, ids and all, however often storing them is tried."""

    __slots__ = ("caller", "prepared", "specs")

    def __init__(self, specs: Sequence[JobIn], caller: Caller) -> None:
        self.specs = specs
        self.caller = caller
        self.prepared: list[NewJob] = []


class Enqueuing:
    """Stores orders."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def store(self, tx: Tx, order: Order) -> list[dict[str, Any]]:
        """Store one order; return what is answered for each of its jobs."""
        self._prepare(tx, order, {})
        answers = _store(tx, order.prepared)
        _note_names(tx, order, answers)
        return answers

    def store_together(self, tx: Tx, orders: Sequence[Order]) -> list[Any]:
        """Store many orders by one statement; return for each its answers, or why it was refused."""
        known: dict[str, JobType | None] = {}
        refused: dict[int, RotaError] = {}
        for place, order in enumerate(orders):
            try:
                self._prepare(tx, order, known)
            except DatabaseError:
                raise
            except RotaError as error:
                refused[place] = error
        good = [order for place, order in enumerate(orders) if place not in refused]
        answers = iter(_store(tx, [job for order in good for job in order.prepared]))
        found: list[Any] = []
        for place, order in enumerate(orders):
            if place in refused:
                found.append(refused[place])
            else:
                found.append([next(answers) for _ in order.prepared])
                _note_names(tx, order, found[-1])
        return found

    def _prepare(self, tx: Tx, order: Order, known: dict[str, JobType | None]) -> None:
        if not order.prepared:
            order.prepared = job_actions.prepare(tx, order.specs, order.caller, self._settings, known)


def _note_names(tx: Tx, order: Order, answers: Sequence[dict[str, Any]]) -> None:
    told = zip(order.prepared, answers, strict=True)
    naming.record(tx, order.caller, (job for job, answer in told if not answer["existing"]))


def _store(tx: Tx, prepared: Sequence[NewJob]) -> list[dict[str, Any]]:
    if not prepared:
        return []
    stored = job_actions.store(tx, prepared)
    shown = []
    for job, found in zip(prepared, stored, strict=True):
        if found.existing:
            shown.append({**_existing(tx, found.id), "replaced": found.replaced})
            if found.replaced:
                tell_replaced(tx, found.id, job)
        elif job.depends_on is not None:  # it may have been let go, or cancelled, at once
            shown.append({**_existing(tx, job.id), "existing": False})
            tell_enqueued(tx, job)
        else:
            shown.append(_accepted(job))
            tell_enqueued(tx, job)
    return shown


def _accepted(job: NewJob) -> dict[str, Any]:
    status = "scheduled" if job.run_at is not None or job.delay_us else "pending"
    return {
        "id": job.id,
        "existing": False,
        "replaced": False,
        "jobType": job.type,
        "status": status,
        "queue": job.queue,
    }


def _existing(tx: Tx, job_id: str) -> dict[str, Any]:
    found = known_job(tx, job_id)
    return {
        "id": job_id,
        "existing": True,
        "replaced": False,
        "jobType": found.type,
        "status": shown_as(found.status),
        "queue": found.queue,
    }


def tell_replaced(tx: Tx, job_id: str, job: NewJob) -> None:
    """Write the line of a job that became another, once it is durable."""
    tx.after_commit(
        lambda: logs.event(
            "job/replaced",
            f"{job.type or job.lane} replaced",
            queue=job.queue,
            jobType=job.type,
            jobId=job_id,
            priority=-job.rank,
            startedBy=job.started_by,
        )
    )


def tell_enqueued(tx: Tx, job: NewJob) -> None:
    """Write the line of an accepted job, once it is durable."""
    if not logs.is_on("info"):
        return

    def tell() -> None:
        logs.event(
            "job/enqueued",
            f"{job.type or job.lane} enqueued",
            queue=job.queue,
            jobType=job.type,
            jobId=job.id,
            priority=-job.rank,
            runAt=job.run_at,
            startedBy=job.started_by,
            origin=job.origin,
        )

    tx.after_commit(tell)
