"""What commands print: aligned tables, statuses with a symbol, times as people say them; JSON for programs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, TextIO

import click
import msgspec

from rota.cli.terminal import cut, safe, safe_line, width

SYMBOLS = {
    "scheduled": ("◷", "cyan"),
    "pending": ("…", "yellow"),
    "running": ("▶", "blue"),
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("⊘", "bright_black"),
    "fired": ("✓", "green"),
    "caughtUp": ("↻", "green"),
    "skipped": ("↷", "yellow"),
    "paused": ("‖", "yellow"),
    "coalesced": ("⤵", "cyan"),
    "missed": ("✗", "red"),
    "blackout": ("■", "bright_black"),
    "draining": ("▽", "yellow"),
    "stopped": ("■", "bright_black"),
    "lost": ("✗", "red"),
    "up": ("✓", "green"),
    "started": ("▶", "blue"),
    "late": ("◷", "yellow"),
    "down": ("✗", "red"),
}
NARROWEST = 12
"""To this width a column of a table may be cut where the terminal is narrow."""


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def compact_json(value: Any) -> str | None:
    """Return a value as JSON on one line; None where there is nothing to show."""
    return None if value is None or value in ({}, []) else msgspec.json.encode(value).decode()


def status(text: str) -> str:
    """Return a status with its symbol, coloured on a terminal."""
    symbol, colour = SYMBOLS.get(text, ("·", "white"))
    return click.style(f"{symbol} {text}", fg=colour)


def mark(ok: bool) -> str:
    """Return a tick or a cross."""
    return click.style("✓", fg="green") if ok else click.style("✗", fg="red")


def plural(count: int, noun: str) -> str:
    """Return ``1 job``, ``2 jobs``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def ago(text: str | None, now: datetime | None = None) -> str:
    """Return a time as a person says it: ``3 min ago``, ``in 2 h``."""
    if text is None:
        return "—"
    seconds = (parse_time(text) - (now or datetime.now(UTC))).total_seconds()
    amount = _amount(abs(seconds))
    if amount == "now":
        return "now"
    return f"in {amount}" if seconds > 0 else f"{amount} ago"


def until(text: str | None, now: datetime | None = None) -> str:
    """Return when something is due; what should have happened already is late."""
    if text is None:
        return "—"
    seconds = (parse_time(text) - (now or datetime.now(UTC))).total_seconds()
    if seconds > -2:
        return ago(text, now)
    return click.style(f"late {_amount(-seconds)}", fg="yellow")


def _amount(seconds: float) -> str:
    """Return a duration in one rounded number, exact enough to act on: below 2 of a unit the smaller one is used."""
    for size, unit, least in ((86_400, "d", 2), (3600, "h", 2), (60, "min", 2), (1, "s", 1)):
        if seconds / size > least - 0.01:
            return f"{round(seconds / size)} {unit}"
    return "now"


def parse_time(text: str) -> datetime:
    """Return a time of the API."""
    return datetime.fromisoformat(text)


def local(text: str | None, zone: str | None = None) -> str:
    """Return a time in a zone, by default that of this machine."""
    if text is None:
        return "—"
    at = parse_time(text).astimezone(_zone(zone) if zone else None)
    return f"{at.isoformat(' ', 'seconds')[:19]} {at:%Z}"


def _zone(name: str) -> tzinfo:
    from rota.timetable import zone

    return zone(name)


def milliseconds(value: int | None) -> str:
    """Return a duration given in milliseconds: ``12 ms``, ``3.4 s``, ``2 min 5 s``."""
    if value is None:
        return "—"
    if value < 1000:
        return f"{value} ms"
    if value < 59_950:
        return f"{value / 1000:.1f} s"
    minutes, rest = divmod(round(value / 1000), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str, wide: Sequence[str] = ()) -> None:
    """Print aligned columns; ``empty`` says how to begin where there is nothing.

    On a terminal that is too narrow the columns named in ``wide`` are cut; anywhere else all is printed.
    """
    texts = [[safe_line("—" if cell is None or cell == "" else str(cell)) for cell in row] for row in rows]
    if not texts:
        click.echo(empty)
        return
    widths = [max(width(header), *(width(row[place]) for row in texts)) for place, header in enumerate(headers)]
    if sys.stdout.isatty():
        _narrow(widths, [headers.index(name) for name in wide], shutil.get_terminal_size().columns)
    click.echo(_line([click.style(header, bold=True) for header in headers], widths))
    for row in texts:
        click.echo(_line(row, widths))


def _narrow(widths: list[int], places: Sequence[int], columns: int) -> None:
    """Take from the widest of the columns that may be cut, until the table fits."""
    excess = sum(widths) + 2 * (len(widths) - 1) - columns
    while excess > 0 and places:
        widest = max(places, key=widths.__getitem__)
        if widths[widest] <= NARROWEST:
            return
        widths[widest] -= 1
        excess -= 1


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    fitting = [cut(cell, size) for cell, size in zip(cells, widths, strict=True)]
    padded = [cell + " " * (size - width(cell)) for cell, size in zip(fitting, widths, strict=True)]
    return "  ".join(padded).rstrip()


def details(pairs: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, one a line; what is None is left out."""
    shown = [(name, safe_line(str(value))) for name, value in pairs if value is not None]
    size = max((width(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{click.style(name.ljust(size), bold=True)}  {value}")


def instants(found: Sequence[str], zone: str | None) -> None:
    """Print instants, in their zone and in UTC where that is another."""
    for text in found:
        here = parse_time(text).astimezone(_zone(zone or "UTC"))
        in_utc = "" if here.tzname() == "UTC" else f"   {parse_time(text):%Y-%m-%d %H:%M:%S} UTC"
        click.echo(f"  {here:%a %Y-%m-%d %H:%M:%S %Z}{in_utc}   {ago(text)}")
    if not found:
        click.echo("  never")


def notes(warnings: Iterable[str]) -> None:
    """Print what a user should know beside the answer."""
    for warning in warnings:
        click.echo(click.style(f"note: {warning}", fg="yellow"), err=True)


def print_text(text: str, *, stream: TextIO, dim: bool = False) -> None:
    """Print a line of a job: on a terminal what may be harmless there, elsewhere as it is."""
    if not stream.isatty():
        click.echo(text, file=stream, color=True)  # with its colours: the reader may be a program that wants them
        return
    text = safe(text)
    click.echo(click.style(text, dim=True) if dim else text, file=stream)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; without a terminal ``--yes`` is needed."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Say so with --yes")
    if not click.confirm(question):
        click.echo("Nothing was changed.", err=True)
        raise SystemExit(1)
