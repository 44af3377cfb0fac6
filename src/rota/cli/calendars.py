"""``rota calendars``: days off, and other times at which schedules do not fire."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec

from rota.cli.command import ClientGroup, WholeNumber
from rota.cli.connection import connect
from rota.cli.options import given, json_option, parse_json, read_file, yes_option
from rota.cli.output import ago, confirm, details, parse_time, print_json, table
from rota.client import Client, Json
from rota.errors import Invalid, NotFound
from rota.timetable import zone

SAID = ("dates", "ranges", "yearly", "weekdays", "country", "subdivision", "ics", "note")
"""What is sent of a calendar, among what is answered."""


@click.group(cls=ClientGroup)
def calendars() -> None:
    """Look at calendars, make them, import files."""


@calendars.command("list")
@json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the calendars in words."""
    with connect(ctx) as client:
        found = client.calendars()
    if as_json:
        print_json(found)
        return
    rows = [
        (one["name"], one["problem"] or one["description"], one["version"], one["author"], ago(one["updatedAt"]),
         one["note"])
        for one in found
    ]  # fmt: skip
    headers = ("CALENDAR", "COVERS", "VERSION", "BY", "CHANGED", "NOTE")
    empty = "No calendars.  Make one: rota calendars set days-off --weekday SAT --weekday SUN --country FR"
    table(headers, rows, empty=empty, wide=("COVERS", "NOTE"))


@calendars.command(fields={"name": "NAME", "timezone": "--tz"})
@click.argument("name", metavar="NAME")
@click.option("--tz", default="UTC", show_default=True, metavar="ZONE", help="Time zone whose days are meant.")
@click.option("-n", "--count", type=WholeNumber(0, 1000), default=10, show_default=True, metavar="N", help="How many.")
@click.option("--from", "first", metavar="TIME", help="From this time on (now).")
@click.option("--to", "until", metavar="TIME", help="Up to this time (a year later).")
@json_option
@click.pass_context
def show(
    ctx: click.Context, name: str, tz: str, count: int, first: str | None, until: str | None, as_json: bool
) -> None:
    """Show a calendar, and what it covers next."""
    with connect(ctx) as client:
        one = client.calendar(name)
        covered = client.calendar_dates(name, timezone=tz, first=first, until=until) if one["problem"] is None else None
    spans = covered["spans"][:count] if covered is not None else []
    if as_json:
        print_json({**one, "spans": spans})
        return
    details(
        (
            ("name", one["name"]),
            ("covers", one["description"]),
            ("problem", one["problem"]),
            ("note", one["note"]),
            ("version", f"{one['version']}, {ago(one['updatedAt'])} by {one['author'] or 'nobody known'}"),
        )
    )
    for span in spans:
        click.echo(f"  {_span(span, tz)}")
    if covered is not None and not covered["spans"]:
        click.echo("  nothing in this time")


@calendars.command("set", fields={"name": "NAME", "dates": "--date", "ranges": "--range", "weekdays": "--weekday"})
@click.argument("name", metavar="NAME")
@click.option("--date", "dates", multiple=True, metavar="DATE", help="A day: 2026-12-24.  May be given several times.")
@click.option(
    "--range", "ranges", multiple=True, metavar="FROM..TO",
    help="Days, both included, or times: 2026-08-01..2026-08-15.  May be given several times.",
)  # fmt: skip
@click.option("--yearly", multiple=True, metavar="MM-DD", help="A day of each year: 12-25.  Several times.")
@click.option("--weekday", "weekdays", multiple=True, metavar="DAY", help="SUN, MON … SAT.  Several times.")
@click.option("--country", metavar="CODE", help="Public holidays of a country: FR.")
@click.option("--subdivision", metavar="CODE", help="And of a part of it.")
@click.option("--note", metavar="TEXT", help="What it is for.")
@click.option("--document", metavar="JSON", help="All of it as JSON, or @FILE.")
@json_option
@click.pass_context
def set_(
    ctx: click.Context, /, name: str, ranges: tuple[str, ...], document: str | None, as_json: bool, **said: Any
) -> None:
    """Make a calendar, or say anew all that it covers."""
    body: Json = given(**said)
    if ranges:
        body = {**body, "ranges": [_range(text) for text in ranges]}
    if document is not None:
        if body:
            raise click.UsageError("--document says all of it: no other option goes with it")
        body = _document(document)
    elif not body.keys() - {"note"}:
        raise click.UsageError("say what it covers, for example --weekday SAT --weekday SUN --country FR")
    with connect(ctx, makes_database=True) as client:
        _tell(client.put_calendar(name, body), as_json)


@calendars.command("import", fields={"name": "--name", "ics": "FILE"})
@click.argument("file", metavar="FILE")
@click.option("--name", metavar="NAME", help="Of the calendar; that of the file, without its ending, if not given.")
@json_option
@click.pass_context
def import_(ctx: click.Context, file: str, name: str | None, as_json: bool) -> None:
    """Take the events of a calendar file (.ics) into a calendar; `-` reads standard input.

    What the calendar covers beside a file stays; the events of the file before go.
    """
    if name is None and file == "-":
        raise click.UsageError("say which calendar: --name NAME")
    text = read_file(file, "FILE").decode("utf-8", "replace")
    target = name or Path(file).stem
    with connect(ctx, makes_database=True) as client:
        _tell(client.put_calendar(target, {**_said(client, target), "ics": text}), as_json)


@calendars.command()
@click.argument("name", metavar="NAME")
@yes_option
@click.pass_context
def remove(ctx: click.Context, name: str, yes: bool) -> None:
    """Delete a calendar that no schedule names."""
    with connect(ctx) as client:
        client.calendar(name)
        confirm(f"Delete the calendar {name}?", yes=yes)
        client.delete_calendar(name)
    click.echo(f"{name} removed")


def _said(client: Client, name: str) -> Json:
    try:
        one: Json = client.calendar(name)
    except NotFound:
        return {}
    return {field: one[field] for field in SAID if one[field] not in (None, [])}


def _tell(made: Json, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    click.echo(f"{made['name']} covers {made['description']} (version {made['version']})")


def _document(text: str) -> Json:
    found = msgspec.json.decode(parse_json(text, "--document"))
    if not isinstance(found, dict):
        raise Invalid("--document", "is no object", hint='for example {"weekdays": ["SAT", "SUN"]}')
    return found


def _range(text: str) -> dict[str, str]:
    begin, dots, end = text.partition("..")
    if not dots:
        raise Invalid("--range", f"{text[:80]!r} is no range", hint="write FROM..TO, as in 2026-08-01..2026-08-15")
    return {"from": begin.strip(), "to": end.strip()}


def _span(span: Json, tz: str) -> str:
    """Say a time: by its days, where it begins and ends with one."""
    begin, end = (parse_time(span[name]).astimezone(zone(tz)) for name in ("from", "to"))
    if _is_midnight(begin) and _is_midnight(end):
        last = (end - timedelta(days=1)).date()
        return f"{begin:%a %Y-%m-%d}" + (f" to {last:%a %Y-%m-%d}" if last > begin.date() else "")
    return f"{begin:%a %Y-%m-%d %H:%M} to {end:%a %Y-%m-%d %H:%M %Z}"


def _is_midnight(moment: datetime) -> bool:
    return (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0)
