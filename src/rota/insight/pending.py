"""What a ready job waits for: pauses, workers, limits, slots, and the jobs before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from rota.durations import format_duration
from rota.insight.cause import Cause, at, by, left_of, listed, plural
from rota.model import Job, Pause, Queue
from rota.store import limits, pauses, queues, untaken, waiting, workers
from rota.store.database import Tx
from rota.store.limits import RateUse, Usage
from rota.store.untaken import HOST


def causes(tx: Tx, job: Job) -> list[Cause]:
    """Return everything that keeps a ready job from being started, what is decisive first."""
    now = tx.now()
    queue = queues.get(tx, job.queue) or Queue(name=job.queue)
    stops = [*_by_end(_pauses(tx, job, queue)), *_nobody(tx, job)]
    usage = limits.usage(tx, queue, job.concurrency_key)
    rates = [_rate(job, one) for one in usage.rates if one.full]
    limited = [*_full(tx, job, queue, usage, now), *_by_end([*rates, *_slowed(job, queue, now)])]
    busy = [] if stops else list(_busy(tx, job, queue))
    found = [*stops, *limited, *busy, *_before(tx, job)]
    if not (stops or limited or busy):
        found.insert(0, Cause("ready", "it is ready and will be started in a moment"))
    return found


def _by_end(found: Iterable[Cause]) -> list[Cause]:
    """Return what goes on for as long as it says: what ends first stands first, what has no end last."""
    return sorted(found, key=lambda one: (one.until is None, one.until or 0))


# -- pauses and workers -----------------------------------------------------------------------------------------------


def _pauses(tx: Tx, job: Job, queue: Queue) -> Iterator[Cause]:
    if queue.paused_at is not None:
        yield _paused("queue", queue.name, queue.paused_by, queue.resume_at, queue.paused_note)
    if job.type is not None and (pause := pauses.get(tx, "type", job.type)):
        yield _paused("type", job.type, pause.author, pause.resume_at, pause.note)
    elif job.ring is not None and job.ring.startswith("!"):
        yield Cause("ready", f"the pause of type {job.type} is over; it will be ready in a moment")
    if job.concurrency_key is not None and (pause := _pause_of_key(tx, job)):
        yield _paused("key", job.concurrency_key, pause.author, pause.resume_at, pause.note)


def _pause_of_key(tx: Tx, job: Job) -> Pause | None:
    key = job.concurrency_key or ""
    return pauses.get(tx, "key", key, job.queue) or pauses.get(tx, "key", key)


def _paused(kind: str, name: str, who: str | None, until: int | None, note: str | None) -> Cause:
    end = f" until {at(until)}" if until is not None else ""
    return Cause(f"{kind}-paused", f"{kind} {name} is paused{by(who)}{end}{f': {note}' if note else ''}", until)


def _nobody(tx: Tx, job: Job) -> Iterator[Cause]:
    takers = untaken.takers_of(workers.living(tx))
    wanted = untaken.lane_of(job)
    if any(taker.takes(wanted) for taker in takers):
        return
    text = untaken.lacking(takers, wanted)
    code = "no-worker"
    if " has the label" in text:
        code = "labels"
    elif job.queue.startswith(HOST) and takers and not any(taker.serves(job.queue) for taker in takers):
        code = "host"
    yield Cause(code, text)


# -- limits -----------------------------------------------------------------------------------------------------------


def _full(tx: Tx, job: Job, queue: Queue, usage: Usage, now: int) -> Iterator[Cause]:
    own = usage.limits
    if own.key_concurrency is not None and len(usage.key_running) >= own.key_concurrency:
        yield _key_full(tx, job, usage, own.key_concurrency, now)
    if own.concurrency is not None and usage.running >= own.concurrency:
        yield _queue_full(tx, queue, usage.running, own.concurrency, now)


def _key_full(tx: Tx, job: Job, usage: Usage, most: int, now: int) -> Cause:
    ids = [job_id for job_id, _ in usage.key_running]
    used = f" used by {_jobs(ids)}" if ids else " used"
    first = waiting.run(tx, ids[0]) if ids else None
    left = left_of(tx, first, now) if first is not None else None
    text = f"it waits for key {job.concurrency_key} ({len(ids)} of {most}{used}{f', {left}' if left else ''})"
    return Cause("key-full", text)


def _jobs(ids: Sequence[str]) -> str:
    return f"job{'s' if len(ids) > 1 else ''} {listed(ids[: waiting.MOST_NAMED], len(ids))}"


def _queue_full(tx: Tx, queue: Queue, running: int, most: int, now: int) -> Cause:
    runs = waiting.runs(tx, queue.name)
    used = f" used by job{'s' if running > 1 else ''} {listed([one.id for one in runs], running)}" if runs else " used"
    left = left_of(tx, runs[0], now) if runs else None
    when = f", the first is free in {left}" if left and left.startswith("about") else f", {left}" if left else ""
    return Cause("queue-full", f"it waits for a place in queue {queue.name} ({running} of {most}{used}{when})")


def _rate(job: Job, use: RateUse) -> Cause:
    whose = f"queue {job.queue}"
    if use.rate.scope == "key":
        whose = f"key {job.concurrency_key} in {whose}"
    what = f"the rate limit of {whose} ({use.rate.limit} in {format_duration(use.rate.per)})"
    if use.frees_at is None:
        return Cause("rate-limited", f"{what} lets nothing start")
    return Cause("rate-limited", f"{what} frees at {at(use.frees_at)}", use.frees_at)


def _slowed(job: Job, queue: Queue, now: int) -> Iterator[Cause]:
    until = queue.slowed_until
    if job.lane == "http" and until is not None and until > now:
        who = queue.slowed_by or "a target"
        yield Cause("slowed", f"queue {queue.name} is slowed until {at(until)}, as {who} asked", until)


# -- slots and places -------------------------------------------------------------------------------------------------


def _busy(tx: Tx, job: Job, queue: Queue) -> Iterator[Cause]:
    """Say that every worker which takes it has no free slot, or runs as many jobs of the queue as one may."""
    wanted = untaken.lane_of(job)
    able = [
        (worker.id, msgspec.json.decode(worker.lanes or "{}").get(job.lane, 0))
        for worker in workers.living(tx, "worker")
        if any(taker.takes(wanted) for taker in untaken.takers_of([worker]))
    ]
    if not able:
        return
    taken, here = waiting.busy_in_lane(tx, job.lane), waiting.busy_in_queue(tx, job.queue)
    most = queue.worker_concurrency
    full = most is not None and all(here.get(worker, 0) >= most for worker, _ in able)
    who = f"the worker that takes it runs {most}" if len(able) == 1 else f"each of {len(able)} workers runs {most}"
    if full:
        yield Cause("worker-full", f"it waits for a place of queue {queue.name} on a worker ({who} of {most})")
    if all(taken.get(worker, 0) >= slots for worker, slots in able):
        slots = sum(size for _, size in able)
        labels = f" with the labels {', '.join(wanted.labels)}" if wanted.labels else ""
        on = plural(len(able), "worker") + labels
        yield Cause("slots-full", f"it waits for a free slot (all {slots} for {_kind(job.lane)} of {on} are taken)")


def _kind(lane: str) -> str:
    return {"async": "async functions", "sync": "sync functions", "http": "HTTP jobs"}.get(lane, f"{lane}s")


def _before(tx: Tx, job: Job) -> Iterator[Cause]:
    count = waiting.before(tx, job)
    if not count:
        return
    many = f"at least {count}" if count >= waiting.MOST_BEFORE else str(count)
    line = f" with key {job.concurrency_key}" if job.concurrency_key is not None else ""
    yield Cause("position", f"{many} {'job goes' if count == 1 else 'jobs go'}{line} before it")
