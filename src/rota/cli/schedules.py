"""``rota schedules``: look at schedules, add them, change them."""

from __future__ import annotations

from typing import Any

import click

from rota.cli.connection import connect
from rota.cli.options import given, json_option, parse_json, yes_option
from rota.cli.output import ago, confirm, details, local, print_json, status, table
from rota.client import Client, Json
from rota.errors import Conflict, NotFound

RULE = (
    click.option("--cron", metavar="EXPR", help="Five fields, or @daily and the like."),
    click.option("--every", metavar="10m", help="An interval."),
    click.option("--at", metavar="TIME", help="One instant, with its zone."),
    click.option("--tz", "timezone", metavar="ZONE", help="Time zone, for example Europe/Paris (UTC)."),
    click.option("--seconds", type=click.Choice(["first", "last"]), help="The expression has a seconds field there."),
)
JOB = (
    click.option("--command", metavar="CMD", help="Run a shell command."),
    click.option("--http", nargs=2, metavar="METHOD URL", help="Call an address."),
    click.option("--type", "job_type", metavar="TYPE", help="Run a declared job type."),
    click.option("--args", metavar="JSON", help="Arguments."),
    click.option("--queue", help="Queue (default)."),
    click.option("--priority", type=int, help="Higher runs first (0)."),
    click.option("--timeout", metavar="5m", help="End an attempt after so long."),
    click.option("--max-attempts", type=int, help="Most attempts of each run."),
    click.option("--overlap", type=click.Choice(["skip", "allow"]), help="While the run before goes on (skip)."),
    click.option("--catchup", type=click.Choice(["none", "latest", "all"]), help="After a standstill (latest)."),
    click.option("--jitter", metavar="30s", help="Spread the starts over so long."),
    click.option("--note", help="What it is for."),
)  # fmt: skip


def _options(function: Any) -> Any:
    for option in reversed((*RULE, *JOB)):
        function = option(function)
    return function


def _body(options: dict[str, Any]) -> Json:
    """Return the schedule that the options describe; only what was said stands in it."""
    target: Json | None = None
    if options["command"]:
        target = {"kind": "command", "shell": options["command"]}
    if options["http"]:
        target = {"kind": "http", "method": options["http"][0].upper(), "url": options["http"][1]}
    args = options["args"]
    names = {
        "cron": "cron", "every": "every", "at": "at", "timezone": "timezone", "seconds": "seconds",
        "job_type": "jobType", "queue": "queue", "priority": "priority", "timeout": "timeout", "max_attempts": "maxAttempts",
        "overlap": "overlap", "catchup": "catchup", "jitter": "jitter", "note": "note",
    }  # fmt: skip
    body = given(**{field: options[name] for name, field in names.items()})
    return body | given(target=target, args=parse_json(args, "--args") if args is not None else None)


@click.group()
def schedules() -> None:
    """Look at schedules, add them, change them."""


