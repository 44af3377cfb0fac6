"""Pauses of job types and of concurrency keys."""

from __future__ import annotations

from rota.actions.keys import check_key
from rota.actions.queues import check_pause
from rota.actions.specs import Caller, PauseIn
from rota.errors import NotFound
from rota.jsontext import check_queue
from rota.model import JobType, Pause
from rota.store import audit, pauses, queues, types
from rota.store.database import Tx

FIRST = 2000
"""So many parked jobs are let go by the request that ends a pause; a loop does the rest."""


def pause_type(tx: Tx, name: str, spec: PauseIn, caller: Caller) -> JobType:
    """Let no more jobs of a type start; those that run go on."""
    note, until = check_pause(spec, tx.now())
    known = _type(tx, name)
    pauses.put(tx, Pause(kind="type", name=name, note=note, author=caller.subject, resume_at=until))
    audit.record(tx, caller, "paused", "type", name, note=note, after={"until": spec.until})
    return known


def resume_type(tx: Tx, name: str, caller: Caller) -> JobType:
    """Let jobs of a type start again."""
    known = _type(tx, name)
    if pauses.end(tx, "type", name):
        pauses.go_on(tx, Pause(kind="type", name=name), FIRST)
        audit.record(tx, caller, "resumed", "type", name)
    return known


def pause_key(tx: Tx, queue: str, key: str, spec: PauseIn, caller: Caller) -> Pause | None:
    """Let no more jobs with a key start, in one queue, or where that is empty in all of them."""
    note, until = check_pause(spec, tx.now())
    _check_key(tx, queue, key)
    pauses.put(tx, Pause(kind="key", queue=queue, name=key, note=note, author=caller.subject, resume_at=until))
    audit.record(tx, caller, "paused", "key", key, note=note, after={"queue": queue or None, "until": spec.until})
    return pauses.get(tx, "key", key, queue)


def resume_key(tx: Tx, queue: str, key: str, caller: Caller) -> None:
    """Let jobs with a key start again, in that queue, or where that is empty in those where it is not paused apart."""
    _check_key(tx, queue, key)
    if pauses.end(tx, "key", key, queue):
        pauses.go_on(tx, Pause(kind="key", queue=queue, name=key), FIRST)
        audit.record(tx, caller, "resumed", "key", key, after={"queue": queue or None})


def _check_key(tx: Tx, queue: str, key: str) -> None:
    check_key(key, "key")
    if queue:
        check_queue(queue, "name")
        if queues.get(tx, queue) is None:
            raise NotFound(f"there is no queue {queue[:100]}")


def _type(tx: Tx, name: str) -> JobType:
    found = types.get(tx, name)
    if found is None:
        raise NotFound(f"there is no job type {name[:100]}")
    return found
