"""PG-7: everything through PgBouncer in transaction mode, which is killed now and then; work is found by polling."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from rota.client import Client
from tests.chaos.conftest import Figures
from tests.support.load import Load, audit, unfinished
from tests.support.pgbouncer import pooled
from tests.support.processes import RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.target import TargetServer
from tests.support.waiting import free_port, wait_until
from tests.system.test_acceptance_postgres import Feeder

EVERY_SECOND = {"every": "1s", "overlap": "allow", "target": {"kind": "command", "command": ["true"]}}
KINDS = 4
BACK_WITHIN_S = 15.0


def uses_all(client: Client, load: Load) -> list[str]:
    """Do what one does with jobs, queues and schedules; return the ids of the jobs of the load."""
    client.put_schedule("each-second", EVERY_SECOND)
    client.set_queue("narrow", {"concurrency": 1})
    ids = [job["id"] for job in client.enqueue_many([{**one, "queue": "narrow"} for one in load.jobs(KINDS)])]
    ids += [job["id"] for job in client.enqueue_many(load.jobs(2 * KINDS))]
    spoken = client.enqueue({"target": {"kind": "command", "shell": "echo hello"}, "tags": ["other"]})["id"]
    hangs = client.enqueue({"target": {"kind": "command", "command": ["sleep", "600"]}, "tags": ["other"]})["id"]
    wait_until(lambda: client.job(hangs)["status"] == "running", 30, "it runs")
    client.cancel(hangs)
    assert client.wait(spoken, timeout_s=60)["status"] == "completed"
    assert [line["text"] for line in client.logs(spoken) if line["stream"] == "stdout"] == ["hello"]
    assert client.wait(hangs, timeout_s=60)["status"] == "cancelled"
    return ids


@pytest.mark.chaos("PG-7")
@pytest.mark.timeout(900)
def test_pg_7_through_a_transaction_pooler(
    migrated: None,
    pg_database: str,
    rota_process: RotaProcesses,
    target_server: TargetServer,
    tmp_path: Path,
    dice: random.Random,
    figures: Figures,
    full_size: bool,
) -> None:
    kills, rate = (6, 20.0) if full_size else (1, 8.0)
    load, port = Load(tmp_path / "app", target_server, seconds=0.1), free_port()
    with pooled(tmp_path / "pooler", pg_database) as bouncer, Client(f"http://127.0.0.1:{port}", SECRET) as client:
        service = start_up(rota_process, bouncer.url, port, load.env, cwd=load.folder)
        service.wait_for_output('"event":"database/no-hints"')
        wait_until(lambda: len(client.job_types()) >= 2, 60, "the application was loaded")
        ids = uses_all(client, load)
        feeder, slowest = Feeder(f"http://127.0.0.1:{port}", load, rate), 0.0
        with feeder.running():
            for _ in range(kills):
                seen = len(load.starts())
                wait_until(lambda seen=seen: len(load.starts()) > seen + 2 * KINDS, 60, "jobs start")  # type: ignore[misc]
                time.sleep(dice.uniform(0.0, 20.0 if full_size else 0.2))
                bouncer.kill()
                time.sleep(dice.uniform(0.0, 5.0 if full_size else 0.2))
                bouncer.start()
                began, seen = time.monotonic(), len(load.starts())
                wait_until(lambda seen=seen: len(load.starts()) > seen + KINDS, 60, "they start again")  # type: ignore[misc]
                slowest = max(slowest, time.monotonic() - began)
        ids += feeder.accepted
        client.pause_schedule("each-second")
        wait_until(lambda: not unfinished(client, ids), 120, lambda: f"{unfinished(client, ids)}")
        others = {job["id"] for job in client.jobs() if "other" in (job["tags"] or []) or job["scheduleId"]}
        extra = {job["id"] for job in client.jobs()} - set(ids) - others
        # A request whose answer was lost with the connection may have been stored.
        wait_until(lambda: not unfinished(client, extra), 60, "those too")
        assert audit(client, load, [*ids, *extra]) == []
        assert slowest < BACK_WITHIN_S
        runs = sum(job["scheduleId"] == "each-second" for job in client.jobs())
        assert runs > 1
        assert "supervisor/child-died" not in service.stderr
        assert "loop/failed" not in service.stderr
        assert service.stop() == 0
    figures |= {
        "jobs": len(ids), "refused": len(feeder.refused), "runs of the schedule": runs, "kills": kills,
        "recovery s": slowest,
    }  # fmt: skip
