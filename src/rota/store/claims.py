"""Claims: take jobs for a worker, many in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from rota.executor import Call
from rota.store.database import Database, Row, Tx
from rota.store.sql import batch

ALIVE = """
SELECT 1 FROM rota_workers WHERE id = :worker AND state = 'running' AND lease_until > rota_now()
"""

# The index of all that has ended must not serve it: PostgreSQL would go through it once for each job.
GOOD = "{lite|+}p.status{pg| || ''} = 'completed'"

TAKE = """
UPDATE rota_jobs SET status = 'running', worker_id = :worker, attempt = attempt + 1, started_at = n.now,
  updated_at = n.now, progress = NULL, progress_note = NULL, reason = NULL,
  unique_hold = CASE WHEN unique_scope = 'waiting' THEN NULL ELSE unique_hold END
FROM (SELECT rota_now() AS now) n
WHERE id PICK AND EXISTS (ALIVE)
RETURNING rank, run_at, {pg|rota_jobs.}id, attempt, lane, queue, type, target, args, timeout_us, created_at,
  scheduled_for, schedule_id, started_by, callback_url, max_attempts, attempts_used, started_at, retry, log_lines,
  on_lost, CASE WHEN schedule_id IS NOT NULL AND lane IN ('async', 'sync') THEN
    (SELECT p.result FROM rota_jobs p WHERE p.schedule_id = rota_jobs.schedule_id AND {GOOD}
     AND p.scheduled_for IS NOT NULL ORDER BY p.scheduled_for DESC LIMIT 1) END
""".replace("ALIVE", ALIVE.strip()).replace("{GOOD}", GOOD)

# FOREIGN is there only when other applications declare types in this database; see Request.foreign.
READY = """
SELECT id FROM rota_jobs WHERE status = 'pending' AND queue = QUEUE AND lane = 'LANE'
  AND (expires_at IS NULL OR expires_at > rota_now()) FOREIGN
ORDER BY rank, run_at, id LIMIT COUNT {pg|FOR UPDATE SKIP LOCKED}
"""

FOREIGN = "AND coalesce(type, '') NOT IN (SELECT f.name FROM {rows|f|foreign|name text})"

# Names before the start queue come last: workers that start at different queues share them out.
ALL_QUEUES = "rota_queues q WHERE q.paused_at IS NULL AND LIMITS ORDER BY q.name < :start, q.name"

LISTED_QUEUES = """
{rows|w|queues|name text, place bigint} JOIN rota_queues q ON q.name = w.name
WHERE q.paused_at IS NULL AND LIMITS ORDER BY w.place
"""

# For SQLite, which would look through the whole table where much waits: from its beginning, where all has ended.
ANY_READY = "SELECT 1 FROM rota_jobs INDEXED BY rota_jobs_ready WHERE status = 'pending' LIMIT 1"

ANY_LIMIT = "SELECT 1 FROM rota_queues WHERE concurrency IS NOT NULL AND paused_at IS NULL LIMIT 1"

# The row of a queue with a limit is the lock that claims from it wait in turn for; whoever finds it taken lets it be.
LOCK_LIMITED = """
SELECT name FROM rota_queues WHERE concurrency IS NOT NULL AND paused_at IS NULL FOR UPDATE SKIP LOCKED
"""

ROOM = """
SELECT q.name, CASE WHEN q.concurrency IS NOT NULL THEN
  q.concurrency - (SELECT count(*) FROM rota_jobs r WHERE r.status = 'running' AND r.queue = q.name) END
FROM QUEUES
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
    limited: bool = False
    """Whether its queue has a concurrency limit: then its end makes room for another."""


def claim(db: Database, request: Request) -> list[Claimed]:
    """Take as many ready jobs as there are slots: queue after queue, in each by priority, due time and id.

    Where a queue has a concurrency limit the claim is a transaction that holds the row of that queue, else one
    statement that pays nothing for it.
    """
    if db.dialect == "sqlite":
        with db.statement() as tx:  # an idle poll must not take the write lock
            if tx.row(ANY_READY) is None:
                return []
    else:
        with db.statement() as tx:
            if tx.row(ANY_LIMIT) is None:
                return _rows_to_claimed(tx.rows(_statement(request), _params(request)))
    with db.transaction() as tx:
        return _claim_in_turn(tx, request)


