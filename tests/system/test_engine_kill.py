"""Processes that die without a word: nothing is lost, and what repeats is a new attempt."""

from __future__ import annotations

import sqlite3

import pytest

from tests.engine.scheduling import put
from tests.support.roles import Roles, end_schedules, kill, occurrences
from tests.support.waiting import wait_until


@pytest.mark.parametrize("tree", [False, True], ids=["alone", "with-its-tree"])
def test_a_killed_worker_loses_no_job(roles: Roles, tree: bool) -> None:
    roles.start("scheduler")
    victim, _other = roles.start("worker"), roles.start("worker")
    roles.load(100, "sleep 0.2")
    once = [roles.command("sleep 0.2", onLost="fail", maxAttempts=1) for _ in range(6)]
    roles.wait_for_starts(20)
    kill(victim, tree=tree)
    victim.assert_nothing_left()
    roles.wait_for_all()
    assert roles.faults() == []
    repeated = [job_id for (job_id, attempt) in roles.starts() if attempt > 1]
    assert not set(repeated) & set(once)
    ended = [roles.shop.get(job_id) for job_id in roles.ids if job_id not in once]
    assert {job.status for job in ended} == {"completed"}
    assert {job.attempts_used for job in ended} == {1}


def test_all_processes_at_once(roles: Roles) -> None:
    db = roles.shop.db
    put(db, "each-second", every="1s", overlap="allow", target={"kind": "command", "command": ["true"]})
    for round_ in range(2):
        processes = [roles.start("scheduler"), roles.start("worker"), roles.start("worker")]
        roles.load(40)
        roles.wait_for_starts(20 + 40 * round_)
        for process in processes:
            kill(process, tree=True)
    roles.start("scheduler"), roles.start("worker")
    wait_until(lambda: roles.unfinished_but("each-second") == 0, 60, lambda: f"{roles.unfinished()} jobs")
    end_schedules(roles.shop)
    roles.wait_for_all()
    assert roles.faults() == []
    if db.dialect == "sqlite":
        with sqlite3.connect(db.url.path or "") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()


def test_another_scheduler_goes_on(roles: Roles) -> None:
    first, _second = roles.start("scheduler"), roles.start("scheduler")
    roles.start("worker")
    for number in range(10):
        put(roles.shop.db, f"s{number}", every="1s", overlap="allow", target={"kind": "command", "command": ["true"]})
    wait_until(lambda: occurrences(roles.shop) >= 20, 30, "two instants of each")
    kill(first)
    before = occurrences(roles.shop)
    wait_until(lambda: occurrences(roles.shop) >= before + 30, 30, "three more instants of each")
    end_schedules(roles.shop)
    roles.wait_for_all()
    assert roles.faults() == []
    assert occurrences(roles.shop, fired=False) == 0
