"""``rota --url … --token …``: every command, against a service elsewhere; those that cannot say so in one line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from rota.cli.main import rota
from rota.client import Client
from rota.sealing import new_key
from tests.support.cli import Cli, assert_one_line
from tests.support.processes import RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.target import Answer, TargetServer
from tests.support.waiting import free_port, wait_until

HERE = ("up", "api", "scheduler", "worker", "db migrate", "db check", "db move --to sqlite:///b.db", "db stats",
        "db archived", "start", "stop", "restart", "secrets key")  # fmt: skip
"""What works with the settings of the machine on which it is called."""

OTHERWISE = ("mcp", "monitors test", "ping", "schedules parity")
"""What has a test of its own."""

RUNS = (
    "status",
    "stats --window 24h --by queue",
    "enqueue echo --wait",
    "exec -- echo hi",
    "jobs list",
    "jobs show {ended}",
    "jobs logs {ended}",
    "jobs logs {ended} --follow",
    "jobs why {waiting}",
    "jobs edit {waiting} --priority 3",
    "jobs snooze {waiting} 2h",
    "jobs cancel {waiting}",
    "jobs retry {waiting}",
    "jobs move --status failed --to other --yes",
    "jobs reprioritise --status failed --priority 5 --yes",
    "jobs delete {waiting} --yes",
    "jobs complete {answering} --result 7",
    "batches add {batch}",
    "batches list",
    "batches show {batch_id}",
    "batches cancel {batch_id}",
    "schedules add daily --cron '0 9 * * *' --type echo",
    "schedules list",
    "schedules show daily",
    "schedules edit daily --every 5h --yes",
    "schedules trigger daily",
    "schedules preview --cron '0 9 * * *'",
    "schedules history daily",
    "schedules why daily",
    "schedules forecast",
    "schedules versions daily",
    "schedules rollback daily 1 --yes",
    "schedules backfill daily --from 2026-01-01T00:00:00Z --to 2026-01-02T00:00:00Z --dry-run",
    "schedules pause daily",
    "schedules resume daily",
    "schedules remove daily --yes",
    "import crontab {files}/crontab --shadow --yes",
    "import celery {files}/beat.json --dry-run",
    "import heroku {files}/heroku --yes",
    "import kubernetes {files}/cronjobs.yaml --yes",
    "import rq {files}/rq_cron.py --module jobs --dry-run",
    "import scheduled-jobs {files}/jobs.csv --yes",
    "schedules go-live --all-matching '' --yes",
    "queues list",
    "queues show default",
    "queues set mail --concurrency 5",
    "queues keys default",
    "queues pause mail",
    "queues resume mail",
    "queues retry-failed default --yes",
    "queues delete-failed default --yes",
    "calendars set free --weekday SAT",
    "calendars import {ics}",
    "calendars list",
    "calendars show free",
    "calendars remove free --yes",
    "types list",
    "types show echo",
    "types pause echo",
    "types resume echo",
    "workers list",
    "workers show {worker}",
    "export",
    "apply {file} --yes",
    "next '0 9 * * *'",
    "audit list",
    "audit export",
    "monitors list",
    "monitors set no-scheduler:system:scheduler --grace 1m",
    "monitors show no-scheduler:system:scheduler",
    "monitors mute no-scheduler:system:scheduler --note trying --until 2h",
    "monitors unmute no-scheduler:system:scheduler",
    "monitors alerts",
    "monitors proposals",
    "checks add backup --every 1d --tag nightly",
    "checks list",
    "checks edit backup --grace 1h",
    "checks new-key backup --yes",
    "checks pause backup",
    "checks resume backup",
    "checks show backup",
    "checks history backup",
    "status-pages set nightly --page --slug nights",
    "status-pages list",
    "status-pages remove nightly --yes",
    "checks remove backup --yes",
    "secrets set stripe --from-file {secret}",
    "secrets list",
    "secrets rotate",
    "secrets remove stripe --yes",
    "token create --role viewer",
    "token list",
    "token revoke {token} --yes",
    "selftest 2",
    "doctor",
)

CRON_JOB = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: tidy}
spec:
  schedule: "0 4 * * *"
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: tidy, image: x, command: ["true"]}]}}}
"""
HISTORY = """id,job_type,status,started_at,completed_at,started_by,error,result,created_at,updated_at
8d1c,clean,completed,2026-11-20T03:00:00Z,2026-11-20T03:00:05Z,ann,,,2026-11-20T03:00:00Z,2026-11-20T03:00:05Z
"""


