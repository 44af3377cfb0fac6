"""What is different from one look at the database to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from rota.model import FINAL
from rota.store.news import Mark, News

MOST_JOBS = 200
"""Jobs and schedules told of after one look; where more have changed, it is better to ask for the page anew."""
MOST_WAITING = 300
"""Of the jobs that wait so many, the last that were told of, are looked at each time."""
MOST_REMEMBERED = 5000

V = TypeVar("V")


class Changed(msgspec.Struct):
    """What to tell."""

    jobs: list[str] = []
    schedules: list[str] = []
    queues: list[str] = []
    workers: list[str] = []
    monitors: list[str] = []
    too_much: bool = False
    """More than can be told one by one."""

    def busy(self) -> bool:
        """Tell whether there is work: the signs of life of workers come always."""
        return bool(self.jobs or self.schedules or self.queues or self.monitors or self.too_much)


class Tracker:
    """Remembers what was seen, a bounded part of it; the first look only fills it."""

    def __init__(self) -> None:
        self.since: int | None = None
        """The database's clock at the last look, µs UTC."""
        self._jobs: dict[str, Mark] = {}
        self._running: set[str] = set()
        self._schedules: dict[str, int] = {}
        self._audited: dict[str, bool] = {}
        self._queues: Mapping[str, object] = {}
        self._workers: Mapping[str, object] = {}
        self._operations: dict[str, int] = {}
        self._monitors: Mapping[str, object] = {}

    def known(self) -> list[str]:
        """Return the ids of jobs of which a look must tell how they are, wherever they went."""
        waiting = [job_id for job_id, mark in self._jobs.items() if mark[1] not in FINAL and mark[1] != "running"]
        return [*self._running, *waiting[-MOST_WAITING:]]

    def see(self, news: News) -> Changed:
        """Take in a look; return what has changed since the one before."""
        first, known = self.since is None, self.known()
        jobs = _renewed(self._jobs, news.jobs)
        gone = [job_id for job_id in known if job_id not in news.jobs]
        schedules = _renewed(self._schedules, news.schedules)
        audited = _renewed(self._audited, dict.fromkeys([entry[0] for entry in news.audited], True))
        queues, workers = _different(self._queues, news.queues), _different(self._workers, news.workers)
        monitors = _different(self._monitors, news.monitors)
        moved = news.operations != self._operations
        by_noun: dict[str, list[str]] = {}
        for entry_id, noun, name in news.audited:
            if entry_id in audited:
                by_noun.setdefault(noun, []).append(name)
        for job_id in gone:
            self._jobs.pop(job_id, None)
        self._running = {job_id for job_id, mark in news.jobs.items() if mark[1] == "running"}
        self._queues, self._workers, self._operations = news.queues, news.workers, news.operations
        self._monitors = news.monitors
        self.since = news.now
        if first:
            return Changed()
        changed = Changed(
            sorted({*jobs, *gone, *by_noun.get("job", ())}),
            sorted({*schedules, *by_noun.get("schedule", ())}),
            sorted({*queues, *by_noun.get("queue", ())}),
            sorted(workers),
            sorted({*monitors, *by_noun.get("monitor", ())}),
            moved or "operation" in by_noun,
        )
        if len(changed.jobs) > MOST_JOBS or len(changed.schedules) > MOST_JOBS:
            changed = Changed(too_much=True)
        return changed


def _renewed(remembered: dict[str, V], seen: Mapping[str, V]) -> set[str]:
    """Remember what was seen; return what is new of it, or other than it was."""
    found = {key for key, value in seen.items() if remembered.get(key) != value}
    for key in found:
        remembered.pop(key, None)  # so that it is the last again
        remembered[key] = seen[key]
    for key in list(remembered)[: max(0, len(remembered) - MOST_REMEMBERED)]:
        del remembered[key]
    return found


def _different(before: Mapping[str, object], now: Mapping[str, object]) -> set[str]:
    return {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
