"""The lease of a process: a row that a thread renews by the database's clock, which user code cannot block."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from rota import logs
from rota.engine.loop import Loop
from rota.errors import DatabaseError
from rota.ids import new_id
from rota.model import Worker
from rota.settings import Settings
from rota.store import workers
from rota.store.database import Database
from rota.version import __version__

RENEWALS = 4
"""A lease is renewed this often in its time."""
MARGIN_S = 3.0
"""So long before its lease ends, or for short ones a part of it, a worker that cannot renew it stops its jobs."""
MARGIN_PART = 0.15


class Lease(Loop):
    """Registers the process and keeps its lease; says when it is lost."""

    name = "lease"

    def __init__(
        self,
        db: Database,
        settings: Settings,
        record: Worker,
        *,
        state: Callable[[], tuple[str, int, object]],
        alive: Callable[[], bool] = lambda: True,
        on_lost: Callable[[], None] = lambda: None,
        claimed_ago: Callable[[], int | None] = lambda: None,
    ) -> None:
        """``state`` returns (state, running jobs, detail); ``alive`` whether the work itself still moves.

        ``claimed_ago`` returns how long ago the last claim was that took something (µs).
        """
        super().__init__()
        self._db = db
        self._lease_us = settings.lease_us
        self._lease_s = settings.lease_us / 1e6
        self._margin_s = min(MARGIN_S, MARGIN_PART * self._lease_s)
        self.record = record
        self._state = state
        self._work_moves = alive
        self._on_lost = on_lost
        self._claimed_ago = claimed_ago
        self._changing = threading.Lock()
        self._registered = False
        self._held_until = 0.0

    @property
    def worker_id(self) -> str:
        """The id under which jobs are claimed."""
        return self.record.id

    @property
    def held(self) -> bool:
        """Tell whether the lease holds long enough to begin something, and the work moves."""
        return self._registered and time.monotonic() < self._held_until - self._margin_s and self._work_moves()

    def run_once(self) -> float:
        """Register or renew; return how long until the next renewal (s)."""
        if not self._work_moves():
            logs.event_limited(
                "loop/stalled", "loop/stalled", "the work does not move; the lease is not renewed", level="error",
                workerId=self.record.id,
            )  # fmt: skip
            return self._lease_s / RENEWALS
        with self._db.at_once():
            if self._registered:
                self._renew()
            else:
                self._register()
        return self._lease_s / RENEWALS

    def check(self) -> None:
        """Give the lease up when it is about to end; for other threads too, since a renewal may hang."""
        with self._changing:
            overdue = self._registered and time.monotonic() > self._held_until - self._margin_s
        if overdue:
            self._lost(self.record.id, "it could not be renewed in time")

    def _turn(self) -> float:
        pause = super()._turn()
        self.check()
        return pause

    def _register(self) -> None:
        began, record = time.monotonic(), self.record
        self._db.run(lambda tx: workers.register(tx, record, self._lease_us))
        with self._changing:
            self._registered, self._held_until = True, began + self._lease_s
        more: dict[str, Any] = {}
        if record.role == "worker":
            given = {"queues": record.queues, "slots": record.lanes, "labels": record.labels}
            more = {name: msgspec.json.decode(text) for name, text in given.items() if text is not None}
        logs.event(
            f"{record.role}/started", f"{record.role} started", workerId=record.id, version=record.version, **more
        )  # fmt: skip

    def _renew(self) -> None:
        began, worker_id = time.monotonic(), self.record.id
        state, running, detail = self._state()
        document = msgspec.json.encode(detail).decode()
        claimed_ago = self._claimed_ago()
        held = self._db.run_alone(
            lambda tx: workers.renew(
                tx, worker_id, self._lease_us, running=running, state=state, detail=document, claimed_ago=claimed_ago
            )
        )
        with self._changing:
            if held and self.record.id == worker_id:
                self._held_until = began + self._lease_s
        if not held:
            self._lost(worker_id, "another process took its jobs")

    def _lost(self, worker_id: str, why: str) -> None:
        """Stop everything under this lease, and begin anew under another."""
        with self._changing:
            if self.record.id != worker_id or not self._registered:
                return  # it was given up meanwhile
            self._registered = False
            self.record = msgspec.structs.replace(self.record, id=new_id())
        logs.event("worker/lease-lost", f"lease lost: {why}", level="error", workerId=worker_id)
        self._on_lost()
        self.wake()

    def release(self) -> None:
        """Say that the process ends in good order, as far as the database is there to hear it."""
        if not self._registered:
            return
        try:
            self._db.run(lambda tx: workers.stop(tx, self.record.id))
        except DatabaseError as error:
            logs.event(
                "worker/lease-left", f"the lease could not be given up, and will run out: {error}", level="warning",
                workerId=self.record.id, error=str(error),
            )  # fmt: skip


def new_record(role: str, *, lanes: str | None = None, queues: str | None = None, labels: str | None = None) -> Worker:
    """Return the row of this process; the fields are JSON documents."""
    return Worker(
        id=new_id(),
        role=role,
        host=platform.node(),
        pid=os.getpid(),
        version=__version__,
        state="running",
        lanes=lanes,
        queues=queues,
        labels=labels,
    )
