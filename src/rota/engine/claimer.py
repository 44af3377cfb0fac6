"""The claiming thread of a worker: fills free slots, and learns which runs somebody wants ended."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable

from rota.engine.leases import Lease
from rota.engine.loop import Loop
from rota.engine.registry import Registry
from rota.engine.slots import Slots
from rota.errors import DatabaseError
from rota.settings import Settings
from rota.store import claims, results
from rota.store.claims import Claimed, Request
from rota.store.database import Database
from rota.store.turns import Mode

POLL_S = 1.0
COALESCE_S = 0.002
ENOUGH = 100
"""While there is more to claim and fewer slots than this are free, those that fall free soon are filled together."""

CHECK_S = 60.0
CHECK_SOON_S = 2.0
"""How often the worker compares what it runs with what the database says it holds; sooner after a failed claim."""


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
    ) -> None:
        super().__init__()
        self._db = db
        self._queues = settings.queues or None
        self._lease = lease
        self._slots = slots
        self._registry = registry
        self._claimed = claimed
        self._cancel = cancel
        self._held = held
        self._claiming = threading.Lock()
        self._draining = False
        self._start_queue = ""
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
            wanted = self._db.read(lambda tx: results.cancels(tx, worker))
            if wanted:
                self._cancel(wanted)
        if self._compared and now >= self._next_check:
            held = self._db.read(lambda tx: results.held(tx, worker))
            self._compared, self._next_check = False, now + CHECK_S
            self._held(held, worker)
        return pause

    def _claim(self) -> float:
        free = self._slots.free()
        if self._filled and sum(free.values()) < ENOUGH:
            time.sleep(COALESCE_S)
            free = self._slots.free()
        if not free:
            self._filled = frozenset(self._slots.capacity)
            return 0.0 if self._slots.free() else POLL_S  # one that fell free a moment before has not woken us
        worker = self._lease.worker_id
        request = Request(worker, free, self._queues, self._registry.foreign, self._start_queue)
        try:
            taken = claims.claim(self._db, request)
        except DatabaseError:
            self.check_soon()  # it may have been committed all the same: see what we hold without knowing
            raise
        if taken:
            self.last_claim = time.time()
            self._slots.take(Counter(one.call.lane for one in taken))
            self._claimed(taken, worker)
        self._note(taken, free)
        if self._filled and any(lane in self._filled for lane in self._slots.free()):
            return 0.0  # something ended while we claimed
        return POLL_S * random.uniform(0.8, 1.2)

    def _note(self, taken: list[Claimed], free: dict[str, int]) -> None:
        """Remember which lanes are filled, and begin with the next queue the next time.

        A lane that had no free slot was not asked for, so that more may wait for it: it counts as filled.
        """
        counts = Counter(one.call.lane for one in taken)
        self._filled = frozenset(lane for lane in self._slots.capacity if counts[lane] >= free.get(lane, 0))
        if taken:
            self._start_queue = taken[0].call.queue + "\x01"
