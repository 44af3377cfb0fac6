"""Limits over four workers that are killed again and again; the target that they call is the judge."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rota.actions import jobs as actions
from rota.actions.decoding import convert
from rota.actions.specs import JobIn
from tests.chaos.conftest import Figures
from tests.engine.scheduling import settings_of
from tests.engine.working import ANN
from tests.support.judge import Judge, gaps, judging, most_at_once, most_within, out_of_order
from tests.support.processes import RotaProcesses
from tests.support.roles import Roles, kill
from tests.support.waiting import wait_until

WORKERS = 4
ON_POSTGRES = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
BACK_S = 10.0
"""In which a killed worker's jobs are given back: its lease, the sweep, and a machine that does much beside."""
LEASE = {"ROTA_LEASE": "6s"}
"""One that lives must not lose it, else its calls are beside those of the next attempts: a target sees both."""
LIMITS = {
    "three": ["--concurrency", "3"],
    "keys": ["--key-concurrency", "1"],
    "rated": ["--rate", "20/1s", "--rate", "100/10s"],
}


@pytest.fixture
def judge() -> Iterator[Judge]:
    with judging() as found:
        yield found


class Limited:
    """Queues with limits, and calls of the judge in them."""

    def __init__(self, roles: Roles, rota: RotaProcesses, judge: Judge) -> None:
        self.roles = roles
        self.judge = judge
        self._rota = rota

    def limit(self, queue: str, *options: str) -> None:
        """Set limits as a user does."""
        done = self._rota.run("queues", "set", queue, *options, env={"ROTA_DATABASE_URL": self.roles.shop.url})
        assert done.code == 0, done

    def enqueue(self, queue: str, *all_args: dict[str, Any], **spec: Any) -> None:
        """Enqueue calls."""
        specs = [
            {"target": {"kind": "http", "url": self.judge.url}, "queue": queue, "args": args,
             "retry": {"delays": ["200ms"], "attempts": 50},
             **{name: given(args) if callable(given) else given for name, given in spec.items()}}
            for args in all_args
        ]  # fmt: skip
        jobs = [convert(one, JobIn) for one in specs]
        settings = settings_of("sqlite:///unused.db")
        found = self.roles.shop.db.run(lambda tx: actions.enqueue(tx, jobs, ANN, settings))
        self.roles.ids += [one.id for one in found]

    def starts(self, queue: str) -> dict[tuple[str, int], float]:
        """When each attempt in a queue was started, by the database (s)."""
        sql = """
        SELECT id, attempt, started_at FROM rota_jobs WHERE queue = :queue AND started_at IS NOT NULL
        UNION ALL SELECT a.job_id, a.attempt, a.started_at FROM rota_attempts a JOIN rota_jobs j ON j.id = a.job_id
        WHERE j.queue = :queue AND a.started_at IS NOT NULL AND a.attempt < j.attempt
        """
        rows = self.roles.shop.db.read(lambda tx: tx.rows(sql, {"queue": queue}))
        return {(str(job), attempt): started / 1e6 for job, attempt, started in rows}


@pytest.fixture
def limited(roles: Roles, rota_process: RotaProcesses, judge: Judge) -> Limited:
    return Limited(roles, rota_process, judge)


