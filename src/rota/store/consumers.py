"""What each worker does with each queue that it serves: how many jobs it runs, and why it takes no more of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rota.model import Queue, Worker
from rota.store import limits, queues, untaken
from rota.store.database import Tx
from rota.store.limits import Room

MOST_IDLE = 100
"""Where there are more queues than this, those without jobs and limits are left out."""

RUNNING = "SELECT worker_id, queue, count(*) FROM rota_jobs WHERE status = 'running' GROUP BY worker_id, queue"


class Consumer(msgspec.Struct, frozen=True):
    """A worker and a queue that it serves."""

    queue: str
    running: int
    reason: str | None = None
    """Why it takes nothing; None while it would."""
    until: int | None = None
    """When that ends by itself (µs UTC), where it is known."""


def consumers(tx: Tx, processes: Sequence[Worker]) -> dict[str, list[Consumer]]:
    """Return for each of these workers, by id, what it does with its queues."""
    at_work = [worker for worker in processes if worker.role == "worker" and worker.state in ("running", "draining")]
    if not at_work:
        return {}
    known = queues.listed(tx)
    running = {(worker, queue): count for worker, queue, count in tx.rows(RUNNING)}
    waiting: dict[str, set[str]] = {}
    for sql in (untaken.PLAIN, untaken.RINGS):
        for row in tx.rows(sql):
            waiting.setdefault(row[0], set()).add(row[1])
    busy = {queue for _, queue in running} | waiting.keys()
    shown = [one for one in known if len(known) <= MOST_IDLE or one.name in busy or one.paused_at or _limited(one)]
    return {worker.id: _of_worker(tx, worker, shown, running, waiting) for worker in at_work}


def _limited(queue: Queue) -> bool:
    found = limits.of(queue)
    return found.shared or found.frees


def _of_worker(
    tx: Tx,
    worker: Worker,
    known: Sequence[Queue],
    running: Mapping[tuple[str, str], int],
    waiting: Mapping[str, set[str]],
) -> list[Consumer]:
    serves = untaken.taker_of(worker).serves
    served = [queue for queue in known if serves(queue.name)]
    now = tx.now()
    rooms = limits.rooms(tx, worker.id, now, [limits.of(one) for one in served if one.name in waiting])
    told = msgspec.json.decode(worker.detail or "{}").get("sleeping") or {}
    found = []
    for queue in served:
        count, lanes = running.get((worker.id, queue.name), 0), waiting.get(queue.name, set())
        reason, until = _sleeps(tx, queue, count, lanes, rooms.get(queue.name), told.get(queue.name), now)
        found.append(Consumer(queue.name, count, reason, until))
    return found


def _sleeps(
    tx: Tx, queue: Queue, running: int, lanes: set[str], room: Room | None, told: dict[str, Any] | None, now: int
) -> tuple[str | None, int | None]:
    if queue.paused_at is not None:
        return "paused", queue.resume_at
    if not lanes:
        return (None, None) if running else ("empty", None)
    if lanes == {"http"} and queue.slowed_until is not None:
        return "slowed", queue.slowed_until
    if room is not None and room.wait is not None and room.left is not None and room.left <= 0:
        rate = room.wait.rate
        until = limits.frees_at(tx, queue.name, rate, now) if rate is not None else room.wait.until
        return room.wait.reason, until
    if told is not None and told["reason"] in ("keys-full", "contended", "rate-limited"):  # what only its claims see
        until = told["until"]
        return (None, None) if until is not None and until <= now else (told["reason"], until)
    return None, None
