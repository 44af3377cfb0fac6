"""Many at once on a few keys: workers, inserters, and connections that are cut.  At no time do two of a key run."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable

from rota.errors import DatabaseError
from rota.store import claims, jobs, results, turns
from rota.store.claims import Claimed
from rota.store.database import Database
from rota.store.serving import Request
from tests.store import builders
from tests.store.builders import at_once, column, new_job, opened

KEYS = [f"schedule:{n}" for n in range(3)]
EACH = 60
"""Jobs of each inserter."""
MOST_CUTS = 150
"""Then they work in peace: on a machine that is slow no claim would be done between two cuts."""

CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
ORDER BY random() LIMIT 1
"""


class Target:
    """What the jobs call: it writes down who is there, by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside: dict[str, str] = {}
        self.two_at_once: list[tuple[str, str]] = []
        self.order: dict[str, list[str]] = defaultdict(list)

    def enter(self, key: str, job_id: str) -> None:
        """A run begins; the same job may come back to a run of which nobody learnt the end."""
        with self._lock:
            if self._inside.get(key, job_id) != job_id:
                self.two_at_once.append((self._inside[key], job_id))
            self._inside[key] = job_id
            if job_id not in self.order[key]:
                self.order[key].append(job_id)

    def leave(self, key: str) -> None:
        """The run ends."""
        with self._lock:
            del self._inside[key]


class Race:
    """A database, and those who work on it until everything has ended."""

    def __init__(self, db: Database, url: str) -> None:
        self.db = db
        self.url = url
        self.target = Target()
        self.inserted: set[str] = set()
        self.sure: set[str] = set()
        """Those whose insertion is known to have worked."""
        self.key_of: dict[str, str] = {}
        self.writers = 0
        self.cuts = 0
        self.give_up = time.monotonic() + 90

    def insert(self, seed: int) -> None:
        """Store jobs, alone and in batches."""
        dice, db = random.Random(seed), opened(self.url)
        left = EACH
        while left:
            batch = [new_job(turn_key=dice.choice(KEYS)) for _ in range(min(left, dice.choice([1, 1, 4])))]
            left -= len(batch)
            self.key_of |= {job.id: job.turn_key or "" for job in batch}
            persist(lambda batch=batch: db.run(lambda tx: jobs.insert(tx, batch)))  # type: ignore[misc]
            self.sure |= {job.id for job in batch}
            time.sleep(dice.uniform(0, 0.005))
        self.writers -= 1
        db.close()

    def work(self, seed: int) -> None:
        """Claim and finish, sometimes several in one transaction, sometimes failing in between."""
        dice, db = random.Random(seed), opened(self.url)
        worker = persist(lambda: builders.register(db, lease_us=builders.HOUR))
        while not self.over(db):
            wanted = Request(worker, {"async": dice.choice([1, 1, 2])})
            claimed = persist(lambda wanted=wanted: claims.claim(db, wanted))  # type: ignore[misc]
            running = persist(lambda: db.read(lambda tx: results.held(tx, worker)))
            self.run(db, worker, claimed, dice)
            known = {one.call.job_id for one in claimed}
            lost = [
                results.Returned(id=one, attempt=n, outcome="interrupted") for one, n in running if one not in known
            ]
            if lost:  # the answer to their claim did not arrive
                persist(lambda lost=lost: db.run(lambda tx: results.give_back(tx, worker, lost)))  # type: ignore[misc]
        db.close()

    def run(self, db: Database, worker: str, claimed: list[Claimed], dice: random.Random) -> None:
        for one in claimed:
            self.target.enter(self.key_of[one.call.job_id], one.call.job_id)
        time.sleep(dice.uniform(0, 0.004))
        for one in claimed:
            self.target.leave(self.key_of[one.call.job_id])
        ended = [results.Finished(id=one.call.job_id, attempt=one.call.attempt, status="completed") for one in claimed]
        if ended:
            persist(lambda: db.run(lambda tx: results.finish(tx, worker, ended)))

    def over(self, db: Database) -> bool:
        """Everything has ended, or nothing goes on any more."""
        if self.writers:
            return False
        left = persist(
            lambda: db.read(lambda tx: tx.value("SELECT count(*) FROM rota_jobs WHERE status <> 'completed'"))
        )
        return not left or time.monotonic() > self.give_up

    def sweep(self) -> None:
        """What the mover does each second, oftener."""
        db = opened(self.url)
        while not self.over(db):
            idle = persist(lambda: db.read(lambda tx: turns.idle(tx, 100)))
            if idle.keys:
                persist(lambda idle=idle: db.run(lambda tx: turns.release(tx, idle.keys)))  # type: ignore[misc]
            time.sleep(0.05)
        db.close()

    def cut(self) -> None:
        """Cut connections in the middle of what they do."""
        db = opened(self.url)
        while self.cuts < MOST_CUTS and not self.over(db):
            self.cuts += len(persist(lambda: db.read(lambda tx: tx.rows(CUT))))
            time.sleep(0.02)
        db.close()

    def start(self, *others: Callable[[], None]) -> None:
        """Two inserters, three workers and a sweeper."""
        self.writers = 2
        everybody: list[Callable[[], None]] = [lambda n=n: self.insert(n) for n in range(2)]  # type: ignore[misc]
        everybody += [lambda n=n: self.work(n) for n in range(10, 13)]  # type: ignore[misc]
        at_once(*everybody, self.sweep, *others, timeout=120)

    def check(self) -> None:
        """Each job ran in its turn, and none is left."""
        assert set(column(self.db, "status")) == {"completed"}
        assert set(column(self.db, "id")) >= self.sure
        assert len(self.sure) == 2 * EACH
        assert self.target.two_at_once == []


def persist(work: Callable[[], builders.Value]) -> builders.Value:
    """Do it again until the database is there, as every loop does."""
    give_up = time.monotonic() + 20
    while True:
        try:
            return work()
        except DatabaseError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def test_many_at_once(db: Database, database_url: str) -> None:
    race = Race(db, database_url)
    race.start()
    race.check()


def test_many_at_once_whose_connections_are_cut(pg: Database, pg_database: str) -> None:
    race = Race(pg, pg_database)
    race.start(race.cut)
    race.check()
    assert race.cuts > 10


def test_those_stored_one_after_another_run_in_that_order(db: Database, database_url: str) -> None:
    """The order of ids is the order of turns, whoever ends them."""
    race = Race(db, database_url)
    batch = [new_job(turn_key=KEYS[n % 3]) for n in range(90)]
    race.key_of = {job.id: job.turn_key or "" for job in batch}
    builders.insert(db, *batch)
    at_once(*(lambda n=n: race.work(n) for n in range(3)), timeout=120)
    assert race.target.two_at_once == []
    assert set(column(db, "status")) == {"completed"}
    for key in KEYS:
        assert race.target.order[key] == sorted(job.id for job in batch if job.turn_key == key)
