"""PostgreSQL goes away under load: no process exits, little is said, all go on."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rota.errors import DatabaseError
from tests.engine.scheduling import put
from tests.support.postgres import Cluster
from tests.support.processes import KeptProcess
from tests.support.roles import Roles, cpu_seconds, end_schedules, occurrences
from tests.support.waiting import wait_until

AWAY_S = 6.0
BACK_WITHIN_S = 15.0
LINES_A_MINUTE = 10


@pytest.fixture
def roles(own_roles: Roles) -> Roles:
    """As elsewhere, on a server that may be stopped."""
    return own_roles


def events(process: KeptProcess) -> Counter[str]:
    """How often a process told what."""
    return Counter(json.loads(line)["event"] for line in process.stderr.splitlines() if line.startswith("{"))


@contextmanager
def feeding(roles: Roles) -> Iterator[None]:
    """Enqueue jobs all the time; what the database does not accept is not counted."""
    ended = threading.Event()

    def feed() -> None:
        while not ended.wait(0.05):
            try:
                roles.load(2)
            except DatabaseError:
                continue

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)


@pytest.mark.timeout(400)
def test_crashes_under_load(roles: Roles, own_cluster: Cluster) -> None:
    lease = {"ROTA_LEASE": "8s"}
    processes = [roles.start(role, **lease) for role in ("scheduler", "scheduler", "worker", "worker")]
    put(roles.shop.db, "each-second", every="1s", overlap="allow", target={"kind": "command", "command": ["true"]})
    with feeding(roles):
        for _ in range(2):
            before = len(roles.starts())
            roles.wait_for_starts(before + 20)
            own_cluster.restart("immediate")
            before, began = len(roles.starts()), time.monotonic()
            roles.wait_for_starts(before + 20)
            assert time.monotonic() - began < BACK_WITHIN_S
        fired = occurrences(roles.shop)
        wait_until(lambda: occurrences(roles.shop) > fired + 1, BACK_WITHIN_S, "the schedule fires")
    end_schedules(roles.shop)
    roles.wait_for_all(240)  # a busy machine enqueues faster than it runs
    assert [process.exit_code for process in processes] == [None] * 4, "no process has exited"
    # An insert whose answer was lost may have been stored.
    assert [fault for fault in roles.faults() if "was accepted" not in fault] == []
    assert not [job_id for job_id in roles.ids if roles.shop.get(job_id).status != "completed"]
    for process in processes:
        assert "loop/failed" not in process.stderr
        assert "process/crashed" not in process.stderr


def test_an_outage_costs_little_and_says_little(roles: Roles, own_cluster: Cluster) -> None:
    processes = [roles.start("scheduler"), roles.start("worker")]
    roles.shop.wait(roles.command("true"))
    job_id = roles.command("echo begun; test $ROTA_ATTEMPT -gt 1 || sleep 600")
    roles.shop.wait_text(job_id, "begun")
    own_cluster.stop("immediate")
    used = [cpu_seconds(process.pid) for process in processes]
    told = [events(process) for process in processes]
    time.sleep(AWAY_S)
    busy = [(cpu_seconds(process.pid) - before) / AWAY_S for process, before in zip(processes, used, strict=True)]
    assert max(busy) < 0.05
    for process, before in zip(processes, told, strict=True):
        assert sum((events(process) - before).values()) <= LINES_A_MINUTE * AWAY_S / 60 + 4
    own_cluster.start()
    began = time.monotonic()
    roles.shop.wait(roles.command("true"))
    assert time.monotonic() - began < BACK_WITHIN_S
    job = roles.shop.wait(job_id)
    assert (job.attempt > 1, job.attempts_used) == (True, 1)
    for process in processes:
        assert process.exit_code is None
        process.wait_for_output('"event":"database/back"')
        assert events(process)["database/lost"] <= 3
        assert events(process)["database/back"] == 1
    assert roles.faults() == []


def test_a_worker_ends_in_good_order_without_the_database(roles: Roles, own_cluster: Cluster) -> None:
    scheduler, worker = roles.start("scheduler"), roles.start("worker")
    job_id = roles.command("echo begun; sleep 600")
    roles.shop.wait_text(job_id, "begun")
    own_cluster.stop("immediate")
    try:
        assert (scheduler.stop(20), worker.stop(30)) == (0, 0)
        worker.assert_nothing_left()
        assert "Traceback" not in worker.stderr + scheduler.stderr
    finally:
        own_cluster.start()
    roles.start("scheduler")
    wait_until(lambda: roles.shop.get(job_id).status == "pending", 60, "it is given back")


def test_they_wait_for_a_database_that_is_not_there_yet(roles: Roles, own_cluster: Cluster) -> None:
    own_cluster.stop()
    worker = roles.begin("worker")
    worker.wait_for_output("database/lost")
    own_cluster.start()
    worker.wait_for_output('"event":"worker/started"')
