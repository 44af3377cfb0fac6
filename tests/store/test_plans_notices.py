"""What is told goes by its indexes, however much was told before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rota.ids import new_id
from rota.store import channels, deliveries, notices
from rota.store.database import Database, Tx
from rota.store.notices import Which
from tests.store.filling import ID, NUMBERS
from tests.store.plans import recorded

TOTAL = 20_000
FILL = """
INSERT INTO rota_notices (id, kind, severity, title, text, path, alert_ids, created_at, spread_at)
SELECT [ID], 'opened', 'error', 'T', '', '/', {json|:none}, i, CASE WHEN i < :total THEN i END FROM [NUMBERS]
---
INSERT INTO rota_deliveries (notice_id, channel, kind, state, folded, attempts, created_at, sent_at)
SELECT [ID], c.name, 'opened', CASE WHEN i > :total - 20 THEN 'pending' ELSE 'sent' END, 0, 1, i,
  CASE WHEN i <= :total - 20 THEN i END
FROM [NUMBERS] CROSS JOIN rota_channels c
"""


@pytest.fixture
def full(db: Database) -> Database:
    """Nearly everything was sent."""
    db.run(lambda tx: channels.announce(tx, [("a", "slack", "warning"), ("b", "mail", "warning")], tx.now()))
    for statement in FILL.split("---"):
        sql = statement.replace("[ID]", ID[db.dialect]).replace("[NUMBERS]", NUMBERS[db.dialect])
        db.run(lambda tx, sql=sql: tx.run(sql, {"total": TOTAL, "none": "[]"}))  # type: ignore[misc]
    db.run(lambda tx: tx.script("ANALYZE"))
    return db


ACTS: dict[str, Callable[[Tx], object]] = {
    "new": deliveries.is_new,
    "due": lambda tx: channels.due(tx, ["a", "b"], tx.now()),
    "spread": lambda tx: deliveries.spread(tx, tx.now()),
    "waiting": lambda tx: deliveries.waiting(tx, "a"),
    "tests": lambda tx: deliveries.waiting(tx, "a", tests=True),
    "sent": lambda tx: deliveries.sent_since(tx, "a", TOTAL - 50, 10),
    "note": lambda tx: deliveries.note(tx, "a", [new_id()], "sent", error=None, sent_at=1),
    "counts": channels.waiting,
    "list": lambda tx: notices.listed(tx, Which(), limit=50),
    "list of a channel": lambda tx: notices.listed(tx, Which(channel="a", state="sent"), limit=50),
    "one": lambda tx: notices.deliveries(tx, new_id()),
    "forget": lambda tx: notices.forget(tx, before=0, limit=500),
}


def test_nothing_reads_a_whole_table(full: Database) -> None:
    with recorded() as plans:
        for act in ACTS.values():
            full.run(act)
    wrong = [str(plan) for plan in plans if plan.whole & {"rota_notices", "rota_deliveries"}]
    assert wrong == []
    assert len(plans) >= len(ACTS)
