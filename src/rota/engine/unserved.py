"""Tells of jobs that wait although no live worker can take them: they are not lost, and nobody may think so."""

from __future__ import annotations

from rota import logs
from rota.engine.loop import Loop
from rota.store import untaken
from rota.store.database import Database
from rota.store.untaken import Stranded

LOOK_S = 10.0
PATIENCE_US = 10_000_000
"""Jobs that wait no longer than this are not spoken of: a worker that is restarted comes back meanwhile."""
TELL_EVERY_US = 60_000_000


class Unserved(Loop):
    """Says which types have no worker with their code, and which queues none that takes their jobs."""

    name = "unserved"

    def __init__(self, db: Database) -> None:
        super().__init__()
        self._db = db
        self._told: dict[tuple[str | None, ...], int] = {}

    def run_once(self) -> float:
        """Look once; return how long until the next look (s)."""
        now, found = self._db.read(untaken.stranded)
        for one in found:
            if now - one.since >= PATIENCE_US:
                self._say(one, now)
        return LOOK_S

    def _say(self, one: Stranded, now: int) -> None:
        key = (one.type,) if one.queue is None else (one.queue, one.lane, *one.labels)
        if now < self._told.get(key, 0):
            return
        self._told = {known: until for known, until in self._told.items() if now < until}
        self._told[key] = now + TELL_EVERY_US
        at_least = "at least " if one.count >= untaken.MOST_COUNTED else ""
        wait = "wait" if one.count != 1 else "waits"
        jobs = "jobs" if one.count != 1 else "job"
        oldest_ms = (now - one.since) // 1000
        if one.queue is None:
            logs.event(
                "type/no-worker", f"{at_least}{one.count} {jobs} {wait}: {one.without}", level="warning",
                jobType=one.type, count=one.count, oldestMs=oldest_ms,
            )  # fmt: skip
        else:
            logs.event(
                "queue/no-worker",
                f"{at_least}{one.count} {one.lane} {jobs} of queue {one.queue} {wait}: {one.without}", level="warning",
                queue=one.queue, jobType=one.type, count=one.count, oldestMs=oldest_ms, labels=list(one.labels),
            )  # fmt: skip
