"""TERM, STOP: processes that are asked to end, or put to sleep."""

from __future__ import annotations

import random
import signal
import time

import pytest

from tests.chaos.conftest import Figures
from tests.chaos.feeding import feeding
from tests.engine.scheduling import put
from tests.support.roles import Roles, end_schedules, occurrences
from tests.support.waiting import wait_until

GRACE = {"ROTA_GRACE": "5s", "ROTA_LEASE": "5s"}


@pytest.mark.chaos("TERM")
def test_term_rolling_restarts(roles: Roles, dice: random.Random, figures: Figures) -> None:
    roles.start("scheduler", **GRACE)
    workers = [roles.start("worker", **GRACE) for _ in range(3)]
    took: list[float] = []
    with feeding(roles, 20, "sleep 1"):
        end = time.monotonic() + 300
        while time.monotonic() < end:
            time.sleep(dice.uniform(1, 5))
            old = workers.pop(0)
            workers.append(roles.start("worker", **GRACE))
            began = time.monotonic()
            assert old.stop() == 0
            took.append(time.monotonic() - began)
            old.assert_nothing_left()
    roles.wait_for_all()
    assert roles.faults() == []
    ended = [roles.shop.get(job_id) for job_id in roles.ids]
    assert {(job.status, job.attempts_used) for job in ended} == {("completed", 1)}
    assert max(took) < 5 + 5
    again = sum(job.attempt > 1 for job in ended)
    figures |= {"restarts": len(took), "jobs": len(ended), "begun again": again, "slowest end s": max(took)}


@pytest.mark.chaos("TERM")
def test_term_with_short_and_long_jobs(roles: Roles, figures: Figures) -> None:
    env = {"ROTA_GRACE": "10s"}
    roles.start("scheduler")
    worker = roles.start("worker", **env)
    short = [roles.command("sleep 5") for _ in range(10)]
    long = [roles.command('test "$ROTA_ATTEMPT" -gt 1 || sleep 60') for _ in range(10)]
    roles.wait_for_starts(20)
    began = time.monotonic()
    assert worker.stop() == 0
    took = time.monotonic() - began
    assert took < 10 + 5
    worker.assert_nothing_left()
    assert {roles.shop.get(job_id).status for job_id in short} == {"completed"}
    assert {roles.shop.get(job_id).status for job_id in long} == {"pending"}
    roles.start("worker", **env)
    roles.wait_for_all()
    assert roles.faults() == []
    assert {roles.shop.get(job_id).attempts_used for job_id in long} == {1}
    figures |= {"took s": took}


@pytest.mark.chaos("STOP")
def test_stop_a_worker_for_three_leases(roles: Roles, figures: Figures) -> None:
    env = {"ROTA_LEASE": "10s"}
    roles.start("scheduler", **env)
    sleeper = roles.start("worker", **env)
    jobs = [roles.command("sleep 20") for _ in range(10)]
    roles.wait_for_starts(10)
    sleeper.send(signal.SIGSTOP)
    began = time.monotonic()
    roles.start("worker", **env)
    try:
        roles.wait_for_starts(20)
        again = time.monotonic() - began
        time.sleep(max(0.0, 30 - again))
    finally:
        sleeper.send(signal.SIGCONT)
    wait_until(lambda: sleeper.stderr.count("job/result-refused") == 10, 30, "each late result is refused and told")
    roles.wait_for_all()
    assert roles.faults() == []
    assert {(roles.shop.get(job_id).attempt, roles.shop.get(job_id).status) for job_id in jobs} == {(2, "completed")}
    figures |= {"begun again after s": again}


@pytest.mark.chaos("STOP")
def test_stop_a_scheduler_for_two_minutes(roles: Roles, figures: Figures) -> None:
    sleeper, _other = roles.start("scheduler"), roles.start("scheduler")
    for number in range(100):
        put(roles.shop.db, f"s{number}", every="2s", overlap="allow", target={"kind": "command", "command": ["true"]})
    time.sleep(5)
    sleeper.send(signal.SIGSTOP)
    try:
        time.sleep(120)
    finally:
        sleeper.send(signal.SIGCONT)
    time.sleep(10)
    end_schedules(roles.shop)
    assert [fault for fault in roles.faults() if " is pending" not in fault] == []
    assert occurrences(roles.shop, fired=False) == 0
    figures |= {"instants": occurrences(roles.shop)}
