"""Every wrong value is refused with its field and the fix, in under a second, and nothing of it is stored."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rota.store.database import Database
from tests.store import builders
from tests.support.cli import Cli
from tests.support.processes import RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.waiting import free_port, wait_until

APP = """
from rota import Rota

rota = Rota()


@rota.job
def digest(limit: int, mail: str = "") -> int:
    return limit
"""
TABLES = ("jobs", "attempts", "queues", "types", "schedules", "occurrences", "logs", "tokens")
DEEP = "[" * 10_000 + "]" * 10_000
JOB = '{"jobType": "digest", "args": {"limit": 1}, %s}'
RULE = '{"jobType": "digest", "args": {"limit": 1}, %s}'
COMMAND = '{"target": {"kind": "command", "command": ["true"]}, %s}'

JOBS: list[tuple[str | bytes, int, str, str]] = [
    ('{"jobType": ', 422, "body", "truncated|too early"),
    ("", 422, "body", "empty"),
    ("[]", 422, "body", "object"),
    ('{"jobType": "never-declared"}', 422, "jobType", "never declared"),
    ("{}", 422, "jobType", "jobType or target"),
    ('{"jobType": "digest", "args": {"limit": "many"}}', 422, "args.limit", "integer"),
    ('{"jobType": "digest", "args": {}}', 422, "args", "limit"),
    ('{"jobType": "digest", "args": {"limit": 1, "limt": 2}}', 422, "args", "limt"),
    ('{"jobType": "digest", "args": [1]}', 422, "args", "by name"),
    (JOB % '"queue": "a b"', 422, "queue", "not a name"),
    (JOB % '"queue": ""', 422, "queue", "not a name"),
    (JOB % '"queue": "../etc"', 422, "queue", "not a name"),
    (JOB % '"queue": 5', 422, "queue", "str"),
    (JOB % '"runAt": "2027-01-01T00:00:00"', 422, "runAt", "offset"),
    (JOB % '"runAt": "tomorrow"', 422, "runAt", "not a time"),
    (JOB % '"runAt": "2027-02-30T00:00:00Z"', 422, "runAt", "does not exist"),
    (JOB % '"delayMs": -1', 422, "delayMs", "out of range"),
    (JOB % '"timeout": "soon"', 422, "timeout", "not a duration"),
    (JOB % '"timeout": "5"', 422, "timeout", "unit"),
    (JOB % '"priority": 1e99', 422, "priority", ""),
    (JOB % '"maxAttempts": 0', 422, "maxAttempts", "out of range"),
    (JOB % '"colour": "red"', 422, "colour", "unknown"),
    (JOB % '"uniqueKey": "a\\u0000"', 422, "uniqueKey", "NUL"),
    (JOB % '"uniqueKey": "a\\ud800"', 422, "uniqueKey", "surrogate"),
    (JOB % '"tags": ["fine", "\\udfff"]', 422, "tags.1", "surrogate"),
    (JOB % '"tags": ["\\u0000"]', 422, "tags.0", "NUL"),
    ('{"jobType": "digest", "args": {"limit": 1, "mail": "\\u0000"}}', 422, "args", "NUL"),
    ('{"jobType": "digest", "args": {"limit": 1, "mail": "\\ud800"}}', 422, "args.mail", "surrogate"),
    (b'{"jobType": "digest", "args": {"limit": 1, "mail": "\xed\xa0\x80"}}', 422, "args", "UTF-8"),
    ('{"jobType": "digest", "args": {"limit": ' + DEEP + "}}", 422, "body", "nested"),
    ('{"jobType": "digest", "args": {"limit": 1, "mail": "' + "x" * 1_500_000 + '"}}', 413, "args", "larger"),
    ('{"jobType": "digest", "args": {"limit": 1, "mail": "' + "x" * 10_000_000 + '"}}', 413, "body", "larger"),
    ('{"target": {"kind": "rocket"}}', 422, "target.kind", "rocket"),
    ('{"target": {"kind": "command", "command": "ls"}}', 422, "target.command", ""),
    ('{"target": {"kind": "command", "command": ["echo", "\\u0000"]}}', 422, "target", "NUL"),
    ('{"target": {"kind": "http", "url": "nowhere"}}', 422, "target.url", "address"),
    ('{"target": {"kind": "http", "url": "file:///etc/passwd"}}', 422, "target.url", "file"),
    ('{"target": {"kind": "http", "url": "http://169.254.169.254/"}}', 422, "target.url", "never called"),
    ('{"target": {"kind": "function", "function": "os:system"}}', 422, "target.function", "os"),
]

SCHEDULES: list[tuple[str, int, str, str]] = [
    (RULE % '"cron": "61 * * * *"', 422, "cron", "0-59"),
    (RULE % '"cron": "0 0 30 2 *"', 422, "cron", "never fire"),
    (RULE % '"cron": "* * * * * *"', 422, "cron", "ambiguous"),
    (RULE % '"cron": "5-1 * * * *"', 422, "cron", "backwards"),
    (RULE % '"cron": ""', 422, "cron", "empty"),
    (RULE % ('"cron": "' + "*" * 300 + '"'), 422, "cron", "256"),
    (RULE % '"cron": "0 9 * * MON", "timezone": "Mars/Phobos"', 422, "timezone", "no time zone"),
    (RULE % '"cron": "0 9 * * MON", "timezone": ""', 422, "timezone", "IANA"),
    (RULE % '"cron": "0 9 * * MON", "timezone": "../../etc/passwd"', 422, "timezone", "no time zone"),
    (RULE % '"every": "0s"', 422, "every", "least"),
    (RULE % '"every": "-5m"', 422, "every", "not a duration"),
    (RULE % '"at": "2027-01-01T00:00:00"', 422, "at", "offset"),
    (RULE % '"every": "5m", "cron": "* * * * *"', 422, "cron", "exactly one"),
    (RULE % '"every": "5m", "overlap": "perhaps"', 422, "overlap", "perhaps"),
    ('{"jobType": "never-declared", "every": "5m"}', 422, "jobType", "never declared"),
    ('{"every": "5m"}', 422, "jobType", "jobType or target"),
    ('{"jobType": "digest", "every": "5m", "args": {"limit": "x"}}', 422, "args.limit", "integer"),
    (RULE % '"every": "5m", "note": "\\ud800"', 422, "note", "surrogate"),
]


class Service:
    """A running service, and a look into its tables."""

    def __init__(self, port: int, db: Database) -> None:
        headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=10)
        self.db = db

    def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        return self.db.read(lambda tx: {name: tx.value(f"SELECT count(*) FROM rota_{name}") for name in TABLES})

    def faults(self, method: str, path: str, body: str | bytes, status: int, field: str, said: str) -> Iterator[str]:
        """Send it; yield what is wrong with the refusal."""
        began = time.monotonic()
        answer = self.http.request(method, path, content=body)
        took = time.monotonic() - began
        sent = f"{method} {path} {body[:90]!r}"
        problem: dict[str, Any] = answer.json()
        if (answer.status_code, problem.get("field")) != (status, field):
            yield f"{sent}: {answer.status_code} {problem}"
        elif said and not any(word in json.dumps(problem) for word in said.split("|")):
            yield f"{sent}: {said!r} is not said in {problem}"
        if took >= 1:
            yield f"{sent}: took {took:.2f} s"


@pytest.fixture
def service(database_url: str, rota_process: RotaProcesses, tmp_path: Path) -> Iterator[Service]:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "bad_input_app.py").write_text(APP)
    port = free_port()
    start_up(rota_process, database_url, port, {"ROTA_APP": "bad_input_app:rota"}, cwd=folder)
    db = builders.opened(database_url)
    found = Service(port, db)
    wait_until(lambda: found.rows()["types"] == 1, 60, "the application was loaded")
    yield found
    found.http.close()
    db.close()


def test_over_rest(service: Service) -> None:
    before = service.rows()
    faults = [fault for case in JOBS for fault in service.faults("POST", "/api/jobs", *case)]
    faults += [fault for case in SCHEDULES for fault in service.faults("PUT", "/api/schedules/new", *case)]
    for body, status, field, said in JOBS[3:10]:
        many = '{"jobs": [' + JOB.replace(", %s", "") + f", {body if isinstance(body, str) else ''}" + "]}"
        faults += service.faults("POST", "/api/jobs/bulk", many, status, f"jobs.1.{field}", said)
    assert faults == []
    assert service.rows() == before


CASES: list[tuple[list[str], int, str]] = [
    (["enqueue", "never-declared"], 2, "never declared"),
    (["enqueue", "digest", "--args", '{"limit":'], 2, "not JSON"),
    (["enqueue", "digest", "--args", '{"limit": "x"}'], 2, "integer"),
    (["enqueue", "digest", "--args", '{"limit": 1}', "--queue", "a b"], 2, "not a name"),
    (["enqueue", "digest", "--args", '{"limit": 1}', "--at", "2027-01-01T00:00:00"], 2, "offset"),
    (["enqueue", "digest", "--args", '{"limit": 1}', "--unique-key", "\udced\udca0\udc80"], 2, "UTF-8"),
    (["enqueue", "digest", "--args", '{"limit": ' + DEEP + "}"], 2, "nested"),
    (["schedules", "add", "new", "--cron", "61 * * * *", "--command", "true"], 2, "0-59"),
    (["schedules", "add", "new", "--cron", "* * * * *", "--tz", "Mars", "--command", "true"], 2, "no time zone"),
    (["schedules", "add", "a b", "--every", "5m", "--command", "true"], 2, "not a name"),
    (["next", "* * * *"], 2, "five fields"),
    (["jobs", "show", "nonsense"], 1, "no job"),
    (["jobs", "list", "--since", "yesterday"], 2, "not a time"),
    (["nonsense"], 2, "nonsense"),
    (["exec"], 2, "COMMAND"),
]


def test_over_the_command_line(
    service: Service,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    cli = Cli(monkeypatch, capsys)
    before = service.rows()
    faults = []
    for arguments, code, said in CASES:
        finished = cli(*arguments)
        lines = finished.stderr.splitlines()
        if finished.code != code or len(lines) != 1 or said not in lines[0] or finished.stdout:
            faults.append(f"rota {' '.join(arguments)[:80]}: exit {finished.code}, {finished.stderr[-500:]}")
    assert faults == []
    assert service.rows() == before


SETTINGS: list[tuple[dict[str, str], str]] = [
    ({"ROTA_CONCURENCY": "5"}, "did you mean ROTA_CONCURRENCY"),
    ({"ROTA_CONCURRENCY": "many"}, "whole number"),
    ({"ROTA_LEASE": "soon"}, "duration"),
    ({"ROTA_DATABASE_URL": "mysql://ann:geheim@db/rota"}, "sqlite:// or postgresql://"),
    ({"ROTA_DATABASE_URL": "sqlite:////no/such/folder/rota.db"}, "/no/such/folder"),
    ({"ROTA_LOG_LEVEL": "loud"}, "debug"),
    ({"ROTA_HOST": "0.0.0.0"}, "without access control"),
    ({"ROTA_APP": "no_such_module:rota"}, "no_such_module"),
    ({"ROTA_EXECUTORS": "rocket"}, "rocket"),
    ({"ROTA_LOG_FILE": "/no/such/folder/log"}, "/no/such/folder/log"),
]


def test_settings(rota_process: RotaProcesses, tmp_path: Path) -> None:
    """Nothing is started, let alone stored, before the settings are known to be right."""
    faults = []
    for wrong, said in SETTINGS:
        [name] = wrong
        finished = rota_process.run("up", env={"ROTA_PORT": str(free_port()), **wrong})
        lines = finished.stderr.splitlines()
        if finished.code != 2 or len(lines) != 1 or name not in lines[0] or said not in lines[0]:
            faults.append(f"{wrong}: exit {finished.code}, {finished.stderr[-500:]}")
        assert "geheim" not in finished.stderr + finished.stdout
    assert faults == []
    assert not list(tmp_path.rglob("*.db"))
