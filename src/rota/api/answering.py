"""What a target says of a run that it has taken, and a person in its place: its end, a sign of life, later."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from rota.actions import job_edits, present
from rota.actions.specs import AnswerIn, EditIn, HeartbeatIn, SnoozeIn
from rota.api.access import INVALID
from rota.api.context import Context
from rota.api.job_answers import RunState
from rota.api.jobs import ID
from rota.api.operations import Operations, Parameter
from rota.api.reply import JsonReply
from rota.durations import MILLISECOND, parse_duration
from rota.engine import answering
from rota.engine.answer_secrets import mask_of
from rota.engine.hiding import hide_in_outcome
from rota.errors import AttemptOver, Invalid, Unauthorized
from rota.executor import Outcome
from rota.executors.answer import MAX_DELAY_US
from rota.model import Job, shown_as
from rota.store import audit, awaiting, jobs
from rota.store.database import Tx

operations = Operations("Jobs", ID)

TOKEN = "Rota-Answer-Token"
ATTEMPT = "Rota-Attempt"
HEADERS = (
    Parameter(
        name=TOKEN,
        place="header",
        description="What the request to the target carried; no other credential is needed with it.",
        example="5f0c3a1e9b7d4c26a8f01b3d5e7f9a0c2b4d6e8f0a1c3e5b7d9f1a3c5e7b9d0f",
    ),
    Parameter(
        name=ATTEMPT,
        place="header",
        description="Which attempt is meant, where the body has no `attempt`; else the last one.",
        example="1",
        type=int,
    ),
)
WAITING = ("pending", "scheduled", "held")


@operations.add(
    "POST",
    "/api/jobs/{id}/complete",
    "completeJob",
    role="operator",
    body=AnswerIn,
    body_required=False,
    example={"attempt": 1, "status": "completed", "result": {"itemsProcessed": 12}},
    headers=HEADERS,
    answer=RunState,
    problems=(409,),
)
async def complete(context: Context) -> Response:
    """Tell how a run ended whose target answers later.

    The target sends `Rota-Answer-Token`, which its request carried; or an operator does it in its place. Told again
    in the same words, it is accepted again; everything else about an attempt that is over is a 409.
    """
    await _check_token(context)
    spec = await context.optional_body(AnswerIn)
    outcome = answering.outcome_of(spec, context.settings)
    return await _record(context, spec.attempt, outcome)


@operations.add(
    "POST",
    "/api/jobs/{id}/snooze",
    "snoozeJob",
    role="operator",
    body=SnoozeIn,
    example={"delay": "10m"},
    headers=HEADERS,
    answer=RunState,
    problems=(409,),
)
async def snooze(context: Context) -> Response:
    """Start a job again after a while, without using an attempt.

    For a run whose target answers later, in place of its end. A job that waits is put off, by an operator only.
    """
    await _check_token(context)
    spec = await context.body(SnoozeIn)
    delay_us = min(parse_duration(spec.delay, "delay"), MAX_DELAY_US)
    return await _record(context, spec.attempt, Outcome("snoozed", delay_us=delay_us))


async def _record(context: Context, attempt: int | None, outcome: Outcome) -> Response:
    job_id, attempt, caller = context.path("id"), _attempt(context, attempt), context.caller
    by_target = context.identity.source == "answer"

    def work(tx: Tx) -> dict[str, Any]:
        job = _known(tx, context, job_id, attempt)
        if job.status in WAITING and outcome.kind == "snoozed" and not by_target and attempt is None:
            later = EditIn(delay_ms=(outcome.delay_us or 0) // MILLISECOND)
            return _shown(job_edits.edit(tx, job_id, later, caller, context.settings))
        mask = mask_of(tx, job.target, context.header(TOKEN), context.settings)
        who = "the target" if by_target else caller.subject or "a person"
        ended = answering.complete(tx, job, hide_in_outcome(outcome, mask), who)
        if not by_target:
            audit.record(tx, caller, "answered", "job", job_id, after={"outcome": outcome.kind})
        return _shown(ended)

    return JsonReply(await context.write(work))


@operations.add(
    "POST",
    "/api/jobs/{id}/heartbeat",
    "beatJob",
    role="operator",
    body=HeartbeatIn,
    body_required=False,
    example={"progress": 0.4, "message": "copying", "extend": "5m"},
    headers=HEADERS,
    answer=RunState,
    problems=(409,),
)
async def heartbeat(context: Context) -> Response:
    """Give a sign of life of a run, its progress, and ask for more time.

    `cancelRequested` tells that the work is not wanted any more. For a run that a worker holds it works too.
    """
    await _check_token(context)
    spec = await context.optional_body(HeartbeatIn)
    job_id, attempt, caller = context.path("id"), _attempt(context, spec.attempt), context.caller
    by_target = context.identity.source == "answer"

    def work(tx: Tx) -> dict[str, Any]:
        job = _known(tx, context, job_id, attempt)
        mask = mask_of(tx, job.target, context.header(TOKEN), context.settings)
        message = mask(spec.message) if spec.message else None
        beaten = answering.beat(tx, job, msgspec.structs.replace(spec, message=message))
        if not by_target and job.status == "running":
            was, is_ = job_edits.shown_running(job), job_edits.shown_running(beaten)
            audit.record(tx, caller, "beaten", "job", job_id, before=was, after=is_)
        return _shown(beaten)

    return JsonReply(await context.write(work))


async def _check_token(context: Context) -> None:
    """Refuse a wrong token before anything of the body is looked at."""
    if context.identity.source == "answer":
        job_id, attempt = context.path("id"), _attempt(context, None)
        await context.read(lambda tx: _verify(tx, context, job_id, attempt))


def _known(tx: Tx, context: Context, job_id: str, attempt: int | None) -> Job:
    if context.identity.source == "answer":
        _verify(tx, context, job_id, attempt)
    return answering.locked(tx, job_id, attempt)


def _verify(tx: Tx, context: Context, job_id: str, attempt: int | None) -> None:
    if awaiting.is_token(tx, job_id, context.header(TOKEN) or ""):
        return
    job = jobs.get(tx, job_id) if attempt is not None else None
    if job is not None and attempt is not None and attempt < job.attempt:  # its token is forgotten
        raise AttemptOver(f"attempt {attempt} of job {job_id} is over: nothing was changed")
    raise Unauthorized(INVALID, hint=f"send the {TOKEN} that the request of this attempt carried")


def _attempt(context: Context, said: int | None) -> int | None:
    """Return which attempt is meant, None for the last one."""
    header = context.header(ATTEMPT)
    if said is not None or header is None:
        return said
    if not (header.isascii() and header.isdigit() and len(header) < 10):
        raise Invalid(ATTEMPT, f"{header[:20]!r} is no number of an attempt")
    return int(header)


def _shown(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "attempt": job.attempt,
        "status": shown_as(job.status),
        "reason": job.reason,
        "error": job.error,
        "cancelRequested": job.status == "cancelled" or job.cancel_requested_at is not None,
        "deadlineAt": present.instant(present.deadline(job)),
        "silentAt": present.instant(job.silent_by) if job.status == "running" else None,
        "runAt": present.instant(job.run_at) if job.status in WAITING else None,
    }