def fill(limited: Limited, factor: int) -> float:
    """Enqueue jobs of every kind; return how long they take at best (s)."""
    limited.enqueue("three", *({"seconds": 0.1} for _ in range(60 * factor)))
    keys = [{"seconds": 0.1, "key": f"customer={n % 20}"} for n in range(200 * factor)]
    limited.enqueue("keys", *keys, concurrencyKey=lambda args: args["key"])
    limited.enqueue("rated", *({"seconds": 0.02} for _ in range(120 * factor)))
    ordered = [
        {"seconds": 0.02, "key": f"account={n % 10}", "number": n // 10, "fails": n // 10 % 3 == 1}
        for n in range(60 * factor)
    ]
    limited.enqueue("ordered", *ordered, orderKey=lambda args: args["key"])
    return max(60 * factor * 0.1 / 3, 10 * factor * 0.1, (120 * factor - 1) // 100 * 10.0, 6 * factor * (0.02 + 0.08))


@pytest.mark.chaos("LIMITS")
@ON_POSTGRES
@pytest.mark.timeout(900)
def test_limits_hold_while_workers_die(
    limited: Limited, full_size: bool, dice: random.Random, figures: Figures
) -> None:
    factor, kills = (12, 25) if full_size else (1, 3)
    for queue, options in LIMITS.items():
        limited.limit(queue, *options)
    ideal = fill(limited, factor)
    roles, judge = limited.roles, limited.judge
    roles.start("scheduler")
    workers = [roles.begin("worker", **LEASE) for _ in range(WORKERS)]
    began, killed = time.monotonic(), 0
    wait_until(lambda: judge.good() > 0, 60, "the first call")
    while killed < kills and roles.unfinished():
        time.sleep(dice.uniform(0.5, 2.0))
        kill(workers.pop(dice.randrange(len(workers))))
        killed += 1
        workers.append(roles.begin("worker", **LEASE))
    roles.wait_for_all(4 * ideal + killed * BACK_S)
    took = time.monotonic() - began

    assert most_at_once(judge.of("three")) <= 3
    assert most_at_once(judge.of("keys"), lambda call: call.args["key"]) <= 1
    ordered = out_of_order(judge.of("ordered"), lambda call: call.args["key"], lambda call: call.args["number"])
    assert ordered == []
    assert most_at_once(judge.of("ordered"), lambda call: call.args["key"]) <= 1
    starts, calls = limited.starts("rated"), judge.of("rated")
    assert most_within(list(starts.values()), 1.0) <= 20
    assert most_within(list(starts.values()), 10.0) <= 100
    # On their way calls come nearer to each other where the machine is busy: by no more than the slowest took longer.
    ways = [call.at - starts[call.job, call.attempt] for call in calls]
    spread, seen = max(ways) - min(ways), [call.at for call in calls]
    assert most_within(seen, 1.0 - spread) <= 20
    assert most_within(seen, 10.0 - spread) <= 100
    statuses = {roles.shop.get(job_id).status for job_id in roles.ids}
    assert statuses == {"completed"}, "something was lost"
    assert len({call.job for call in judge.calls if call.good}) == len(roles.ids)
    assert took < 3 * ideal + killed * BACK_S + 10
    figures |= {
        "jobs": len(roles.ids), "kills": killed, "broken calls": judge.broken, "took s": took, "ideal s": ideal,
        "most starts in 1 s": most_within(list(starts.values()), 1.0), "seen": most_within(seen, 1.0),
        "in 10 s": most_within(list(starts.values()), 10.0), "seen then": most_within(seen, 10.0),
        "longest way ms": max(ways) * 1000,
    }  # fmt: skip


@pytest.mark.chaos("LIMITS")
@ON_POSTGRES
@pytest.mark.timeout(900)
def test_no_slot_stays_free(limited: Limited, full_size: bool, figures: Figures) -> None:
    count = 2000 if full_size else 120
    limited.limit("three", "--concurrency", "3")
    limited.enqueue("three", *({"seconds": 0.05} for _ in range(count)))
    limited.roles.start("scheduler")
    for _ in range(WORKERS):
        limited.roles.begin("worker", ROTA_LEASE="10m")
    wait_until(lambda: limited.judge.good() > 0, 60, "the first call")
    limited.roles.wait_for_all(60 + count)
    calls = limited.judge.of("three")
    free = gaps(calls, 3)
    ideal, took = count * 0.05 / 3, max(call.ended for call in calls) - min(call.began for call in calls)
    assert most_at_once(calls) == 3
    assert took < 4 * ideal + 5
    figures |= {
        "jobs": count, "a slot is free for ms": statistics.median(free) * 1000,
        "p95 ms": free[int(len(free) * 0.95)] * 1000, "took s": took, "ideal s": ideal,
    }  # fmt: skip
