"""The claiming thread of a worker: fills free slots, and learns which runs somebody wants ended."""

from __future__ import annotations

import platform
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rota import logs
from rota.durations import format_duration
from rota.engine.leases import Lease
from rota.engine.loop import Loop
from rota.engine.registry import Registry
from rota.engine.slots import Slots
from rota.errors import DatabaseError
from rota.settings import Settings
from rota.store import awaiting, claims, results
from rota.store.awaiting import Clock
from rota.store.claims import Claimed, Found, Spot
from rota.store.database import Database, Tx
from rota.store.limits import Wait
from rota.store.picking import Rounds
from rota.store.serving import Request, Sight
from rota.store.turns import Mode
from rota.store.untaken import HOST

POLL_S = 1.0
QUIET_S = 2.0
"""The same while nothing waits and nothing runs, and hints are heard."""
PORTION = 400
"""At most so many of a lane are claimed by one plain statement: the next are claimed while these begin."""
COALESCE_S = 0.002
ENOUGH = 100
"""While there is more to claim and fewer slots than this are free, those that fall free soon are filled together."""

SOON_S = (0.002, 0.02)
"""First and longest pause, doubled each time, after a claim that found a queue with a limit held by another one."""

CHECK_S = 60.0
CHECK_SOON_S = 2.0
"""How often the worker compares what it runs with what the database says it holds; sooner after a failed claim."""


class Turn:
    """One claim within a transaction that somebody else opened and commits."""

    def __init__(self, request: Request, rounds: Rounds) -> None:
        self._request = request
        self._rounds = rounds
        self._sight: Sight | None = None
        self.found: Found | None = None

    def look(self, tx: Tx) -> None:
        """Ask what waits, together with what is written next; what that makes ready is seen all the same."""
        self._sight = Sight(tx, self._request, ringed=self._rounds.ringed)

    def claim(self, tx: Tx) -> None:
        """Claim what this transaction has made room for, and whatever else may start."""
        self.found = claims.claim_in_turn(tx, self._request, self._rounds, self._sight)

    def fills(self, room: Mapping[Spot, int]) -> bool:
        """Tell whether all of some room is probably taken again, so that nobody else need look for it."""
        return self.found is not None and not Counter(room) - Counter(self.found.rooms)

    def filled(self, room: Mapping[Spot, int]) -> bool:
        """Tell after the commit whether it is."""
        return self.found is not None and not Counter(room) - Counter(one.room for one in self.found.jobs if one.room)


