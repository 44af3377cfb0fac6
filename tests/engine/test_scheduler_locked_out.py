"""A scheduler that stands still in the middle of a firing keeps its locks, but not so long that others are late."""

from __future__ import annotations

import contextlib
import threading
import time

from rota.actions import schedules as actions
from rota.actions.decoding import convert
from rota.actions.specs import Caller, ScheduleIn
from rota.engine.scheduler import Scheduler
from rota.errors import DatabaseUnavailable
from rota.settings import load_settings
from rota.store import migrate
from rota.store import occurrences as occurrence_store
from rota.store.opening import open_database
from tests.support.waiting import wait_until

LOCK = "SELECT id FROM rota_schedules FOR UPDATE"


def test_each_instant_fires_as_itself_when_its_locks_are_free_again(pg_database: str) -> None:
    settings = load_settings({}, database_url=pg_database)
    db, stopped = open_database(settings.database_url), open_database(settings.database_url)
    migrate.migrate(db)
    spec = convert({"every": "1s", "overlap": "allow", "target": {"kind": "command", "shell": "true"}}, ScheduleIn)
    db.run(lambda tx: actions.put(tx, "each", spec, Caller(), settings))
    locked, over = threading.Event(), threading.Event()

    def stand_still() -> None:
        with contextlib.suppress(DatabaseUnavailable), stopped.transaction() as tx:
            tx.rows(LOCK)
            locked.set()
            over.wait(60)

    threading.Thread(target=stand_still, daemon=True).start()
    assert locked.wait(10)
    scheduler, began = Scheduler(db, settings), time.monotonic()

    def fired() -> bool:
        time.sleep(min(0.2, scheduler.run_once()))
        # The last turn may have begun long before it ended.
        return time.monotonic() - began > 13 and len(db.read(lambda tx: occurrence_store.listed(tx, "each"))) >= 12

    wait_until(fired, 60, "13 seconds, and what they owe")
    over.set()
    found = db.read(lambda tx: occurrence_store.listed(tx, "each"))
    assert len(found) >= 12
    assert {one.disposition for one in found} == {"fired"}
    stopped.close()
    db.close()
