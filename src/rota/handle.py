"""A stored job in the hands of a program."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from rota.actions import jobs
from rota.actions.specs import Caller
from rota.errors import NotFound
from rota.model import FINAL
from rota.model import Job as Record
from rota.store import jobs as store
from rota.store.database import Database

LOOK_S = (0.01, 0.25)
"""First and longest pause between two looks at a job that is waited for."""


class Job:
    """A job: ``id`` at once, everything else as of the last ``refresh``."""

    def __init__(self, db: Database, job_id: str, *, existing: bool = False) -> None:
        self._db = db
        self.id = job_id
        self.existing = existing
        """Whether it was there already: its unique key was held."""
        self._record: Record | None = None

    def __repr__(self) -> str:
        return f"<job {self.id}{'' if self._record is None else ' ' + self._record.status}>"

    def refresh(self) -> Job:
        """Read the job; raises NotFound when it is gone."""
        self._record = self._db.read(lambda tx: store.get(tx, self.id))
        if self._record is None:
            raise NotFound(f"there is no job {self.id}")
        return self

    @property
    def record(self) -> Record:
        """The job as stored, read at the first use."""
        if self._record is None:
            self.refresh()
        assert self._record is not None
        return self._record

    @property
    def status(self) -> str:
        """scheduled, pending, running, completed, failed or cancelled."""
        return self.record.status

    @property
    def result(self) -> Any:
        """The result, decoded; None where there is none."""
        return (
            None
            if self.record.result is None
            else msgspec.json.decode(self.record.result)
        )

    @property
    def error(self) -> str | None:
        """One line on why the last attempt failed."""
        return self.record.error

    @property
    def attempt(self) -> int:
        """How often it was started."""
        return self.record.attempt

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.record.status in FINAL

    def wait(self, timeout: float | None = None) -> Job:
        """Wait until the job has ended; raises TimeoutError after ``timeout`` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        pause = LOOK_S[0]
        while not self.refresh().done:
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(
                    f"job {self.id} is still {self.status} after {timeout} s"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, LOOK_S[1])
        return self

    async def awaited(self, timeout: float | None = None) -> Job:
        """As ``wait``, where an event loop runs."""
        return await asyncio.to_thread(self.wait, timeout)

    def cancel(self) -> Job:
        """Cancel it, or ask for the end of its run."""
        self._record = self._db.run(lambda tx: jobs.cancel(tx, self.id, Caller()))
        return self

    def retry(self) -> Job:
        """Make it wait again, with all its attempts anew."""
        self._record = self._db.run(lambda tx: jobs.retry(tx, self.id))
        return self