def _statement(request: Request) -> str:
    """The claim of all lanes in one statement: a lateral index scan for each queue, until the slots are filled."""
    queues = f"SELECT q.name FROM {_queues(request)}".replace("LIMITS", "q.concurrency IS NULL")
    parts = [
        f"ARRAY(SELECT j.id FROM ({queues}) q CROSS JOIN LATERAL"
        f" ({_ready(lane, 'q.name', f':n_{lane}', request)}) j LIMIT :n_{lane})"
        for lane in request.lanes
    ]
    return TAKE.replace("PICK", f"= ANY({' || '.join(parts)})")


def _queues(request: Request) -> str:
    return ALL_QUEUES if request.queues is None else LISTED_QUEUES


def _ready(lane: str, queue: str, count: str, request: Request) -> str:
    text = READY.replace("LANE", lane).replace("QUEUE", queue).replace("COUNT", count)
    return text.replace("FOREIGN", FOREIGN if request.foreign else "")


def _params(request: Request) -> dict[str, object]:
    params: dict[str, object] = {"worker": request.worker, "start": request.start}
    params.update({f"n_{lane}": free for lane, free in request.lanes.items()})
    if request.queues is not None:
        listed = dict.fromkeys(request.queues)  # a name given twice counts once
        params["queues"] = batch([{"name": name, "place": place} for place, name in enumerate(listed)])
    if request.foreign:
        params["foreign"] = batch([{"name": name} for name in request.foreign])
    return params


def _claim_in_turn(tx: Tx, request: Request) -> list[Claimed]:
    """Claim lane after lane, so that the room which a limited queue has left is shared by its lanes."""
    params = _params(request)
    limits = "true"
    if tx.dialect == "postgresql":
        held = tx.rows(LOCK_LIMITED)
        params["held"] = batch([{"name": row[0]} for row in held])
        limits = "(q.concurrency IS NULL OR q.name IN (SELECT h.name FROM {rows|h|held|name text}))"
    room: dict[str, int | None] = dict(
        tx.rows(ROOM.replace("QUEUES", _queues(request)).replace("LIMITS", limits), params)
    )
    picked: list[str] = []
    for lane, free in request.lanes.items():
        found = _pick(tx, request, params, lane, free, room)
        for queue, _ in found:
            left = room[queue]
            room[queue] = None if left is None else left - 1
        picked += [job_id for _, job_id in found]
    limited = {name for name, left in room.items() if left is not None}
    taken = _take(tx, request.worker, picked)
    return [msgspec.structs.replace(one, limited=True) if one.call.queue in limited else one for one in taken]


PICK_IN_TURN = """
SELECT q.name, j.id FROM (SELECT * FROM {rows|w|open|name text, room bigint, place bigint} ORDER BY place) q
CROSS JOIN LATERAL (READY) j LIMIT :free
"""


def _pick(
    tx: Tx, request: Request, params: dict[str, object], lane: str, free: int, room: dict[str, int | None]
) -> list[tuple[str, str]]:
    """Return (queue, job) of the next jobs of a lane."""
    open_queues = [(name, free if left is None else min(left, free)) for name, left in room.items()]
    open_queues = [(name, left) for name, left in open_queues if left > 0]
    if tx.dialect == "postgresql":
        table = [{"name": name, "room": left, "place": place} for place, (name, left) in enumerate(open_queues)]
        sql = PICK_IN_TURN.replace("READY", _ready(lane, "q.name", "q.room", request))
        return [(row[0], row[1]) for row in tx.rows(sql, {**params, "open": batch(table), "free": free})]
    ready = _ready(lane, ":queue", ":count", request)
    found: list[tuple[str, str]] = []
    for name, left in open_queues:
        count = min(left, free - len(found))
        if count <= 0:
            break
        found += [(name, row[0]) for row in tx.rows(ready, {**params, "queue": name, "count": count})]
    return found


def _take(tx: Tx, worker: str, ids: Sequence[str]) -> list[Claimed]:
    if not ids:
        return []
    sql = TAKE.replace("PICK", "{in|SELECT u.id FROM {rows|u|batch|id uuid}}")
    return _rows_to_claimed(tx.rows(sql, {"worker": worker, "batch": batch([{"id": job_id} for job_id in ids])}))


def _rows_to_claimed(rows: list[Row]) -> list[Claimed]:
    rows.sort(key=lambda row: row[:3])  # RETURNING has no order
    return [_claimed(*row) for row in rows]


def _claimed(
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
        job_id, attempt, lane, queue, type_, target, args, timeout_us, created_at, scheduled_for, schedule_id,
        started_by, callback_url, previous, max_attempts, attempts_used, -rank,
    )  # fmt: skip
    return Claimed(call, started_at, run_at, retry, log_lines, on_lost)
