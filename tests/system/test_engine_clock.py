"""The clock of the database jumps while schedulers run: no instant is lost, none happens twice."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from rota.api.wellbeing import judge
from rota.store import vitals
from tests.engine.scheduling import occurrences, put
from tests.support.faketime import FakeClock
from tests.support.processes import ROOT, RotaProcesses
from tests.support.roles import end_schedules, opened
from tests.support.target import TargetServer
from tests.support.turned import SECOND, Turned
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos("CLOCK")

HOUR_S, DAY_S = 3600, 86_400
SOON_S = 15.0
"""Health may be red for so long after a jump, as after the death of a scheduler."""


def add_schedules(turned: Turned) -> None:
    """One that is due all the time, and rare ones with each way to catch up."""
    put(turned.shop.db, "each-second", every="1s", overlap="allow")
    for catchup in ("none", "latest", "all"):
        put(turned.shop.db, f"each-hour-{catchup}", every="1h", catchup=catchup, overlap="allow")


def dispositions(turned: Turned, schedule_id: str) -> list[tuple[str, int]]:
    """(disposition, how many instants) of each row, the earliest first."""
    rows = occurrences(turned.shop.db, schedule_id)
    return [(row.disposition, (row.until_at - row.scheduled_for) // (HOUR_S * SECOND) + 1) for row in rows]


def assert_well(turned: Turned) -> None:
    """Wait until health has no problem but the worker that is not there."""

    def problems() -> list[str]:
        found = judge(turned.shop.db.read(vitals.look), 30 * SECOND).problems
        return [problem for problem in found if " worker" not in problem]

    wait_until(lambda: not problems(), SOON_S, lambda: f"health without {problems()}")


def assert_caught_up(turned: Turned, hours: int) -> None:
    assert dispositions(turned, "each-hour-none") == [("missed", hours)]
    assert dispositions(turned, "each-hour-latest") == [("coalesced", hours - 1), ("caughtUp", 1)]
    assert dispositions(turned, "each-hour-all") == [("caughtUp", 1)] * hours


def test_it_jumps_three_days_ahead(turned: Turned) -> None:
    turned.start("scheduler")
    add_schedules(turned)
    turned.wait_for_more()
    turned.clock.turn(3 * DAY_S + 60)
    turned.wait_until_accounted()
    assert_well(turned)
    turned.wait_for_more()
    assert turned.faults() == []
    assert_caught_up(turned, 72)


def test_it_jumps_while_jobs_run(turned: Turned) -> None:
    turned.start("scheduler")
    turned.start("worker")
    jobs = [turned.roles.command("sleep 1") for _ in range(4)]
    turned.roles.wait_for_starts(4)
    turned.clock.turn(3 * DAY_S)
    jobs += [turned.roles.command("true") for _ in range(4)]
    turned.roles.wait_for_all()
    turned.clock.turn(-3 * DAY_S - HOUR_S)
    jobs += [turned.roles.command("true") for _ in range(4)]
    turned.roles.wait_for_all()
    assert turned.roles.faults() == []
    assert {turned.shop.get(job_id).status for job_id in jobs} == {"completed"}


def test_it_jumps_an_hour_back_and_is_put_right(turned: Turned) -> None:
    turned.start("scheduler")
    put(turned.shop.db, "each-second", every="1s", overlap="allow")
    turned.wait_for_more(3)
    turned.wait_until_accounted()
    turned.clock.turn(-HOUR_S)
    time.sleep(1.5)  # what was under way, and a look of the scheduler at the turned clock
    before, fired = turned.accounted_to(), turned.fired()
    time.sleep(2)
    assert turned.fired() == fired
    assert turned.accounted_to() == before
    assert_well(turned)
    turned.clock.turn(HOUR_S)
    turned.wait_for_more(3)
    assert turned.accounted_to() >= before
    assert turned.faults() == []
    assert {row.disposition for row in occurrences(turned.shop.db, "each-second")} == {"fired"}


def test_the_machine_sleeps_for_three_hours(turned: Turned) -> None:
    processes = [turned.start("scheduler") for _ in range(2)]
    add_schedules(turned)
    turned.wait_for_more()
    for process in processes:
        process.send(signal.SIGSTOP)
    try:
        turned.clock.turn(3 * HOUR_S + 60)
    finally:
        for process in processes:
            process.send(signal.SIGCONT)
    turned.wait_until_accounted()
    assert_well(turned)
    turned.wait_for_more()
    assert turned.faults() == []
    assert_caught_up(turned, 3)


def test_it_was_down_for_forty_days(turned: Turned) -> None:
    first = turned.start("scheduler")
    add_schedules(turned)
    turned.wait_for_more()
    assert first.stop() == 0
    turned.clock.turn(40 * DAY_S + 60)
    began = time.monotonic()
    turned.start("scheduler")
    turned.wait_until_accounted()
    assert time.monotonic() - began < 20
    turned.wait_for_more()
    assert turned.faults() == []
    assert dispositions(turned, "each-hour-none") == [("missed", 960)]
    assert dispositions(turned, "each-hour-latest") == [("coalesced", 959), ("caughtUp", 1)]
    assert dispositions(turned, "each-hour-all") == [("missed", 860)] + [("caughtUp", 1)] * 100
    (long,) = [row for row in occurrences(turned.shop.db, "each-second") if row.disposition == "coalesced"]
    assert long.until_at - long.scheduled_for > 40 * DAY_S * SECOND


def test_the_clocks_of_two_machines_differ(
    faketime: None, pg_database: str, rota_process: RotaProcesses, target_server: TargetServer, tmp_path: Path
) -> None:
    """Theirs are four minutes apart; the database's counts."""
    ahead, behind = FakeClock(tmp_path / "ahead"), FakeClock(tmp_path / "behind")
    ahead.set(120)
    behind.set(-120)
    with opened(rota_process, target_server, tmp_path, pg_database) as roles:
        for clock in (ahead, behind):
            env = {**clock.environment, "PYTHONPATH": f"{clock.python_path}:{ROOT}"}
            roles.start("scheduler", **env)
            roles.start("worker", **env, ROTA_LEASE="30s")  # shorter than they are apart, and none is lost by chance
        for number in range(5):
            command = {"kind": "command", "command": ["true"]}
            put(roles.shop.db, f"s{number}", every="1s", overlap="allow", target=command)
        jobs = [roles.command("sleep 0.2") for _ in range(10)]
        sql = "SELECT count(*) FROM rota_occurrences WHERE disposition = 'fired'"
        wait_until(lambda: roles.shop.db.read(lambda tx: tx.value(sql)) >= 15, 30, "instants that fire")
        end_schedules(roles.shop)
        roles.wait_for_all()
        assert roles.faults() == []
        assert {roles.shop.get(job_id).attempt for job_id in jobs} == {1}
        late = "SELECT min(decided_at - scheduled_for), max(decided_at - scheduled_for) FROM rota_occurrences"
        ((least, most),) = roles.shop.db.read(lambda tx: tx.rows(late))
        assert 0 <= least <= most < 15 * SECOND
        rows = roles.shop.db.read(lambda tx: tx.value("SELECT count(*) FROM rota_occurrences WHERE job_id IS NULL"))
        assert rows == 0
