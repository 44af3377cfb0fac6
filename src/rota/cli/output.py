"""What commands print: aligned tables, statuses with a symbol, times as people say them; JSON for programs."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

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
}
_SGR = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)|\x1b.|[\x00-\x08\x0b-\x1f\x7f-\x9f]", re.DOTALL
)


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def status(text: str) -> str:
    """Return a status with its symbol, coloured on a terminal."""
    symbol, colour = SYMBOLS.get(text, ("·", "white"))
    return click.style(f"{symbol} {text}", fg=colour)


def ago(text: str | None, now: datetime | None = None) -> str:
    """Return a time as a person says it: ``3 min ago``, ``in 2 h``."""
    if text is None:
        return "—"
    seconds = (parse_time(text) - (now or datetime.now(UTC))).total_seconds()
    amount = _amount(abs(seconds))
    if amount == "now":
        return "now"
    return f"in {amount}" if seconds > 0 else f"{amount} ago"


def _amount(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "now"


def parse_time(text: str) -> datetime:
    """Return a time of the API."""
    return datetime.fromisoformat(text)


def local(text: str | None) -> str:
    """Return a time in the zone of this machine."""
    return "—" if text is None else parse_time(text).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def milliseconds(value: int | None) -> str:
    """Return a duration given in milliseconds: ``12 ms``, ``3.4 s``, ``2 min 5 s``."""
    if value is None:
        return "—"
    if value < 1000:
        return f"{value} ms"
    if value < 60_000:
        return f"{value / 1000:.1f} s"
    minutes, rest = divmod(value // 1000, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """Print aligned columns; ``empty`` says how to begin where there is nothing."""
    texts = [[safe("—" if cell is None else str(cell)) for cell in row] for row in rows]
    if not texts:
        click.echo(empty)
        return
    widths = [max(width(header), *(width(row[place]) for row in texts)) for place, header in enumerate(headers)]
    click.echo(_line([click.style(header, bold=True) for header in headers], widths))
    for row in texts:
        click.echo(_line(row, widths))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (size - width(cell)) for cell, size in zip(cells, widths, strict=True)]
    return "  ".join(padded).rstrip()


def details(pairs: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, one a line; what is None is left out."""
    shown = [(name, safe(str(value))) for name, value in pairs if value is not None]
    size = max((width(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{click.style(name.ljust(size), bold=True)}  {value}")


def width(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    plain = _SGR.sub("", text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in plain
    )


def safe(text: str) -> str:
    """Return a text without control sequences other than colours, and without line breaks."""
    return job_output(text.replace("\n", " ").replace("\t", " "))


def job_output(text: str) -> str:
    """Return a line of a job as a terminal may see it: colour codes pass, everything else that controls it does not."""
    parts: list[str] = []
    end = 0
    for match in _CONTROL.finditer(text):
        parts.append(text[end : match.start()])
        if _SGR.fullmatch(match[0]):
            parts.append(match[0])
        end = match.end()
    parts.append(text[end:])
    found = "".join(parts)
    return found + "\x1b[0m" if "\x1b[" in found and not found.endswith("\x1b[0m") else found


def print_line(line: dict[str, Any], *, by_stream: bool = False) -> None:
    """Print a log line; with ``by_stream`` what a command wrote to stderr goes to stderr."""
    to_stderr = by_stream and line["stream"] in ("stderr", "system")
    stream = sys.stderr if to_stderr else sys.stdout
    text = job_output(line["text"]) if stream.isatty() else line["text"]
    if line["stream"] == "system":
        text = click.style(text, dim=True)
    click.echo(text, file=stream)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; without a terminal ``--yes`` is needed."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Say so with --yes.")
    click.confirm(question, abort=True)
