"""``rota schedules``: look at schedules, add them, pause them, run them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rota.cli.command import ClientGroup, WholeNumber
from rota.cli.connection import connect
from rota.cli.forecast import forecast
from rota.cli.options import future, given, json_option, yes_option
from rota.cli.output import ago, confirm, instants, local, notes, print_json, status, table, until
from rota.cli.schedule_edit import edit
from rota.cli.schedule_live import go_live, parity
from rota.cli.schedule_options import (
    FIELDS,
    JOB,
    POLICY,
    RULE,
    WHAT,
    WHATS,
    WHEN_FIELDS,
    WHENS,
    add_options,
    body,
    preview_of,
    require,
    rule,
)
from rota.cli.schedule_past import backfill, history, rollback, versions
from rota.cli.schedule_view import owner, print_occurrences, print_saved, print_schedule, what_runs
from rota.cli.schedule_why import why
from rota.errors import Conflict, NotFound

if TYPE_CHECKING:
    from rota.client import Json


@click.group(cls=ClientGroup)
def schedules() -> None:
    """Look at schedules, add them, change them."""


@schedules.command("list", fields={"q": "--search"})
@click.option("-q", "--search", metavar="TEXT", help="With this text in the id or the job type.")
@click.option("--owner", type=click.Choice(["code", "file", "api"]), help="Declared there.")
@click.option("--tag", metavar="TAG", help="With this tag.")
@click.option("--type", metavar="TYPE", help="Of this job type.")
@click.option("--queue", metavar="Q", help="That name this queue.")
@click.option("--paused/--not-paused", default=None, help="Only the paused ones, or only the others.")
@click.option("--shadow/--live", default=None, help="Only those in the shadow, or only the others.")
@json_option
@click.pass_context
def list_(ctx: click.Context, /, search: str | None, as_json: bool, **options: Any) -> None:
    """List the schedules."""
    for name in ("paused", "shadow"):
        options[name] = None if options[name] is None else str(options[name]).lower()
    wanted = given(q=search, **options)
    with connect(ctx) as client:
        found = list(client.schedules(**wanted))
    if as_json:
        print_json(found)
        return
    rows = [
        (one["id"], one["description"], what_runs(one), _next(one), ago(one["lastAt"]), owner(one))
        for one in found
    ]  # fmt: skip
    empty = "No schedules.  Add one: rota schedules add hello --every 10m --command 'echo hello'"
    headers = ("ID", "WHEN", "RUNS", "NEXT", "LAST", "OWNER")
    table(headers, rows, empty="No schedule matches." if wanted else empty, wide=("WHEN", "RUNS"))


def _next(one: Json) -> str:
    if one["paused"]:
        return status("paused")
    return "shadow" if one["shadow"] else until(one["nextAt"])


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
    print_schedule(one)
    if last:
        click.echo()
        print_occurrences(last, one["timezone"])


@schedules.command(fields=FIELDS)
@click.argument("schedule_id", metavar="ID")
@add_options(RULE, WHAT, POLICY, JOB)
@click.option("--paused", is_flag=True, help="Begin paused.")
@json_option
@click.pass_context
def add(ctx: click.Context, /, schedule_id: str, paused: bool, as_json: bool, **options: Any) -> None:
    """Add a schedule: when (--cron, --every, --at) and what (--command, --http, --type)."""
    said = body(options) | ({"paused": True} if paused else {})
    require(said, WHEN_FIELDS, WHENS, "when it is due")
    require(said, {"target", "jobType"}, WHATS, "what to run")
    with connect(ctx, makes_database=True) as client:
        client.preview(preview_of(said, schedule_id, 1))  # what is wrong with the rule comes first
        try:
            client.schedule(schedule_id)
        except NotFound:
            made = client.put_schedule(schedule_id, said)
        else:
            raise Conflict(f"there is a schedule {schedule_id} already", hint=f"rota schedules edit {schedule_id} …")
        print_saved(client, made, as_json=as_json)


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
@click.option("--until", "end", metavar="TIME", help="Resume by itself then: 2026-11-21T09:00:00Z, or 2h from now.")
@click.pass_context
def pause(ctx: click.Context, schedule_id: str, note: str | None, end: str | None) -> None:
    """Pause a schedule: its instants are accounted for as paused."""
    with connect(ctx) as client:
        one = client.pause_schedule(schedule_id, note=note, until=future(end, "--until"))
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
    if as_json:
        print_json(job)
        return
    click.echo(job["jobId"])
    notes(cause["text"] for cause in job["why"]["causes"] if cause["code"] == "turn")


@schedules.command(fields=FIELDS)
@add_options(RULE)
@click.option("--after", metavar="TIME", help="Strictly after this time (now).")
@click.option("--id", "schedule_id", metavar="ID", help="Id of the schedule: `H` is computed from it.")
@click.option("-n", "--count", type=WholeNumber(1, 1000), default=10, show_default=True, metavar="N", help="How many.")
@json_option
@click.pass_context
def preview(
    ctx: click.Context, /, after: str | None, schedule_id: str | None, count: int, as_json: bool, **options: Any
) -> None:
    """Show the next instants of a rule; nothing is stored."""
    said = rule(options)
    require(said, WHEN_FIELDS, WHENS, "when it is due")
    with connect(ctx) as client:
        answer = client.preview({**said, "count": count, **given(after=after, id=schedule_id)})
    if as_json:
        print_json(answer)
        return
    click.echo(answer["description"])
    instants(answer["instants"], options["tz"])
    notes(answer["warnings"])


for _command in (edit, history, versions, rollback, backfill, forecast, why, parity, go_live):
    schedules.add_command(_command)
_ORDER = (
    "list", "show", "add", "edit", "remove", "pause", "resume", "trigger", "preview", "history", "why",
    "forecast", "versions", "rollback", "backfill", "parity", "go-live",
)  # fmt: skip
schedules.commands = {name: schedules.commands[name] for name in _ORDER}
