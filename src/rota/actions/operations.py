"""Operations: one action on all jobs that a filter wants, counted first and done batch by batch.

``course`` says what is to be done next; who drives it (a request, the loop of a scheduler) does it on the database,
and may stop after each part: whoever goes on finds where.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

import msgspec

from rota import logs
from rota.actions import policy
from rota.actions.decoding import decode
from rota.actions.jobs import job_filter
from rota.actions.specs import ActionIn, Caller, FilterIn
from rota.errors import Conflict, Invalid, NotFound
from rota.jsontext import check_queue, check_text
from rota.model import Action, Operation
from rota.settings import Settings
from rota.store import audit, changes, jobs, operations, reads
from rota.store.database import Tx
from rota.store.reads import JobFilter

BATCH = 500
"""So many jobs are changed by one transaction."""
LOOK = 5000
"""So many are looked up at once: of those that are pending there is no order by id."""
MOST_COUNTED = 1_000_000
LONGEST_NOTE = 1000

_PLACED = ("scheduled", "pending", "held", "failed", "cancelled")
AFFECTED: dict[Action, tuple[str, ...]] = {
    "retry": ("failed", "cancelled", "completed"),
    "cancel": ("pending", "scheduled", "held", "running"),
    "delete": ("pending", "scheduled", "held", "failed", "cancelled", "completed"),
    "move": _PLACED,
    "reprioritise": _PLACED,
}


class Params(msgspec.Struct, omit_defaults=True):
    """What an action takes beside its filter."""

    queue: str | None = None
    rank: int | None = None
    force: bool = False
    fresh: bool = False


def affected(wanted: JobFilter, action: Action) -> JobFilter:
    """Narrow a filter to the jobs that an action can change."""
    if wanted.empty():
        raise Invalid("filter", "is empty", hint="name at least one field, for example status")
    allowed = AFFECTED[action]
    statuses = tuple(s for s in wanted.statuses if s in allowed) if wanted.statuses else allowed
    if not statuses:
        raise Invalid(
            "filter.status", f"no job of this status can be changed by {action}", hint=f"one of {', '.join(allowed)}"
        )
    return msgspec.structs.replace(wanted, statuses=statuses)


def params(spec: ActionIn, settings: Settings) -> Params:
    """Check what the action takes."""
    for field, action, value in (
        ("force", "cancel", spec.force or None),
        ("fresh", "retry", spec.fresh or None),
        ("queue", "move", spec.queue),
        ("priority", "reprioritise", spec.priority),
    ):
        if value is not None and spec.action != action:
            raise Invalid(field, f"has no meaning for {spec.action}", hint="leave it out")
        if value is None and spec.action == action and field not in ("force", "fresh"):
            raise Invalid(field, "is missing", hint=f"{action} needs it")
    return Params(
        queue=check_queue(spec.queue) if spec.queue is not None else None,
        rank=policy.priority_rank(spec.priority, settings.priorities) if spec.priority is not None else None,
        force=spec.force,
        fresh=spec.fresh,
    )


def wanted(spec: ActionIn) -> JobFilter:
    """Check the filter; return it narrowed to the jobs that the action can change."""
    return affected(job_filter(spec.filter, "filter."), spec.action)


def count(tx: Tx, wanted: JobFilter) -> int:
    """Return how many jobs an action would be tried on, at most one more than ``MOST_COUNTED``."""
    return reads.count(tx, wanted, most=MOST_COUNTED + 1)


def begin(
    tx: Tx, operation_id: str, spec: ActionIn, found: Params, *, total: int, newest: str | None, caller: Caller
) -> None:
    """Store an operation on ``total`` jobs, those up to ``newest``; its maker works on it first."""
    note = check_text(spec.note, "note", max_length=LONGEST_NOTE) if spec.note else None
    operations.begin(
        tx,
        operation_id,
        spec.action,
        wanted=msgspec.json.encode(spec.filter).decode(),
        params=msgspec.json.encode(found).decode(),
        newest=newest,
        total=total,
        by=caller.subject,
    )
    said = {"filter": spec.filter, "matched": min(total, MOST_COUNTED), **msgspec.to_builtins(found)}
    if (rank := said.pop("rank", None)) is not None:
        said["priority"] = -rank  # as everybody else says it
    audit.record(tx, caller, spec.action, "operation", operation_id, after=said, note=note)
    tx.after_commit(
        lambda: logs.event(
            "operation/started", f"{spec.action} of {total} jobs by filter", operation=operation_id,
            action=spec.action, count=total, by=caller.subject,
        )
    )  # fmt: skip


class Look(msgspec.Struct, frozen=True):
    """Something to read; its answer goes back into the course."""

    work: Callable[[Tx], list[str]]


class Change(msgspec.Struct, frozen=True):
    """Something to commit; its answer, the operation as it is then, goes back into the course."""

    work: Callable[[Tx], Operation]


def course(operation: Operation) -> Generator[Look | Change, Any, None]:
    """Yield what is to be done for an operation, one thing after the other, until it has ended.

    It may be left after each of them.  Where another works on it too, each batch is done by one of them.
    """
    while operation.status == "running":
        ids: list[str] = yield Look(partial(_look_up, operation=operation))
        last = len(ids) < LOOK
        parts = [ids[at : at + BATCH] for at in range(0, len(ids), BATCH)] or [[]]
        for place, part in enumerate(parts, 1):
            step = _Step(operation, part, done=last and place == len(parts))
            operation = yield Change(step)
            if operation.status != "running" or operation.position != part[-1]:
                break  # it has ended, or somebody else has gone on with it


def _look_up(tx: Tx, operation: Operation) -> list[str]:
    if operation.newest is None:
        return []
    found = reads.ids(tx, _wanted(operation), limit=LOOK, after=operation.position)
    return [job_id for job_id in found if job_id <= operation.newest]


def _wanted(operation: Operation) -> JobFilter:
    return affected(job_filter(decode(operation.filter, FilterIn, "filter")), operation.action)


class _Step:
    """Changes a batch and notes it, in one transaction, if nobody has done so since its jobs were looked up."""

    def __init__(self, operation: Operation, ids: Sequence[str], *, done: bool) -> None:
        self._seen = operation
        self._ids = ids
        self._done = done

    def __call__(self, tx: Tx) -> Operation:
        seen = self._seen
        now = operations.lock(tx, seen.id)
        if now is None:
            raise NotFound(f"there is no operation {seen.id}")
        if now.status != "running" or now.position != seen.position:
            return now
        changed = change(tx, now, self._ids) if self._ids else 0
        last = self._ids[-1] if self._ids else None
        after = operations.advance(tx, seen.id, position=last, looked=len(self._ids), changed=changed, done=self._done)
        if self._done:
            tx.after_commit(lambda: _tell(after))
        return after


def change(tx: Tx, operation: Operation, ids: Sequence[str]) -> int:
    """Do the action to these jobs; those whose state does not allow it are left; return how many were changed."""
    params = msgspec.json.decode(operation.params, type=Params)
    match operation.action:
        case "retry":
            return changes.retry(tx, ids, fresh=params.fresh)
        case "cancel":
            return changes.cancel(tx, ids, operation.author, mode="kill" if params.force else "stop")
        case "delete":
            return jobs.delete(tx, ids, _wanted(operation).statuses)
        case "move":
            return changes.move(tx, ids, params.queue or policy.DEFAULT_QUEUE)
        case "reprioritise":
            return changes.reprioritise(tx, ids, params.rank or 0)


def known(tx: Tx, operation_id: str) -> Operation:
    """Return an operation; raises NotFound."""
    found = operations.get(tx, operation_id)
    if found is None:
        raise NotFound(f"there is no operation {operation_id[:100]}")
    return found


def stop(tx: Tx, operation_id: str, caller: Caller) -> Operation:
    """End an operation before all is done; what it has changed stays so."""
    known(tx, operation_id)
    if not operations.end(tx, operation_id, "cancelled"):
        raise Conflict(f"operation {operation_id} has ended already")
    audit.record(tx, caller, "cancelled", "operation", operation_id)
    found = known(tx, operation_id)
    tx.after_commit(lambda: _tell(found, caller.subject))
    return found


def fail(tx: Tx, operation: Operation, error: str) -> None:
    """Give an operation up that cannot be done."""
    if operations.end(tx, operation.id, "failed", error):
        found = known(tx, operation.id)
        tx.after_commit(lambda: _tell(found))


def _tell(operation: Operation, by: str | None = None) -> None:
    logs.event(
        "operation/ended", f"{operation.action} of {operation.changed} jobs by filter {operation.status}",
        operation=operation.id, action=operation.action, status=operation.status, count=operation.changed,
        by=by or operation.author, error=operation.error, level="error" if operation.status == "failed" else "info",
    )  # fmt: skip
