"""A newer Rota brings the schema up to date while processes of this one run: they go on, and new ones refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx

from rota.store import migrate
from tests.engine.scheduling import put
from tests.support.roles import Roles, end_schedules, occurrences
from tests.support.waiting import free_port, wait_until

# What migrations may do: add columns, tables and indexes, on the busiest tables too.
NEWER = """
import sys
from rota.settings import parse_database_url
from rota.store import migrate
from rota.store.opening import open_database
real = migrate.migrations()
added = '''
ALTER TABLE rota_jobs ADD COLUMN later text;
ALTER TABLE rota_jobs ADD COLUMN shade bigint NOT NULL DEFAULT 0;
ALTER TABLE rota_attempts ADD COLUMN later text;
ALTER TABLE rota_logs ADD COLUMN later text;
ALTER TABLE rota_schedules ADD COLUMN later bigint NOT NULL DEFAULT 0;
ALTER TABLE rota_occurrences ADD COLUMN later text;
ALTER TABLE rota_queues ADD COLUMN later text;
ALTER TABLE rota_workers ADD COLUMN later text;
CREATE INDEX rota_jobs_later ON rota_jobs (shade, id) WHERE status = 'pending';
CREATE TABLE rota_later (id text PRIMARY KEY);
'''
migrate.migrations = lambda: (*real, migrate.Migration(migrate_to, "later", added))
migrate_to = real[-1].number + 1
db = open_database(parse_database_url(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(migrate.migrate(db), flush=True)
db.close()
"""


def migrate_twice_at_once(url: str) -> list[str]:
    """Two processes of a newer version bring the schema up to date at the same time; return what each has applied."""
    command = [sys.executable, "-c", NEWER, url]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    return sorted(said)


def test_old_processes_run_on_beside_a_newer_schema(roles: Roles, tmp_path: Path) -> None:
    port = free_port()
    lease = {"ROTA_LEASE": "30s"}  # nobody dies here, and a busy machine may lose one of two seconds
    old = [roles.start("scheduler", **lease), roles.start("worker", **lease, ROTA_PROBE_PORT=str(port))]
    put(roles.shop.db, "each-second", every="1s", overlap="allow", target={"kind": "command", "command": ["true"]})
    go = tmp_path / "go"
    running = roles.command(f"while [ ! -e {go} ]; do sleep 0.1; done")
    roles.load(60, "sleep 0.2")
    roles.wait_for_starts(10)
    assert migrate_twice_at_once(roles.shop.url) == ["['later']", "[]"], "one wins, the other waits"
    assert roles.shop.db.read(migrate.version) == migrate.newest() + 1
    assert roles.shop.get(running).status == "running", "it runs across the change"
    go.touch()
    before = occurrences(roles.shop)
    roles.load(30, "exit 3", maxAttempts=2, retry={"delays": ["100ms"]})
    roles.load(30)
    wait_until(lambda: occurrences(roles.shop) >= before + 2, 60, "two more instants")
    assert httpx.get(f"http://127.0.0.1:{port}/ready", timeout=30).status_code == 200
    end_schedules(roles.shop)
    roles.wait_for_all()
    assert roles.faults() == []
    assert roles.shop.get(running).status == "completed"
    assert [process.exit_code for process in old] == [None, None], "they were never started again"
    errors = [line for process in old for line in process.stderr.splitlines() if '"level":"error"' in line]
    assert [line for line in errors if '"event":"job/failed"' not in line] == []

    late = roles.begin("worker")
    wait_until(lambda: late.exit_code is not None, 60, "one that starts now refuses")
    (line,) = [line for line in late.stderr.splitlines() if line.startswith("rota: error: ")]
    assert late.exit_code == 1 and f"has schema {migrate.newest() + 1}" in line and "install the newer Rota" in line
