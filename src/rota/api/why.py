"""One true sentence on what a job waits for, or how it ended."""

from __future__ import annotations

from typing import Any

import msgspec

from rota.actions import present
from rota.model import Job, Worker
from rota.store import jobs, queues, turns, workers
from rota.store.database import Tx
from rota.store.vitals import CODE_LANES

_AGAIN = {"failed": "failed", "timeout": "ran out of time", "snoozed": "asked to be called later"}


def why(tx: Tx, job: Job) -> dict[str, Any]:
    """Return ``{text, until, causes}``."""
    if job.status == "held":
        return _shown("turn", _held(tx, job))
    if job.status == "pending":
        code, text = _pending(tx, job)
        return _shown(code, text)
    if job.status == "scheduled":
        return _scheduled(job)
    if job.status == "running":
        return _shown(*_running(tx, job))
    return _shown(*_ended(job))


def _shown(code: str, text: str, until: int | None = None) -> dict[str, Any]:
    return {"text": text, "until": present.instant(until), "causes": [{"code": code, "text": text}]}


def _held(tx: Tx, job: Job) -> str:
    active_id, before = turns.ahead(tx, job.turn_key or "", job.id)
    active = jobs.get(tx, active_id) if active_id else None
    if active is None:
        return "its turn has come; it will be ready in a moment"
    of = f" of schedule {active.schedule_id}" if active.schedule_id else ""
    text = f"it waits for job {active.id}{of} to end, which {_doing(active)}"
    if before:
        text += f"; {before} more {'goes' if before == 1 else 'go'} before it"
    return text


def _doing(job: Job) -> str:
    if job.status == "running":
        stopping = ", and was asked to stop" if job.cancel_requested_at is not None else ""
        return f"runs since {present.instant(job.started_at)}{stopping}"
    if job.status == "scheduled":
        return f"starts {'again ' if job.attempt else ''}at {present.instant(job.run_at)}"
    return "has not been started yet"


def _scheduled(job: Job) -> dict[str, Any]:
    at = present.instant(job.run_at)
    if job.attempt == 0:
        return _shown("not-due", f"it is due at {at}", job.run_at)
    what = _AGAIN.get(job.reason or "", "ended")
    return _shown("retrying", f"attempt {job.attempt} {what}; it starts again at {at}", job.run_at)


def _running(tx: Tx, job: Job) -> tuple[str, str]:
    worker = next((one for one in workers.listed(tx) if one.id == job.worker_id), None)
    where = f" on {worker.host} (process {worker.pid})" if worker else ""
    text = f"attempt {job.attempt} runs{where} since {present.instant(job.started_at)}"
    if job.cancel_requested_at is not None:
        how = "is to be killed, as asked" if job.cancel_mode == "kill" else "was asked to stop"
        return "cancelling", f"{text}; it {how}{_by(job.cancel_requested_by)}"
    return "running", text


def _ended(job: Job) -> tuple[str, str]:
    at = present.instant(job.completed_at)
    if job.status == "completed":
        return "completed", f"it completed at {at}"
    if job.status == "failed":
        return "failed", f"it failed at {at}: {job.error or job.reason or 'no reason was given'}"
    if job.reason == "expired":
        return "expired", f"it was cancelled at {at}, since it waited longer than its expiresIn"
    if job.reason == "replaced":
        return "replaced", f"it was cancelled at {at}{_by(job.cancel_requested_by)}: {job.error}"
    return "cancelled", f"it was cancelled at {at}{_by(job.cancel_requested_by)}"


def _pending(tx: Tx, job: Job) -> tuple[str, str]:
    queue = queues.get(tx, job.queue)
    if queue is not None and queue.paused_at is not None:
        note = f": {queue.paused_note}" if queue.paused_note else ""
        return "queue-paused", f"queue {job.queue} is paused{_by(queue.paused_by)}{note}"
    living = [worker for worker in workers.living(tx, "worker") if worker.state == "running"]
    if not living:
        return "no-worker", "no worker lives"
    serving = [one for one in living if not one.queues or job.queue in msgspec.json.decode(one.queues)]
    if not serving:
        return "no-worker", f"no live worker takes queue {job.queue}"
    able = [one for one in serving if job.lane in msgspec.json.decode(one.lanes or "[]")]
    if not able or (job.lane in CODE_LANES and job.type and not _with_code(able, job.type)):
        what = f"runs job type {job.type}" if job.type else f"runs {job.lane} jobs"
        return "no-worker", f"no live worker {what}"
    if queue is not None and queue.concurrency is not None:
        running = tx.value(
            "SELECT count(*) FROM rota_jobs WHERE status = 'running' AND queue = :queue", {"queue": job.queue}
        )
        if int(running) >= queue.concurrency:
            return "queue-full", f"queue {job.queue} runs as many jobs as it may, {queue.concurrency}"
    return "ready", "it is ready and waits for a free slot of a worker"


def _with_code(able: list[Worker], type_name: str) -> bool:
    return any(type_name in msgspec.json.decode(worker.types or "[]") for worker in able)


def _by(who: str | None) -> str:
    return f" by {who}" if who else ""
