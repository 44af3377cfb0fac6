"""How a run ends, or goes on, by what is said over REST: by its target, which answers later, or by a person.

Every answer is for one attempt.  One that was given before is accepted again; any other is refused.
"""

from __future__ import annotations

import time

import msgspec

from rota.actions.specs import ABSENT, AnswerIn, HeartbeatIn, given
from rota.durations import MILLISECOND, SECOND, format_duration, parse_duration
from rota.engine.attempt import Running, judge, silent
from rota.engine.telling import tell_answered
from rota.errors import AttemptOver, Conflict, Invalid, NotFound
from rota.executor import MAX_CHECKPOINT_BYTES, Call, ErrorDetail, Line, Outcome
from rota.executors import answer
from rota.jsontext import check_json, check_text
from rota.model import Job, LogChunk, priority_of, shown_as
from rota.settings import Settings
from rota.store import awaiting, jobs, results
from rota.store import logs as log_store
from rota.store.claims import Claimed
from rota.store.database import Tx
from rota.store.results import Finished, Returned

ANSWERING_LANE = "http"
MAX_MESSAGE = 1000
_encode = msgspec.json.Encoder().encode


def outcome_of(spec: AnswerIn, settings: Settings) -> Outcome:
    """Return the outcome that an answer stands for; raises Invalid for what contradicts itself."""
    if spec.delay_ms is not None and spec.delay_ms < 0:
        raise Invalid("delayMs", f"{spec.delay_ms} is below zero")
    if spec.status == "retry":
        if spec.delay_ms is None:
            raise Invalid("delayMs", "is missing", hint='say when to start again: "delayMs": 60000')
        return Outcome("snoozed", delay_us=min(spec.delay_ms * MILLISECOND, answer.MAX_DELAY_US))
    failed = spec.status == "failed" or spec.success is False or spec.error is not None or spec.errors is not None
    if failed and (spec.status == "completed" or spec.success is True):
        raise Invalid("error", "does not go with a run that has completed", hint="leave it out, or say status failed")
    if not failed:
        for name, value in (("permanent", spec.permanent), ("delayMs", spec.delay_ms)):
            if value is not None:
                raise Invalid(name, "does not go with a run that has completed", hint="leave it out")
        return answer.judge(
            _result(spec, settings) or "null", max_bytes=settings.limit_result, max_depth=settings.limit_depth
        )
    permanent = spec.permanent if spec.permanent is not None else spec.status == "failed"
    said = {"status": "failed", "error": spec.error, "errors": spec.errors}
    judged = answer.judge(_encode({name: value for name, value in said.items() if value is not None}).decode())
    delay_us = None if spec.delay_ms is None else min(spec.delay_ms * MILLISECOND, answer.MAX_DELAY_US)
    outcome = msgspec.structs.replace(judged, result=_result(spec, settings), permanent=permanent, delay_us=delay_us)
    return answer.bounded(outcome, max_bytes=settings.limit_result)


def _result(spec: AnswerIn, settings: Settings) -> str | None:
    if spec.result == ABSENT:
        return None
    return check_json(bytes(spec.result), "result", max_bytes=settings.limit_body, max_depth=settings.limit_depth)


def locked(tx: Tx, job_id: str, attempt: int | None) -> Job:
    """Return, locked, the job of an attempt that somebody speaks for; raises NotFound, and AttemptOver for another."""
    job = jobs.lock(tx, job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id[:100]}")
    if attempt is not None and attempt != job.attempt:
        raise _over(job, attempt)
    return job


def complete(tx: Tx, job: Job, outcome: Outcome, who: str = "the target") -> Job:
    """Record how the run of a locked job ended; the same said again changes nothing.

    Raises AttemptOver where it has ended otherwise, and Conflict for what only its worker can end.
    """
    ended = judge(running(job), outcome, tx.now())
    assert not isinstance(ended, results.Deferred), "no answer defers"
    if job.status != "running":
        if _was_said(job, ended):
            return job
        raise _over(job, job.attempt)
    if job.lane != ANSWERING_LANE:
        raise Conflict(f"job {job.id} runs on a worker, which will tell its end", hint="cancel it to end it")
    return _end(tx, job, ended, f"{who} answers: {outcome.error or outcome.kind}")


def end_overdue(tx: Tx, limit: int) -> list[Job]:
    """End the runs whose target has not answered in time, was silent too long, or is not wanted any more."""
    now = tx.now()
    judged = [(job, _judge_overdue(job, now)) for job in awaiting.over(tx, limit)]
    return [_end(tx, job, ended, ended.error or "its end was asked for") for job, ended in judged]


