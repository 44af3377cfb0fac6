"""``rota schedules history|versions|rollback|backfill``: what was, and back to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from rota.cli.command import ClientCommand, WholeNumber
from rota.cli.connection import connect
from rota.cli.options import json_option, past, timestamp, yes_option
from rota.cli.output import ago, confirm, instants, local, plural, print_json, status, table
from rota.cli.schedule_view import print_occurrences, print_saved, print_schedule
from rota.errors import NotFound

if TYPE_CHECKING:
    from rota.client import Client, Json

MOST_SHOWN = 10


@click.command(cls=ClientCommand)
@click.argument("schedule_id", metavar="ID")
@click.option("--limit", type=WholeNumber(1), default=20, show_default=True, metavar="N", help="At most so many.")
@json_option
@click.pass_context
def history(ctx: click.Context, schedule_id: str, limit: int, as_json: bool) -> None:
    """Show what became of each due instant, the latest first."""
    with connect(ctx) as client:
        found = list(client.occurrences(schedule_id, limit=limit))
        zone = None if as_json or not found else zone_of(client, schedule_id)
    print_json(found) if as_json else print_occurrences(found, zone)


def zone_of(client: Client, schedule_id: str) -> str | None:
    """Return the zone of a schedule; None where only its history is left."""
    try:
        return str(client.schedule(schedule_id)["timezone"])
    except NotFound:
        return None


@click.command(cls=ClientCommand)
@click.argument("schedule_id", metavar="ID")
@click.argument("version", required=False, type=WholeNumber(1), metavar="[N]")
@click.option("--limit", type=WholeNumber(1), default=20, show_default=True, metavar="N", help="At most so many.")
@json_option
@click.pass_context
def versions(ctx: click.Context, schedule_id: str, version: int | None, limit: int, as_json: bool) -> None:
    """Show what it was and who changed it, the latest version first; with N what it was in that version."""
    with connect(ctx) as client:
        if version is not None:
            found: Any = client.version(schedule_id, version)
        else:
            found = list(client.versions(schedule_id, limit=limit))
    if as_json:
        print_json(found)
    elif version is not None:
        _print_version(schedule_id, found)
    else:
        rows = [
            (one["version"], status(one["action"]), one["author"] or "—", local(one["at"]), _when(one), one["note"])
            for one in found
        ]
        table(("VERSION", "CHANGE", "BY", "SINCE", "WHEN", "NOTE"), rows, empty="There is none.", wide=("WHEN", "NOTE"))


def _when(version: Json) -> str | None:
    return str(version["schedule"]["description"]) if version["schedule"] else None


def _print_version(schedule_id: str, version: Json) -> None:
    by = f" by {version['author']}" if version["author"] else ""
    note = f": {version['note']}" if version["note"] else ""
    click.echo(f"version {version['version']}, {version['action']}{by} {ago(version['at'])}{note}")
    if version["schedule"] is None:
        return
    state = {"paused": False, "nextAt": None, "lastAt": None, "version": version["version"]}
    print_schedule({**version["schedule"], **state, "id": schedule_id})


@click.command(cls=ClientCommand)
@click.argument("schedule_id", metavar="ID")
@click.argument("version", type=WholeNumber(1), metavar="N")
@click.option("--take-over", is_flag=True, help="Make it yours, though code or a file keeps it.")
@yes_option
@json_option
@click.pass_context
def rollback(ctx: click.Context, schedule_id: str, version: int, take_over: bool, yes: bool, as_json: bool) -> None:
    """Make it again what it was in version N, as its next version; one that was removed comes back."""
    with connect(ctx) as client:
        wanted = client.version(schedule_id, version)
        when = f" ({_when(wanted)})" if wanted["schedule"] else ""
        confirm(f"Go back to version {version} of {schedule_id}{when}?", yes=yes)
        made = client.roll_back(schedule_id, version, take_over=take_over)
        print_saved(client, made, as_json=as_json)


@click.command(cls=ClientCommand)
@click.argument("schedule_id", metavar="ID")
@click.option("--from", "start", required=True, metavar="TIME", help="First instant: a time, or so long ago (2d).")
@click.option("--to", "end", metavar="TIME", help="Last instant (now).")
@click.option("--overlap", type=click.Choice(["queueAll", "allow"]), default="queueAll", show_default=True,
              help="One after the other, or all at once.")  # fmt: skip
@click.option(
    "--limit", type=WholeNumber(1, 1000), default=100, show_default=True, metavar="N", help="At most so many."
)
@click.option("--dry-run", is_flag=True, help="Only show which.")
@yes_option
@json_option
@click.pass_context
def backfill(
    ctx: click.Context,
    schedule_id: str,
    start: str,
    end: str | None,
    overlap: str,
    limit: int,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Run the instants of a range that made no job: missed, skipped, paused and the like.

    Each runs as the schedule was then.
    """
    first = past(start, "--from") or start
    last = past(end, "--to") or timestamp(_now())
    options: dict[str, Any] = {"overlap": overlap, "limit": limit}
    with connect(ctx) as client:
        found = client.backfill(schedule_id, first, last, dryRun=True, **options)
        if dry_run:
            print_json(found) if as_json else _print_found(found, zone_of(client, schedule_id))
            return
        if not as_json:
            _print_found(found, zone_of(client, schedule_id))
        if found["count"]:
            if found["count"] <= limit:
                confirm(f"Run {plural(found['count'], 'instant')} of {schedule_id}?", yes=yes)
            found = client.backfill(schedule_id, first, last, **options)
    if as_json:
        print_json(found)
    elif found["jobs"]:
        click.echo(f"{plural(len(found['jobs']), 'job')} enqueued")


def _now() -> int:
    return time.time_ns() // 1000


def _print_found(found: Json, zone: str | None) -> None:
    if not found["count"]:
        click.echo("No instant of that time made no job.")
        return
    click.echo(f"{plural(found['count'], 'instant')}:")
    instants(found["instants"][:MOST_SHOWN], zone)
    if found["count"] > MOST_SHOWN:
        click.echo(f"  … and {found['count'] - MOST_SHOWN} more")
