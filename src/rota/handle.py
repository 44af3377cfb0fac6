"""A stored job in the hands of a program."""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple, Protocol, Self

import msgspec

from rota.actions import jobs
from rota.actions.specs import Caller
from rota.context import instant
from rota.durations import format_duration, parse_duration
from rota.errors import NotFound, RotaError
from rota.job import Duration
from rota.model import FINAL, Status, shown_as
from rota.model import Job as Record
from rota.store import jobs as store
from rota.store import logs
from rota.store.database import Database

LOOK_S = (0.01, 0.25)
"""First and longest pause between two looks at a job that is waited for."""


class Home(Protocol):
    """The database that a job lives in."""

    def database(self) -> Database:
        """Return it, open in this process."""

    def before_wait(self) -> None:
        """Hear that a program is about to wait for a job."""

    async def before_wait_async(self) -> None:
        """As ``before_wait``, where an event loop runs."""


class Awaited(ABC):
    """What a program can wait for: a job, or all jobs of a batch."""

    _home: Home

    @abstractmethod
    def refresh(self) -> Self:
        """Look again."""

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether it has ended."""

    @abstractmethod
    def _late(self) -> str:
        """Return what has not ended."""

    def wait(self, timeout: Duration | None = None) -> Self:
        """Wait until it has ended, however it ends; raises TimeoutError after ``timeout`` (s)."""
        self._home.before_wait()
        for pause in _pauses(timeout):
            if self.refresh().done:
                return self
            time.sleep(pause)
        raise self._timed_out(timeout)

    async def wait_async(self, timeout: Duration | None = None) -> Self:
        """As `wait`, where an event loop runs."""
        await self._home.before_wait_async()
        for pause in _pauses(timeout):
            if (await asyncio.to_thread(self.refresh)).done:
                return self
            await asyncio.sleep(pause)
        raise self._timed_out(timeout)

    def _timed_out(self, timeout: Duration | None) -> TimeoutError:
        return TimeoutError(f"{self._late()} after {format_duration(parse_duration(timeout or 0))}")


class JobFailed(RotaError):
    """The job has failed, or was cancelled."""

    code = "job-failed"

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(f"job {job.id} {job.status}{': ' + job.error if job.error else ''}")


class Progress(NamedTuple):
    """How far a run has come: a share from 0 to 1, and in what it is just now."""

    value: float | None
    message: str | None


class LogLine(NamedTuple):
    """One line of a job's log; ``stream`` is stdout, stderr, log or system."""

    n: int
    at: datetime
    stream: str
    attempt: int
    text: str