def beat(tx: Tx, job: Job, spec: HeartbeatIn) -> Job:
    """Note a sign of life of a locked job; one that was cancelled meanwhile is returned as it is."""
    if spec.progress is not None and not 0 <= spec.progress <= 1:
        raise Invalid("progress", f"{spec.progress:g} is out of range", hint="from 0 to 1")
    note = check_text(spec.message, "message", max_length=MAX_MESSAGE) if spec.message else None
    extend_us = None if spec.extend is None else parse_duration(spec.extend, "extend")
    stored = given(spec.checkpoint)
    checkpoint = None
    if stored is not None:
        checkpoint = check_json(bytes(stored), "checkpoint", max_bytes=MAX_CHECKPOINT_BYTES)
    if job.status == "cancelled":
        return job
    if job.status != "running":
        raise _over(job, job.attempt)
    awaiting.beat(tx, job.id, value=spec.progress, note=note, extend_us=extend_us, checkpoint=checkpoint)
    return _again(tx, job.id)


def _judge_overdue(job: Job, now: int) -> Finished | Returned:
    one = running(job)
    if job.cancel_requested_at is not None:
        one.stop = "cancel"
        ended = judge(one, Outcome("stopped"), now)
    elif job.answer_by is not None and job.answer_by <= now:
        limit = format_duration(_whole(job.answer_by - (job.started_at or 0), job.timeout_us))
        text = f"the target took the work and did not answer within {limit}"
        ended = judge(one, Outcome("failed", error=text, detail=ErrorDetail("timeout", message=text)), now)
    else:
        ended = silent(one, now)
    assert not isinstance(ended, results.Deferred), "what is over is not deferred again"
    return ended


def _whole(had_us: int, usual_us: int | None) -> int:
    """Return how much time a run had, in whole seconds where it asked for more than usual."""
    return had_us if usual_us is None or had_us <= usual_us else had_us // SECOND * SECOND


def running(job: Job) -> Running:
    """Return the run of a job as its worker would judge it."""
    call = Call(
        job_id=job.id, attempt=job.attempt, lane=job.lane, queue=job.queue, type=job.type, target=job.target,
        args=job.args, timeout_us=job.timeout_us, created_at=job.created_at, scheduled_for=job.scheduled_for,
        schedule_id=job.schedule_id, max_attempts=job.max_attempts, attempts_used=job.attempts_used,
        priority=priority_of(job.rank, job.priority),
    )  # fmt: skip
    claimed = Claimed(
        call, job.started_at or 0, job.run_at, job.retry, job.log_lines, job.on_lost, silence_us=job.silence_us
    )
    return Running(claimed, job.worker_id or "", time.monotonic(), None)


def _end(tx: Tx, job: Job, ended: Finished | Returned, said: str) -> Job:
    ended.log_lines = log_store.last_line(tx, job.id, job.log_lines)
    if job.awaits_answer:  # else its worker numbers the lines
        ended.log_lines += 1
        log_store.append(tx, [_line(job, ended.log_lines, tx.now(), said)])
    if not results.answer(tx, ended, job.worker_id):
        raise _over(job, job.attempt)
    now, one = tx.now(), running(job)
    tx.after_commit(lambda: tell_answered(one, ended, now))
    return _again(tx, job.id)


def _line(job: Job, number: int, now: int, text: str) -> LogChunk:
    line = Line(now, "system", answer.one_line(text))
    return LogChunk(job.id, job.attempt, number, 1, now, _encode([line]).decode())


def _again(tx: Tx, job_id: str) -> Job:
    found = jobs.get(tx, job_id)
    assert found is not None, "it is locked"
    return found


def _was_said(job: Job, ended: Finished | Returned) -> bool:
    """Tell whether a job that does not run stands where this end would have brought it."""
    if isinstance(ended, Finished):
        return (job.status, job.result, job.error) == (ended.status, ended.result, ended.error)
    return job.status in ("pending", "scheduled") and (job.reason, job.error) == (ended.outcome, ended.error)


def _over(job: Job, attempt: int) -> AttemptOver:
    if attempt > job.attempt:
        return AttemptOver(f"attempt {attempt} of job {job.id} has not begun", hint="send the Rota-Attempt you got")
    how = shown_as(job.status) if job.attempt == attempt else "over"
    return AttemptOver(f"attempt {attempt} of job {job.id} is {how}: nothing was changed")
