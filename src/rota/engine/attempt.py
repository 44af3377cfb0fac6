"""One attempt, from its claim to what is recorded of it.

``judge`` decides what an outcome means for the job: the end, another attempt later, or back at once.
"""

from __future__ import annotations

import time

import msgspec

from rota import retry
from rota.durations import SECOND, format_duration
from rota.executor import Call, ErrorDetail, Outcome, Stop
from rota.masking import Mask
from rota.store.claims import Claimed
from rota.store.results import Deferred, Finished, Returned

MAX_ERROR = 2000
CANCELLED: frozenset[Stop | None] = frozenset(("cancel", "kill"))
"""Reasons for an end that somebody asked for."""


class Running(msgspec.Struct, gc=False):
    """An attempt under way in this worker."""

    claimed: Claimed
    worker: str
    """The lease under which it was claimed."""
    started: float
    """``time.monotonic()`` of its start."""
    deadline: float | None
    """``time.monotonic()`` at which its time is over."""
    silent_at: float | None = None
    """The same for its silence; every sign of life moves it on."""
    stop: Stop | None = None
    """Why the engine asked for its end."""
    mask: Mask | None = None
    """Hides the secrets that it was given, where it was given any."""
    killed: bool = False
    """It was to end at once, whatever it was asked before."""

    @property
    def call(self) -> Call:
        """What runs."""
        return self.claimed.call

    @property
    def key(self) -> tuple[str, int]:
        """(job, attempt)."""
        return self.claimed.call.job_id, self.claimed.call.attempt

    def sign(self) -> None:
        """Note a sign of life."""
        if self.claimed.silence_us is not None:
            self.silent_at = max(self.silent_at or 0.0, time.monotonic() + self.claimed.silence_us / 1e6)

    def extend(self, until: float) -> None:
        """Let its time be over at ``until`` (``time.monotonic()``), unless it has more."""
        if self.deadline is not None:
            self.deadline = max(self.deadline, until)

    def over(self, now: float) -> Stop | None:
        """Return why it is to end now, if it is."""
        if self.deadline is not None and now >= self.deadline:
            return "timeout"
        return "silent" if self.silent_at is not None and now >= self.silent_at else None

    @property
    def time_us(self) -> int:
        """How much time it had, with what it asked for."""
        given = self.call.timeout_us or 0
        asked = 0 if self.deadline is None else int((self.deadline - self.started) * 1e6)
        return asked // SECOND * SECOND if asked >= given + SECOND else given


def begin(claimed: Claimed, worker: str) -> Running:
    """Start the clocks of a claimed job."""
    now = time.monotonic()
    timeout = claimed.call.timeout_us
    running = Running(claimed, worker, now, None if timeout is None else now + timeout / 1e6)
    running.sign()
    return running


def judge(running: Running, outcome: Outcome, now_us: int) -> Finished | Returned | Deferred:
    """Return what is recorded of an ended attempt; ``log_lines`` is the writer's to fill in."""
    call = running.call
    if outcome.kind == "stopped":
        return _stopped(running, outcome, now_us)
    if outcome.kind == "completed":
        return Finished(
            id=call.job_id,
            attempt=call.attempt,
            status="completed",
            result=outcome.result,
            truncated=outcome.truncated,
        )
    if outcome.kind == "snoozed":
        return _returned(call, "snoozed", delay_us=max(outcome.delay_us or 0, 1), outcome=outcome)
    if outcome.kind == "interrupted":
        return _interrupted(running, outcome)
    if outcome.kind == "deferred":
        return _deferred(running, outcome)
    timed_out = outcome.detail is not None and outcome.detail.code == "timeout"
    return failed(running, outcome, now_us, name="timeout" if timed_out else "failed")


def _deferred(running: Running, outcome: Outcome) -> Finished | Deferred:
    call = running.call
    if running.stop in CANCELLED:
        return Finished(id=call.job_id, attempt=call.attempt, status="cancelled", reason="cancelled", used=0)
    limit = outcome.delay_us if outcome.delay_us is not None else call.timeout_us
    return Deferred(id=call.job_id, attempt=call.attempt, limit_us=limit or 0)


