"""``rota jobs``: look at jobs, and change them, one or many."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from rota.cli.command import ClientGroup, WholeNumber
from rota.cli.connection import connect
from rota.cli.options import given, json_option, past, yes_option
from rota.cli.output import (
    ago,
    compact_json,
    confirm,
    details,
    local,
    milliseconds,
    plural,
    print_json,
    print_text,
    status,
    table,
)
from rota.cli.progress import progress
from rota.cli.terminal import cut, safe
from rota.cli.waiting import Waiting
from rota.errors import RotaError, ServiceUnavailable

if TYPE_CHECKING:
    from rota.client import Client, Json

F = TypeVar("F", bound=Callable[..., Any])

LONGEST_WORDS = 80
MANY = 200
"""Changing fewer jobs is over before a bar could be read."""
FILTERS = (
    click.option("--type", "type_", metavar="TYPE", help="Of this job type."),
    click.option("--status", metavar="STATUS", help="In these statuses, divided by commas."),
    click.option("--queue", metavar="Q", help="In this queue."),
    click.option("--schedule", metavar="ID", help="Of this schedule."),
    click.option("--tag", metavar="TAG", help="With this tag."),
    click.option("--started-by", metavar="WHO", help="Started by this person."),
    click.option("--since", metavar="TIME", help="Created then or later; `2h` is two hours ago."),
    click.option("--until", metavar="TIME", help="Created before."),
    click.option("-q", "--search", metavar="TEXT", help="With this text in any part of the job."),
)  # fmt: skip
FIELDS = {"q": "--search"}


def filters(function: F) -> F:
    """Add the options that choose jobs."""
    for option in reversed(FILTERS):
        function = option(function)
    return function


def chosen(options: dict[str, Any]) -> dict[str, Any]:
    """Return the filter of the API."""
    return given(
        type=options["type_"],
        status=options["status"],
        queue=options["queue"],
        schedule=options["schedule"],
        tag=options["tag"],
        startedBy=options["started_by"],
        since=past(options["since"], "--since"),
        until=past(options["until"], "--until"),
        q=options["search"],
    )


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
         ago(job["createdAt"]), milliseconds(job["durationMs"]), job["error"] or _progress(job))
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
    words = target.get("shell") or " ".join(target.get("command") or ()) or target.get("url") or job["kind"]
    return cut(str(words), LONGEST_WORDS)


def _progress(job: Json) -> str | None:
    found = job["progress"]
    if not found:
        return None
    return f"{(found['value'] or 0) * 100:.0f} %  {found['message'] or ''}".rstrip()


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
    stopping = "  (asked to stop)" if job["cancelRequestedAt"] and job["status"] == "running" else ""
    due = f"{local(job['runAt'])} ({ago(job['runAt'])})" if job["status"] == "scheduled" else None
    details(
        [
            ("job", job["id"]),
            ("status", status(job["status"]) + stopping),
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
            ("progress", _progress(job)),
            ("arguments", compact_json(job["args"])),
            ("target", compact_json(job["target"])),
            ("result", compact_json(job["result"])),
            ("error", job["error"]),
        ]
    )
    trace = (job["errorDetail"] or {}).get("trace")
    if trace:
        click.echo("\n" + "\n".join(safe(line) for line in trace.rstrip().split("\n")))
    _show_attempts(job["attempts"])


def _ended(job: Json) -> str | None:
    if not job["completedAt"]:
        return None
    took = f", took {milliseconds(job['durationMs'])}" if job["durationMs"] is not None else ""
    return f"{local(job['completedAt'])} ({ago(job['completedAt'])}){took}"


def _show_attempts(attempts: list[Json]) -> None:
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
@click.option("--numbers", is_flag=True, help="Print number, time and stream before each line.")
@json_option
@click.pass_context
def logs(
    ctx: click.Context, /, job_id: str, follow: bool, after: int, tail: int | None, numbers: bool, as_json: bool,
    attempt: int | None,
) -> None:  # fmt: skip
    """Print the log of a job; with --json each line is an object."""
    with connect(ctx) as client:
        if tail is not None:
            after = max(after, client.log_page(job_id, limit=1)["lastLine"] - tail)
        lines = _follow(client, job_id, after, attempt) if follow else client.logs(job_id, after=after, attempt=attempt)
        before: int | None = None
        for line in lines:
            if as_json:
                click.echo(msgspec.json.encode(line).decode())
                continue
            if before is not None and line["n"] > before + 1:  # the middle of a log that was too long
                print_text(f"… {line['n'] - before - 1} lines left out", stream=sys.stdout, dim=True)
            before = line["n"]
            if numbers:
                click.echo(f"{line['n']:>6}  {local(line['at'])[11:19]}  {line['stream']:<6}  ", nl=False)
            print_text(line["text"], stream=sys.stdout, dim=line["stream"] == "system")


def _follow(client: Client, job_id: str, after: int, attempt: int | None) -> Iterator[Json]:
    waiting = Waiting(client, job_id)
    for page in client.follow(job_id, after=after, attempt=attempt):
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


DONE = {"retry": "waiting again", "cancel": "cancelled", "delete": "deleted"}


def _change(action: str, doc: str, *own: Callable[[Any], Any]) -> click.Command:
    @click.pass_context
    def command(ctx: click.Context, /, ids: tuple[str, ...], yes: bool, force: bool = False, **options: Any) -> None:
        wanted = chosen(options)
        if bool(ids) == bool(wanted):
            raise click.UsageError("name jobs by their ids, or choose them by filters such as --status failed")
        with connect(ctx) as client:
            if ids:
                _each(client, action, ids, {"force": True} if force else {})
            else:
                change_matching(client, action, wanted, yes=yes, force=force)

    command.__doc__ = doc
    for option in own:
        command = option(command)
    command = click.argument("ids", nargs=-1, metavar="[ID…]")(filters(yes_option(command)))
    return jobs.command(action, fields=FIELDS)(command)


def _each(client: Client, action: str, ids: tuple[str, ...], how: dict[str, bool]) -> None:
    failed = False
    for job_id in ids:
        try:
            job = getattr(client, action)(job_id, **how)
        except ServiceUnavailable:
            raise
        except RotaError as error:
            click.echo(
                f"rota: error: {error}" if job_id in error.message else f"rota: error: {job_id}: {error}", err=True
            )
            failed = True
        else:
            stopping = job is not None and action == "cancel" and job["status"] == "running"
            asked = "told to end at once" if how else "asked to stop"
            click.echo(f"{job_id}  " + (asked if stopping else DONE[action]))
    if failed:
        sys.exit(1)


def change_matching(client: Client, action: str, wanted: dict[str, Any], *, yes: bool, force: bool = False) -> None:
    """Count the jobs that match, ask, and change them all, however long it takes."""
    count = client.act(action, wanted, dry_run=True)["matched"]
    if not count:
        click.echo("No job matches.")
        return
    confirm(f"{action.capitalize()} {plural(count, 'job')}?", yes=yes)
    changed = 0
    with progress(count, action, quiet=count < MANY) as show:
        while True:
            answer = client.act(action, wanted, force=force)
            changed += answer["changed"]
            show(answer["changed"])
            if answer["done"] or not answer["changed"]:
                break
    click.echo(f"{plural(changed, 'job')} {DONE[action]}")


retry = _change("retry", "Make ended jobs wait again, with all their attempts anew.")
cancel = _change(
    "cancel",
    "Cancel waiting jobs, and end running ones.",
    click.option("--force", is_flag=True, help="Kill those that run, without a chance to end in good order."),
)
delete = _change("delete", "Delete jobs that do not run, with their history.")
