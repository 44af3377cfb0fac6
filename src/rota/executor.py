"""The contract between the engine and what executes a job.

An executor takes calls in batches, runs them, and reports to its host: log lines, progress, and for every call
exactly one outcome.  It knows neither the database nor the retry policy; whether a failure is worth a second try
is the one thing that only it can know, and it says so (``permanent``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import msgspec

Stop = Literal["timeout", "silent", "cancel", "drain", "lease", "kill"]
"""Why the engine ends a run: its time is over, it gave no sign of life for too long, somebody cancelled it, the worker
drains, its lease is lost, or it is to end at once (``kill``, which may follow another reason)."""

Stream = Literal["stdout", "stderr", "log", "system"]

MAX_CHECKPOINT_BYTES = 64 * 1024
"""Of what an attempt stores for the next: a command gets it as a variable, of which Linux takes 128 KiB."""


class Secrets(dict[str, str]):
    """Named secrets by their names.  Whatever shows it, shows the names alone."""

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self)})"


class Call(msgspec.Struct, frozen=True, gc=False):
    """One attempt of one job, as an executor gets it.  Times are microseconds UTC, durations microseconds."""

    job_id: str
    attempt: int
    lane: str
    queue: str
    type: str | None
    target: str | None
    """The target as JSON text; None for a declared function, which the runner knows by ``type``."""
    args: str
    """The arguments as JSON text, byte for byte as they were given."""
    timeout_us: int | None
    created_at: int
    scheduled_for: int | None = None
    schedule_id: str | None = None
    started_by: str | None = None
    callback_url: str | None = None
    previous: str | None = None
    """Result (JSON text) of the schedule's last good run."""
    max_attempts: int = 1
    attempts_used: int = 0
    priority: int = 0
    checkpoint: str | None = None
    """What the attempts before this one have stored at last (JSON text)."""
    answer_token: str | None = None
    """With which the target may answer later, of an HTTP call."""
    began_with: int = 1
    """The attempt that handed the work over, where this one only goes on with it."""
    trace: str | None = None
    """The trace context that the target gets (W3C ``traceparent``): of the span of this attempt where one is made, else
    of who enqueued the job, where that is known."""
    secrets: Secrets | None = None
    """The named secrets that the attempt asks for.  They are nowhere but in the calls that executors get."""


class ErrorDetail(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is kept of a failure beside its one line."""

    code: str
    type: str | None = None
    message: str | None = None
    trace: str | None = None


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How an attempt ended.

    ``completed`` carries a result; ``failed`` an error, and ``permanent`` when no retry can help; ``snoozed`` a
    delay, after which the job starts again without having used an attempt; ``interrupted`` gives the job back at
    once, also without one (the run was lost through no fault of its own); ``stopped`` means that the run ended
    because the engine asked for it; ``deferred`` that the target has taken the work and answers later: the job runs
    on, and its slot is free.
    """

    kind: Literal["completed", "failed", "snoozed", "interrupted", "stopped", "deferred"]
    result: str | None = None
    """JSON text."""
    error: str | None = None
    detail: ErrorDetail | None = None
    permanent: bool = False
    delay_us: int | None = None
    """Snooze: when to start again. Failure: the delay that the target asked for (``Retry-After``).  Deferred: how long
    after its start the answer may come at the latest."""
    slow_us: int | None = None
    """For how long no other job of its queue should call a target: this one is overloaded and said so."""
    slow_by: str | None = None
    """The target that asked for that, fit to be shown."""
    truncated: int | None = None
    """Bytes of the whole result, when it was too large and ``result`` holds ``{"bytes", "head"}`` instead."""
    exchange: str | None = None
    """What was sent to the target and what came back (JSON text), bounded, without secrets."""
    begun: bool = True
    """False where the run certainly had not begun: then even a job that must not run twice may start again."""


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One line of output: microseconds UTC, stream, text without its newline."""

    at: int
    stream: Stream
    text: str


class Declared(msgspec.Struct, frozen=True):
    """A job type that running code declares (JSON documents as text)."""

    name: str
    lane: Literal["async", "sync"]
    function: str
    """``module:qualified.name``"""
    args_schema: str
    defaults: str
    """Queue, priority, retry, time-out … as the contract's job type names them."""
    secrets: tuple[str, ...] = ()
    """Names of the secrets that the function asks for."""


class Host(Protocol):
    """What the engine offers to an executor.  All methods are called on the worker's event loop and never block."""

    def done(self, call: Call, outcome: Outcome) -> None:
        """Report the end of an attempt; exactly once for each call."""

    def lines(self, call: Call, lines: Sequence[Line]) -> None:
        """Add lines to the log of the attempt."""

    def full(self, call: Call) -> bool:
        """Tell whether so much output waits to be stored that more of this attempt should be held back."""

    def progress(self, call: Call, value: float | None, message: str | None) -> None:
        """Report progress (0 to 1)."""

    def extend(self, call: Call, extra_us: int) -> None:
        """Give the run this much time from now, if it has less."""

    def checkpoint(self, call: Call, value: str) -> None:
        """Keep sound JSON of at most ``MAX_CHECKPOINT_BYTES`` for the next attempt; of several the last one holds."""

    def declared(self, types: Sequence[Declared], schedules: Sequence[str]) -> None:
        """Tell which job types and schedules (JSON documents) the loaded application declares."""


@runtime_checkable
class Timed(Protocol):
    """An executor that watches over the time of its runs itself, beside the engine."""

    def give_time(self, job_id: str, attempt: int, left_us: int) -> None:
        """Let a run go on for so long from now, where it would end earlier.  Unknown runs are ignored."""


@runtime_checkable
class Remote(Protocol):
    """An executor whose runs go on elsewhere when it lets them go: a worker that drains need not wait for them."""

    leaves_on_drain: bool


class Executor(Protocol):
    """Runs the calls of one or more lanes."""

    lanes: Mapping[str, int]
    """Lane name → how many calls it takes at once."""

    async def start(self, host: Host) -> None:
        """Begin; afterwards calls may be submitted."""

    def submit(self, calls: Sequence[Call]) -> None:
        """Begin to run ``calls``.  Returns at once and never raises: every trouble is an outcome."""

    def stop(self, job_id: str, attempt: int, why: Stop) -> None:
        """End a run: politely first, then for good after the grace time; ``kill`` ends it for good at once.

        Unknown runs are ignored.
        """

    async def close(self) -> None:
        """End what still runs, at once, and leave no process behind."""
