"""``rota status``: the whole service on one screen."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rota.cli.command import ClientCommand
from rota.cli.connection import asked_service, connect
from rota.cli.options import json_option
from rota.cli.output import ago, details, local, mark, milliseconds, plural, print_json, table
from rota.cli.output import status as state
from rota.cli.pidfile import background, pidfile_option
from rota.cli.terminal import safe_line
from rota.errors import DatabaseUnavailable, NotFound, ServiceUnavailable

if TYPE_CHECKING:
    from rota.client import Client, Json

ROLES = ("scheduler", "worker", "api")
LIVING = ("running", "draining")
START = "start it: rota up"
MOST_QUEUES = 12
"""Queues that are shown, those with most to do; ``rota queues list`` has all."""
CAP = 10_000
NOT_OF_HEALTH = ("late", "failing", "backlog", "lost")
"""Problems that do not make the service unwell: those that do are among the problems of its health."""
MOST_PROBLEMS = 12


@click.command(cls=ClientCommand)
@pidfile_option
@json_option
@click.pass_context
def status(ctx: click.Context, pidfile: Path | None, as_json: bool) -> None:
    """See on one screen whether the service does its work; exit 1 when it does not.

    Up to when every due instant is accounted for, which processes live, what waits and what failed.
    """
    url, _ = asked_service(ctx)
    try:
        with connect(ctx) as client:
            found = _look(client, url)
    except (ServiceUnavailable, NotFound, DatabaseUnavailable) as error:
        error.hint = START
        raise
    found = {**found, "background": None if url and pidfile is None else background(pidfile)}
    if as_json:
        print_json(found)
    else:
        _print(found)
    sys.exit(0 if found["status"] == "healthy" else 1)


def _look(client: Client, url: str | None) -> Json:
    """Ask for all that is shown."""
    health, stats = client.health(), client.stats()
    living = [one for one in client.workers() if one["state"] in LIVING]
    return {
        "status": health["status"],
        "service": health["service"],
        "address": url,
        "database": None if url else _database(),
        "accountedTo": health["accountedTo"],
        "lagMs": health["lagMs"],
        "problems": health.get("problems", []),
        "attention": [one for one in client.problems() if one["kind"] in NOT_OF_HEALTH],
        "processes": {role: _processes(living, role) for role in ROLES},
        "schedules": stats["schedules"],
        "jobs": stats["jobs"],
        "failedLastDay": stats["failedLastDay"],
        "oldestPendingAt": stats["oldestPendingAt"],
        "queues": [
            {name: one[name] for name in ("name", "counts", "oldestPendingAt", "concurrency", "paused", "pausedNote")}
            for one in client.queues()
        ],
    }


def _database() -> str:
    from rota.settings import load_settings

    return str(load_settings().database_url)


def _processes(living: Sequence[Json], role: str) -> Json:
    """Return how many live, the latest sign of life, and on which machines."""
    mine = [one for one in living if one["role"] == role]
    return {
        "alive": len(mine),
        "draining": sum(one["state"] == "draining" for one in mine),
        "lastSeen": max((one["lastHeartbeat"] for one in mine), default=None),
        "running": sum(one["running"] for one in mine),
        "hosts": dict(Counter(one["host"] for one in mine)),
    }


def _print(found: Json) -> None:
    is_well = found["status"] == "healthy"
    words = click.style("healthy", fg="green") if is_well else click.style("not healthy", fg="red", bold=True)
    at = f"at {found['address']}" if found["address"] else f"the database {found['database']}, asked directly"
    click.echo(f"{mark(is_well)} {safe_line(found['service'])} is {words} ({safe_line(at)})")
    for problem in found["problems"]:
        click.echo(f"  {click.style('!', fg='red')} {safe_line(problem)}")
    _print_attention(found["attention"])
    if not any(one["alive"] for one in found["processes"].values()):
        click.echo(f"  → nothing runs; {START}")
    if found["background"] and not found["background"]["runs"]:
        click.echo(f"  → {found['background']['pidfile']} was left behind: what it names does not run; rota start")
    click.echo()
    jobs = found["jobs"]
    details(
        [
            ("accounted to", _accounted(found)),
            ("background", _background(found["background"])),
            *((f"{role}s" if role != "api" else "apis", _alive(found["processes"][role])) for role in ROLES),
            ("schedules", f"{found['schedules']:,}"),
            ("jobs", ", ".join(f"{_count(jobs[name])} {name}" for name in ("pending", "scheduled", "running"))),
            ("failed in 24 h", _count(found["failedLastDay"])),
        ]
    )
    if found["queues"]:
        click.echo()
        _print_queues(found["queues"])


def _print_attention(found: Sequence[Json]) -> None:
    for one in found[:MOST_PROBLEMS]:
        colour = "red" if one["severity"] == "error" else "yellow"
        click.echo(f"  {click.style('!', fg=colour)} {safe_line(one['text'])}")
    if len(found) > MOST_PROBLEMS:
        click.echo(f"  … and {plural(len(found) - MOST_PROBLEMS, 'problem')} more: rota status --json")


def _background(found: Json | None) -> str | None:
    return f"process {found['pid']} ({found['pidfile']})" if found and found["runs"] else None


def _accounted(found: Json) -> str:
    if found["accountedTo"] is None:
        return "nothing yet"
    return f"{local(found['accountedTo'])}, {milliseconds(found['lagMs'])} behind"


def _alive(processes: Json) -> str:
    if not processes["alive"]:
        return click.style("none lives", fg="red")
    draining = f", {processes['draining']} of them draining" if processes["draining"] else ""
    running = f", {plural(processes['running'], 'job')} running" if processes["running"] else ""
    hosts = ", ".join(processes["hosts"])
    return f"{processes['alive']} alive{draining}, last seen {ago(processes['lastSeen'])}{running} ({hosts})"


def _count(count: int) -> str:
    return f"{count:,}" if count < CAP else f"{CAP:,} or more"


def _print_queues(queues: list[Json]) -> None:
    def to_do(one: Json) -> int:
        return int(one["counts"]["pending"] + one["counts"]["running"])

    shown = sorted(queues, key=lambda one: (-to_do(one), one["name"]))[:MOST_QUEUES]
    rows = [
        (one["name"], *(_count(one["counts"][name]) for name in ("pending", "scheduled", "running", "failed")),
         ago(one["oldestPendingAt"]), state("paused") if one["paused"] else "open", one["pausedNote"])
        for one in shown
    ]  # fmt: skip
    headers = ("QUEUE", "PENDING", "SCHEDULED", "RUNNING", "FAILED", "OLDEST", "STATE", "NOTE")
    table(headers, rows, empty="", wide=("QUEUE", "NOTE"))
    if len(queues) > len(shown):
        click.echo(f"… and {plural(len(queues) - len(shown), 'queue')} more: rota queues list")
