"""A stored schedule whose rule can no longer be read is told, holds up no other, and makes no busy loop."""

from __future__ import annotations

import pytest

from rota.actions import schedules as actions
from rota.actions.decoding import convert
from rota.actions.specs import Caller, ScheduleIn
from rota.engine import scheduler as engine
from rota.engine.scheduler import POLL_S, Scheduler
from rota.settings import load_settings
from rota.store import meta, migrate
from rota.store import occurrences as occurrence_store
from rota.store.opening import open_database


def test_an_unreadable_rule_does_not_spin(database_url: str) -> None:
    settings = load_settings({}, database_url=database_url)
    db = open_database(settings.database_url)
    migrate.migrate(db)
    body = {"at": "2020-01-01T00:00:00Z", "target": {"kind": "command", "shell": "true"}}
    for name in ("broken", "good"):
        spec = convert(body, ScheduleIn)
        db.run(lambda tx, name=name, spec=spec: actions.put(tx, name, spec, Caller(), settings))  # type: ignore[misc]
    db.run(lambda tx: tx.run("UPDATE rota_schedules SET timezone = 'Mars/Olympus' WHERE id = 'broken'"))
    scheduler = Scheduler(db, settings)
    assert scheduler.run_once() <= POLL_S
    assert scheduler.run_once() == POLL_S
    fired = db.read(lambda tx: [occurrence_store.listed(tx, name) for name in ("broken", "good")])
    assert [len(occurrences) for occurrences in fired] == [0, 1]
    accounted = db.read(meta.accounted_to)
    assert accounted is not None
    assert accounted < db.read(lambda tx: tx.now()) - 1_000_000
    db.close()


def test_plans_make_room_without_losing_those_in_use(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_PLANS", 2)
    settings = load_settings({}, database_url=database_url)
    db = open_database(settings.database_url)
    migrate.migrate(db)
    spec = convert({"at": "2020-01-01T00:00:00Z", "target": {"kind": "command", "shell": "true"}}, ScheduleIn)
    names = [f"s{number}" for number in range(7)]
    for name in names:
        db.run(lambda tx, name=name: actions.put(tx, name, spec, Caller(), settings))  # type: ignore[misc]
    scheduler = Scheduler(db, settings)
    scheduler.run_once()
    fired = [db.read(lambda tx, name=name: occurrence_store.listed(tx, name)) for name in names]  # type: ignore[misc]
    assert [len(occurrences) for occurrences in fired] == [1] * 7
    db.close()
