"""Someone who edits schedules in the very moments in which they are due, and what must hold afterwards."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from rota.actions import schedules as actions
from rota.engine.scheduler import Scheduler
from rota.model import Job, Occurrence, ScheduleVersion
from rota.settings import Settings
from rota.store import versions
from rota.store.database import Database
from tests.engine.scheduling import ANN, occurrences, pause, put, runs
from tests.support.clock import SECOND, HandClock

STEP_S = 0.004
"""How long a quarter of a second takes here."""


@contextmanager
def ticking(clock: HandClock) -> Iterator[None]:
    """A clock that goes sixty times as fast."""
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(STEP_S):
            clock.turn(SECOND // 4)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


@contextmanager
def scheduling(db: Database, settings: Settings) -> Iterator[None]:
    """A scheduler that looks all the time."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def turn() -> None:
        scheduler = Scheduler(db, settings)
        try:
            while not stop.is_set():
                stop.wait(min(scheduler.run_once(), 0.003))
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
    assert failures == []


def target(number: int) -> dict[str, Any]:
    return {"kind": "http", "url": f"http://127.0.0.1:9/{number}"}


class Editor:
    """Changes one schedule in the moments in which it is due, and notes what was answered and when."""

    def __init__(self, db: Database, schedule_id: str, seed: int) -> None:
        self.db = db
        self.id = schedule_id
        self.random = random.Random(seed)
        self.number = 0
        self.answered: list[tuple[int, int]] = []
        """(the database's clock after the answer, number of the target that holds from then on)."""

    def edit(self) -> None:
        self.number += 1
        rule = self.random.choice([{"every": "1s"}, {"cron": "* * * * * *", "seconds": "first"}])
        zone = self.random.choice(["UTC", "Asia/Kathmandu", "America/Caracas"])
        put(self.db, self.id, overlap="allow", timezone=zone, target=target(self.number), **rule)
        self.answered.append((self.db.read(lambda tx: tx.now()), self.number))

    def rest(self) -> None:
        """Pause and resume, or delete and make anew."""
        if self.random.random() < 0.5:
            pause(self.db, self.id)
            self.db.run(lambda tx: actions.resume(tx, self.id, ANN))
        else:
            self.db.run(lambda tx: actions.delete(tx, self.id, ANN))
            self.edit()

    def run(self, rounds: int) -> None:
        """Change it so often."""
        for _ in range(rounds):
            threading.Event().wait(self.random.random() * 0.04)
            self.random.choice([self.edit, self.edit, self.rest])()


def check(db: Database, editor: Editor) -> int:
    """Check what is left of a schedule that was edited; how many jobs it made."""
    rows, made = occurrences(db, editor.id), runs(db, editor.id)
    history = list(reversed(db.read(lambda tx: versions.listed(tx, editor.id, limit=10_000))))
    assert [one.version for one in history] == list(range(1, len(history) + 1))
    _check_rows(rows, made)
    _check_definitions(editor, made)
    _check_covered(editor, history, rows)
    return len(made)


def _check_rows(rows: list[Occurrence], made: list[Job]) -> None:
    """Rows do not overlap; each job has its row, and each instant one job at most."""
    for one, following in pairwise(rows):
        assert one.until_at < following.scheduled_for
    assert {job.id for job in made} == {row.job_id for row in rows if row.job_id is not None}
    assert max(Counter(job.scheduled_for for job in made).values(), default=0) <= 1


def _check_definitions(editor: Editor, made: list[Job]) -> None:
    """No job of an old definition is made after the answer to the edit."""
    for job in made:
        number = int((job.target or "").rpartition("/")[2].rstrip('"}'))
        holds = max((number for at, number in editor.answered if at < job.created_at), default=0)
        assert number >= holds, f"{editor.id}: /{number} at {job.created_at} after the answer to /{holds}"


def _check_covered(editor: Editor, history: list[ScheduleVersion], rows: list[Occurrence]) -> None:
    """Every whole second in which it was there from one to the next version has a row."""
    covered = {second for row in rows for second in range(row.scheduled_for // 10**6, row.until_at // 10**6 + 1)}
    for one, following in pairwise(history):
        if one.definition is None or '"cron"' not in one.definition.replace("\\", ""):
            continue
        for second in range(one.at // 10**6 + 1, following.at // 10**6 + 1):
            assert second in covered, f"{editor.id}: {second} in version {one.version} has no row"
