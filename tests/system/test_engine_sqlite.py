"""One SQLite file, a scheduler, workers and writers in other processes: nobody is turned away."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from tests.engine.scheduling import put
from tests.support.roles import Roles, end_schedules, occurrences
from tests.support.waiting import wait_until


@pytest.mark.timeout(400)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nobody_finds_the_database_locked(roles: Roles) -> None:
    db = roles.shop.db
    processes = [roles.start("scheduler"), roles.start("worker"), roles.start("worker")]
    for number in range(20):
        put(db, f"s{number}", every="1s", overlap="allow", target={"kind": "command", "command": ["true"]})
    troubles: list[Exception] = []

    def enqueue() -> None:
        try:
            for _ in range(40):
                roles.call()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must hear of it
            troubles.append(error)

    def read() -> None:
        try:
            with sqlite3.connect(db.url.path or "", timeout=10) as connection:
                for _ in range(50):
                    connection.execute("SELECT status, count(*) FROM rota_jobs GROUP BY status").fetchall()
            connection.close()
        except sqlite3.Error as error:
            troubles.append(error)

    threads = [threading.Thread(target=work) for work in (enqueue, enqueue, enqueue, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert troubles == []
    wait_until(lambda: occurrences(roles.shop) >= 60, 60, "three instants of each schedule")
    end_schedules(roles.shop)
    roles.wait_for_all(240)  # twenty commands each second are more than a busy machine runs
    for process in processes:
        assert process.stop() == 0
        for word in ("locked", "database/lost", "loop/failed", "Traceback"):
            assert word not in process.stderr, process.stderr[-3000:]
    assert roles.faults() == []
    assert occurrences(roles.shop, fired=False) == 0
    with sqlite3.connect(db.url.path or "") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
