"""``rota jobs``: look at jobs, and change them, one or many."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from rota.cli import running
from rota.cli.command import ClientGroup, WholeNumber
from rota.cli.connection import connect
from rota.cli.exchange import exchanged
from rota.cli.job_answers import complete, snooze
from rota.cli.job_changes import cancel, delete, edit, move, reprioritise, retry
from rota.cli.job_filters import FIELDS, chosen, filters
from rota.cli.options import json_option
from rota.cli.output import ago, compact_json, details, local, milliseconds, print_json, print_text, status, table
from rota.cli.terminal import cut, safe
from rota.cli.waiting import Waiting

if TYPE_CHECKING:
    from rota.client import Client, Json

LONGEST_WORDS = 80
STREAMS = ("stdout", "stderr", "log", "system")


@click.group(cls=ClientGroup)
def jobs() -> None:
    """Look at jobs, and change them."""


@jobs.command("list", fields=FIELDS)
@filters
@click.option("--limit", type=WholeNumber(1), default=20, show_default=True, metavar="N", help="At most so many.")
@json_option
@click.pass_context
def list_(ctx: click.Context, /, limit: int, as_json: bool, **options: Any) -> None:
    """List jobs, the latest first."""
    wanted = chosen(options)
    with connect(ctx) as client:
        found = list(client.jobs(limit=limit, **wanted))
    if as_json:
        print_json(found)
        return
    rows = [
        (job["id"], status(job["status"]), _what(job), job["queue"], f"{job['attempt']}/{job['maxAttempts']}",
         ago(job["createdAt"]), milliseconds(job["durationMs"]), running.note(job))
        for job in found
    ]  # fmt: skip
    headers = ("ID", "STATUS", "WHAT", "QUEUE", "ATTEMPT", "CREATED", "TOOK", "NOTE")
    empty = "No job matches." if wanted else "No jobs.  Run one: rota exec -- echo hello"
    table(headers, rows, empty=empty, wide=("WHAT", "QUEUE", "NOTE"))


def _what(job: Json) -> str:
    """Return what a job is about in a few words."""
    if job["jobType"] or job["scheduleId"]:
        return str(job["jobType"] or job["scheduleId"])
    target = job["target"] or {}
    called = target.get("task") or target.get("function")
    words = target.get("shell") or " ".join(target.get("command") or ()) or called or target.get("url") or job["kind"]
    return cut(str(words), LONGEST_WORDS)


def _time_over(job: Json) -> str | None:
    if not job["deadlineAt"]:
        return None
    until = f"{local(job['deadlineAt'])} ({ago(job['deadlineAt'])})"
    return f"{until}; its target has taken it and answers later" if job["awaitsAnswer"] else until


@jobs.command()
@click.argument("job_id", metavar="ID")
@json_option
@click.pass_context
def show(ctx: click.Context, job_id: str, as_json: bool) -> None:
    """Show a job with its attempts."""
    with connect(ctx) as client:
        job = client.job(job_id)
    if as_json:
        print_json(job)
        return
    due = f"{local(job['runAt'])} ({ago(job['runAt'])})" if job["status"] == "scheduled" else None
    details(
        [
            ("job", job["id"]),
            ("status", running.state(job)),
            ("waits", job["why"]["text"] if job["status"] in ("pending", "scheduled") else None),
            ("what", _what(job)),
            ("schedule", job["scheduleId"]),
            ("queue", f"{job['queue']}, priority {job['priority']}"),
            ("attempt", f"{job['attempt']} ({job['attemptsUsed']} of {job['maxAttempts']} used)"),
            ("created", f"{local(job['createdAt'])} ({ago(job['createdAt'])})"),
            ("due", due),
            ("scheduled for", local(job["scheduledFor"]) if job["scheduledFor"] else None),
            ("started", local(job["startedAt"]) if job["startedAt"] else None),
            ("ended", _ended(job)),
            ("started by", job["startedBy"]),
            ("tags", ", ".join(job["tags"]) or None),
            ("progress", running.progress(job)),
            ("ends", running.eta(job)),
            ("time over", _time_over(job)),
            ("silence", f"at most {job['silence']}" if job["silence"] else None),
            ("checkpoint", compact_json(job["checkpoint"])),
            ("arguments", compact_json(job["args"])),
            ("target", compact_json(job["target"])),
            *exchanged(job["exchange"]),
            ("result", compact_json(job["result"])),
            ("how it ended" if job["status"] == "cancelled" else "error", job["error"]),
        ]
    )
    if trace := job["errorDetail"] and job["errorDetail"].get("trace"):
        click.echo("\n" + "\n".join(safe(line) for line in trace.rstrip().split("\n")))
    _show_attempts(job["attempts"])


def _ended(job: Json) -> str | None:
    if not job["completedAt"]:
        return None
    took = f", took {milliseconds(job['durationMs'])}" if job["durationMs"] is not None else ""
    return f"{local(job['completedAt'])} ({ago(job['completedAt'])}){took}"


def _show_attempts(attempts: Sequence[Json]) -> None:
    if len(attempts) < 2:
        return
    click.echo()
    rows = [
        (one["attempt"], status(one["outcome"]), local(one["startedAt"]), milliseconds(one["durationMs"]), one["error"])
        for one in attempts
    ]
    table(("ATTEMPT", "OUTCOME", "STARTED", "TOOK", "ERROR"), rows, empty="", wide=("ERROR",))


@jobs.command()
@click.argument("job_id", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("--after", type=WholeNumber(0), default=0, metavar="N", help="Only lines after this number.")
@click.option("-n", "--tail", type=WholeNumber(0), metavar="N", help="Begin with the last so many lines.")
@click.option("--attempt", type=WholeNumber(1), metavar="N", help="Only lines of this attempt.")
@click.option("--stream", type=click.Choice(STREAMS), help="Only lines of this stream.")
@click.option("--grep", metavar="TEXT", help="Only lines with this text, in any case.")
@click.option("--numbers", is_flag=True, help="Print number, time and stream before each line.")
@json_option
@click.pass_context
def logs(
    ctx: click.Context, /, job_id: str, follow: bool, after: int, tail: int | None, numbers: bool, as_json: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Print the log of a job; with --json each line is an object."""
    with connect(ctx) as client:
        if tail is not None:
            after = max(after, client.log_page(job_id, limit=1)["lastLine"] - tail)
        which = {
            "after": after,
            "attempt": options["attempt"],
            "stream": options["stream"],
            "q": options["grep"] or None,
        }
        searched = options["stream"] or options["grep"]
        lines = _follow(client, job_id, **which) if follow else client.logs(job_id, **which)
        before: int | None = None
        for line in lines:
            if as_json:
                click.echo(msgspec.json.encode(line).decode())
                continue
            if not searched and before is not None and line["n"] > before + 1:  # the middle of one that was too long
                print_text(f"… {line['n'] - before - 1} lines left out", stream=sys.stdout, dim=True)
            before = line["n"]
            if numbers:
                click.echo(f"{line['n']:>6}  {local(line['at'])[11:19]}  {line['stream']:<6}  ", nl=False)
            print_text(line["text"], stream=sys.stdout, dim=line["stream"] == "system")


def _follow(client: Client, job_id: str, **which: Any) -> Iterator[Json]:
    waiting = Waiting(client, job_id)
    for page in client.follow(job_id, **which):
        yield from page["lines"]
        waiting.note(page["status"])


@jobs.command()
@click.argument("job_id", metavar="ID")
@json_option
@click.pass_context
def why(ctx: click.Context, job_id: str, as_json: bool) -> None:
    """Say what a job waits for, or why it ended as it did."""
    with connect(ctx) as client:
        answer = client.why(job_id)
    print_json(answer) if as_json else click.echo(safe(answer["text"]))


for _command in (edit, retry, cancel, delete, move, reprioritise, complete, snooze):
    jobs.add_command(_command)
