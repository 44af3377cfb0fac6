"""Schemathesis against a real server: what the description says holds, and nothing breaks it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.store import meta
from tests.api.calls import COMMAND, SECRET, good
from tests.api.live import Live
from tests.store import builders

pytestmark = pytest.mark.chaos("API")

SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
# A body may be wrong in ways that no schema says: an expression of cron that never fires, a type never declared.
EXCLUDED = "positive_data_acceptance"


@pytest.fixture
def populated(live: Live) -> Iterator[tuple[Live, list[str]]]:
    """A system that is well, with jobs, a schedule, a queue, a type and a token; and the ids of the jobs."""
    builders.register(live.db, lease_us=builders.HOUR, role="scheduler")
    with live.client() as client:
        good(client.put("/api/job-types/tidy", json={"target": COMMAND}))
        good(client.put("/api/schedules/nightly", json={"cron": "0 3 * * *", "jobType": "tidy"}))
        good(client.patch("/api/queues/mail", json={"concurrency": 5}))
        good(client.post("/api/tokens", json={"role": "viewer", "name": "app"}), 201)
        good(client.put("/api/checks/backup", json={"every": "1d", "tags": ["ops"]}))
        good(client.put("/api/status-pages/ops", json={"page": True, "badge": True, "slug": "acme-jobs"}))
        jobs = [{"jobType": "tidy", "queue": "mail", "delayMs": 1000 * n} for n in range(40)]
        found = good(client.post("/api/jobs/bulk", json={"jobs": jobs}), 201)["jobs"]
    stopped = threading.Event()

    def keep_well() -> None:
        while not stopped.wait(1):
            live.db.run(lambda tx: meta.raise_accounted_to(tx, tx.now()))

    live.db.run(lambda tx: meta.raise_accounted_to(tx, tx.now()))
    # What waits is taken by somebody, as far as the health can see.
    builders.register(live.db, lease_us=builders.HOUR, lanes='{"command":1,"http":1,"async":1,"sync":1}')
    keeper = threading.Thread(target=keep_well)
    keeper.start()
    yield live, [one["id"] for one in found]
    stopped.set()
    keeper.join()


HOOKS = """
import itertools
import schemathesis

KNOWN = {known!r}
turns = itertools.count()

@schemathesis.hook
def filter_case(context, case):
    # A header that nobody described is no mistake in HTTP.  Names of types may hold slashes: another method than POST
    # on /api/job-types/tidy/pause is one on the type `tidy/pause`.
    of_a_type = case.path.startswith("/api/job-types/") and case.path.endswith(("/pause", "/resume"))
    is_another = of_a_type and case.method.upper() != "POST"
    return not is_another and "x-schemathesis-unknown-property" not in (case.headers or {{}})

@schemathesis.hook
def before_call(context, case, kwargs):
    # Every second time something that is there is asked for.
    positive = case.meta is None or case.meta.generation.mode == schemathesis.GenerationMode.POSITIVE
    if positive and case.path_parameters and next(turns) % 2:
        for prefix, values in KNOWN.items():
            if case.path.startswith(prefix):
                for name in case.path_parameters:
                    case.path_parameters[name] = values[next(turns) % len(values)]
"""


@pytest.mark.timeout(460)
def test_keeps_to_its_description(populated: tuple[Live, list[str]], tmp_path: Path) -> None:
    live, job_ids = populated
    known = {
        "/api/jobs/": job_ids,
        "/api/schedules/": ["nightly"],
        "/api/queues/": ["mail", "default"],
        "/api/job-types/": ["tidy"],
        "/api/checks/": ["backup"],
        "/api/status-pages/": ["ops"],
        "/status/": ["acme-jobs"],
        "/badge/": ["acme-jobs"],
    }
    (tmp_path / "rota_hooks.py").write_text(HOOKS.format(known=known))
    command = [
        *(SCHEMATHESIS, "run", f"{live.url}/api/openapi.json", "--header", f"Authorization: Bearer {SECRET}"),
        *("--exclude-checks", EXCLUDED, "--max-response-time", "2", "--request-timeout", "8"),
        *("--exclude-operation-id", "streamJobLogs"),  # it ends with its job, and no job ends here
        *("--exclude-operation-id", "streamEvents"),  # it ends after an hour
        *("--max-examples", "8", "--generation-deterministic", "--no-color"),
    ]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    env["SCHEMATHESIS_HOOKS"] = "rota_hooks"
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
