"""``rota stats``: what ended of late, how long it waited and how long it ran."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from rota.cli.command import ClientCommand
from rota.cli.connection import connect
from rota.cli.options import json_option
from rota.cli.output import milliseconds, print_json, table

if TYPE_CHECKING:
    from rota.client import Json

WINDOWS = ("1h", "6h", "24h", "7d", "30d")
BARS = "▁▂▃▄▅▆▇█"
STRIP = 24
"""So many bars a window has."""
HEADERS = ("COMPLETED", "FAILED", "CANCELLED", "RETRIED", "WAIT P50", "P99", "RUN P50", "P99", "ENDS")


@click.command(cls=ClientCommand)
@click.option("--window", type=click.Choice(WINDOWS), default="24h", show_default=True, help="How long, up to now.")
@click.option("--by", type=click.Choice(("queue", "type")), help="A line for each queue or job type.")
@click.option("--queue", metavar="QUEUE", help="Only of this queue.")
@click.option("--type", "type_", metavar="TYPE", help="Only of this job type.")
@json_option
@click.pass_context
def stats(ctx: click.Context, window: str, by: str | None, queue: str | None, type_: str | None, as_json: bool) -> None:
    """See what ended of late, and how long it waited and ran.

    The figures are 5 to 10 seconds old. Retried are attempts that failed and after which the job waited for the next.
    The bars are what completed or failed, from the beginning of the window to now.
    """
    with connect(ctx) as client:
        found = client.stats_series(window, by=by, queue=queue, type=type_)
    if as_json:
        print_json(found)
        return
    groups = sorted(found["groups"], key=lambda group: -_ends(group["totals"]))
    rows = [(group["name"] or ("(none)" if by else "all"), *_row(group)) for group in groups]
    table(
        ((by or "").upper(), *HEADERS), rows, empty=f"Nothing ended in the last {window}.",
        wide=((by or "").upper(),),
    )  # fmt: skip


def _row(group: Json) -> tuple[str, ...]:
    totals = group["totals"]
    counts = [f"{totals[name]:,}" for name in ("completed", "failed", "cancelled", "retried")]
    if totals["failed"]:
        counts[1] = click.style(counts[1], fg="red")
    return (*counts, *_durations(totals["waitingMs"]), *_durations(totals["runningMs"]), strip(group["points"]))


def _durations(spread: Json | None) -> tuple[str, str]:
    if spread is None:
        return "—", "—"
    return milliseconds(round(spread["p50"])), milliseconds(round(spread["p99"]))


def _ends(point: Json) -> int:
    return int(point["completed"] + point["failed"])


def strip(points: Sequence[Json]) -> str:
    """Return a bar for each part of the window; one without an end is a space."""
    size = max(1, -(-len(points) // STRIP))
    sums = [sum(map(_ends, points[first : first + size])) for first in range(0, len(points), size)]
    most = max(sums, default=0)
    return "".join(BARS[(count * len(BARS) - 1) // most] if count else " " for count in sums)
