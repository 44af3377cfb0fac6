"""Many who say the same schedules at the same moment, as processes of one program do at their start."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from rota.actions import schedules as actions
from rota.actions.decoding import convert
from rota.actions.specs import Caller, ScheduleIn
from rota.settings import Settings
from rota.store import schedules, versions
from rota.store.database import Database
from tests.engine.scheduling import TARGET, put
from tests.store import builders
from tests.store.builders import at_once
from tests.support.clock import HandClock


@pytest.mark.parametrize("many", [2, 8])
def test_one_of_them_makes_it(clock: HandClock, many: int) -> None:
    stores = [clock.open() for _ in range(many)]
    for number in range(5):
        found = at_once(*(lambda db=db: put(db, f"s{number}", every="1m") for db in stores))  # noqa: B023
        assert {one.version for one in found} == {1}
        history = stores[0].read(lambda tx, n=number: versions.listed(tx, f"s{n}"))  # type: ignore[misc]
        assert [one.action for one in history] == ["created"]


def test_many_schedules_by_many(clock: HandClock, settings: Settings) -> None:
    stores = [clock.open() for _ in range(4)]
    specs = [convert({"id": f"s{n}", "every": "1m", "target": TARGET}, ScheduleIn) for n in range(200)]

    def declare(db: Database) -> Callable[[], int]:
        shuffled = random.Random(id(db)).sample(specs, len(specs))
        return lambda: sum(
            one.action is not None
            for one in db.run(lambda tx: actions.put_many(tx, shuffled, Caller("code"), settings))
        )

    assert sum(at_once(*(declare(db) for db in stores))) == 200
    assert set(builders.column(stores[0], "version", "rota_schedules")) == {1}
    assert stores[0].read(schedules.count) == 200


def test_different_ones_follow_each_other(clock: HandClock) -> None:
    stores = [clock.open() for _ in range(4)]
    at_once(*(lambda db=db, n=n: put(db, every=f"{n + 1}m") for n, db in enumerate(stores)))
    history = stores[0].read(lambda tx: versions.listed(tx, "nightly"))
    assert [one.version for one in history] == [4, 3, 2, 1]
    assert {one.action for one in history} == {"created", "edited"}
