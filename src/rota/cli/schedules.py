"""``rota schedules``: look at schedules, add them, change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rota.cli.command import ClientGroup, WholeNumber
from rota.cli.connection import connect
from rota.cli.forecast import forecast
from rota.cli.options import given, json_option, parse_json, parse_priority, yes_option
from rota.cli.output import (
    ago,
    compact_json,
    confirm,
    details,
    instants,
    local,
    notes,
    print_json,
    status,
    table,
    until,
)
from rota.cli.schedule_why import why
from rota.cli.terminal import safe_line
from rota.errors import Conflict, NotFound

if TYPE_CHECKING:
    from rota.client import Client, Json

F = TypeVar("F", bound=Callable[..., Any])

RULE = (
    click.option("--cron", metavar="EXPR", help="Five fields, or @daily and the like."),
    click.option("--every", metavar="10m", help="An interval."),
    click.option("--at", metavar="TIME", help="One instant, with its zone: 2026-11-21T09:00:00Z."),
    click.option("--tz", metavar="ZONE", help="Time zone of the expression, for example Europe/Paris (UTC)."),
    click.option("--seconds", type=click.Choice(["first", "last"]), help="The expression has a seconds field there."),
)
JOB = (
    click.option("--command", metavar="CMD", help="Run a shell command."),
    click.option("--http", nargs=2, metavar="METHOD URL", help="Call an address."),
    click.option("--type", "job_type", metavar="TYPE", help="Run a declared job type."),
    click.option("--target", metavar="JSON", help="Run a target as the REST API takes it; @FILE and @- read it."),
    click.option("--args", metavar="JSON", help="Arguments, for a function an object; @FILE and @- read them."),
    click.option("--queue", metavar="Q", help="Queue; else that of the type, else `default`."),
    click.option("--priority", metavar="N", help="A number or a name (low, normal, high, live); higher runs first."),
    click.option("--timeout", metavar="5m", help="End an attempt after so long."),
    click.option("--max-attempts", type=WholeNumber(1), metavar="N", help="Most attempts of each run."),
    click.option("--overlap", type=click.Choice(["skip", "allow"]), help="While the run before goes on (skip)."),
    click.option("--catchup", type=click.Choice(["none", "latest", "all"]), help="After a standstill (latest)."),
    click.option("--jitter", metavar="30s", help="Spread the starts over so long."),
    click.option("--note", metavar="TEXT", help="What it is for."),
)  # fmt: skip
FIELDS = {
    "timezone": "--tz",
    "jobType": "--type",
    "maxAttempts": "--max-attempts",
    "target.shell": "--command",
    "target.method": "--http",
    "target.url": "--http",
    "id": "ID",
}
WHENS = ("--cron", "--every", "--at")
WHATS = ("--command", "--http", "--type", "--target")
EDITABLE = (
    "jobType", "target", "args", "cron", "every", "at", "seconds", "dayMatch", "timezone", "startAt", "endAt",
    "maxRuns", "jitter", "overlap", "catchup", "catchupWindow", "queue", "priority", "retry", "maxAttempts", "timeout",
    "concurrencyKey", "onLost", "tags", "note", "owner",
)  # fmt: skip


def _options(*groups: tuple[Callable[[Any], Any], ...]) -> Callable[[F], F]:
    def add(function: F) -> F:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return add


def _body(options: dict[str, Any]) -> Json:
    """Return the schedule that the options describe; only what was said stands in it."""
    targets: list[Any] = []
    if options["command"] is not None:
        targets.append({"kind": "command", "shell": options["command"]})
    if options["http"]:
        targets.append({"kind": "http", "method": options["http"][0].upper(), "url": options["http"][1]})
    if options["target"] is not None:
        targets.append(parse_json(options["target"], "--target"))
    _only_one(len(targets) + (options["job_type"] is not None), WHATS, "what to run")
    args = options["args"]
    return _rule(options) | given(
        jobType=options["job_type"],
        target=targets[0] if targets else None,
        args=parse_json(args, "--args") if args is not None else None,
        queue=options["queue"],
        priority=parse_priority(options["priority"]),
        timeout=options["timeout"],
        maxAttempts=options["max_attempts"],
        overlap=options["overlap"],
        catchup=options["catchup"],
        jitter=options["jitter"],
        note=options["note"],
    )


def _rule(options: dict[str, Any]) -> Json:
    """Return when it is due, as far as the options say."""
    rule = given(**{name: options[name] for name in ("cron", "every", "at", "seconds")}, timezone=options["tz"])
    _only_one(len(rule.keys() & {"cron", "every", "at"}), WHENS, "when it is due")
    return rule


def _only_one(count: int, options: tuple[str, ...], what: str) -> None:
    if count > 1:
        raise click.UsageError(
            f"{', '.join(options[:-1])} and {options[-1]} exclude each other: give one to say {what}"
        )


def _require(body: Json, names: set[str], options: tuple[str, ...], what: str) -> None:
    if not body.keys() & names:
        raise click.UsageError(f"say {what}: {', '.join(options[:-1])} or {options[-1]}")


@click.group(cls=ClientGroup)
def schedules() -> None:
    """Look at schedules, add them, change them."""


@schedules.command("list", fields={"q": "--search"})
@click.option("-q", "--search", metavar="TEXT", help="With this text in the id or the job type.")
@json_option
@click.pass_context
def list_(ctx: click.Context, search: str | None, as_json: bool) -> None:
    """List the schedules."""
    with connect(ctx) as client:
        found = list(client.schedules(q=search))
    if as_json:
        print_json(found)
        return
    rows = [
        (one["id"], one["description"], _runs(one), status("paused") if one["paused"] else until(one["nextAt"]),
         ago(one["lastAt"]), one["owner"])
        for one in found
    ]  # fmt: skip
    empty = "No schedules.  Add one: rota schedules add hello --every 10m --command 'echo hello'"
    headers = ("ID", "WHEN", "RUNS", "NEXT", "LAST", "OWNER")
    table(headers, rows, empty="No schedule matches." if search else empty, wide=("WHEN", "RUNS"))


def _runs(schedule: Json) -> str:
    if schedule["jobType"]:
        return str(schedule["jobType"])
    target = schedule["target"] or {}
    if "shell" in target or "command" in target:
        return str(target.get("shell") or " ".join(target["command"]))
    if "url" in target or "service" in target:
        address = target.get("url") or f"{target['service']}:{target.get('path', '')}"
        return f"{target.get('method', 'POST')} {address}"
    return str(target.get("function") or target.get("kind"))


@schedules.command()
@click.argument("schedule_id", metavar="ID")
@json_option
@click.pass_context
def show(ctx: click.Context, schedule_id: str, as_json: bool) -> None:
    """Show a schedule and its last occurrences."""
    with connect(ctx) as client:
        one = client.schedule(schedule_id)
        last = [] if as_json else list(client.occurrences(schedule_id, limit=5))
    if as_json:
        print_json(one)
        return
    zone = one["timezone"]
    details(
        [
            ("schedule", one["id"]),
            ("when", one["description"]),
            ("runs", _runs(one)),
            ("arguments", compact_json(one["args"])),
            ("paused", _paused(one)),
            ("next", f"{local(one['nextAt'], zone)} ({until(one['nextAt'])})" if one["nextAt"] else "never again"),
            ("last", f"{local(one['lastAt'], zone)} ({ago(one['lastAt'])})" if one["lastAt"] else None),
            ("overlap", one["overlap"]),
            ("catch-up", one["catchup"]),
            ("jitter", one["jitter"]),
            ("owner", f"{one['owner']}, version {one['version']}"),
            ("note", one["note"]),
        ]
    )
    if last:
        click.echo()
        _print_occurrences(last, zone)


def _paused(schedule: Json) -> str | None:
    if not schedule["paused"]:
        return None
    note = f": {schedule['pausedNote']}" if schedule["pausedNote"] else ""
    end = f", until {local(schedule['resumeAt'], schedule['timezone'])}" if schedule["resumeAt"] else ""
    return f"by {schedule['pausedBy'] or 'somebody'} {ago(schedule['pausedAt'])}{end}{note}"


def _print_occurrences(found: list[Json], zone: str | None) -> None:
    rows = []
    for one in found:
        if "scheduledFor" in one:
            due = local(one["scheduledFor"], zone)
        else:
            due = f"{local(one['from'], zone)} … {local(one['to'], zone)} ({one['count']})"
        rows.append((due, status(one["disposition"]), one["jobId"], one["reason"]))
    table(("DUE", "DISPOSITION", "JOB", "REASON"), rows, empty="Nothing was due yet.", wide=("REASON",))


@schedules.command()
@click.argument("schedule_id", metavar="ID")
@click.option("--limit", type=WholeNumber(1), default=20, show_default=True, metavar="N", help="At most so many.")
@json_option
@click.pass_context
def history(ctx: click.Context, schedule_id: str, limit: int, as_json: bool) -> None:
    """Show what became of each due instant, the latest first."""
    with connect(ctx) as client:
        found = list(client.occurrences(schedule_id, limit=limit))
        zone = None if as_json or not found else _zone(client, schedule_id)
    print_json(found) if as_json else _print_occurrences(found, zone)


def _zone(client: Client, schedule_id: str) -> str | None:
    """Return the zone of a schedule; None where only its history is left."""
    try:
        return str(client.schedule(schedule_id)["timezone"])
    except NotFound:
        return None


@schedules.command(fields=FIELDS)
@click.argument("schedule_id", metavar="ID")
@_options(RULE, JOB)
@click.option("--paused", is_flag=True, help="Begin paused.")
@json_option
@click.pass_context
def add(ctx: click.Context, /, schedule_id: str, paused: bool, as_json: bool, **options: Any) -> None:
    """Add a schedule: when (--cron, --every, --at) and what (--command, --http, --type)."""
    body = _body(options) | ({"paused": True} if paused else {})
    _require(body, {"cron", "every", "at"}, WHENS, "when it is due")
    _require(body, {"target", "jobType"}, WHATS, "what to run")
    with connect(ctx, makes_database=True) as client:
        client.preview(_preview_of(body, schedule_id, 1))  # what is wrong with the rule comes first
        try:
            client.schedule(schedule_id)
        except NotFound:
            made = client.put_schedule(schedule_id, body)
        else:
            raise Conflict(f"there is a schedule {schedule_id} already", hint=f"rota schedules edit {schedule_id} …")
        _print_made(client, made, as_json=as_json)


def _preview_of(schedule: Json, schedule_id: str, count: int) -> Json:
    names = ("cron", "every", "at", "seconds", "dayMatch", "timezone", "startAt", "endAt")
    rule = {name: schedule[name] for name in names if schedule.get(name) is not None}
    return {**rule, "id": schedule_id, "count": count}


def _next_of(client: Client, schedule: Json, count: int) -> tuple[list[str], list[str]]:
    """Return the next instants of a stored schedule, and warnings; an interval counts from its next instant."""
    asked = _preview_of(schedule, schedule["id"], count)
    first = schedule["nextAt"] if schedule["every"] is not None else None
    if first is not None:
        asked |= {"startAt": first, "count": count - 1}
    answer = client.preview(asked)
    return [*([first] if first else []), *answer["instants"]], answer["warnings"]


def _print_made(client: Client, made: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    click.echo(f"{made['id']}: {safe_line(made['description'] or '')}")
    found, warnings = _next_of(client, made, 3)
    instants(found, made["timezone"])
    notes(warnings)


@schedules.command(fields=FIELDS)
@click.argument("schedule_id", metavar="ID")
@_options(RULE, JOB)
@json_option
@click.pass_context
def edit(ctx: click.Context, /, schedule_id: str, as_json: bool, **options: Any) -> None:
    """Change what is named; everything else stays.  An edit is a new version."""
    changes = _body(options)
    if not changes:
        raise click.UsageError("say what to change, for example --cron '0 9 * * *'")
    with connect(ctx) as client:
        old = client.schedule(schedule_id)
        if old["owner"] != "api":
            notes([f"this schedule is kept by {old['owner']}: its next start may set it back"])
        kept = {name: old[name] for name in EDITABLE if old.get(name) not in (None, [])}
        if changes.keys() & {"cron", "every", "at"}:
            kept = {name: value for name, value in kept.items() if name not in ("cron", "every", "at", "seconds")}
        if changes.keys() & {"target", "jobType"}:
            kept = {name: value for name, value in kept.items() if name not in ("target", "jobType")}
        _print_made(client, client.put_schedule(schedule_id, {**kept, **changes}), as_json=as_json)


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
@click.option("--note", metavar="TEXT", help="Why.")
@click.option("--until", "end", metavar="TIME", help="Resume by itself at this time.")
@click.pass_context
def pause(ctx: click.Context, schedule_id: str, note: str | None, end: str | None) -> None:
    """Pause a schedule: its instants are accounted for as paused."""
    with connect(ctx) as client:
        one = client.pause_schedule(schedule_id, note=note, until=end)
    click.echo(f"{schedule_id} paused" + (f" until {local(one['resumeAt'], one['timezone'])}" if end else ""))


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
    print_json(job) if as_json else click.echo(job["jobId"])


@schedules.command(fields=FIELDS)
@_options(RULE)
@click.option("--after", metavar="TIME", help="Strictly after this time (now).")
@click.option("--id", "schedule_id", metavar="ID", help="Id of the schedule: `H` is computed from it.")
@click.option("-n", "--count", type=WholeNumber(1, 1000), default=10, show_default=True, metavar="N", help="How many.")
@json_option
@click.pass_context
def preview(
    ctx: click.Context, /, after: str | None, schedule_id: str | None, count: int, as_json: bool, **options: Any
) -> None:
    """Show the next instants of a rule; nothing is stored."""
    rule = _rule(options)
    _require(rule, {"cron", "every", "at"}, WHENS, "when it is due")
    with connect(ctx) as client:
        answer = client.preview({**rule, "count": count, **given(after=after, id=schedule_id)})
    if as_json:
        print_json(answer)
        return
    click.echo(answer["description"])
    instants(answer["instants"], options["tz"])
    notes(answer["warnings"])


schedules.add_command(forecast)
schedules.add_command(why)
