"""Writes what running attempts leave: results, logs and progress, many in one transaction."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import msgspec

from rota import logs
from rota.engine.loop import Loop
from rota.errors import (
    DatabaseBusy,
    DatabaseError,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnavailable,
)
from rota.model import LogChunk
from rota.store import logs as log_store
from rota.store import results
from rota.store.database import Database
from rota.store.results import Ended, Finished, Returned

GATHER_S = 0.002
"""How long the first result of a batch waits for company."""
ENOUGH = 400
IDLE_S = 3600.0
PASSING = (DatabaseUnavailable, DatabaseBusy, DatabaseFull, DatabaseReadOnly)
"""Troubles that end by themselves, or by an operator: the write is kept and tried again."""


class Batch(msgspec.Struct):
    """What is written together, under one lease."""

    worker: str
    finished: list[Finished] = []
    returned: list[Returned] = []
    chunks: list[LogChunk] = []
    dropped: list[tuple[str, int]] = []
    progress: dict[tuple[str, int], tuple[float | None, str | None]] = {}

    def ended(self) -> list[Ended]:
        """Every ended attempt in it."""
        return [*self.finished, *self.returned]

    def size(self) -> int:
        """How many ended attempts wait in it."""
        return len(self.finished) + len(self.returned)

    def empty(self) -> bool:
        """Tell whether there is nothing to write."""
        return not (self.finished or self.returned or self.chunks or self.dropped or self.progress)

    def parts(self) -> Iterator[Batch]:
        """Return the batch as batches of one thing each: to find the one that the database refuses."""
        for chunk in self.chunks:
            yield Batch(self.worker, chunks=[chunk])
        if self.dropped:
            yield Batch(self.worker, dropped=self.dropped)
        for key, value in self.progress.items():
            yield Batch(self.worker, progress={key: value})
        for finished in self.finished:
            yield Batch(self.worker, finished=[finished])
        for returned in self.returned:
            yield Batch(self.worker, returned=[returned])


class Flusher(Loop):
    """Collects and writes; ``done`` gets each written batch with the ids of the jobs that the fence accepted."""

    name = "flusher"

    def __init__(self, db: Database, done: Callable[[Batch, set[str]], None]) -> None:
        super().__init__()
        self._db = db
        self._done = done
        self._lock = threading.Lock()
        self._batches: deque[Batch] = deque()

    def add(
        self,
        worker: str,
        ended: Sequence[Finished | Returned] = (),
        chunks: Sequence[LogChunk] = (),
        dropped: Sequence[tuple[str, int]] = (),
        progress: dict[tuple[str, int], tuple[float | None, str | None]] | None = None,
    ) -> None:
        """Add what is to be written under ``worker``'s lease."""
        with self._lock:
            if not self._batches or self._batches[-1].worker != worker or self._writing(self._batches[-1]):
                self._batches.append(Batch(worker))
            batch = self._batches[-1]
            for result in ended:
                if isinstance(result, Finished):
                    batch.finished.append(result)
                else:
                    batch.returned.append(result)
            batch.chunks.extend(chunks)
            batch.dropped.extend(dropped)
            if progress:
                batch.progress.update(progress)
        self.wake()

    def _writing(self, batch: Batch) -> bool:
        return batch is self._current

    _current: Batch | None = None

    @property
    def idle(self) -> bool:
        """Tell whether everything was written."""
        with self._lock:
            return not self._batches

    def run_once(self) -> float:
        """Write the oldest batch; after a passing trouble it is the same one again."""
        with self._lock:
            if not self._batches:
                return IDLE_S
            few = self._current is None and len(self._batches) == 1 and self._batches[0].size() < ENOUGH
        if few and not self.stopping:
            time.sleep(GATHER_S)
        with self._lock:
            batch = self._current = self._batches[0]
        try:
            accepted = self._write(batch)
        except PASSING:
            raise
        except DatabaseError as error:
            accepted = self._write_apart(batch, error)
        with self._lock:
            self._batches.popleft()
            self._current = None
            more = bool(self._batches)
        self._done(batch, accepted)
        return 0.0 if more else IDLE_S

    def _write(self, batch: Batch) -> set[str]:
        accepted: set[str] = set()
        with self._db.transaction() as tx:
            if batch.chunks:
                log_store.append(tx, batch.chunks)
            if batch.dropped:
                log_store.drop(tx, batch.dropped)
            if batch.progress:
                rows: list[dict[str, object]] = [
                    {"id": job_id, "attempt": attempt, "value": value, "note": note}
                    for (job_id, attempt), (value, note) in batch.progress.items()
                ]
                results.progress(tx, batch.worker, rows)
            if batch.finished:
                accepted |= results.finish(tx, batch.worker, batch.finished)
            if batch.returned:
                accepted |= results.give_back(tx, batch.worker, batch.returned)
                tx.hint("due")
        return accepted

    def _write_apart(self, batch: Batch, error: DatabaseError) -> set[str]:
        """The database refused a value: write what it takes, and fail the job whose result it does not."""
        logs.event(
            "loop/failed",
            f"a batch was refused, writing its parts: {error}",
            level="error",
            error=str(error),
        )
        accepted: set[str] = set()
        for part in batch.parts():
            try:
                accepted |= self._write(part)
            except PASSING:
                raise
            except DatabaseError as refusal:
                for ended in part.ended():
                    failed = Finished(
                        id=ended.id,
                        attempt=ended.attempt,
                        status="failed",
                        error=f"the result could not be stored: {refusal}",
                        reason="failed",
                    )
                    accepted |= self._write(Batch(batch.worker, finished=[failed]))
        return accepted
