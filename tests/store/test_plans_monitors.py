"""A look of the monitors goes by indexes, with 100,000 schedules and after months of alerts."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from rota.insight import conditions
from rota.insight.usual import Memory
from rota.store import alerts, checks, queues
from rota.store.database import Database, Tx
from tests.store import filling
from tests.store.filling import NUMBERS, Statistics
from tests.store.plans import recorded

TOTAL = 20_000
SCHEDULES = 100_000
ALERTS = 20_000
LARGE = {
    "rota_jobs", "rota_occurrences", "rota_schedules", "rota_attempts", "rota_logs", "rota_alerts", "rota_rollups",
}  # fmt: skip
MINUTE = 60_000_000

PAST = """
INSERT INTO rota_alerts (id, monitor_id, kind, severity, subject_kind, subject_id, text, since_at, opened_at, seen_at,
  tellings, closed_at, over_at)
SELECT [ID], :prefix || (i % 100), 'late', 'error', 'schedule', 's' || (i % 100), '', i, i, i, 1, i, i
FROM [NUMBERS]
"""


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "SCHEDULES", SCHEDULES)


def fill(db: Database, statistics: Statistics) -> None:
    if db.dialect == "postgresql":
        db.run(lambda tx: tx.run("ALTER TABLE rota_alerts SET (autovacuum_enabled = false)"))
    sql = PAST.replace("[NUMBERS]", NUMBERS[db.dialect]).replace("[ID]", filling.ID[db.dialect])
    db.run(lambda tx: tx.run(sql, {"total": ALERTS, "prefix": "late:schedule:s"}))
    filling.fill(db, TOTAL, statistics)


def look(tx: Tx) -> None:
    view = conditions.look(tx, 15_000_000, since=tx.now() - MINUTE, memory=Memory())
    alerts.ended(tx)
    alerts.history(tx, sorted({one.monitor for one in view.conditions})[:20], 0)
    alerts.wait_us(tx, 5)
    checks.late(tx, view.now)


def faults(db: Database, *, generic: bool = False) -> list[str]:
    with recorded(generic=generic) as plans:
        db.read(look)
    assert len(plans) > 15
    return [str(plan) for plan in plans if plan.whole & LARGE]


def passes_over_what_is_parked(db: Database, *, generic: bool = False) -> None:
    """Those of a paused type may be many, and stand before all others that have a ring."""
    with recorded(generic=generic) as plans:
        assert db.read(queues.waiting)
    ringed = [plan for plan in plans if plan.sql.strip().startswith("SELECT count(*)") and "lane = :lane" in plan.sql]
    assert ringed
    for plan in ringed:
        assert plan.indexes == {"rota_jobs_ring"} and re.search("ring (>=|>)|ring>", plan.text), str(plan)


@pytest.mark.parametrize("statistics", get_args(Statistics))
def test_on_sqlite(many: None, lite: Database, statistics: Statistics) -> None:
    fill(lite, statistics)
    assert faults(lite) == []
    passes_over_what_is_parked(lite)


def test_on_postgresql(many: None, pg: Database) -> None:
    fill(pg, "fresh")
    for generic in (False, True):
        assert faults(pg, generic=generic) == []
        passes_over_what_is_parked(pg, generic=generic)
