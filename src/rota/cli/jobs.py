"""``rota jobs``: look at jobs, and change them, one or many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from rota.cli.connection import connect
from rota.cli.options import given, json_option, yes_option
from rota.cli.output import ago, confirm, details, local, milliseconds, print_json, print_line, status, table
from rota.client import Client, Json
from rota.errors import RotaError
from rota.model import FINAL

F = TypeVar("F", bound=Callable[..., Any])

FILTERS = (
    click.option("--type", "type_", metavar="TYPE", help="Of this job type."),
    click.option("--status", metavar="STATUS", help="In these statuses (comma-separated)."),
    click.option("--queue", help="In this queue."),
    click.option("--schedule", help="Of this schedule."),
    click.option("--tag", help="With this tag."),
    click.option("--started-by", help="Started by this person."),
    click.option("--since", metavar="TIME", help="Created at or after."),
    click.option("--until", metavar="TIME", help="Created before."),
    click.option("-q", "--search", metavar="TEXT", help="Containing a text."),
)


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
        since=options["since"],
        until=options["until"],
        q=options["search"],
    )


@click.group()
def jobs() -> None:
    """Look at jobs, and change them."""


@jobs.command("list")
@filters
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@json_option
@click.pass_context
def list_(ctx: click.Context, /, limit: int, as_json: bool, **options: Any) -> None:
    """List jobs, the latest first."""
    with connect(ctx) as client:
        found = list(client.jobs(limit=limit, **chosen(options)))
    if as_json:
        print_json(found)
        return
    rows = [
        (job["id"], status(job["status"]), _what(job), job["queue"], _attempts(job), ago(job["createdAt"]),
         milliseconds(job["durationMs"]), job["error"])
        for job in found
    ]  # fmt: skip
    headers = ("ID", "STATUS", "TYPE", "QUEUE", "ATTEMPT", "CREATED", "TOOK", "ERROR")
    table(headers, rows, empty="No jobs.  Enqueue one: rota exec -- echo hello")


def _what(job: Json) -> str:
    return str(job["jobType"] or job["scheduleId"] or job["kind"])


def _attempts(job: Json) -> str:
    return f"{job['attempt']}/{job['maxAttempts']}"


@jobs.command()
@click.argument("job_id", metavar="ID")
@json_option
@click.pass_context
def show(ctx: click.Context, job_id: str, as_json: bool) -> None:
    """Show a job with its attempts."""
    with connect(ctx) as client:
        job = client.job(job_id)
        waiting = None if job["status"] in FINAL | {"running"} else client.why(job_id)["text"]
    if as_json:
        print_json(job)
        return
    progress = job["progress"]
    stopping = "cancel requested" if job["cancelRequestedAt"] and job["status"] == "running" else None
    details(
        [
            ("job", job["id"]),
            ("status", status(job["status"]) + (f"  ({stopping})" if stopping else "")),
            ("waits", waiting),
            ("type", _what(job)),
            ("queue", f"{job['queue']}, priority {job['priority']}"),
            ("attempt", f"{job['attempt']} ({job['attemptsUsed']} of {job['maxAttempts']} used)"),
            ("created", f"{local(job['createdAt'])} ({ago(job['createdAt'])})"),
            ("due", local(job["runAt"]) if job["status"] == "scheduled" else None),
            ("scheduled for", local(job["scheduledFor"]) if job["scheduledFor"] else None),
            ("started", local(job["startedAt"]) if job["startedAt"] else None),
            (
                "ended",
                f"{local(job['completedAt'])}, took {milliseconds(job['durationMs'])}" if job["completedAt"] else None,
            ),
            ("started by", job["startedBy"]),
            ("progress", f"{(progress['value'] or 0) * 100:.0f} %  {progress['message'] or ''}" if progress else None),
            ("arguments", _json(job["args"])),
            ("target", _json(job["target"])),
            ("result", _json(job["result"])),
            ("error", job["error"]),
        ]
    )
    trace = (job["errorDetail"] or {}).get("trace")
    if trace:
        click.echo(f"\n{trace.rstrip()}")
    _show_attempts(job)


def _show_attempts(job: Json) -> None:
    if len(job["attempts"]) > 1:
        click.echo()
        rows = [
            (
                one["attempt"],
                status(one["outcome"]),
                local(one["startedAt"]),
                milliseconds(one["durationMs"]),
                one["error"],
            )
            for one in job["attempts"]
        ]
        table(("ATTEMPT", "OUTCOME", "STARTED", "TOOK", "ERROR"), rows, empty="")


def _json(value: Any) -> str | None:
    if value is None or value == {}:
        return None
    import msgspec

    return msgspec.json.encode(value).decode()


@jobs.command()
@click.argument("job_id", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("--after", type=click.IntRange(0), default=0, help="Only lines after this number.")
@click.option("--numbers", is_flag=True, help="Print line numbers and times.")
@json_option
@click.pass_context
def logs(ctx: click.Context, job_id: str, follow: bool, after: int, numbers: bool, as_json: bool) -> None:
    """Print the log of a job."""
    with connect(ctx) as client:
        for line in client.follow_logs(job_id, after=after) if follow else _all_lines(client, job_id, after):
            if as_json:
                import msgspec

                click.echo(msgspec.json.encode(line))
                continue
            if numbers:
                click.echo(f"{line['n']:>6}  {local(line['at'])[11:19]}  {line['stream']:<6}  ", nl=False)
            print_line(line)


def _all_lines(client: Client, job_id: str, after: int) -> Any:
    while lines := client.logs(job_id, after=after):
        yield from lines
        after = lines[-1]["n"]


@jobs.command()
@click.argument("job_id", metavar="ID")
@json_option
@click.pass_context
def why(ctx: click.Context, job_id: str, as_json: bool) -> None:
    """Say what a job waits for, or why it ended as it did."""
    with connect(ctx) as client:
        answer = client.why(job_id)
    print_json(answer) if as_json else click.echo(answer["text"])


def _change(action: str, doc: str) -> click.Command:
    @click.pass_context
    def command(ctx: click.Context, /, ids: tuple[str, ...], yes: bool, **options: Any) -> None:
        wanted = chosen(options)
        if bool(ids) == bool(wanted):
            raise click.UsageError("Name jobs by their ids, or choose them by filters such as --status failed.")
        with connect(ctx) as client:
            if ids:
                _each(client, action, ids)
            else:
                _matching(client, action, wanted, yes=yes)

    command.__doc__ = doc
    command = click.argument("ids", nargs=-1, metavar="[ID]…")(filters(yes_option(command)))
    return jobs.command(action)(command)


def _each(client: Client, action: str, ids: tuple[str, ...]) -> None:
    failed: RotaError | None = None
    for job_id in ids:
        try:
            job = getattr(client, action)(job_id)
            stopping = job is not None and action == "cancel" and job["status"] == "running"
            click.echo(f"{job_id}  " + ("cancel requested" if stopping else _done(action)))
        except RotaError as error:
            click.echo(f"rota: error: {job_id}: {error}", err=True)
            failed = error
    if failed is not None:
        raise SystemExit(1)


def _done(action: str) -> str:
    return {"retry": "waits again", "cancel": "cancelled", "delete": "deleted"}[action]


def _matching(client: Client, action: str, wanted: dict[str, Any], *, yes: bool) -> None:
    count = client.act(action, wanted, dry_run=True).get("matched", 0)
    if not count:
        click.echo("No job matches.")
        return
    confirm(f"{action.capitalize()} {count} job{'s' if count != 1 else ''}?", yes=yes)
    changed = client.act(action, wanted).get("changed", 0)
    click.echo(f"{changed} job{'s' if changed != 1 else ''}: {_done(action)}")


retry = _change("retry", "Make ended jobs wait again, with all their attempts anew.")
cancel = _change("cancel", "Cancel waiting jobs, and end running ones.")
delete = _change("delete", "Delete jobs that do not run, with their history.")
