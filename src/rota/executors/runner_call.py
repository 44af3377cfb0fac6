"""One call in a runner: its context, and what its return or exception means."""

from __future__ import annotations

from typing import Any

import msgspec

from rota.context import Context, JobInfo, instant
from rota.errors import Invalid, NotFound
from rota.executor import MAX_CHECKPOINT_BYTES, ErrorDetail, Outcome
from rota.executors import answer
from rota.executors.runner_app import trace_of
from rota.executors.runner_frames import Work
from rota.executors.runner_link import Link
from rota.executors.runner_output import Output
from rota.executors.stopping import stopped
from rota.job import Fail, JobFunction, Retryable, Snooze, error_type
from rota.jsontext import check_json
from rota.signature import encode_hook

_MESSAGE_CHARS = 4096
NOTHING = "null"

_encode = msgspec.json.Encoder(enc_hook=encode_hook).encode


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of what a function may answer and say."""

    result_bytes: int = answer.MAX_RESULT_BYTES
    depth: int = answer.MAX_DEPTH
    line_chars: int = 64 * 1024


class RunningCall:
    """A call that runs here; to its function it is the `rota.context.RunningJob`."""

    __slots__ = ("_limits", "_link", "_work", "begun", "cancelled", "number", "output")

    def __init__(self, work: Work, link: Link, limits: Limits) -> None:
        self.number = work.number
        self.output = Output(link, work.number, limits.line_chars)
        self.begun = False
        self.cancelled = False
        """Whether the worker has asked for the end."""
        self._work = work
        self._link = link
        self._limits = limits

    @property
    def trace(self) -> str | None:
        """The trace context in which it runs (``traceparent``)."""
        return self._work.trace

    def progress(self, value: float | None, message: str | None) -> None:
        if self.output.open:
            text = None if message is None else answer.one_line(str(message))
            self._link.progress(self.number, value, text)

    def extend(self, extra_us: int) -> None:
        if self.output.open:
            self._link.extend(self.number, extra_us)

    def secret(self, name: str) -> str:
        given = self._work.secrets or {}
        if name not in given:
            hint = f'ask for it: @rota.job(secrets=["{name}"]), or "secrets" in the target'
            raise NotFound(f"this job was not given a secret {str(name)[:100]}", hint=hint)
        return given[name]

    def checkpoint(self, value: Any) -> None:
        try:
            text = _encode(value).decode()
        except Exception as error:  # noqa: BLE001 - a model's own code may raise anything
            raise Invalid("checkpoint", f"is not JSON: {error}", hint="give numbers, texts, lists and dicts") from None
        check_json(text, "checkpoint", max_bytes=MAX_CHECKPOINT_BYTES, max_depth=self._limits.depth)
        if self.output.open:
            self._link.checkpoint(self.number, text)

    def arguments(self, function: JobFunction[..., Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return what the function is called with; raises Invalid, or whatever a model of the author raises."""
        context = self._context() if function.signature.context is not None else None
        return function.convert_args(self._work.args, context)

    def returned(self, value: Any) -> Outcome | str:
        """Return the outcome that a returned value stands for, or just its JSON when it is a plain result."""
        if value is None:
            return NOTHING
        try:
            result = _encode(value).decode()
        except Exception as error:  # noqa: BLE001 - a model's own code may raise anything
            return answer.not_json(str(error))
        outcome = answer.judge(result, max_bytes=self._limits.result_bytes, max_depth=self._limits.depth)
        return result if outcome.kind == "completed" and outcome.truncated is None else outcome

    def raised(self, error: BaseException) -> Outcome:
        """Return the outcome that an exception stands for."""
        name = type(error).__qualname__
        message = _message(error)
        if self.cancelled:
            return stopped(answer.one_line(f"ended with {name}: {message}" if message else f"ended with {name}"))
        if isinstance(error, Snooze):
            return Outcome("snoozed", delay_us=error.delay_us)
        code, line, delay_us = "exception", f"{name}: {message}" if message else name, None
        if isinstance(error, Fail):
            code, line = "failed", message or name
        elif isinstance(error, Retryable):
            line, delay_us = message or name, error.delay_us
        elif isinstance(error, SystemExit):
            code, line = "system-exit", f"the function called sys.exit({error.code!r})"
        kind = error_type(type(error))
        detail = ErrorDetail(code, type=kind, message=message[:_MESSAGE_CHARS], trace=trace_of(error))
        return Outcome(
            "failed", error=answer.one_line(line), detail=detail, permanent=isinstance(error, Fail), delay_us=delay_us
        )

    def _context(self) -> Context:
        work = self._work
        priority, max_attempts, attempts_used, schedule_id, started_by, callback_url = work.more
        job = JobInfo(
            id=work.job_id,
            type=work.type,
            queue=work.queue,
            args=msgspec.json.decode(work.args),
            priority=priority,
            created_at=instant(work.created_at),
            max_attempts=max_attempts,
            attempts_used=attempts_used,
            schedule_id=schedule_id,
            started_by=started_by,
            callback_url=callback_url,
        )
        scheduled_for = None if work.scheduled_for is None else instant(work.scheduled_for)
        return Context(
            job,
            attempt=work.attempt,
            running=self,
            scheduled_for=scheduled_for,
            previous=work.previous,
            checkpoint=work.checkpoint,
        )


def bad_arguments(error: Exception) -> Outcome:
    """Return the outcome of a call whose arguments do not fit its function: no retry can help."""
    line = str(error) if isinstance(error, Invalid) else f"args: {type(error).__name__}: {_message(error)}"
    line = answer.one_line(line)
    return Outcome("failed", error=line, detail=ErrorDetail("args-invalid", message=line), permanent=True)


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the exception's own code may raise
        return "(its message cannot be shown)"
    return text.encode("utf-8", "replace").decode().replace("\0", "�")
