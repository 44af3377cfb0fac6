"""``rota schedules go-live`` and ``parity``: compare what only observes with the old system, then switch over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rota.cli.command import ClientCommand
from rota.cli.connection import connect
from rota.cli.options import json_option, past, read_file, timestamp, yes_option
from rota.cli.output import confirm, local, notes, plural, print_json, table
from rota.cli.terminal import safe_line
from rota.durations import parse_duration
from rota.errors import Conflict, Invalid
from rota.importers import parity as comparing
from rota.importers.parity import Kept, Log, Parity
from rota.importers.pinged import began, check_of, compared

if TYPE_CHECKING:
    from rota.client import Client, Json

MOST_SHOWN = 5
DIFFERENT = 1
"""Exit code where the two systems differ."""


@click.command("go-live", cls=ClientCommand)
@click.argument("ids", metavar="[ID]…", nargs=-1)
@click.option("--all-matching", metavar="TEXT", help="All in the shadow with this text in the id; '' for all of them.")
@click.option("--source", metavar="NAME", help="Of these, or of all, those that this source declared.")
@yes_option
@json_option
@click.pass_context
def go_live(
    ctx: click.Context, ids: tuple[str, ...], all_matching: str | None, source: str | None, yes: bool, as_json: bool
) -> None:
    """End the shadow of schedules: from now on their instants make jobs.

    Stop them in the old system first. What was due before does not run.
    """
    if bool(ids) == (all_matching is not None or source is not None):
        raise click.UsageError("name schedules, or --all-matching TEXT or --source NAME")
    with connect(ctx) as client:
        found = [client.schedule(one) for one in ids] if ids else _in_shadow(client, all_matching or "", source)
        dark = [str(one["id"]) for one in found if one["shadow"]]
        if dark:
            confirm(f"Let {plural(len(dark), 'schedule')} run from now on ({', '.join(dark[:3])} …)?", yes=yes)
        done = [client.go_live(one) for one in dark]
    if as_json:
        print_json(done)
        return
    for one in done:
        click.echo(f"{one['id']} is live, next at {local(one['nextAt'], one['timezone'])}")
    if not done:
        click.echo("No schedule in the shadow matches." if not ids else "They are live already.")


def _in_shadow(client: Client, text: str, source: str | None) -> list[Json]:
    return [
        dict(one)
        for one in client.schedules(shadow="true")
        if text in one["id"] and (source is None or one["source"] == source)
    ]


@click.command(cls=ClientCommand)
@click.argument("log", metavar="[LOG]", required=False)
@click.option("--pings", is_flag=True, help="Instead of a log: what checks with the ids of the schedules were told.")
@click.option("--from", "start", metavar="TIME", help="Compare from then on: a time, or so long ago (the log's first).")
@click.option("--to", "end", metavar="TIME", help="Up to then (the log's last; now with --pings).")
@click.option("--tolerance", default="60s", show_default=True, metavar="T", help="So far apart is still the same run.")
@click.option("--tz", default="UTC", show_default=True, metavar="ZONE", help="Zone of times in the log that say none.")
@click.option("--source", metavar="NAME", help="Only schedules that this source declared.")
@json_option
@click.pass_context
def parity(
    ctx: click.Context,
    log: str | None,
    pings: bool,
    start: str | None,
    end: str | None,
    tolerance: str,
    tz: str,
    source: str | None,
    as_json: bool,
) -> None:
    """Compare what schedules in the shadow would have run with what the old system ran.

    LOG is cron's part of syslog, or CSV or JSON lines with a name (an id or a command) and a time. With --pings it is
    what the jobs tell themselves: see `rota ping`. The exit code is 1 where the two differ.
    """
    if (log is None) != pings:
        raise click.UsageError("name the LOG of the old system, or say --pings")
    slack = parse_duration(tolerance, "--tolerance")
    first = _instant(past(start, "--from"), "--from")
    last = _instant(past(end or (tolerance if pings else None), "--to"), "--to")  # a run of now is told later
    if log is None:
        with connect(ctx) as client:
            found = _by_pings(client, source, first, last or 0, slack)
    else:
        found = _by_log(ctx, comparing.read_log(read_file(log, "LOG"), tz), source, (first, last), slack)
    print_json(comparing.document(found)) if as_json else _print(found)
    ctx.exit(0 if found.alike else DIFFERENT)


def _by_log(
    ctx: click.Context, ran: Log, source: str | None, bounds: tuple[int | None, int | None], slack: int
) -> Parity:
    if not ran.runs:
        raise Invalid("LOG", "tells of no run", hint="a line of cron's log, or CSV or JSON lines with name and time")
    first, last = comparing.reach([one.at for one in ran.runs], slack)
    first = bounds[0] if bounds[0] is not None else first
    last = bounds[1] if bounds[1] is not None else last
    with connect(ctx) as client:
        kept = [_kept(client, one, first - slack) for one in _dark(client, source)]
    return comparing.compare(kept, ran, first, last, slack)


def _by_pings(client: Client, source: str | None, first: int | None, last: int, slack: int) -> Parity:
    checks, told, silent = list(client.checks()), [], []
    for one in _dark(client, source):
        check = check_of(one, checks)
        runs = began(reversed(list(client.check_pings(check)))) if check is not None else []
        if runs:
            told.append((_kept(client, one, (first if first is not None else min(runs) - slack) - slack), runs))
        else:
            silent.append(str(one["id"]))
    if not told:
        hint = "rota checks add ID …, and rota ping KEY -- before the old command"
        raise Conflict("no check with the id of a schedule in the shadow has been pinged", hint=hint)
    found = compared(told, first, last, slack)
    found.unwatched = silent
    return found


def _dark(client: Client, source: str | None) -> list[Json]:
    found = _in_shadow(client, "", source)
    if not found:
        raise Conflict("no schedule is in the shadow", hint="rota import … --shadow")
    return found


def _instant(text: str | None, field: str) -> int | None:
    return comparing.instant(text, field) if text is not None else None


def _kept(client: Client, one: Json, first: int) -> Kept:
    """Return a schedule with what became of its instants since ``first``."""
    occurrences: list[dict[str, Any]] = []
    for each in client.occurrences(one["id"]):
        occurrences.append(dict(each))
        if comparing.instant(each.get("to") or each.get("scheduledFor") or "", "occurrence") < first:
            break
    return Kept(schedule=one, occurrences=occurrences)


def _print(found: Parity) -> None:
    rows = [
        (one.id, one.matched, len(one.missing) or "—", len(one.extra) or "—", "yes" if one.alike else "no")
        for one in found.schedules
    ]
    table(("SCHEDULE", "MATCHED", "MISSING", "EXTRA", "ALIKE"), rows, empty="No schedule is in the shadow.")
    for one in found.schedules:
        for what, times in (("the old system ran it, Rota would not", one.missing),
                            ("Rota would run it, the old system did not", one.extra)):  # fmt: skip
            told = ", ".join(timestamp(at) for at in times[:MOST_SHOWN])
            more = f" and {len(times) - MOST_SHOWN} more" if len(times) > MOST_SHOWN else ""
            if times:
                click.echo(safe_line(f"{one.id}: {what}: {told}{more}"))
    if found.unknown:
        shown = ", ".join(f"{name} ({count})" for name, count in list(found.unknown.items())[:MOST_SHOWN])
        notes([safe_line(f"the log has runs of no schedule in the shadow: {shown}")])
    if found.unwatched:
        notes(
            [safe_line(f"no pings tell of {', '.join(found.unwatched[:MOST_SHOWN])}: {len(found.unwatched)} left out")]
        )
    for line, reason in found.refused[:MOST_SHOWN]:
        notes([f"line {line} of the log: {reason}"])
    compared = f"{timestamp(found.first)} to {timestamp(found.last)}"
    click.echo(f"compared {compared}: {'alike' if found.alike else 'different'}")
