"""Looks ahead: gathers what is known of schedules, queues and workers, and asks for the forecast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from rota.actions import calendars, rules
from rota.actions.forecast import SECOND, Expected, Forecast, Item, Room, forecast
from rota.actions.policy import DEFAULT_QUEUE
from rota.errors import Invalid
from rota.model import JobType, Queue, Schedule, Worker
from rota.store import history, queues, schedules, types, workers
from rota.store.database import Tx
from rota.timetable import Calendar

MOST_SCHEDULES = 5000
"""Of more schedules those that are due first are looked at, and the forecast says that it is not complete."""


class Known(msgspec.Struct, kw_only=True):
    """What the database knows about the time ahead."""

    schedules: list[Schedule]
    complete: bool
    """Whether these are all that are due in that time."""
    types: dict[str, JobType]
    queues: dict[str, Queue]
    workers: list[Worker]
    durations: dict[str, list[int]]
    calendars: dict[str, Calendar]


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """A forecast, and what it stands on."""

    forecast: Forecast
    rooms: dict[str, Room]
    complete: bool
    not_understood: list[str]
    """Schedules whose rule can no longer be read, or one of whose calendars."""


def gather(tx: Tx, end_us: int, *, schedule_id: str | None, queue: str | None) -> Known:
    """Read what a forecast up to ``end_us`` needs, of one schedule or one queue where they are given."""
    if schedule_id is not None:
        one = schedules.get(tx, schedule_id)
        found = [one] if one is not None else []
    else:
        found = history.upcoming(tx, end_us, MOST_SCHEDULES + 1)
    complete = len(found) <= MOST_SCHEDULES
    found = found[:MOST_SCHEDULES]
    names = {one.type for one in found if one.type is not None}
    known = types.named(tx, names) if names else {}
    if queue is not None:
        found = [one for one in found if queue_of(one, known) == queue]
    return Known(
        schedules=found,
        complete=complete,
        types=known,
        queues={one.name: one for one in queues.listed(tx)},
        workers=workers.living(tx, "worker"),
        durations=history.durations(tx, [one.id for one in found]),
        calendars=calendars.named(tx, {name for one in found for name in calendars.names_of(one)}),
    )


def look(known: Known, start_us: int, end_us: int) -> Ahead:
    """Return the forecast; the database is not asked any more."""
    items, not_understood = [], []
    for schedule in known.schedules:
        try:
            items.append(_item(schedule, known, start_us, end_us))
        except (Invalid, msgspec.ValidationError):
            not_understood.append(schedule.id)
    rooms = _rooms(items, known)
    found = forecast(items, rooms, start_us, end_us)
    return Ahead(forecast=found, rooms=rooms, complete=known.complete, not_understood=not_understood)


def queue_of(schedule: Schedule, known: Mapping[str, JobType]) -> str:
    """Return the queue of a schedule's jobs: its own, else that of its type."""
    job_type = known.get(schedule.type or "")
    own: dict[str, Any] = msgspec.json.decode(schedule.job)
    of_type: dict[str, Any] = msgspec.json.decode(job_type.defaults) if job_type is not None else {}
    return str(own.get("queue") or of_type.get("queue") or DEFAULT_QUEUE)


def _item(schedule: Schedule, known: Known, start_us: int, end_us: int) -> Item:
    rule = rules.rule_of(schedule)
    coarse = rule
    if schedule.anchor_at % SECOND:
        whole = schedule.anchor_at // SECOND * SECOND
        coarse = rules.rule_of(msgspec.structs.replace(schedule, anchor_at=whole))
    return Item(
        schedule=schedule,
        queue=queue_of(schedule, known.types),
        rule=rule,
        coarse=coarse,
        expected=expected(known.durations.get(schedule.id, ())),
        closed=calendars.closed(schedule, known.calendars, start_us, end_us),
    )


def expected(durations: Sequence[int]) -> Expected | None:
    """Return how long a run takes as a rule, from those of the last ones in ascending order; None without any."""
    if not durations:
        return None
    last = len(durations) - 1
    return Expected(p50=durations[last // 2], p90=durations[-(-last * 9 // 10)], runs=len(durations))


def _rooms(items: Iterable[Item], known: Known) -> dict[str, Room]:
    """Return how much may run at once in each queue that has something to expect."""
    lanes: dict[str, set[str]] = defaultdict(set)
    for item in items:
        lanes[item.queue].add(item.schedule.lane)
    rooms = {}
    for name, used in lanes.items():
        queue = known.queues.get(name)
        rooms[name] = Room(
            slots=sum(_slots(worker, name, used) for worker in known.workers),
            concurrency=queue.concurrency if queue is not None else None,
            paused=queue is not None and queue.paused_at is not None,
        )
    return rooms


def _slots(worker: Worker, queue: str, lanes: set[str]) -> int:
    """Return how many jobs of some lanes a worker runs at once for a queue."""
    if worker.state != "running" or (worker.queues and queue not in msgspec.json.decode(worker.queues)):
        return 0
    slots: dict[str, int] = msgspec.json.decode(worker.lanes or "{}")
    return sum(slots.get(lane, 0) for lane in lanes)