def _stopped(running: Running, outcome: Outcome, now_us: int) -> Finished | Returned:
    call = running.call
    if running.stop == "timeout":
        limit = format_duration(running.time_us)
        detail = ErrorDetail(code="timeout", message=f"ran longer than {limit}")
        return failed(
            running,
            Outcome("failed", error=f"timed out after {limit}", detail=detail),
            now_us,
            name="timeout",
        )
    if running.stop == "silent":
        return silent(running, now_us)
    if running.stop in CANCELLED:
        return Finished(
            id=call.job_id,
            attempt=call.attempt,
            status="cancelled",
            reason="cancelled",
            error=_line(outcome.error),
            error_detail=_detail(outcome),
            used=0,
        )
    return _interrupted(running, Outcome("interrupted", error=_interruption(running.stop), begun=outcome.begun))


def silent(running: Running, now_us: int) -> Finished | Returned:
    """Fail an attempt that gave no sign of life for too long."""
    error = f"silent for {format_duration(running.claimed.silence_us or 0)}"
    outcome = Outcome("failed", error=error, detail=ErrorDetail(code="silent", message=error))
    return failed(running, outcome, now_us, name="silent")


def _interrupted(running: Running, outcome: Outcome) -> Finished | Returned:
    """Give a run back that was cut short, unless the job must not run twice and may have begun."""
    call = running.call
    if running.claimed.on_lost != "fail" or not outcome.begun:
        return _returned(call, "interrupted", delay_us=outcome.delay_us or 0, outcome=outcome)
    return Finished(
        id=call.job_id,
        attempt=call.attempt,
        status="failed",
        error=_line(f"{outcome.error or 'interrupted'}, and the job must not run twice"),
        error_detail=_detail(outcome),
        reason="interrupted",
    )


def _interruption(stop: Stop | None) -> str:
    return {
        "drain": "the worker was stopping",
        "lease": "the worker lost its lease",
    }.get(stop or "", "interrupted")


def failed(running: Running, outcome: Outcome, now_us: int, *, name: str) -> Finished | Returned:
    """Retry a failed attempt where an attempt is left and the failure is not permanent, or as the policy says."""
    call = running.call
    if running.stop in CANCELLED:
        return Finished(
            id=call.job_id,
            attempt=call.attempt,
            status="cancelled",
            reason="cancelled",
            error=_line(outcome.error),
            used=0,
        )
    delay = retry.next_delay(
        retry.parse(running.claimed.retry),
        used=call.attempts_used + 1,
        max_attempts=call.max_attempts,
        age_us=now_us - call.created_at,
        asked_us=outcome.delay_us,
        names=_names(outcome.detail),
        permanent=outcome.permanent,
    )
    if delay is not None:
        return _returned(call, name, delay_us=max(delay, 1), outcome=outcome, used=1)
    return Finished(
        id=call.job_id,
        attempt=call.attempt,
        status="failed",
        result=outcome.result,
        error=_line(outcome.error) or "failed",
        error_detail=_detail(outcome),
        reason=name,
    )


def _returned(call: Call, name: str, *, delay_us: int, outcome: Outcome, used: int = 0) -> Returned:
    return Returned(
        id=call.job_id,
        attempt=call.attempt,
        outcome=name,
        delay_us=delay_us,
        used=used,
        error=_line(outcome.error),
        error_detail=_detail(outcome),
    )


def _names(detail: ErrorDetail | None) -> tuple[str, ...]:
    return () if detail is None else retry.error_names(detail.code, detail.type, detail.message)


def _line(text: str | None) -> str | None:
    """One line that every database stores."""
    if text is None:
        return None
    line = " ".join(text.split()).replace("\0", "\ufffd")
    return line.encode("utf-8", "replace").decode()[:MAX_ERROR]


def _detail(outcome: Outcome) -> str | None:
    return None if outcome.detail is None else msgspec.json.encode(outcome.detail).decode()