class Job(Awaited):
    """A job: ``id`` at once, everything else as of the last look, which `refresh`, `wait` and the changes take anew.

    The first look is taken when something is asked for.  Every method raises `NotFound` when the job is gone.
    """

    def __init__(self, home: Home, job_id: str, *, existing: bool = False, replaced: bool = False) -> None:
        self.id = job_id
        self.existing = existing
        """Whether it was there already: its unique key was held."""
        self.replaced = replaced
        """Whether that one waited, and became what was given, as ``if_exists`` asked."""
        self._home = home
        self._record: Record | None = None

    def __repr__(self) -> str:
        return f"<job {self.id}{'' if self._record is None else ' ' + self._record.status}>"

    def refresh(self) -> Self:
        """Look at the job again."""
        found = self._home.database().read(lambda tx: store.get(tx, self.id))
        if found is None:
            raise NotFound(f"there is no job {self.id[:100]}")
        self._record = found
        return self

    @property
    def record(self) -> Record:
        """The job as stored: times are microseconds UTC, documents JSON text."""
        if self._record is None:
            self.refresh()
        assert self._record is not None
        return self._record

    @property
    def status(self) -> Status:
        """scheduled, pending, running, completed, failed or cancelled."""
        return shown_as(self.record.status)

    @property
    def done(self) -> bool:
        """Whether it has completed, failed or been cancelled."""
        return self.record.status in FINAL

    @property
    def result(self) -> Any:
        """What the job returned; None while there is nothing.  A failed job may have one too."""
        return _decoded(self.record.result)

    @property
    def error(self) -> str | None:
        """One line on why the last attempt failed."""
        return self.record.error

    @property
    def error_detail(self) -> dict[str, Any] | None:
        """``code``, ``type``, ``message`` and ``trace`` of that failure."""
        detail: dict[str, Any] | None = _decoded(self.record.error_detail)
        return detail

    @property
    def attempt(self) -> int:
        """How often it was started."""
        return self.record.attempt

    @property
    def progress(self) -> Progress | None:
        """What the run last reported."""
        record = self.record
        if record.progress is None and record.progress_note is None:
            return None
        return Progress(record.progress, record.progress_note)

    @property
    def checkpoint(self) -> Any:
        """What its runs last stored for the next attempt."""
        return _decoded(self.record.checkpoint)

    @property
    def type(self) -> str | None:
        """Its job type; None when it brought a target of its own."""
        return self.record.type

    @property
    def queue(self) -> str:
        """The queue that it waits in."""
        return self.record.queue

    @property
    def args(self) -> Any:
        """Its arguments, by name."""
        return _decoded(self.record.args)

    @property
    def schedule_id(self) -> str | None:
        """The schedule that made it."""
        return self.record.schedule_id

    @property
    def scheduled_for(self) -> datetime | None:
        """The due instant of that schedule."""
        return _time(self.record.scheduled_for)

    @property
    def created_at(self) -> datetime:
        """When it was stored."""
        return instant(self.record.created_at)

    @property
    def run_at(self) -> datetime:
        """When it is due, or was."""
        return instant(self.record.run_at)

    @property
    def started_at(self) -> datetime | None:
        """When the last attempt began."""
        return _time(self.record.started_at)

    @property
    def completed_at(self) -> datetime | None:
        """When it ended, well or not."""
        return _time(self.record.completed_at)

    def _late(self) -> str:
        return f"job {self.id} is still {self.status}"

    def raise_for_status(self) -> Job:
        """Return the job; raises `JobFailed` when it has failed or was cancelled."""
        if self.status in ("failed", "cancelled"):
            raise JobFailed(self)
        return self

    def cancel(self, *, force: bool = False) -> Job:
        """Cancel it, or ask for the end of its run; ``force`` kills it.  Raises Conflict when it has ended."""
        self._record = self._home.database().run(lambda tx: jobs.cancel(tx, self.id, Caller(), force=force))
        return self

    def retry(self, *, fresh: bool = False) -> Job:
        """Make an ended job wait again, with all its attempts anew; raises Conflict while it runs.

        One that did not complete goes on from its checkpoint, unless it is to begin ``fresh``.
        """
        self._record = self._home.database().run(lambda tx: jobs.retry(tx, self.id, Caller(), fresh=fresh))
        return self

    def delete(self) -> None:
        """Delete it with its history; raises Conflict while it runs."""
        self._home.database().run(lambda tx: jobs.delete(tx, self.id, Caller()))

    def logs(self, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """Return at most ``limit`` lines of its log, those behind line number ``after``."""
        found = self._home.database().read(lambda tx: logs.lines(tx, self.id, after=after, limit=limit))
        return [LogLine(**{**line, "at": instant(line["at"])}) for line in found]


def _decoded(document: str | None) -> Any:
    return None if document is None else msgspec.json.decode(document)


def _time(at_us: int | None) -> datetime | None:
    return None if at_us is None else instant(at_us)


def _pauses(timeout: Duration | None) -> Iterator[float]:
    """Return the pauses (s) between looks; the last comes when the time is over, for a last look."""
    end = math.inf if timeout is None else time.monotonic() + parse_duration(timeout, "timeout") / 1e6
    pause, longest = LOOK_S
    left = end - time.monotonic()
    while left > 0:
        yield min(pause, left)
        pause = min(pause * 1.5, longest)
        left = end - time.monotonic()
    yield 0.0
