"""What a running function sees of its own job."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from rota.durations import parse_duration

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_log = logging.getLogger("rota.job")


class JobInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The job that runs, as it was when this attempt began."""

    id: str
    type: str | None
    queue: str
    args: dict[str, Any]
    priority: int = 0
    created_at: datetime
    max_attempts: int = 1
    attempts_used: int = 0
    """Attempts that count against ``max_attempts`` and were used before this one."""
    schedule_id: str | None = None
    started_by: str | None = None
    callback_url: str | None = None


class RunningJob(Protocol):
    """What runs the function, as its context needs it."""

    @property
    def cancelled(self) -> bool:
        """Tell whether the run has been asked to end."""

    def progress(self, value: float | None, message: str | None) -> None:
        """Pass on progress, from 0 to 1."""

    def extend(self, extra_us: int) -> None:
        """Pass on that it needs so much time from now."""

    def secret(self, name: str) -> str:
        """Return a named secret; raises NotFound for one that was not asked for."""

    def checkpoint(self, value: Any) -> None:
        """Pass on what the next attempt is to begin with; raises Invalid where it cannot be kept."""


class Context:
    """The job, its attempt, and what a function may tell about itself.

    A parameter annotated with this class is filled in when the job runs; callers leave it out.
    """

    def __init__(
        self,
        job: JobInfo,
        *,
        attempt: int,
        running: RunningJob,
        scheduled_for: datetime | None = None,
        previous: str | None = None,
        checkpoint: str | None = None,
    ) -> None:
        self.job = job
        self.attempt = attempt
        """Number of this start, from 1."""
        self.scheduled_for = scheduled_for
        """The due instant of the schedule that made this job; None for other jobs."""
        self.log = JobLogger(_log, {"job_id": job.id, "job_type": job.type, "attempt": attempt})
        """A logger whose lines go to the log of this job."""
        self._running = running
        self._previous = previous
        self._checkpoint = checkpoint

    @property
    def previous(self) -> Any:
        """The result of the last good run of the schedule; None where there is none."""
        return None if self._previous is None else msgspec.json.decode(self._previous)

    @property
    def cancelled(self) -> bool:
        """Whether this run was asked to end (time over, cancelled, worker stopping).

        A sync function that runs for long looks here now and then, and returns or raises; after the grace time its
        process is killed.  An async function gets ``asyncio.CancelledError`` besides.
        """
        return self._running.cancelled

    def progress(self, value: float, message: str | None = None) -> None:
        """Report how much is done, from 0 to 1, and in what the run is just now."""
        # Progress is for the eye: a share that is slightly off must not fail the work.  The test drops NaN.
        share = min(max(float(value), 0.0), 1.0) if value == value else None
        self._running.progress(share, message)

    def extend(self, time: str | int | float | timedelta) -> None:
        """Let the time of this run be over so much from now (``"5m"``), where it would be over earlier.

        It counts as a sign of life, as progress and lines of the log do.  A run that was told to end already is not
        helped.  Raises `rota.errors.Invalid` for what is no duration.
        """
        self._running.extend(parse_duration(time, "time"))

    def secret(self, name: str) -> str:
        """Return the value of a named secret that the job type (``@rota.job(secrets=[…])``) or the target asks for.

        It is hidden in whatever the job reports.  Raises `rota.errors.NotFound` for one that is not asked for.
        """
        return self._running.secret(name)

    def checkpoint(self, value: Any) -> None:
        """Keep a JSON value of at most 64 KiB for the next attempt, if there is one: it is its ``resumed_from``.

        Of several the last one holds.  It is stored within a fraction of a second, and for certain when the attempt
        ends in whatever way.  Raises `rota.errors.Invalid` for what is too large or no JSON.
        """
        self._running.checkpoint(value)

    @property
    def resumed_from(self) -> Any:
        """The last checkpoint of the attempts before this one; None where there is none.

        What was done after that checkpoint, and before the end of its attempt, is done again.
        """
        return None if self._checkpoint is None else msgspec.json.decode(self._checkpoint)


class JobLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger of one job: ``extra`` of each record names job, type and attempt."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


def instant(us: int) -> datetime:
    """Return microseconds UTC as an aware datetime."""
    return _EPOCH + timedelta(microseconds=us)
