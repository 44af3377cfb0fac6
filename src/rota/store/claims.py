"""Claims: take jobs for a worker, many in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from rota.executor import Call
from rota.store.database import Database, Row, Tx

ALIVE = """
SELECT 1 FROM rota_workers WHERE id = :worker AND state = 'running' AND lease_until > rota_now()
"""

TAKE = """
UPDATE rota_jobs SET status = 'running', worker_id = :worker, attempt = attempt + 1, started_at = n.now, updated_at = n.now,
  progress = NULL, progress_note = NULL, reason = NULL,
  unique_hold = CASE WHEN unique_scope = 'waiting' THEN NULL ELSE unique_hold END
FROM (SELECT rota_now() AS now) n
WHERE id PICK AND EXISTS (ALIVE)
RETURNING rank, run_at, {pg|rota_jobs.}id, attempt, lane, queue, type, target, args, timeout_us, created_at, scheduled_for, schedule_id,
  started_by, callback_url, max_attempts, attempts_used, started_at, retry, log_lines, on_lost,
  CASE WHEN schedule_id IS NOT NULL AND lane IN ('async', 'sync') THEN
    (SELECT p.result FROM rota_jobs p WHERE p.schedule_id = rota_jobs.schedule_id AND p.status = 'completed'
     ORDER BY p.scheduled_for DESC LIMIT 1) END
""".replace("ALIVE", ALIVE.strip())

# FOREIGN is there only when other applications declare types in this database; see Request.foreign.
READY = """
SELECT id FROM rota_jobs WHERE status = 'pending' AND queue = QUEUE AND lane = 'LANE'
  AND (expires_at IS NULL OR expires_at > rota_now()) FOREIGN
ORDER BY rank, run_at, id LIMIT :n_LANE {pg|FOR UPDATE SKIP LOCKED}
"""

FOREIGN = "AND coalesce(type, '') NOT IN (SELECT f.name FROM {rows|f|foreign|name text})"

# Names before the start queue come last: workers that start at different queues share them out.
OPEN_QUEUES = """
SELECT name FROM rota_queues WHERE paused_at IS NULL AND concurrency IS NULL
ORDER BY name < :start, name
"""

LISTED_QUEUES = """
SELECT q.name FROM {rows|w|queues|name text, place bigint} JOIN rota_queues q ON q.name = w.name
WHERE q.paused_at IS NULL AND q.concurrency IS NULL ORDER BY w.place
"""

LIMITED_QUEUES = """
SELECT name, concurrency FROM rota_queues WHERE paused_at IS NULL AND concurrency IS NOT NULL
ORDER BY name {pg|FOR UPDATE SKIP LOCKED}
"""


class Request(msgspec.Struct, frozen=True):
    """What a worker asks for."""

    worker: str
    lanes: Mapping[str, int]
    """Free slots of each lane, all above zero."""
    queues: tuple[str, ...] | None = None
    """These in that order of preference; None for all, also new ones."""
    foreign: tuple[str, ...] = ()
    """Declared types whose code this worker does not have."""
    start: str = ""
    """Which queue to look at first when all are served."""


class Claimed(msgspec.Struct, frozen=True):
    """A job that now runs under the worker's lease."""

    call: Call
    started_at: int
    run_at: int
    retry: str | None
    log_lines: int
    on_lost: str


def claim(db: Database, request: Request) -> list[Claimed]:
    """Take as many ready jobs as there are slots, in the order priority, due time, id within each queue.

    A queue with a concurrency limit is served in a transaction of its own that holds the queue's row; the others
    pay nothing for it.
    """
    if db.dialect == "sqlite":
        with db.statement() as tx:  # an idle poll must not take the write lock
            if tx.row("SELECT 1 FROM rota_jobs WHERE status = 'pending' LIMIT 1") is None:
                return []
        with db.transaction() as tx:
            taken = _claim_sqlite(tx, request)
            return taken + _claim_limited(tx, request, taken)
    with db.statement() as tx:
        taken = _rows_to_claimed(tx.rows(_statement(request), _params(request)))
        if tx.row("SELECT 1 FROM rota_queues WHERE concurrency IS NOT NULL AND paused_at IS NULL LIMIT 1") is None:
            return taken
    with db.transaction() as tx:
        return taken + _claim_limited(tx, request, taken)