@schedules.command("list")
@json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the schedules."""
    with connect(ctx) as client:
        found = list(client.schedules())
    if as_json:
        print_json(found)
        return
    rows = [
        (one["id"], one["description"], _runs(one), "paused" if one["paused"] else ago(one["nextAt"]),
         ago(one["lastAt"]), one["owner"])
        for one in found
    ]  # fmt: skip
    empty = "No schedules.  Add one: rota schedules add hello --every 10m --command 'echo hello'"
    table(("ID", "WHEN", "RUNS", "NEXT", "LAST", "OWNER"), rows, empty=empty)


def _runs(schedule: Json) -> str:
    if schedule["jobType"]:
        return str(schedule["jobType"])
    target = schedule["target"] or {}
    return str(
        target.get("shell")
        or " ".join(target.get("command") or ())
        or f"{target.get('method', 'POST')} {target.get('url')}"
    )


@schedules.command()
@click.argument("schedule_id", metavar="ID")
@json_option
@click.pass_context
def show(ctx: click.Context, schedule_id: str, as_json: bool) -> None:
    """Show a schedule and its last occurrences."""
    with connect(ctx) as client:
        one = client.schedule(schedule_id)
        last = list(client.occurrences(schedule_id, limit=5))
    if as_json:
        print_json(one)
        return
    paused = (
        f"by {one['pausedBy'] or 'somebody'} {ago(one['pausedAt'])}: {one['pausedNote'] or 'no note'}"
        if one["paused"]
        else None
    )
    details(
        [
            ("schedule", one["id"]),
            ("when", one["description"]),
            ("runs", _runs(one)),
            ("paused", paused),
            ("next", f"{local(one['nextAt'])} ({ago(one['nextAt'])})" if one["nextAt"] else "never again"),
            ("last", f"{local(one['lastAt'])} ({ago(one['lastAt'])})" if one["lastAt"] else None),
            ("overlap", one["overlap"]),
            ("catch-up", one["catchup"]),
            ("owner", f"{one['owner']}, version {one['version']}"),
            ("note", one["note"]),
        ]
    )
    if last:
        click.echo()
        _print_occurrences(last)


def _print_occurrences(found: list[Json]) -> None:
    rows = []
    for one in found:
        when = (
            local(one["scheduledFor"])
            if "scheduledFor" in one
            else f"{local(one['from'])} … {local(one['to'])} ({one['count']})"
        )
        rows.append((when, status(one["disposition"]), one["jobId"], one["reason"]))
    table(("DUE", "DISPOSITION", "JOB", "REASON"), rows, empty="Nothing was due yet.")


@schedules.command()
@click.argument("schedule_id", metavar="ID")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@json_option
@click.pass_context
def history(ctx: click.Context, schedule_id: str, limit: int, as_json: bool) -> None:
    """Show what became of each due instant, the latest first."""
    with connect(ctx) as client:
        found = list(client.occurrences(schedule_id, limit=limit))
    print_json(found) if as_json else _print_occurrences(found)


@schedules.command()
@click.argument("schedule_id", metavar="ID")
@_options
@click.option("--paused", is_flag=True, help="Begin paused.")
@json_option
@click.pass_context
def add(ctx: click.Context, /, schedule_id: str, paused: bool, as_json: bool, **options: Any) -> None:
    """Add a schedule: when (--cron, --every, --at) and what (--command, --http, --type)."""
    body = _body(options) | ({"paused": True} if paused else {})
    with connect(ctx) as client:
        try:
            client.schedule(schedule_id)
        except NotFound:
            made = client.put_schedule(schedule_id, body)
        else:
            raise Conflict(f"there is a schedule {schedule_id} already", hint=f"rota schedules edit {schedule_id} …")
        _print_made(client, made, as_json=as_json)


def _print_made(client: Client, made: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    rule = {
        name: made[name] for name in ("cron", "every", "at", "seconds", "timezone", "startAt", "endAt") if made[name]
    }
    click.echo(f"{made['id']}: {made['description']}")
    for instant in client.preview({**rule, "id": made["id"], "count": 3})["instants"]:
        click.echo(f"  {local(instant)}  ({ago(instant)})")


@schedules.command()
@click.argument("schedule_id", metavar="ID")
@_options
@json_option
@click.pass_context
def edit(ctx: click.Context, /, schedule_id: str, as_json: bool, **options: Any) -> None:
    """Change what is named; everything else stays.  An edit is a new version."""
    changes = _body(options)
    if not changes:
        raise click.UsageError("Say what to change, for example --cron '0 9 * * *'.")
    with connect(ctx) as client:
        old = client.schedule(schedule_id)
        kept = {name: old[name] for name in EDITABLE if old.get(name) not in (None, [], False)}
        if changes.keys() & {"cron", "every", "at"}:
            kept = {name: value for name, value in kept.items() if name not in ("cron", "every", "at", "seconds")}
        if changes.keys() & {"target", "jobType"}:
            kept = {name: value for name, value in kept.items() if name not in ("target", "jobType")}
        _print_made(client, client.put_schedule(schedule_id, {**kept, **changes}), as_json=as_json)


EDITABLE = (
    "jobType", "target", "args", "cron", "every", "at", "seconds", "dayMatch", "timezone", "startAt", "endAt",
    "maxRuns", "jitter", "overlap", "catchup", "catchupWindow", "queue", "priority", "retry", "maxAttempts", "timeout",
    "concurrencyKey", "onLost", "tags", "note", "owner",
)  # fmt: skip


@schedules.command()
@click.argument("schedule_id", metavar="ID")
@yes_option
@click.pass_context
def remove(ctx: click.Context, schedule_id: str, yes: bool) -> None:
    """Remove a schedule; its history stays."""
    with connect(ctx) as client:
        client.schedule(schedule_id)
        confirm(f"Remove the schedule {schedule_id}?", yes=yes)
        client.delete_schedule(schedule_id)
    click.echo(f"{schedule_id} removed")


@schedules.command()
@click.argument("schedule_id", metavar="ID")
@click.option("--note", help="Why.")
@click.option("--until", metavar="TIME", help="Resume by itself at this time.")
@click.pass_context
def pause(ctx: click.Context, schedule_id: str, note: str | None, until: str | None) -> None:
    """Pause a schedule: its instants are accounted for as paused."""
    with connect(ctx) as client:
        client.pause_schedule(schedule_id, note=note, until=until)
    click.echo(f"{schedule_id} paused" + (f" until {local(until)}" if until else ""))


@schedules.command()
@click.argument("schedule_id", metavar="ID")
@click.pass_context
def resume(ctx: click.Context, schedule_id: str) -> None:
    """End a pause; what was due meanwhile does not run."""
    with connect(ctx) as client:
        one = client.resume_schedule(schedule_id)
    click.echo(f"{schedule_id} resumed, next {ago(one['nextAt'])}")


@schedules.command()
@click.argument("schedule_id", metavar="ID")
@json_option
@click.pass_context
def trigger(ctx: click.Context, schedule_id: str, as_json: bool) -> None:
    """Run its job now, beside its timetable; prints the job's id."""
    with connect(ctx) as client:
        job = client.trigger_schedule(schedule_id)
    print_json(job) if as_json else click.echo(job.get("jobId") or job["id"])


@schedules.command()
@_options
@click.option("--after", metavar="TIME", help="From this time on (now).")
@click.option("-n", "--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many instants.")
@json_option
@click.pass_context
def preview(ctx: click.Context, /, after: str | None, count: int, as_json: bool, **options: Any) -> None:
    """Show the next instants of a rule."""
    rule = given(**{name: options[name] for name in ("cron", "every", "at", "seconds", "timezone")})
    with connect(ctx) as client:
        answer = client.preview({**rule, "count": count, **given(after=after)})
    if as_json:
        print_json(answer)
        return
    click.echo(answer["description"])
    for instant in answer["instants"]:
        click.echo(f"  {local(instant)}  ({ago(instant)})")
    for warning in answer["warnings"]:
        click.echo(click.style(f"note: {warning}", fg="yellow"), err=True)
