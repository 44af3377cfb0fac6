"""CLOCK: the clock of the database jumps again and again, while schedulers are killed."""

from __future__ import annotations

import random
import time

import pytest

from tests.chaos.conftest import Figures
from tests.engine.scheduling import put
from tests.support.roles import end_schedules, kill
from tests.support.turned import SECOND, Turned

JUMPS = 40
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
KEEP = {"ROTA_RETENTION_RUNS": "10000d", "ROTA_RETENTION_FAILED": "10000d", "ROTA_RETENTION_OCCURRENCES": "10000d"}
"""Years go by here, and the audit looks at all of them."""
FAR = (90, 20 * MINUTE_S, 3 * HOUR_S, 3 * DAY_S, 40 * DAY_S)


@pytest.mark.chaos("CLOCK")
def test_the_clock_jumps_while_schedulers_die(turned: Turned, dice: random.Random, figures: Figures) -> None:
    schedulers = [turned.start("scheduler", **KEEP) for _ in range(2)]
    turned.start("worker")
    command = {"kind": "command", "command": ["true"]}
    for number in range(5):
        put(turned.shop.db, f"second{number}", every="1s", overlap="allow", target=command)
        put(
            turned.shop.db, f"minute{number}", every="1m", catchup=("none", "latest", "all")[number % 3], target=command
        )
    jumps, least = 0, 0
    slowest = 0.0
    while jumps < JUMPS:
        time.sleep(dice.uniform(0.5, 2))
        by = dice.choice(FAR)
        if dice.random() < 0.4:  # set back, and put right a little later
            turned.clock.turn(-by)
            time.sleep(dice.uniform(0.5, 2))
            turned.clock.turn(by)
        else:
            turned.clock.turn(by)
        if dice.random() < 0.5:
            kill(schedulers.pop(0))
            schedulers.append(turned.start("scheduler", **KEEP))
        began = time.monotonic()
        turned.wait_until_accounted(60)
        slowest = max(slowest, time.monotonic() - began)
        assert turned.accounted_to() >= least
        least = turned.accounted_to()
        jumps += 1
    end_schedules(turned.shop)
    turned.roles.wait_for_all(300)
    assert turned.roles.faults() == []
    figures |= {
        "jumps": jumps,
        "days": turned.clock.offset_s / DAY_S,
        "instants that fired": turned.fired(),
        "slowest until all is accounted for s": slowest,
        "behind at the end s": max(0, turned.clock.now() - turned.accounted_to()) / SECOND,
    }
