"""TICK-3: edited, paused, deleted, given another zone in the second of the instant; small unless at full size."""

from __future__ import annotations

import random

import pytest

from tests.chaos.conftest import Figures
from tests.engine.editing import Editor, check, scheduling, ticking
from tests.engine.scheduling import settings_of
from tests.store.builders import at_once
from tests.support.clock import hand_clock

SCHEDULES = 4


@pytest.mark.chaos("TICK-3")
def test_tick_3(database_url: str, full_size: bool, dice: random.Random, figures: Figures) -> None:
    rounds = (1000 if full_size else 100) // SCHEDULES
    settings = settings_of(database_url)
    with hand_clock(database_url) as clock:
        db = clock.open()
        editors = [Editor(clock.open(), f"s{number}", dice.randrange(10**9)) for number in range(SCHEDULES)]
        for editor in editors:
            editor.edit()
        with ticking(clock), scheduling(clock.open(), settings), scheduling(clock.open(), settings):
            at_once(*(lambda one=editor: one.run(rounds) for editor in editors), timeout=600)
        made = [check(db, editor) for editor in editors]
    assert min(made) >= rounds // 2
    figures |= {"changes": rounds * SCHEDULES, "jobs": sum(made)}
