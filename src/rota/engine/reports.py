"""What running attempts say of themselves until they end: log, progress, checkpoints, that they need more time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rota.engine.attempt import Running
from rota.engine.flusher import Flusher
from rota.engine.hiding import Shared
from rota.engine.logbook import Logbook
from rota.engine.telling import tell_output
from rota.executor import Call, Line
from rota.settings import Settings

Key = tuple[str, int]
"""(job, attempt)."""

LOOK_AT_LOG_EACH = 4
"""Each so many attempts of a job the size of its log is looked at."""
MOST_LOG_MEMORY = 4 << 20
"""Above so much log in memory, no more is taken of attempts that hold ``LOUD_BYTES`` of it themselves."""
LOUD_BYTES = 64 << 10


class Reports:
    """Takes reports on the worker's event loop, and hands them to the flusher in portions."""

    def __init__(self, running: Mapping[Key, Running], flusher: Flusher, settings: Settings) -> None:
        self._running = running
        self._flusher = flusher
        self._settings = settings
        self._books: dict[Key, Logbook] = {}
        self._talkative: set[Key] = set()
        self._progress: dict[Key, tuple[float | None, str | None]] = {}
        self._checkpoints: dict[Key, str] = {}
        self.shared = Shared()

    def lines(self, call: Call, lines: Sequence[Line]) -> None:
        """Add lines to a log."""
        key = (call.job_id, call.attempt)
        running = self._running.get(key)
        if running is None:
            return
        book = self._books.get(key)
        if book is None:
            book = self._books[key] = Logbook(*key, running.claimed.log_lines, self._settings.limit_log)
            if call.attempt % LOOK_AT_LOG_EACH == 0:
                self._flusher.add(running.worker, grown={call.job_id: self._settings.limit_job_log})
        shown = self.shared.hide_in_lines(lines, call, running.mask)
        book.add(shown)
        if self._settings.log_output:
            tell_output(call, shown, book.lines)
        self._talkative.add(key)
        if any(line.stream != "system" for line in lines):  # what the executor says is no sign of the run's life
            running.sign()

    def full(self, call: Call) -> bool:
        """Tell whether no more of a log should come for the moment."""
        book = self._books.get((call.job_id, call.attempt))
        if book is None or book.held < LOUD_BYTES:
            return False
        return self._flusher.log_bytes + sum(self._books[key].held for key in self._talkative) > MOST_LOG_MEMORY

    def progress(self, call: Call, value: float | None, message: str | None) -> None:
        """Take over how far a run is; the last word counts."""
        running = self._running.get((call.job_id, call.attempt))
        if running is not None:
            self._progress[running.key] = (value, running.mask.cut(message) if running.mask and message else message)
            running.sign()

    def extend(self, call: Call, extra_us: int) -> None:
        """Let a run go on for so long from now, if that is longer than it might."""
        running = self._running.get((call.job_id, call.attempt))
        if running is None:
            return
        running.sign()
        until = time.monotonic() + extra_us / 1e6
        if running.deadline is not None and until > running.deadline:
            running.extend(until)
            self._flusher.add(running.worker, extended={running.key: extra_us})

    def checkpoint(self, call: Call, value: str) -> None:
        """Take over what the next attempt goes on from; the last word counts."""
        running = self._running.get((call.job_id, call.attempt))
        if running is not None:
            self._checkpoints[running.key] = value if running.mask is None else running.mask.json(value)
            running.sign()

    def last(self, running: Running) -> int:
        """Hand the rest over before the result, which ends the lease of the job; return the number of the last line."""
        key = running.key
        if (report := self._progress.pop(key, None)) is not None:
            self._flusher.add(running.worker, progress={key: report})
        if (value := self._checkpoints.pop(key, None)) is not None:
            self._flusher.add(running.worker, checkpoints={key: value})
        self._talkative.discard(key)
        book = self._books.pop(key, None)
        if book is None:
            return running.claimed.log_lines
        if not book.empty:
            chunks, dropped = book.take()
            self._flusher.add(running.worker, (), chunks, dropped)
        return book.lines

    def flush(self, worker: str) -> None:
        """Hand over what has come since; ``worker`` holds the lease now."""
        self._flush_marks(worker)
        for key in self._talkative & self._running.keys():  # those that have just ended are handed over in a moment
            if self._flusher.behind:
                break  # the log books bound what they hold; what was handed over would be held without bound
            self._talkative.discard(key)
            chunks, dropped = self._books[key].take()
            self._flusher.add(self._running[key].worker, (), chunks, dropped)

    def _flush_marks(self, worker: str) -> None:
        """Hand over progress and checkpoints: one of each run at most, however far behind the logs are."""
        if self._progress:
            self._flusher.add(worker, progress=self._progress)
            self._progress = {}
        for key in self._checkpoints.keys() & self._running.keys():
            self._flusher.add(self._running[key].worker, checkpoints={key: self._checkpoints.pop(key)})
