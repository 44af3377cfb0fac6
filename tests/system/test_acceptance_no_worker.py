"""A declared type without a live worker: its jobs wait and say so, and run when the worker comes."""

from __future__ import annotations

import json
from pathlib import Path

from rota.client import Client
from tests.support.processes import KeptProcess, RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.waiting import free_port, wait_until

APP = """
from rota import Rota

rota = Rota()


@rota.job
async def digest(limit: int) -> int:
    return 2 * limit
"""


def test_its_jobs_wait_and_say_so(sqlite_url: str, rota_process: RotaProcesses, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "no_worker_app.py").write_text(APP)
    env = {"ROTA_DATABASE_URL": sqlite_url}
    app = {"ROTA_APP": "no_worker_app:rota"}
    port = free_port()
    with Client(f"http://127.0.0.1:{port}", SECRET) as client:
        declared = start_up(rota_process, sqlite_url, port, app, cwd=folder)
        wait_until(client.job_types, 60, "the type was declared")
        assert declared.stop() == 0

        service = start_up(rota_process, sqlite_url, port)
        job_id = client.enqueue({"jobType": "digest", "args": {"limit": 21}})["id"]
        reason = "no live worker runs job type digest"
        wait_until(lambda: client.why(job_id)["text"] == reason, 60, lambda: str(client.why(job_id)))
        assert reason in rota_process.run("jobs", "show", job_id, env=env).stdout
        assert rota_process.run("jobs", "why", job_id, env=env).stdout == f"{reason}\n"
        wait_until(lambda: told(service), 60, lambda: f"type/no-worker in {service}")
        [line] = told(service)
        assert (line["jobType"], line["count"], line["level"]) == ("digest", 1, "warning")
        assert client.job(job_id)["status"] == "pending"
        assert client.health()["status"] == "unhealthy"

        rota_process("worker", env={**env, **app}, cwd=folder)
        job = client.wait(job_id, timeout_s=60)
        assert (job["status"], job["result"], job["attempt"]) == ("completed", 42, 1)


def told(service: KeptProcess) -> list[dict[str, object]]:
    """What the log says of types without a worker."""
    lines = [json.loads(line) for line in service.stderr.splitlines() + service.stdout.splitlines() if line[:1] == "{"]
    return [line for line in lines if line["event"] == "type/no-worker"]
