"""Claims: take jobs for a worker, many in one statement."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import msgspec

from rota.executor import Call
from rota.model import priority_of
from rota.store import answer_tokens, limits, serving
from rota.store.database import Database, Row, Tx
from rota.store.floors import LANE, Floor, Floors
from rota.store.floors import params as floor_params
from rota.store.limits import Limits, Pauses, Room, Wait
from rota.store.lines import Job
from rota.store.picking import MOST_PARKED, Foreseen, Picker, Rounds, ready
from rota.store.rings import Place
from rota.store.serving import Request, Sight, State
from rota.store.sql import batch

ALIVE = """
SELECT 1 FROM rota_workers WHERE id = :worker AND state = 'running' AND lease_until > rota_now()
"""

# The index of all that has ended must not serve it: PostgreSQL would go through it once for each job.
GOOD = "{lite|+}p.status{pg| || ''} = 'completed'"

# Work that was handed over goes on, whatever becomes of the worker that watches it.
BEGAN_WITH = """1 + coalesce((SELECT max(a.attempt) FROM rota_attempts a WHERE a.job_id = rota_jobs.id
    AND a.outcome NOT IN ('interrupted', 'lost')), 0)"""

TAKE = (
    """
UPDATE rota_jobs SET status = 'running', worker_id = :worker, attempt = attempt + 1, started_at = n.now,
  updated_at = n.now, progress = NULL, progress_note = NULL, reason = NULL,
  answer_by = NULL, silent_by = NULL, answer_hash = ANSWER_HASH,
  unique_hold = CASE WHEN unique_scope = 'waiting' THEN NULL ELSE unique_hold END
FROM (SELECT rota_now() AS now) n
WHERE id PICK AND EXISTS (ALIVE)
RETURNING rank, run_at, {pg|rota_jobs.}id, attempt, lane, queue, type, target, args, timeout_us, created_at,
  scheduled_for, schedule_id, started_by, callback_url, max_attempts, attempts_used, started_at, retry, log_lines,
  on_lost, priority, checkpoint, silence_us, CASE WHEN schedule_id IS NOT NULL AND lane IN ('async', 'sync') THEN
    (SELECT p.result FROM rota_jobs p WHERE p.schedule_id = rota_jobs.schedule_id AND {GOOD}
     AND p.scheduled_for IS NOT NULL ORDER BY p.scheduled_for DESC LIMIT 1) END,
  CASE WHEN attempt > 1 AND lane IN ('rq', 'celery') THEN {BEGAN_WITH} ELSE 1 END, trace
""".replace("ALIVE", ALIVE.strip())
    .replace("{GOOD}", GOOD)
    .replace("{BEGAN_WITH}", BEGAN_WITH)
    .replace("ANSWER_HASH", answer_tokens.HASH)
)

READY_AT_ALL = """(SELECT queue FROM rota_jobs {lite|INDEXED BY rota_jobs_ready} WHERE status = 'pending'
   AND ring IS NULL ORDER BY queue, lane, rank LIMIT 1) IS NOT NULL"""

PROBE = f"""
SELECT EXISTS (SELECT 1 FROM rota_queues WHERE {limits.ANY} OR slowed_until > rota_now()), {serving.RINGED},
  EXISTS (SELECT 1 FROM rota_pauses), READY
"""

# A claim that took nothing leaves only locks behind, for which nobody need wait for the disk.
QUICKLY = "SELECT set_config('synchronous_commit', 'off', true)"


Spot = tuple[str, str]
"""A queue and a key in it, or none: what limits on what runs are counted by."""


class Claimed(msgspec.Struct, frozen=True, gc=False):
    """A job that now runs under the worker's lease."""

    call: Call
    started_at: int
    run_at: int
    retry: str | None
    log_lines: int
    on_lost: str
    silence_us: int | None = None
    """The longest silence of the run."""
    room: Spot | None = None
    """Where its end makes room for another, if its queue has a limit on what runs."""


class Found(msgspec.Struct):
    """What a claim took, and what it learned about the jobs that it left waiting."""

    taken: list[Claimed] | Callable[[], list[Claimed]]
    """What was taken, or who tells: asked after the commit, that needs no way to the server of its own."""
    waits: dict[str, Wait] = {}
    """Why jobs of a queue were left though a slot is free, by queue."""
    now: int = 0
    """The database's clock (µs)."""
    again: bool = False
    """Whether there may be more to take at once."""
    locked: bool = False
    """Whether rows of queues were locked for it."""
    rooms: list[Spot] = []
    """Where what it picked takes room, for each job; it is not taken where the lease ran out meanwhile."""

    @property
    def jobs(self) -> list[Claimed]:
        """What was taken."""
        return self.taken if isinstance(self.taken, list) else self.taken()

    @property
    def until(self) -> int | None:
        """When the first of the queues may go on (µs, by the database's clock), as far as that is known."""
        return min((wait.until for wait in self.waits.values() if wait.until is not None), default=None)

    @property
    def contended(self) -> bool:
        """Whether another claim held a queue with a limit for the moment."""
        return any(wait.reason == "contended" for wait in self.waits.values())