class Claimer(Loop):
    """Claims as many jobs as there are free slots, in one statement."""

    name = "claimer"

    def __init__(
        self,
        db: Database,
        settings: Settings,
        lease: Lease,
        slots: Slots,
        registry: Registry,
        claimed: Callable[[list[Claimed], str], None],
        cancel: Callable[[list[tuple[str, int, Mode]]], None],
        held: Callable[[list[tuple[str, int]], str], None],
        clocks: Callable[[list[Clock]], None],
        hears: Callable[[], bool] = lambda: False,
    ) -> None:
        """``hears`` tells whether hints arrive, so that looks without one find hardly ever anything."""
        super().__init__()
        self._db = db
        self._host = platform.node()
        # That of its host comes last.
        self._queues = (*settings.queues, HOST + self._host) if settings.queues else None
        self._lease = lease
        self._slots = slots
        self._registry = registry
        self._claimed = claimed
        self._cancel = cancel
        self._held = held
        self._clocks = clocks
        self._hears = hears
        self._answer_key = secrets.token_hex(32)
        self._claiming = threading.Lock()
        self._draining = False
        self._start_queue = ""
        self._labels = frozenset(settings.labels)
        self._rounds = Rounds()
        self._waits: dict[str, Wait] = {}
        self._fruitless = 0
        """How many claims in a row met others, or did not come to the end of the keys, and took nothing."""
        self._filled: frozenset[str] = frozenset()
        """Lanes whose slots the last claim filled, so that there is probably more for them."""
        self._next_cancels = 0.0
        self._next_check = time.monotonic() + CHECK_S
        self._compared = True
        self.last_claim: float | None = None

    def look_for_cancels(self) -> None:
        """Somebody said that there is something to cancel."""
        self._next_cancels = 0.0
        self.wake()

    def freed(self, lanes: set[str]) -> None:
        """Slots of these lanes fell free."""
        if not self._filled.isdisjoint(lanes):
            self.wake()

    def sleeping(self) -> dict[str, dict[str, object]]:
        """Say of which queues it leaves jobs waiting though a slot is free: why, and until when (µs)."""
        waits = self._waits
        return {queue: {"reason": wait.reason, "until": wait.until} for queue, wait in waits.items()}

    def check_soon(self) -> None:
        """Compare soon what runs with what the database says."""
        self._next_check = min(self._next_check, time.monotonic() + CHECK_SOON_S)

    def compared(self) -> None:
        """The worker has looked at what the database said: it may be asked anew.

        Not before: of two answers that wait together for a busy event loop, the later may be older than a result that
        was written before the first is looked at.
        """
        self._compared = True

    def drain(self, timeout_s: float = 10.0) -> None:
        """Claim no more; what was claimed has been handed over when this returns, unless the database hangs."""
        self._draining = True
        if self._claiming.acquire(timeout=timeout_s):
            self._claiming.release()

    def run_once(self) -> float:
        """Claim, then look for cancelled runs; return how long to wait (s)."""
        if not self._lease.held:
            return 0.05
        with self._claiming:
            pause = POLL_S if self._draining else self._claim()
        now, worker = time.monotonic(), self._lease.worker_id
        if now >= self._next_cancels:
            self._next_cancels = now + POLL_S
            if any(self._slots.taken().values()):  # who runs nothing has nothing to cancel
                self._hear(worker)
        if self._compared and now >= self._next_check:
            held = self._db.read(lambda tx: results.held(tx, worker))
            self._compared, self._next_check = False, now + CHECK_S
            self._held(held, worker)
        return pause

    def _hear(self, worker: str) -> None:
        """Learn what people and targets have said of what runs here."""
        wanted, clocks = self._db.read(lambda tx: (results.cancels(tx, worker), awaiting.clocks(tx, worker)))
        if wanted:
            self._cancel(wanted)
        if clocks:
            self._clocks(clocks)

    def _claim(self) -> float:
        free = self._slots.free()
        if self._filled and sum(free.values()) < ENOUGH:
            time.sleep(COALESCE_S)
            free = self._slots.free()
        if not self._rounds.in_turn:
            free = {lane: min(places, PORTION) for lane, places in free.items()}
        if not free:
            self._filled, self._waits = frozenset(self._slots.capacity), {}
            return 0.0 if self._slots.free() else POLL_S  # one that fell free a moment before has not woken us
        worker = self._lease.worker_id
        try:
            found = claims.look(self._db, self._request(worker, free), self._rounds)
        except DatabaseError:
            self.check_soon()  # it may have been committed all the same: see what we hold without knowing
            raise
        return self._took(found, free, worker)

    def _request(self, worker: str, free: dict[str, int]) -> Request:
        return Request(
            worker, free, self._queues, self._registry.foreign, self._start_queue, self._labels, self._host,
            self._answer_key,
        )  # fmt: skip

    @contextmanager
    def turn(self) -> Iterator[Turn | None]:
        """Lend one claim to the flusher, for the transaction that it commits within the block.

        What it ends makes room there and then: it needs no commit of its own, and no other worker comes between.
        None while the claimer is at it itself, and where nothing may be claimed.
        """
        if not self._claiming.acquire(blocking=False):
            yield None
            return
        try:
            free, worker = self._slots.free(), self._lease.worker_id
            if self._draining or not self._lease.held or not free:
                yield None
                return
            turn = Turn(self._request(worker, free), self._rounds)
            try:
                yield turn
            except DatabaseError:
                self.check_soon()
                raise
            if turn.found is not None:
                pause, sleeps_until = self._took(turn.found, free, worker), self.sleeps_until
                if pause < POLL_S / 2 and (sleeps_until is None or time.time() + pause < sleeps_until):
                    self.wake()
        finally:
            self._claiming.release()

    def _took(self, found: Found, free: dict[str, int], worker: str) -> float:
        """Hand over what was claimed; return how long to wait (s)."""
        taken = found.jobs
        if taken:
            self.last_claim = time.time()
            self._slots.take(Counter(one.call.lane for one in taken))
            self._claimed(taken, worker)
        self._note(taken, free)
        self._keep(found.waits)
        if self._filled and any(lane in self._filled for lane in self._slots.free()):
            return 0.0  # something ended while we claimed
        return self._pause(found)

    def _pause(self, found: Found) -> float:
        """Return how long to wait after a claim (s): until a limit lets the next job start, where that is known."""
        if found.again and found.jobs:
            self._fruitless = 0
            return 0.0
        pause = (QUIET_S if self._is_quiet(found) else POLL_S) * random.uniform(0.9, 1.2)
        if found.until is not None:
            pause = min(pause, max(0.0, (found.until - found.now) / 1e6))
        if not found.contended and not found.again:
            self._fruitless = 0
            return pause
        least, most = SOON_S
        soon = min(most if found.contended else POLL_S, least * 2.0 ** min(self._fruitless, 10))
        self._fruitless = 0 if found.jobs else self._fruitless + 1
        return min(pause, soon * random.uniform(0.5, 1.0))

    def _is_quiet(self, found: Found) -> bool:
        return not (found.jobs or found.waits or any(self._slots.taken().values())) and self._hears()

    def _keep(self, waits: dict[str, Wait]) -> None:
        """Keep why queues wait; log where one begins to wait for its rate limit."""
        before, self._waits = self._waits, waits
        for queue, wait in waits.items():
            rate = wait.rate
            if rate is not None and (queue not in before or before[queue].rate is None):
                logs.event_limited(
                    f"queue/rate-limited/{queue}", "queue/rate-limited",
                    f"{rate.limit} starts in {format_duration(rate.per)}: no more for now", level="info", queue=queue,
                    until=wait.until, limit=rate.limit, per=format_duration(rate.per),
                )  # fmt: skip

    def _note(self, taken: list[Claimed], free: dict[str, int]) -> None:
        """Remember which lanes are filled, and begin with the next queue the next time.

        A lane that had no free slot was not asked for, so that more may wait for it: it counts as filled.
        """
        counts = Counter(one.call.lane for one in taken)
        self._filled = frozenset(lane for lane in self._slots.capacity if counts[lane] >= free.get(lane, 0))
        if taken:
            self._start_queue = taken[0].call.queue + "\x01"
