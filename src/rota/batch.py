"""A stored batch in the hands of a program."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from rota.actions import batches
from rota.actions.specs import Caller
from rota.context import instant
from rota.handle import Awaited, Home, Job
from rota.model import FINAL, State, Status
from rota.model import Batch as Record
from rota.store import batches as store
from rota.store.database import Tx


class Batch(Awaited):
    """Jobs that were enqueued together: everything but the id as of the last look, as with `Job`.

    Every method raises `NotFound` when there is no such batch.
    """

    def __init__(self, home: Home, batch_id: str) -> None:
        self.id = batch_id
        self._home = home
        self._record: Record | None = None
        self._states: dict[State, int] = {}

    def __repr__(self) -> str:
        return f"<batch {self.id}>"

    def refresh(self) -> Self:
        """Look at the batch again."""

        def look(tx: Tx) -> tuple[Record, dict[State, int]]:
            record = batches.known(tx, self.id)
            return record, store.counts(tx, [record.id])[record.id]

        self._record, self._states = self._home.database().read(look)
        return self

    @property
    def record(self) -> Record:
        """The batch as stored."""
        if self._record is None:
            self.refresh()
        assert self._record is not None
        return self._record

    def _seen(self) -> dict[State, int]:
        if self._record is None:
            self.refresh()
        return self._states

    @property
    def name(self) -> str | None:
        """What it was called."""
        return self.record.name

    @property
    def total(self) -> int:
        """How many jobs it has."""
        return self.record.total

    @property
    def created_at(self) -> datetime:
        """When it was stored."""
        return instant(self.record.created_at)

    @property
    def counts(self) -> dict[Status, int]:
        """How many of its jobs are in which status; those that retention deleted are in none."""
        return batches.by_status(self._seen())

    @property
    def done(self) -> bool:
        """Whether all its jobs have ended; the callback is not one of them."""
        return all(state in FINAL for state in self._seen())

    @property
    def callback(self) -> Job | None:
        """The job that goes when all have ended."""
        return None if self.record.callback_id is None else Job(self._home, self.record.callback_id)

    @property
    def jobs(self) -> list[Job]:
        """Its jobs, in the order in which they were given."""
        found = self._home.database().read(lambda tx: store.ids(tx, self.id))
        return [Job(self._home, job_id) for job_id in found]

    def _late(self) -> str:
        left = sum(count for state, count in self._states.items() if state not in FINAL)
        return f"of batch {self.id} {left} jobs have not ended"

    def cancel(self) -> int:
        """Cancel its jobs that have not been started; return how many."""
        return self._home.database().run(lambda tx: batches.cancel(tx, self.id, Caller()))
