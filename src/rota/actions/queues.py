"""Actions on queues."""

from __future__ import annotations

import msgspec

from rota.actions.specs import Caller, PauseIn, QueueIn
from rota.errors import Invalid, NotFound
from rota.jsontext import check_queue, check_text
from rota.model import Queue
from rota.store import queues
from rota.store.database import Tx

MAX_CONCURRENCY = 1_000_000


def change(tx: Tx, name: str, spec: QueueIn) -> Queue:
    """Set limits; the queue comes into being where it is not there."""
    check_queue(name, "name")
    values: dict[str, object] = {}
    if spec.concurrency is not msgspec.UNSET:
        if spec.concurrency is not None and not 1 <= spec.concurrency <= MAX_CONCURRENCY:
            raise Invalid(
                "concurrency", f"{spec.concurrency} is out of range", hint="at least 1; to stop a queue, pause it"
            )
        values["concurrency"] = spec.concurrency
    queues.change(tx, name, values)
    return _known(tx, name)


def pause(tx: Tx, name: str, spec: PauseIn, caller: Caller) -> Queue:
    """Stop claims from a queue; what runs goes on."""
    if spec.until is not None:
        raise Invalid("until", "a queue is paused until it is resumed")
    note = check_text(spec.note, "note", max_length=1000) if spec.note else None
    _known(tx, name)
    queues.pause(tx, name, by=caller.subject, note=note)
    return _known(tx, name)


def resume(tx: Tx, name: str) -> Queue:
    """Let claims go on."""
    _known(tx, name)
    queues.resume(tx, name)
    return _known(tx, name)


def _known(tx: Tx, name: str) -> Queue:
    found = queues.get(tx, name) if "\0" not in name else None
    if found is None:
        raise NotFound(f"there is no queue {name[:100]}")
    return found