def claim(db: Database, request: Request, rounds: Rounds | None = None) -> list[Claimed]:
    """Take as many ready jobs as there are slots: queue after queue, in each by priority, due time and id."""
    return look(db, request, rounds).jobs


def look(db: Database, request: Request, rounds: Rounds | None = None) -> Found:
    """Claim, and tell why jobs were left waiting.

    Where a queue has limits, or jobs have keys or ask for labels, or a type is paused, the claim is a transaction that
    holds the rows of queues with limits and counts what they allow; else one statement that pays nothing for it.
    """
    rounds = rounds or Rounds()
    found = _look(db, request, rounds)
    rounds.idle = not found.jobs
    return found


def _look(db: Database, request: Request, rounds: Rounds) -> Found:
    # An idle poll is one statement, and on SQLite must not take the write lock.
    ask_first = db.dialect == "sqlite" or rounds.idle
    if ask_first or not rounds.in_turn:
        with db.statement() as tx:
            limited, ringed, paused, ready = tx.rows(PROBE.replace("READY", READY_AT_ALL if ask_first else "true"))[0]
            if not (ringed or ready):
                return Found([])
            if db.dialect == "postgresql" and not (limited or ringed or paused):
                return Found(_claim_plainly(tx, request, rounds.floors))
    with db.transaction() as tx:
        found = claim_in_turn(tx, request, rounds)
        if found.locked and not found.rooms:
            tx.ahead(QUICKLY)
        return found


def _claim_plainly(tx: Tx, request: Request, low: Floors) -> list[Claimed]:
    """Claim by one statement; where floors left slots free, by another from the front of the index."""
    floors, began = low.now(), time.monotonic()
    rows = _in_order(tx.rows(_statement(request, floors), {**serving.params_of(request), **floor_params(floors)}))
    took_s = time.monotonic() - began
    if not floors:
        low.begun_at_front(rows, request.lanes, took_s)
    elif not low.begun_behind(rows, request.lanes, took_s):
        counts = Counter(row[LANE] for row in rows)
        left = {lane: free - counts[lane] for lane, free in request.lanes.items() if free > counts[lane]}
        rest = msgspec.structs.replace(request, lanes=left)
        rows += _in_order(tx.rows(_statement(rest), serving.params_of(rest))) if left else []
    return [_claimed(request.answer_key, *row) for row in rows]


def _statement(request: Request, low: Mapping[str, Floor] | None = None) -> str:
    """The claim of all lanes in one statement: a lateral index scan for each queue, until the slots are filled."""
    queues = f"SELECT q.name FROM {serving.queues(request)}".replace("LIMITS", serving.UNLIMITED)
    is_foreign, floors = bool(request.foreign), low or {}
    found = {
        lane: ready(lane, "q.name", f":n_{lane}", foreign=is_foreign, low=lane in floors) for lane in request.lanes
    }
    parts = [
        f"ARRAY(SELECT j.id FROM ({queues}) q CROSS JOIN LATERAL ({text}) j LIMIT :n_{lane})"
        for lane, text in found.items()
    ]
    return TAKE.replace("PICK", f"= ANY({' || '.join(parts)})")


def claim_in_turn(tx: Tx, request: Request, rounds: Rounds, sight: Sight | None = None) -> Found:
    """Claim lane after lane, so that the room which a limited queue has left is shared by its lanes.

    ``sight`` was asked for before, in the same transaction.  What is taken is known at the commit at the latest.
    """
    sight = sight or Sight(tx, request, ringed=rounds.ringed)
    state = sight.state()
    now, served = state.now, state.served
    pauses = limits.pauses(tx) if state.paused else Pauses()
    places = sight.places() if state.ringed else []
    foreseen = Foreseen()
    waits = serving.hold(tx, state, lambda: _foresee(tx, request, state, places, rounds, foreseen))
    rounds.in_turn, rounds.ringed = not state.plain, state.ringed
    rooms = limits.rooms(tx, request.worker, now, [one.limits for one in served if one.limits.any])
    places, unparked = _served_places(tx, places, request, pauses)
    picker = Picker(
        tx, lanes=request.lanes, pauses=pauses, params=sight.params, now=now, rounds=rounds, places=places,
        queues=[(one.limits, rooms.get(one.limits.name) or Room(), one.slowed_until) for one in served],
        plain=any(one.plain for one in served), foreseen=foreseen,
    )  # fmt: skip
    blocked = {name for name, room in rooms.items() if room.left == 0}
    picker.run()
    limited = {one.limits.name: one.limits for one in served}
    taken = _take(tx, request, picker.picked, {name for name, one in limited.items() if one.frees})
    keyed_rates = _record(tx, picker.picked, taken, limited)
    if picker.left and tx.dialect == "postgresql":
        tx.hint("jobs")
    _say(tx, now, served, rooms, picker, blocked, waits)
    spent = any(
        room.wait is not None and room.wait.rate is not None and room.left == 0 and name not in blocked
        for name, room in rooms.items()
    )
    locked = tx.dialect == "postgresql" and any(one.limits.shared for one in served)
    rounds.idle = not picker.picked
    spots = [(job.queue, job.key) for job in picker.picked]
    return Found(taken, waits, now, picker.unseen or unparked or spent or keyed_rates, locked, spots)


