"""Writes what running attempts leave: results, logs and progress, many in one transaction."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import msgspec

from rota import logs
from rota.engine.claimer import Turn
from rota.engine.loop import Loop
from rota.engine.outage import PASSING
from rota.engine.telling import tell_slowed
from rota.model import LogChunk
from rota.store import awaiting, results, slowing
from rota.store import logs as log_store
from rota.store.claims import Spot
from rota.store.database import Database, Tx
from rota.store.results import Deferred, Ended, Finished, Returned
from rota.store.slowing import Slowed

GATHER_S = 0.002
"""How long the first result of a batch waits for company."""
ENOUGH = 400
IDLE_S = 3600.0
MOST_LOG_BYTES = 2 * 1024 * 1024
"""While more than this of logs waits to be written, the log books keep what comes."""
AGAIN_S = 5.0
"""How long a result that the database refuses in whatever form waits until it is tried again."""
MOST_TRIES = 6
"""After so many it is given up, if the database has taken other results meanwhile."""


class Batch(msgspec.Struct):
    """What is written together, under one lease."""

    worker: str
    finished: list[Finished] = []
    returned: list[Returned] = []
    deferred: list[Deferred] = []
    chunks: list[LogChunk] = []
    dropped: list[tuple[str, int]] = []
    grown: dict[str, int] = {}
    """Jobs whose logs may have become too large, and how many bytes they may have."""
    progress: dict[tuple[str, int], tuple[float | None, str | None]] = {}
    checkpoints: dict[tuple[str, int], str] = {}
    extended: dict[tuple[str, int], int] = {}
    """Runs that asked for more time: in how many microseconds it is over."""
    slow: list[tuple[str, int, str]] = []
    """Queues of which a target asked for a pause: name, microseconds, who asked."""
    room: Counter[Spot] = msgspec.field(default_factory=Counter)
    """Where its ends make room in queues with limits, and for how many."""

    def add(self, ended: Ended) -> None:
        """Add an ended attempt."""
        if isinstance(ended, Finished):
            self.finished.append(ended)
        elif isinstance(ended, Returned):
            self.returned.append(ended)
        elif isinstance(ended, Deferred):
            self.deferred.append(ended)

    def ended(self) -> list[Ended]:
        """Every ended attempt in it."""
        return [*self.finished, *self.returned, *self.deferred]

    def size(self) -> int:
        """How many ended attempts wait in it."""
        return len(self.finished) + len(self.returned) + len(self.deferred)

    def empty(self) -> bool:
        """Tell whether there is nothing to write."""
        marks = self.progress or self.checkpoints or self.grown or self.extended or self.slow
        return not (self.size() or self.chunks or self.dropped or marks)

    def parts(self) -> Iterator[Batch]:
        """Return the batch as batches of one thing each: to find the one that the database refuses."""
        for chunk in self.chunks:
            yield Batch(self.worker, chunks=[chunk])
        if self.dropped:
            yield Batch(self.worker, dropped=self.dropped)
        if self.grown:
            yield Batch(self.worker, grown=self.grown)
        for key, value in self.progress.items():
            yield Batch(self.worker, progress={key: value})
        for key, text in self.checkpoints.items():
            yield Batch(self.worker, checkpoints={key: text})
        if self.extended:
            yield Batch(self.worker, extended=self.extended)
        if self.slow:
            yield Batch(self.worker, slow=self.slow)
        for finished in self.finished:
            yield Batch(self.worker, finished=[finished])
        for returned in self.returned:
            yield Batch(self.worker, returned=[returned])
        for deferred in self.deferred:
            yield Batch(self.worker, deferred=[deferred])


class Refused(msgspec.Struct):
    """A result that the database took in no form.  It is kept aside, so that it keeps no other from being written."""

    worker: str
    ended: Ended
    since: float
    due: float
    tries: int = 1

    def batch(self) -> Batch:
        """Return it as a batch of its own."""
        batch = Batch(self.worker)
        batch.add(self.ended)
        return batch


class Flusher(Loop):
    """Collects and writes; ``done`` gets what was written, the ids that the fence accepted of it, and the lease."""

    name = "flusher"

    def __init__(
        self,
        db: Database,
        done: Callable[[Sequence[Ended], set[str], str], None],
        room: Callable[[], None] = lambda: None,
        turn: Callable[[], AbstractContextManager[Turn | None]] = nullcontext,
    ) -> None:
        """``turn`` lends a claim for the transaction in which an end makes room in a queue with a limit.

        Without one, ``room`` is called when that is durable.
        """
        super().__init__()
        self._room = room
        self._turn_to_claim = turn
        self._db = db
        self._done = done
        self._lock = threading.Lock()
        self._batches: deque[Batch] = deque()
        self._writing: Batch | None = None
        """The oldest one while it is being written, and until that has worked: nothing is added to it any more."""
        self._refused: list[Refused] = []
        self._took_at = 0.0
        """``time.monotonic()`` of the last result that the database took."""
        self._log_bytes = 0

    def add(
        self,
        worker: str,
        ended: Sequence[Finished | Returned | Deferred] = (),
        chunks: Sequence[LogChunk] = (),
        dropped: Sequence[tuple[str, int]] = (),
        progress: dict[tuple[str, int], tuple[float | None, str | None]] | None = None,
        *,
        checkpoints: Mapping[tuple[str, int], str] | None = None,
        grown: Mapping[str, int] | None = None,
        extended: Mapping[tuple[str, int], int] | None = None,
        slow: Sequence[tuple[str, int, str]] = (),
        room: Mapping[Spot, int] | None = None,
    ) -> None:
        """Add what is to be written under ``worker``'s lease."""
        with self._lock:
            batch = self._batches[-1] if self._batches else None
            if batch is None or batch.worker != worker or batch is self._writing:
                batch = Batch(worker)
                self._batches.append(batch)
            for result in ended:
                batch.add(result)
            batch.chunks.extend(chunks)
            batch.dropped.extend(dropped)
            batch.slow.extend(slow)
            batch.room.update(room or {})
            self._log_bytes += sum(len(chunk.body) for chunk in chunks)
            if progress:
                batch.progress.update(progress)
            if checkpoints:
                batch.checkpoints.update(checkpoints)
            if grown:
                batch.grown.update(grown)
            if extended:
                batch.extended.update(extended)
        self.wake()

    @property
    def idle(self) -> bool:
        """Tell whether everything was written."""
        with self._lock:
            return not self._batches and not self._refused

    @property
    def log_bytes(self) -> int:
        """How much of logs waits to be written."""
        return self._log_bytes

    @property
    def behind(self) -> bool:
        """Tell whether so much of logs waits already that more should not be handed over now."""
        return self._log_bytes > MOST_LOG_BYTES

    def pending(self) -> set[tuple[str, int]]:
        """Return (job, attempt) of the ends that are not written yet."""
        with self._lock:
            waiting = [ended for batch in self._batches for ended in batch.ended()]
            return {(ended.id, ended.attempt) for ended in [*waiting, *(one.ended for one in self._refused)]}

    def run_once(self) -> float:
        """Write the oldest batch; after a passing trouble it is the same one again."""
        for one in [one for one in self._refused if time.monotonic() >= one.due]:
            self._try_again(one)
        with self._lock:
            if not self._batches:
                return self._pause()
            first = self._batches[0]
            # A job may be waiting for the end of this one: the next batch gathers while this one is written.
            few = self._writing is None and len(self._batches) == 1 and first.size() < ENOUGH and not first.room
        if few and not self.stopping:
            time.sleep(GATHER_S)
        with self._lock:
            batch = self._writing = self._batches[0]
        refused: list[Refused] = []
        try:
            accepted = self._write(batch)
        except PASSING:
            raise
        except Exception as error:  # noqa: BLE001 - one value must not keep all results from being written
            accepted, refused = self._write_apart(batch, error)
            if batch.room:
                self._room()
        with self._lock:
            self._batches.popleft()
            self._writing = None
            self._log_bytes -= sum(len(chunk.body) for chunk in batch.chunks)
            self._refused += refused
            pause = self._pause()
        left = {one.ended.id for one in refused}
        self._done([ended for ended in batch.ended() if ended.id not in left], accepted, batch.worker)
        return pause

    def _pause(self) -> float:
        if self._batches:
            return 0.0
        return max(0.0, min(one.due for one in self._refused) - time.monotonic()) if self._refused else IDLE_S

    def _write(self, batch: Batch) -> set[str]:
        # Not with what failed before, which may have been the claim; and slowing a queue waits for who holds it.
        follows = batch.room and not batch.slow and not self._failures
        slowed: list[Slowed] = []
        with self._turn_to_claim() if follows else nullcontext() as turn, self._db.transaction() as tx:
            if turn is not None and not batch.returned:  # those wait again, and are to be seen
                turn.look(tx)
            accepted = self._write_in(tx, batch)
            if turn is not None:
                turn.claim(tx)
            hinted = bool(batch.room) and not (turn and turn.fills(batch.room))
            _hint(tx, batch, room=hinted)
            if batch.slow:  # last, since whoever changes the queue waits for the end of this
                slowed = slowing.slow(tx, batch.slow)
        for one in slowed:
            tell_slowed(one)
        if turn is not None and batch.room and not hinted and not turn.filled(batch.room):
            self._db.run(lambda tx: tx.hint("room"))
        if batch.room and turn is None:
            self._room()
        if accepted:
            self._took_at = time.monotonic()
        return accepted

    def _write_in(self, tx: Tx, batch: Batch) -> set[str]:
        accepted: set[str] = set()
        if batch.chunks:
            log_store.append(tx, batch.chunks)
        if batch.dropped:
            log_store.drop(tx, batch.dropped)
        for job_id, most in batch.grown.items():
            log_store.shorten(tx, job_id, most)
        if batch.progress:
            rows: list[dict[str, object]] = [
                {"id": job_id, "attempt": attempt, "value": value, "note": note}
                for (job_id, attempt), (value, note) in batch.progress.items()
            ]
            results.progress(tx, batch.worker, rows)
        if batch.checkpoints:
            results.checkpoint(tx, batch.worker, batch.checkpoints)
        if batch.extended:
            awaiting.extend(tx, batch.worker, [(*key, left) for key, left in batch.extended.items()])
        if batch.finished:
            accepted |= results.finish(tx, batch.worker, batch.finished)
        if batch.returned:
            accepted |= results.give_back(tx, batch.worker, batch.returned)
        if batch.deferred:
            accepted |= awaiting.defer(tx, batch.worker, batch.deferred)
        return accepted

    def _write_apart(self, batch: Batch, error: Exception) -> tuple[set[str], list[Refused]]:
        """The database refused a value: write what it takes, and fail the job whose result it does not.

        Returns what was accepted, and the results that it does not take in any form.
        """
        _tell_refusal("a batch was refused, its parts are written alone", error)
        since = time.monotonic()
        accepted: set[str] = set()
        refused: list[Refused] = []
        for part in batch.parts():
            written = self._write_part(part)
            if written is not None:
                accepted |= written
                continue
            refused += [Refused(batch.worker, ended, since, time.monotonic() + AGAIN_S) for ended in part.ended()]
        return accepted, refused

    def _write_part(self, part: Batch) -> set[str] | None:
        """Write one thing, or that its job failed; None when the database takes neither."""
        try:
            return self._write(part)
        except PASSING:
            raise
        except Exception as refusal:  # noqa: BLE001 - see above
            _tell_refusal("a part was refused", refusal)
            failed = [_failed(ended, refusal) for ended in part.ended()]
        try:
            return self._write(Batch(part.worker, finished=failed)) if failed else set()
        except PASSING:
            raise
        except Exception as refusal:  # noqa: BLE001 - see above
            _tell_refusal("not even a failure could be written", refusal)
        return None

    def _try_again(self, refused: Refused) -> None:
        """Try one that was kept aside; give it up where it is this one that the database does not take."""
        accepted = self._write_part(refused.batch())
        ended, now = refused.ended, time.monotonic()
        refused.tries, refused.due = refused.tries + 1, now + AGAIN_S
        # Where the database takes no result at all, it is no matter of this one: all are kept until it does.
        if accepted is None and (refused.tries < MOST_TRIES or self._took_at < refused.since):
            return
        if accepted is None:
            logs.event(
                "job/result-lost", f"its result cannot be stored after {refused.tries} tries, and is given up",
                level="error", jobId=ended.id, attempt=ended.attempt, workerId=refused.worker, error=ended.error,
            )  # fmt: skip
        else:
            self._done([ended], accepted, refused.worker)
        with self._lock:
            self._refused.remove(refused)


def _hint(tx: Tx, batch: Batch, *, room: bool) -> None:
    """Tell others what they may do after this."""
    if room:
        tx.hint("room")
    if any(returned.delay_us <= 0 for returned in batch.returned):
        tx.hint("jobs")
    if any(returned.delay_us > 0 for returned in batch.returned):
        tx.hint("due")


def _failed(ended: Ended, refusal: Exception) -> Finished:
    return Finished(
        id=ended.id,
        attempt=ended.attempt,
        status="failed",
        error=f"the result could not be stored: {refusal}",
        reason="failed",
        log_lines=ended.log_lines,
    )


def _tell_refusal(what: str, error: Exception) -> None:
    logs.event_limited(
        "refused", "loop/failed", f"flusher: {what}: {error}", level="error", loop="flusher",
        error=f"{type(error).__name__}: {error}", exc_info=error,
    )  # fmt: skip
