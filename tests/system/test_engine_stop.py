"""Processes that are stopped for a while, and those that are asked to end."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tests.engine.scheduling import put
from tests.support.processes import KeptProcess
from tests.support.roles import Roles, end_schedules, occurrences
from tests.support.waiting import wait_until

LEASE_S = 2.0
GRACE_S = 4.0
"""What ends by itself within it must do so also where a busy machine notices that late."""
STEADY = {"ROTA_LEASE": "30s"}
"""Where nobody dies: a busy machine may lose a lease of two seconds, which is one more start."""


def test_a_worker_that_slept_has_its_late_result_refused(roles: Roles, tmp_path: Path) -> None:
    roles.start("scheduler")
    sleeper = roles.start("worker")
    gate, ended = tmp_path / "gate", tmp_path / "ended"  # it cannot end before its worker is stopped
    job_id = roles.command(f"echo begun; until test -e {gate}; do sleep 0.05; done; touch {ended}-$ROTA_ATTEMPT")
    roles.wait_for_starts(1)
    roles.shop.wait_text(job_id, "begun")
    sleeper.send(signal.SIGSTOP)
    other = roles.start("worker")
    try:
        wait_until(lambda: roles.shop.get(job_id).attempt == 2, 3 * LEASE_S + 10, "another start")
        roles.wait_for_starts(2)
        gate.touch()
        wait_until(Path(f"{ended}-1").exists, what="the end of the first command")
        job = roles.shop.wait(job_id)
        assert (job.attempt, job.attempts_used) == (2, 1)
        assert roles.shop.outcomes(job_id) == ["lost"]
    finally:
        sleeper.send(signal.SIGCONT)
    sleeper.wait_for_output('"event":"worker/lease-lost"')
    sleeper.wait_for_output('"event":"job/result-refused"')
    roles.shop.wait(roles.command("true"))
    assert roles.faults() == []
    assert roles.shop.get(job_id) == job
    wait_until(lambda: roles.shop.worker_states().count("running") == 2, 60, "both work again")
    assert other.exit_code is None


def test_a_scheduler_that_slept_fires_nothing_old(roles: Roles) -> None:
    sleeper, _other = roles.start("scheduler"), roles.start("scheduler")
    for number in range(5):
        put(roles.shop.db, f"s{number}", every="1s", overlap="allow")
    wait_until(lambda: occurrences(roles.shop) >= 5, 60, "the first instants")
    sleeper.send(signal.SIGSTOP)
    try:
        wait_until(lambda: occurrences(roles.shop) >= 25, 60, "the other fires alone")
    finally:
        sleeper.send(signal.SIGCONT)
    wait_until(lambda: occurrences(roles.shop) >= 40, 60, "both fire")
    end_schedules(roles.shop)
    roles.shop.db.run(lambda tx: tx.run("UPDATE rota_jobs SET status = 'cancelled', completed_at = rota_now()"))
    assert [fault for fault in roles.faults() if "starts" not in fault] == []
    assert occurrences(roles.shop, fired=False) == 0


def test_rolling_restarts_use_no_attempts(roles: Roles) -> None:
    roles.start("scheduler")
    env = {**STEADY, "ROTA_GRACE": "5s"}
    workers = [roles.start("worker", **env) for _ in range(2)]
    for round_ in range(4):
        roles.load(20, "sleep 0.3")
        old = workers.pop(0)
        roles.wait_for_starts(10 + 20 * round_)
        began = time.monotonic()
        assert old.stop() == 0
        assert time.monotonic() - began < 5 + 5
        old.assert_nothing_left()
        workers.append(roles.start("worker", **env))
    roles.wait_for_all()
    assert roles.faults() == []
    ended = [roles.shop.get(job_id) for job_id in roles.ids]
    assert {(job.status, job.attempt, job.attempts_used) for job in ended} == {("completed", 1, 1)}


def test_a_stop_gives_long_jobs_back_and_others_take_them(roles: Roles) -> None:
    roles.start("scheduler")
    first = roles.start("worker", ROTA_GRACE=f"{GRACE_S:g}s", **STEADY)
    short = [roles.command("sleep 0.5") for _ in range(5)]
    long = [roles.command('test "$ROTA_ATTEMPT" -gt 1 || sleep 600') for _ in range(5)]
    roles.wait_for_starts(10)
    began = time.monotonic()
    assert first.stop() == 0
    assert time.monotonic() - began < GRACE_S + 5
    first.assert_nothing_left()
    roles.start("worker", **STEADY)
    roles.wait_for_all()
    assert roles.faults() == []
    assert [roles.shop.get(job_id).attempt for job_id in (*short, *long)] == [1] * 5 + [2] * 5
    assert [roles.shop.outcomes(job_id) for job_id in long] == [["interrupted"]] * 5
    assert {roles.shop.get(job_id).attempts_used for job_id in long} == {1}


def test_ctrl_c_on_a_worker_drains_it_with_its_commands(roles: Roles) -> None:
    worker = roles.start("worker", ROTA_GRACE="10s", **STEADY)
    job_id = roles.command("echo begun; sleep 1; echo done")
    roles.shop.wait_text(job_id, "begun")
    worker.send_group(signal.SIGINT)
    assert worker.wait() == 0
    job = roles.shop.get(job_id)
    assert (job.status, job.attempt) == ("completed", 1)
    assert "Traceback" not in worker.stderr
    worker.assert_nothing_left()


def test_a_second_signal_ends_it_at_once(roles: Roles) -> None:
    worker = roles.start("worker", ROTA_GRACE="60s", **STEADY)
    job_id = roles.command("echo begun; trap '' TERM; sleep 600; sleep 600")
    roles.shop.wait_text(job_id, "begun")
    worker.send(signal.SIGTERM)
    worker.wait_for_output('"event":"worker/draining"')
    time.sleep(1)
    worker.send(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert roles.shop.get(job_id).status == "pending"
    assert roles.shop.outcomes(job_id) == ["interrupted"]


def test_a_scheduler_ends_at_once(roles: Roles) -> None:
    scheduler: KeptProcess = roles.start("scheduler")
    began = time.monotonic()
    assert scheduler.stop() == 0
    assert time.monotonic() - began < 3
    assert '"event":"scheduler/stopped"' in scheduler.stderr
    states = roles.shop.db.read(lambda tx: tx.rows("SELECT state FROM rota_workers"))
    assert states == [("stopped",)]