def _statement(request: Request) -> str:
    """The claim of all lanes in one statement: a lateral index scan for each queue, until the slots are filled."""
    queues = LISTED_QUEUES if request.queues is not None else OPEN_QUEUES
    parts = [
        f"ARRAY(SELECT j.id FROM ({queues}) q CROSS JOIN LATERAL ({_ready(lane, 'q.name', request)}) j LIMIT :n_{lane})"
        for lane in request.lanes
    ]
    return TAKE.replace("PICK", f"= ANY({' || '.join(parts)})")


def _ready(lane: str, queue: str, request: Request) -> str:
    text = READY.replace("LANE", lane).replace("QUEUE", queue)
    return text.replace("FOREIGN", FOREIGN if request.foreign else "")


def _params(request: Request) -> dict[str, object]:
    params: dict[str, object] = {"worker": request.worker, "start": request.start}
    params.update({f"n_{lane}": free for lane, free in request.lanes.items()})
    if request.queues is not None:
        listed = [{"name": name, "place": place} for place, name in enumerate(request.queues)]
        params["queues"] = msgspec.json.encode(listed).decode()
    if request.foreign:
        params["foreign"] = msgspec.json.encode([{"name": name} for name in request.foreign]).decode()
    return params


def _claim_sqlite(tx: Tx, request: Request) -> list[Claimed]:
    listed = LISTED_QUEUES if request.queues is not None else OPEN_QUEUES
    params = _params(request)
    names = [row[0] for row in tx.rows(listed, params)]
    picked: list[str] = []
    for lane, free in request.lanes.items():
        left = free
        for name in names:
            if left <= 0:
                break
            ready = _ready(lane, ":queue", request)
            found = tx.rows(ready, {**params, "queue": name, f"n_{lane}": left})
            left -= len(found)
            picked += [row[0] for row in found]
    return _take(tx, request.worker, picked)


def _claim_limited(tx: Tx, request: Request, taken: Sequence[Claimed]) -> list[Claimed]:
    free = dict(request.lanes)
    for claimed in taken:
        free[claimed.call.lane] -= 1
    picked: list[str] = []
    for name, concurrency in tx.rows(LIMITED_QUEUES):
        if request.queues is not None and name not in request.queues:
            continue
        running = tx.value(
            "SELECT count(*) FROM rota_jobs WHERE status = 'running' AND queue = :queue", {"queue": name}
        )
        room = concurrency - int(running)
        for lane in request.lanes:
            if min(free[lane], room) > 0:
                params = {**_params(request), "queue": name, f"n_{lane}": min(free[lane], room)}
                found = [row[0] for row in tx.rows(_ready(lane, ":queue", request), params)]
                free[lane] -= len(found)
                room -= len(found)
                picked += found
    return _take(tx, request.worker, picked)


def _take(tx: Tx, worker: str, ids: Sequence[str]) -> list[Claimed]:
    if not ids:
        return []
    pick = "IN (SELECT u.id FROM {rows|u|batch|id uuid})"
    batch = msgspec.json.encode([{"id": job_id} for job_id in ids]).decode()
    return _rows_to_claimed(tx.rows(TAKE.replace("PICK", pick), {"worker": worker, "batch": batch}))


def _rows_to_claimed(rows: list[Row]) -> list[Claimed]:
    rows.sort(key=lambda row: row[:3])  # RETURNING has no order
    return [_claimed(*row) for row in rows]


def _claimed(  # noqa: PLR0913 - one parameter a column
    rank: int,
    run_at: int,
    job_id: str,
    attempt: int,
    lane: str,
    queue: str,
    type_: str | None,
    target: str | None,
    args: str,
    timeout_us: int | None,
    created_at: int,
    scheduled_for: int | None,
    schedule_id: str | None,
    started_by: str | None,
    callback_url: str | None,
    max_attempts: int,
    attempts_used: int,
    started_at: int,
    retry: str | None,
    log_lines: int,
    on_lost: str,
    previous: str | None,
) -> Claimed:
    call = Call(
        job_id, attempt, lane, queue, type_, target, args, timeout_us, created_at, scheduled_for, schedule_id, started_by,
        callback_url, previous, max_attempts, attempts_used, -rank,
    )  # fmt: skip
    return Claimed(call, started_at, run_at, retry, log_lines, on_lost)
