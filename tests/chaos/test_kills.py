"""KILL-1, KILL-3, KILL-5: processes die without a word, again and again."""

from __future__ import annotations

import random
import sqlite3
import time

import pytest

from tests.chaos.conftest import Figures
from tests.chaos.feeding import feeding
from tests.engine.scheduling import put
from tests.support.processes import KeptProcess
from tests.support.roles import Roles, end_schedules, kill, occurrences

LEASE_S = 5.0
ENV = {"ROTA_LEASE": "5s"}
NOTICED_WITHIN_S = LEASE_S + 10.0
COMMAND = {"kind": "command", "command": ["true"]}


def killed_after(roles: Roles, kills: dict[int, float]) -> list[float]:
    """For each lost start, how long after the death of its worker its job was given back (s)."""
    sql = """
    SELECT w.pid, a.ended_at FROM rota_attempts a JOIN rota_workers w ON w.id = a.worker_id WHERE a.outcome = 'lost'
    """
    rows = roles.shop.db.read(lambda tx: tx.rows(sql))
    return [ended / 1e6 - kills[pid] for pid, ended in rows if pid in kills]


@pytest.mark.chaos("KILL-1")
@pytest.mark.parametrize("tree", [False, True], ids=["alone", "with-its-tree"])
def test_kill_1_workers_at_random(roles: Roles, dice: random.Random, figures: Figures, tree: bool) -> None:
    roles.start("scheduler", **ENV)
    workers = [roles.start("worker", **ENV) for _ in range(3)]
    kills: dict[int, float] = {}
    once: list[str] = []
    with feeding(roles, 25, "sleep 0.5"):
        while len(kills) < 50:
            once += [roles.command("sleep 0.5", onLost="fail", maxAttempts=1) for _ in range(3)]
            time.sleep(dice.uniform(1.0, 4.0))
            victim = workers.pop(dice.randrange(len(workers)))
            kills[victim.pid] = time.time()
            kill(victim, tree=tree)
            victim.assert_nothing_left()
            workers.append(roles.start("worker", **ENV))
    roles.wait_for_all(180)
    assert roles.faults() == []
    repeated = {job_id for job_id, attempt in roles.starts() if attempt > 1}
    assert not repeated & set(once)
    others = [roles.shop.get(job_id) for job_id in roles.ids if job_id not in once]
    assert {job.status for job in others} == {"completed"}
    assert {job.attempts_used for job in others} == {1}
    took = killed_after(roles, kills)
    assert took and max(took) < NOTICED_WITHIN_S
    figures |= {"jobs": len(roles.ids), "kills": len(kills), "repeated": len(repeated), "given back after s": max(took)}


@pytest.mark.chaos("KILL-3")
def test_kill_3_schedulers(roles: Roles, dice: random.Random, figures: Figures) -> None:
    schedulers = [roles.start("scheduler", **ENV) for _ in range(2)]
    for number in range(200):
        put(roles.shop.db, f"s{number}", every="5s", overlap="allow", target=COMMAND)
    kills, end = 0, time.monotonic() + 900
    while time.monotonic() < end:
        time.sleep(dice.uniform(15, 25))
        kill(schedulers.pop(0), tree=True)
        kills += 1
        schedulers.append(roles.start("scheduler", **ENV))
    end_schedules(roles.shop)
    lag = roles.shop.db.read(
        lambda tx: tx.value("SELECT max(decided_at - scheduled_for) FROM rota_occurrences WHERE disposition = 'fired'")
    )
    assert [fault for fault in roles.faults() if " is pending" not in fault] == []
    assert occurrences(roles.shop, fired=False) == 0
    assert lag / 1e6 < 15
    figures |= {"kills": kills, "instants": occurrences(roles.shop), "worst lag s": lag / 1e6}


@pytest.mark.chaos("KILL-5")
def test_kill_5_everything_at_once(roles: Roles, dice: random.Random, figures: Figures) -> None:
    put(roles.shop.db, "each-second", every="1s", overlap="allow", target=COMMAND)
    processes: list[KeptProcess] = []
    for _ in range(30):
        processes = [roles.start(role) for role in ("scheduler", "worker", "worker")]
        before = len(roles.starts())
        roles.load(30)
        roles.wait_for_starts(before + dice.randrange(1, 30))
        for process in processes:
            kill(process, tree=True)
    processes = [roles.start(role) for role in ("scheduler", "worker", "worker")]
    end_schedules(roles.shop)
    roles.wait_for_all(180)
    assert roles.faults() == []
    if roles.shop.db.dialect == "sqlite":
        connection = sqlite3.connect(roles.shop.db.url.path or "")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
    repeated = {job_id for job_id, attempt in roles.starts() if attempt > 1}
    figures |= {"jobs": len(roles.ids), "deaths": 90, "repeated": len(repeated)}
