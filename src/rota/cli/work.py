"""``rota enqueue`` and ``rota exec``: run something now."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from rota.cli.connection import connect
from rota.cli.options import given, json_option, parse_json
from rota.cli.output import print_json, print_line, status
from rota.client import Client
from rota.durations import parse_duration
from rota.errors import Conflict
from rota.model import FINAL

UNCLAIMED_S = 5.0
"""So long ``rota exec`` waits silently for a worker."""


@click.command()
@click.argument("job_type", metavar="TYPE")
@click.option("--args", metavar="JSON", help="Arguments, an object for functions.")
@click.option("--queue", help="Queue (default).")
@click.option("--priority", help="Higher runs first (0).")
@click.option("--delay", metavar="5m", help="Start so much later.")
@click.option("--at", metavar="TIME", help="Start at a time, with its zone: 2026-11-21T09:00:00Z.")
@click.option("--unique-key", metavar="KEY", help="While a job with this key waits or runs, return that one.")
@click.option("--max-attempts", type=int, help="Most attempts.")
@click.option("--timeout", metavar="5m", help="End an attempt after so long.")
@click.option("--wait", is_flag=True, help="Wait for the end; exit 1 when it failed.")
@json_option
@click.pass_context
def enqueue(ctx: click.Context, /, job_type: str, wait: bool, as_json: bool, **options: Any) -> None:
    """Enqueue a job of a declared type; prints its id."""
    delay = options.pop("delay")
    args = options.pop("args")
    body = given(
        jobType=job_type,
        args=parse_json(args, "--args") if args is not None else None,
        delayMs=parse_duration(delay, "--delay") // 1000 if delay is not None else None,
        runAt=options["at"],
        queue=options["queue"],
        priority=_priority(options["priority"]),
        uniqueKey=options["unique_key"],
        maxAttempts=options["max_attempts"],
        timeout=options["timeout"],
    )
    with connect(ctx) as client:
        job = client.enqueue(body)
        if not wait:
            print_json(job) if as_json else click.echo(job["id"])
            return
        ended = client.wait(job["id"])
    if as_json:
        print_json(ended)
    else:
        click.echo(f"{ended['id']}  {status(ended['status'])}" + (f"  {ended['error']}" if ended["error"] else ""))
    sys.exit(0 if ended["status"] == "completed" else 1)


def _priority(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.lstrip("+-").isdecimal() else text


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--name", help="A tag to find it by.")
@click.option("--timeout", metavar="5m", help="End it after so long.")
@click.option("--queue", help="Queue (default).")
@click.option("--priority", help="Higher runs first (0).")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def exec_(
    ctx: click.Context,
    name: str | None,
    timeout: str | None,
    queue: str | None,
    priority: str | None,
    command: tuple[str, ...],
) -> None:
    """Run a command as a job now; streams its output and exits with its exit code."""
    target = {"kind": "command", "command": list(command)}
    body = given(
        target=target,
        timeout=timeout,
        queue=queue,
        priority=_priority(priority),
        tags=[name] if name else None,
        origin="exec",
    )
    with connect(ctx) as client:
        job_id = client.enqueue(body)["id"]
        try:
            code = _follow(client, job_id)
        except KeyboardInterrupt:
            click.echo(f"\nrota: cancelling job {job_id}", err=True)
            _cancel(client, job_id)
            code = 130
    sys.exit(code)


def _follow(client: Client, job_id: str) -> int:
    _say_when_unclaimed(client, job_id)
    for line in client.follow_logs(job_id):
        if line["stream"] != "system":
            print_line(line, by_stream=True)
    return _exit_code(client.job(job_id))


def _say_when_unclaimed(client: Client, job_id: str) -> None:
    """Wait for the start; say so when nobody takes it."""
    said = False
    began = time.monotonic()
    pause = 0.005
    while client.job(job_id)["status"] in ("pending", "scheduled"):
        if not said and time.monotonic() - began > UNCLAIMED_S:
            said = True
            click.echo(f"rota: job {job_id} waits: {client.why(job_id)['text']}", err=True)
        time.sleep(pause)
        pause = min(pause * 2, 0.25)


def _exit_code(job: dict[str, Any]) -> int:
    """Return the exit code of the command; 1 for whatever ended it otherwise, with a word on stderr."""
    result = job["result"] if isinstance(job["result"], dict) else {}
    if job["status"] == "completed":
        code = result.get("exitCode", 0)
        return code if isinstance(code, int) else 0
    detail = job["errorDetail"] or {}
    if detail.get("code") == "exit-code" and str(detail.get("message", "")).lstrip("-").isdecimal():
        return int(detail["message"]) & 0xFF
    click.echo(f"rota: job {job['id']} {job['status']}: {job['error'] or job['reason'] or ''}".rstrip(": "), err=True)
    return 1


def _cancel(client: Client, job_id: str) -> None:
    try:
        client.cancel(job_id)
    except Conflict:
        return
    end = time.monotonic() + 30
    while client.job(job_id)["status"] not in FINAL and time.monotonic() < end:
        time.sleep(0.1)