def commands() -> Iterator[str]:
    """Every command that there is, by its words."""

    def walk(command: click.Command, words: tuple[str, ...], parent: click.Context) -> Iterator[str]:
        ctx = click.Context(command, parent=parent, info_name=words[-1] if words else None)
        if not isinstance(command, click.Group):
            yield " ".join(words)
            return
        for name in command.list_commands(ctx):
            found = command.get_command(ctx, name)
            assert found is not None
            yield from walk(found, (*words, name), ctx)

    yield from walk(rota, (), click.Context(rota))


def test_every_command_is_in_one_of_the_tables() -> None:
    tried = {command for command in commands() for run in RUNS if f"{run} ".startswith(f"{command} ")}
    here = {command for command in commands() for run in HERE if f"{run} ".startswith(f"{command} ")}
    assert tried | here | {*OTHERWISE} == set(commands())


@pytest.mark.parametrize("command", HERE)
def test_what_works_here_is_not_asked_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    done = Cli(monkeypatch, capsys)("--url", "http://127.0.0.1:9", *command.split())
    assert_one_line(done, 2, "--url is not for this command: it works with the settings of this machine")


@pytest.mark.timeout(300)
def test_every_other_command_works_with_a_service_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rota_process: RotaProcesses,
    sqlite_url: str,
    target_server: TargetServer,
    tmp_path: Path,
) -> None:
    port = free_port()
    redis = dict.fromkeys(("ROTA_RQ_URL", "ROTA_CELERY_BROKER_URL", "ROTA_CELERY_BACKEND_URL"), "redis://127.0.0.1:9/0")
    start_up(rota_process, sqlite_url, port, {"ROTA_SECRET_KEY": new_key(), **redis})
    monkeypatch.setenv("ROTA_DATABASE_URL", "sqlite:////nowhere/there/is/none.db")
    cli = Cli(monkeypatch, capsys)

    faults = []

    def remote(*words: str) -> None:
        done = cli("--url", f"http://127.0.0.1:{port}", "--token", SECRET, *words)
        if done.code != 0:
            faults.append(f"{' '.join(words)}: {done}")

    target_server.answer("/later", Answer(202, {}, {"Rota-Async": "true"}))
    with Client(f"http://127.0.0.1:{port}", SECRET) as client:
        things = things_of(client, target_server, tmp_path)
    for line in RUNS:
        remote(*(word.format(**things) for word in shlex.split(line)))
    assert not faults, "\n".join(faults)
    assert done_there(port) >= {"daily", "free", "mail"}


def things_of(client: Client, target_server: TargetServer, folder: Path) -> dict[str, str]:
    """Make what the commands are about; return their ids, and the files that they read."""
    client.request("PUT", "/api/job-types/echo", {"target": {"kind": "command", "command": ["echo", "hi"]}})
    later = {"kind": "http", "url": target_server.url("/later")}
    answering = client.enqueue({"target": later})["id"]
    wait_until(lambda: client.job(answering)["awaitsAnswer"], 30, "the target has taken it")
    files = {
        "batch.json": '{"jobs": [{"jobType": "echo", "delayMs": 3600000}]}',
        "events.ics": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\n"
        "DTSTAMP:20260101T000000Z\r\nDTSTART;VALUE=DATE:20261224\r\nSUMMARY:Eve\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        "secret": "a value",
        "crontab": "0 3 * * * true\n",
        "beat.json": '{"clean": {"task": "clean", "schedule": 3600}}',
        "heroku": "echo hourly\tHourly at :10\n",
        "cronjobs.yaml": CRON_JOB,
        "rq_cron.py": "from rq import cron\nfrom jobs import clean\ncron.register(clean, interval=3600)\n",
        "jobs.csv": HISTORY,
        "rota.json": '{"source": "here", "schedules": {"weekly": {"every": "7d", "jobType": "echo"}}}',
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return {
        "ended": client.enqueue("echo", wait_s=30)["id"],
        "waiting": client.enqueue("echo", delay="1h")["id"],
        "answering": answering,
        "batch": f"@{folder / 'batch.json'}",
        "secret": str(folder / "secret"),
        "ics": str(folder / "events.ics"),
        "files": str(folder),
        "file": str(folder / "rota.json"),
        "batch_id": client.enqueue_batch({"jobs": [{"jobType": "echo", "delayMs": 3_600_000}]})["id"],
        "worker": next(one["id"] for one in client.workers() if one["role"] == "worker"),
        "token": client.create_token("viewer", "to be revoked")["id"],
    }


def done_there(port: int) -> set[str]:
    """The names of what was changed, as the service wrote it down."""
    with Client(f"http://127.0.0.1:{port}", SECRET) as client:
        return {str(entry["name"]) for entry in client.audit()}
