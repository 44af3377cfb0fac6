"""What is usual of runs is told of each schedule that is asked about, however many are remembered."""

from __future__ import annotations

import pytest

from rota.insight import usual
from rota.settings import Settings
from rota.store.database import Database
from tests.engine.monitoring import System
from tests.support.clock import SECOND, HandClock


def test_what_was_remembered_is_told_though_there_is_no_room_for_more(
    db: Database, clock: HandClock, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usual, "MOST_KEPT", 3)
    system, memory = System(db, clock, settings), usual.Memory()
    for name in "abcde":
        system.schedule(name)
        system.ran("completed", name, took=2)
    for names in ("ab", "abcde", "e"):
        found = db.read(lambda tx, names=names: memory.of_schedules(tx, names, tx.now()))  # type: ignore[misc]
        assert found == dict.fromkeys(names, usual.Usual(2 * SECOND, 2 * SECOND, 2 * SECOND, 1))
