"""The lease of a process: a row that a thread renews by the database's clock, which user code cannot block."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable

import msgspec

from rota import logs
from rota.engine.loop import Loop
from rota.ids import new_id
from rota.model import Worker
from rota.settings import Settings
from rota.store import workers
from rota.store.database import Database
from rota.version import __version__

RENEWALS = 4
"""A lease is renewed this often in its time."""
MARGIN_S = 3.0
"""So long before its lease ends a worker that cannot renew it stops its jobs."""


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
    ) -> None:
        """``state`` returns (state, running jobs, detail); ``alive`` whether the work itself still moves."""
        super().__init__()
        self._db = db
        self._lease_us = settings.lease_us
        self.record = record
        self._state = state
        self._alive = alive
        self._on_lost = on_lost
        self._registered = False
        self._held_until = 0.0
        self._told_lost = False

    @property
    def worker_id(self) -> str:
        """The id under which jobs are claimed."""
        return self.record.id

    @property
    def held(self) -> bool:
        """Tell whether the lease holds long enough to begin something."""
        return self._registered and time.monotonic() < self._held_until - MARGIN_S

    def run_once(self) -> float:
        """Register or renew; return how long until the next renewal (s)."""
        began = time.monotonic()
        if not self._registered:
            self._db.run(lambda tx: workers.register(tx, self.record, self._lease_us))
            self._registered, self._told_lost = True, False
            self._held_until = began + self._lease_us / 1e6
            logs.event(
                f"{self.record.role}/started",
                f"{self.record.role} started",
                workerId=self.record.id,
            )
        elif not self._alive():
            logs.event_limited(
                "stalled", "loop/stalled", "the work does not move; the lease is not renewed", level="error",
                workerId=self.record.id,
            )  # fmt: skip
        else:
            self._renew(began)
        return self._lease_us / 1e6 / RENEWALS

    def _renew(self, began: float) -> None:
        state, running, detail = self._state()
        document = msgspec.json.encode(detail).decode()
        held = self._db.run(
            lambda tx: workers.renew(
                tx,
                self.record.id,
                self._lease_us,
                running=running,
                state=state,
                detail=document,
            )
        )
        if held:
            self._held_until = began + self._lease_us / 1e6
        else:
            self._lost("another process took its jobs")

    def _turn(self) -> float:
        pause = super()._turn()
        if self._registered and not self._told_lost and time.monotonic() > self._held_until - MARGIN_S:
            self._lost("it could not be renewed in time")
        return pause

    def _lost(self, why: str) -> None:
        """Stop everything under this lease, and begin anew under another."""
        logs.event(
            "worker/lease-lost",
            f"lease lost: {why}",
            level="error",
            workerId=self.record.id,
        )
        self._told_lost = True
        self._on_lost()
        self.record = msgspec.structs.replace(self.record, id=new_id())
        self._registered = False

    def release(self) -> None:
        """Say that the process ends in good order."""
        if self._registered:
            self._db.run(lambda tx: workers.stop(tx, self.record.id))


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