def _foresee(
    tx: Tx, request: Request, state: State, places: Sequence[Place], rounds: Rounds, foreseen: Foreseen
) -> None:
    """Ask for the keys that wait where it is plain which will be asked for, while claims go round keys."""
    here = [place for place in places if place.lane in request.lanes and place.served_by(request.labels)]
    found = [one.limits for one in state.served if [one.limits.name] == [place.queue for place in here]]
    if rounds.ringed and found and found[0].concurrency is None:
        foreseen.ask(tx, rounds, found[0], here[0], request.lanes[here[0].lane], state.now)


def _served_places(tx: Tx, places: Sequence[Place], request: Request, pauses: Pauses) -> tuple[list[Place], bool]:
    """Return those that this worker serves, and whether jobs of types that were resumed wait again."""
    found, unparked = [], 0
    for place in places:
        if place.lane not in request.lanes:
            continue
        if place.served_by(request.labels):
            found.append(place)
        elif place.prefix.startswith("!") and place.prefix[1:] not in pauses.types and unparked < MOST_PARKED:
            unparked += limits.unpark_place(tx, place, MOST_PARKED - unparked)
    return found, unparked > 0


def _record(tx: Tx, picked: Sequence[Job], taken: Callable[[], list[Claimed]], served: Mapping[str, Limits]) -> bool:
    """Store the starts in queues with rate limits; tell whether some count for a limit by key."""
    counted = {name for name, one in served.items() if one.rates}
    if not counted:
        return False
    keys = {job.id: job.key or None for job in picked if job.queue in counted}
    by_key = {name for name in counted if served[name].key_rates}
    starts: Counter[tuple[str, str | None]] = Counter()
    for one in taken():
        queue, job_id = one.call.queue, one.call.job_id
        if queue in counted:
            starts[(queue, keys[job_id] if queue in by_key else None)] += 1
    limits.record(tx, starts)
    return any(key is not None for _, key in starts)


def _say(
    tx: Tx,
    now: int,
    served: Sequence[serving.Served],
    rooms: Mapping[str, Room],
    picker: Picker,
    blocked: set[str],
    waits: dict[str, Wait],
) -> None:
    """Tell why jobs of queues were left waiting."""
    for one in served:
        name = one.limits.name
        if one.slowed_until is not None and one.waiting:
            waits[name] = Wait("slowed", one.slowed_until)
        if name in picker.full_keys:
            waits[name] = Wait("keys-full")
    for (name, rate), keys in picker.limited_keys.items():
        _wait_for_rate(waits, name, Wait("rate-limited", limits.frees_at(tx, name, rate, now, keys), rate))
    for name in sorted(blocked):
        wait = rooms[name].wait
        if wait is not None and wait.rate is not None:
            wait = Wait("rate-limited", limits.frees_at(tx, name, wait.rate, now), wait.rate)
        if wait is not None:
            waits[name] = wait


def _wait_for_rate(waits: dict[str, Wait], name: str, wait: Wait) -> None:
    """Keep the wait that ends first."""
    known = waits.get(name)
    if known is None or known.until is None or (wait.until is not None and wait.until < known.until):
        waits[name] = wait


def _take(tx: Tx, request: Request, picked: Sequence[Job], frees: set[str]) -> Callable[[], list[Claimed]]:
    """Take jobs; the answer says which, and where the ends of those in queues that ``frees`` names make room."""
    if not picked:
        return list
    sql = TAKE.replace("PICK", "{in|SELECT u.id FROM {rows|u|batch|id uuid}}")
    params = {"worker": request.worker, "answer_key": request.answer_key}
    rows = tx.ahead(sql, {**params, "batch": batch([{"id": job.id} for job in picked])})
    spots = {job.id: (job.queue, job.key) for job in picked if job.queue in frees}

    @cache
    def taken() -> list[Claimed]:
        found = [_claimed(request.answer_key, *row) for row in _in_order(rows())]
        return [msgspec.structs.replace(one, room=spots.get(one.call.job_id)) for one in found] if spots else found

    return taken


def _in_order(rows: list[Row]) -> list[Row]:
    rows.sort(key=lambda row: row[:3])  # RETURNING has no order
    return rows


def _claimed(
    answer_key: str,
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
    priority: int | None,
    checkpoint: str | None,
    silence_us: int | None,
    previous: str | None,
    began_with: int,
    trace: str | None,
) -> Claimed:
    call = Call(
        job_id, attempt, lane, queue, type_, target, args, timeout_us, created_at, scheduled_for, schedule_id,
        started_by, callback_url, previous, max_attempts, attempts_used, priority_of(rank, priority),
        checkpoint, answer_token=answer_tokens.token(answer_key, job_id, attempt) if lane == "http" else None,
        began_with=began_with, trace=trace,
    )  # fmt: skip
    return Claimed(call, started_at, run_at, retry, log_lines, on_lost, silence_us)
