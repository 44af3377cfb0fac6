"""One true sentence on what a job waits for, or how it ended."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rota.insight import pending
from rota.insight.cause import Cause, at, by, plural
from rota.model import ORDER, Job
from rota.store import dependencies, jobs, turns, waiting, workers
from rota.store.database import Tx

MOST_PARENTS = 3

_AGAIN = {
    "failed": "failed",
    "timeout": "ran out of time",
    "silent": "was silent for too long",
    "snoozed": "asked to be called later",
}
_INFORMING = frozenset(("position", "expires"))
"""Causes that only add to what is said."""


class Why(msgspec.Struct, frozen=True):
    """The sentence, until when it holds at least (µs UTC), and its parts, the decisive one first."""

    text: str
    until: int | None
    causes: list[Cause]


def why(tx: Tx, job: Job) -> Why:
    """Return why a job is as it is."""
    found = _causes(tx, job)
    if job.expires_at is not None and job.status in ("pending", "scheduled", "held"):
        found.append(Cause("expires", f"it is cancelled unless it starts before {at(job.expires_at)}", job.expires_at))
    reasons = [one for one in found if one.code not in _INFORMING]
    ends = [one.until for one in reasons]
    until = max((end for end in ends if end is not None), default=None) if None not in ends else None
    return Why(_sentence(found), until, found)


def _causes(tx: Tx, job: Job) -> list[Cause]:
    if job.status == "held":
        return _held(tx, job)
    if job.status == "pending":
        return pending.causes(tx, job)
    if job.status == "scheduled":
        return [_scheduled(tx, job)]
    if job.status == "running":
        return [_running(tx, job)]
    return [_ended(job)]


def _sentence(causes: Sequence[Cause]) -> str:
    """Join what comes one after the other, then what is to be added."""
    text = ""
    for one in causes:
        if not text:
            text = one.text
        elif one.code in _INFORMING:
            text += f"; {one.text}"
        else:
            text += f", then {one.text.removeprefix('it waits ')}"
    return text


# -- held -------------------------------------------------------------------------------------------------------------


def _held(tx: Tx, job: Job) -> list[Cause]:
    if job.depends_on is not None and (parents := dependencies.waiting_for(tx, job.id)):
        return [_parents(tx, parents)]
    active_id, before = turns.ahead(tx, job.turn_key or "", job.id)
    active = jobs.get(tx, active_id) if active_id else None
    if active is None:
        return [Cause("turn", "its turn has come; it will be ready in a moment")]
    key = job.turn_key or ""
    of = f" of schedule {active.schedule_id}" if active.schedule_id else ""
    if key.startswith(ORDER):
        of = f" of order key {key.removeprefix(ORDER)}"
    text = f"it waits for job {active.id}{of} to end, which {_doing(active)}"
    if before:
        text += f"; {before} more {'goes' if before == 1 else 'go'} before it"
    return [Cause("order" if key.startswith(ORDER) else "turn", text)]


def _doing(job: Job) -> str:
    if job.status == "running":
        stopping = ", and was asked to stop" if job.cancel_requested_at is not None else ""
        return f"runs since {at(job.started_at)}{stopping}"
    if job.status == "scheduled" and job.attempt:
        return f"is between retries and starts again at {at(job.run_at)}"
    if job.status == "scheduled":
        return f"starts at {at(job.run_at)}"
    if job.status in ("failed", "cancelled"):
        return f"{'was ' if job.status == 'cancelled' else ''}{job.status} at {at(job.completed_at)}"
    return "waits for others too" if job.status == "held" else "has not been started yet"


def _parents(tx: Tx, parents: Sequence[tuple[str, str]]) -> Cause:
    said = [_parent(tx, parent, state) for parent, state in parents[:MOST_PARENTS]]
    more = [f"{len(parents) - len(said)} more"] if len(parents) > len(said) else []
    text = f"it waits for {', and '.join(said + more)}"
    if any(state in ("failed", "cancelled") for _, state in parents):
        text += "; one that did not complete must be retried"
    return Cause("parents", text)


def _parent(tx: Tx, parent: str, state: str) -> str:
    if state == "batch":
        left = waiting.open_in_batch(tx, parent)
        return f"batch {parent} ({plural(left, 'job')} of it {'has' if left == 1 else 'have'} not ended)"
    job = jobs.get(tx, parent)
    return f"job {parent}, which {_doing(job)}" if job is not None else f"job {parent}, which is gone"


# -- the rest ---------------------------------------------------------------------------------------------------------


def _scheduled(tx: Tx, job: Job) -> Cause:
    what = f"attempt {job.attempt} {_AGAIN.get(job.reason or '', 'ended')}; it" if job.attempt else "it"
    if job.run_at > tx.now():
        starts = "starts again" if job.attempt else "is due"
        return Cause("retrying" if job.attempt else "not-due", f"{what} {starts} at {at(job.run_at)}", job.run_at)
    due = f"{what} {'is to start again' if job.attempt else 'is due'} since {at(job.run_at)}"
    if workers.living(tx, "scheduler"):
        return Cause("ready", f"{due} and will be ready in a moment")
    return Cause("no-scheduler", f"{due}, but no scheduler lives that would see to it: start `rota scheduler`")


def _running(tx: Tx, job: Job) -> Cause:
    if job.awaits_answer:
        silent = f", and gives its next sign of life until {at(job.silent_by)}" if job.silent_by is not None else ""
        text = f"attempt {job.attempt} runs since {at(job.started_at)}; its target answers later, until "
        return Cause("awaiting-answer", f"{text}{at(job.answer_by)}{silent}", job.answer_by)
    worker = next((one for one in workers.listed(tx) if one.id == job.worker_id), None)
    where = f" on {worker.host} (process {worker.pid})" if worker else ""
    text = f"attempt {job.attempt} runs{where} since {at(job.started_at)}"
    if worker is not None and worker.state == "lost":
        return Cause("lost", f"{text}; that process is lost, and the job is taken from it {_soon(tx)}")
    if job.cancel_requested_at is not None:
        how = "is to be killed, as asked" if job.cancel_mode == "kill" else "was asked to stop"
        return Cause("cancelling", f"{text}; it {how}{by(job.cancel_requested_by)}")
    return Cause("running", text)


def _soon(tx: Tx) -> str:
    """Return when a scheduler sees to something that only it does."""
    return "in a moment" if workers.living(tx, "scheduler") else "once a scheduler lives: start `rota scheduler`"


def _ended(job: Job) -> Cause:
    end = at(job.completed_at)
    if job.status == "completed":
        return Cause("completed", f"it completed at {end}")
    if job.status == "failed":
        code = job.reason if job.reason in ("timeout", "silent") else "failed"
        return Cause(code, f"it failed at {end}: {job.error or job.reason or 'no reason was given'}")
    if job.reason == "expired":
        return Cause("expired", f"it was cancelled at {end}, since it waited longer than its expiresIn")
    if job.reason in ("replaced", "parent-failed"):
        return Cause(job.reason, f"it was cancelled at {end}{by(job.cancel_requested_by)}: {job.error}")
    how = f": {job.error}" if job.error else ""
    return Cause("cancelled", f"it was cancelled at {end}{by(job.cancel_requested_by)}{how}")
