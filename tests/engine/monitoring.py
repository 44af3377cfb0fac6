"""A system whose clock is turned by hand, with monitors that look at it, and what these tell."""

from __future__ import annotations

from functools import partial
from typing import Any

from rota.engine.monitors import Monitors
from rota.ids import new_id
from rota.settings import Settings
from rota.store import alerts, meta, monitors, workers
from rota.store.alerts import Alert, AlertFilter
from rota.store.database import Database, Tx
from rota.store.monitors import Said
from tests.store import builders
from tests.support.clock import SECOND, HandClock

LANES = '{"async":9,"command":9}'
TYPES = '["report"]'


class System:
    """Processes are rows here: who lives renews its lease before each look."""

    def __init__(self, db: Database, clock: HandClock, settings: Settings) -> None:
        self.db = db
        self.clock = clock
        self.monitors = Monitors(db, settings)
        self.other = Monitors(clock.open(), settings)
        """Of another process."""
        self.living: set[str] = set()
        self.accounts = True
        """Whether the watermark moves."""

    def start(self, role: str = "worker", **given: Any) -> str:
        """A process begins; its id."""
        fields = {"lanes": LANES, "types": TYPES} if role == "worker" else {}
        process = builders.register(self.db, role=role, **{**fields, **given})
        self.living.add(process)
        return process

    def kill(self, process: str) -> None:
        """It renews its lease no more."""
        self.living.discard(process)

    def stop(self, process: str) -> None:
        """It ends in good order."""
        self.kill(process)
        builders.stop(self.db, process)

    def look(self, seconds: int = 5, *, by_both: bool = False) -> None:
        """Let so much time pass, with a look each five seconds."""
        for _ in range(max(1, seconds // 5)):
            self.clock.turn(5 * SECOND)
            for process in self.living:
                self.db.run(partial(_renew, process=process))
            if self.accounts:
                self.db.run(lambda tx: meta.raise_accounted_to(tx, tx.now()))
            self.monitors.run_once()
            if by_both:
                self.other.run_once()

    def calm(self) -> None:
        """A scheduler and a worker live, and monitors have looked for a while."""
        self.start("scheduler")
        self.start()
        self.look(40)
        assert self.told() == []

    def told(self) -> list[tuple[str, str]]:
        """(kind, title) of all notices, the first first."""
        sql = "SELECT kind, title FROM rota_notices ORDER BY created_at, id"
        return [(row[0], row[1]) for row in self.db.read(lambda tx: tx.rows(sql))]

    def news(self) -> list[tuple[str, str]]:
        """Those since it was asked last."""
        found = self.told()
        before, self._before = getattr(self, "_before", 0), len(found)
        return found[before:]

    def texts(self) -> list[str]:
        """The texts of all notices."""
        return [
            row[0] for row in self.db.read(lambda tx: tx.rows("SELECT text FROM rota_notices ORDER BY created_at, id"))
        ]

    def alerts(self, **wanted: Any) -> list[Alert]:
        """The incidents, the first first."""
        return list(reversed(self.db.read(lambda tx: alerts.listed(tx, AlertFilter(**wanted), limit=1000))))

    def say(self, monitor: str, **said: Any) -> None:
        """Say what a monitor is like."""
        self.db.run(lambda tx: monitors.say(tx, Said(id=monitor, **said)))

    def mute(self, monitor: str, seconds: int | None = None) -> None:
        """Mute a monitor for so long."""
        until = None if seconds is None else self.clock.now + seconds * SECOND
        self.db.run(lambda tx: monitors.mute(tx, Said(id=monitor, muted_at=tx.now(), muted_until=until)))

    def unmute(self, monitor: str) -> None:
        """End its mute."""
        self.db.run(lambda tx: monitors.mute(tx, Said(id=monitor)))

    def schedule(self, name: str = "digest", **given: Any) -> None:
        """A schedule that ran before, and is due in a day."""
        day = 86_400 * SECOND
        builders.put(self.db, name, **{"next_at": self.clock.now + day, "runs": 1, **given})

    def ran(self, status: str, name: str = "digest", *, ago: int = 0, took: int = 1, **given: Any) -> str:
        """A run of a schedule has ended so; seconds."""
        job_id = builders.insert_one(
            self.db,
            **{"origin": "schedule", "schedule_id": name, "scheduled_for": self.clock.now - ago * SECOND, **given},
        )
        sql = """
        UPDATE rota_jobs SET status = :status, attempt = 1, started_at = :started, completed_at = :ended WHERE id = :id
        """
        ended = self.clock.now - ago * SECOND
        params = {"id": job_id, "status": status, "started": ended - took * SECOND, "ended": ended}
        assert self.db.run(lambda tx: tx.run(sql, params)) == 1
        return job_id

    def runs(self, name: str | None = "digest", *, since: int, **given: Any) -> str:
        """A job runs for so many seconds; its id."""
        fields = {} if name is None else {"origin": "schedule", "schedule_id": name, "scheduled_for": self.clock.now}
        job_id = builders.insert_one(self.db, **{**fields, **given})
        sql = """
        UPDATE rota_jobs SET status = 'running', attempt = 1, started_at = :at, updated_at = :at, worker_id = :worker
        WHERE id = :id
        """
        params = {"id": job_id, "at": self.clock.now - since * SECOND, "worker": new_id()}
        assert self.db.run(lambda tx: tx.run(sql, params)) == 1
        return job_id

    def waits(self, count: int = 1, *, ago: int = 0, **given: Any) -> None:
        """Jobs wait for so many seconds."""
        run_at = self.clock.now - ago * SECOND
        builders.insert(self.db, *(builders.new_job(run_at=run_at, **given) for _ in range(count)))

    def empty(self) -> None:
        """What waits is done."""
        sql = """
        UPDATE rota_jobs SET status = 'completed', attempt = 1, started_at = run_at, completed_at = rota_now()
        WHERE status IN ('pending', 'running')
        """
        self.db.run(lambda tx: tx.run(sql))


def _renew(tx: Tx, process: str) -> None:
    assert workers.renew(tx, process, builders.LEASE, running=0, state="running", detail=None)
