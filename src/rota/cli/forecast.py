"""``rota schedules forecast``: what will happen, hour by hour, and where it clashes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from rota.cli.command import ClientCommand, WholeNumber
from rota.cli.connection import connect
from rota.cli.options import given, json_option
from rota.cli.output import local, milliseconds, parse_time, plural, print_json, status, table, until
from rota.cli.terminal import safe_line

if TYPE_CHECKING:
    from rota.client import Json

HOURS = 24
DAY_HOURS = 24
BAR = 24
"""Columns of the longest bar."""
FINE = 30
"""Up to so many hours each has a line of its own."""
COARSE = 6
"""Else so many hours share one."""
MOST_SCHEDULES = 50
EIGHTHS = " ▏▎▍▌▋▊▉█"


@click.command(cls=ClientCommand, fields={"to": "--hours"})
@click.option("--hours", type=WholeNumber(1, 168), metavar="N", help="So many hours (24).")
@click.option("--days", type=WholeNumber(1, 7), metavar="N", help="So many days, up to 7.")
@click.option("--schedule", "schedule_id", metavar="ID", help="Only this schedule.")
@click.option("--queue", metavar="Q", help="Only schedules whose jobs are of this queue.")
@json_option
@click.pass_context
def forecast(
    ctx: click.Context,
    hours: int | None,
    days: int | None,
    schedule_id: str | None,
    queue: str | None,
    as_json: bool,
) -> None:
    """Show what will start in the next hours, the load it means, and where it clashes."""
    if hours is not None and days is not None:
        raise click.UsageError("--hours and --days exclude each other")
    length = hours if hours is not None else days * DAY_HOURS if days is not None else HOURS
    with connect(ctx) as client:
        found = client.forecast(hours=length, **given(schedule=schedule_id, queue=queue))
    if as_json:
        print_json(found)
        return
    live = [one for one in found["schedules"] if not one["shadow"]]
    dark = len(found["schedules"]) - len(live)
    more = f", and {dark} in the shadow, not counted" if dark else ""
    click.echo(
        f"{plural(found['starts'], 'start')} of {plural(len(live), 'schedule')} until {local(found['end'])}{more}\n"
    )
    if not found["schedules"]:
        click.echo("Nothing is due in this time.")
        return
    _print_hours(found)
    click.echo()
    _print_schedules(found["schedules"])
    _print_clashes(found)


def _print_hours(found: Json) -> None:
    """Print a bar for each hour, or for some hours together."""
    each = 1 if len(found["hours"]) <= FINE else COARSE
    groups = [found["hours"][place : place + each] for place in range(0, len(found["hours"]), each)]
    starts = [sum(hour["starts"] for hour in group) for group in groups]
    most = max(starts, default=0)
    rows = []
    for group, count in zip(groups, starts, strict=True):
        begin = parse_time(group[0]["begin"]).astimezone()
        rows.append((f"{begin:%a %H:%M}", _bar(count, most), f"{count:,}", _busiest(group)))
    table(("FROM", "", "STARTS", "JOBS AT ONCE"), rows, empty="")


def _bar(count: int, most: int) -> str:
    """Return a bar in proportion; whatever is more than nothing can be seen."""
    if not count:
        return ""
    eighths = max(1, round(count / most * BAR * 8))
    return click.style("█" * (eighths // 8) + EIGHTHS[eighths % 8].strip(), fg="cyan")


def _busiest(group: Sequence[Json]) -> str:
    """Say which queues have most to do: on average, and in the fullest second."""
    busy: dict[str, tuple[float, int]] = {}
    for hour in group:
        for queue, share in hour["queues"].items():
            average, peak = busy.get(queue, (0.0, 0))
            busy[queue] = (average + share["busy"] / len(group), max(peak, share["peak"]))
    shown = sorted(((name, *load) for name, load in busy.items() if load[1]), key=lambda one: (-one[2], one[0]))
    texts = [f"{name} {average:.1f}, up to {peak}" for name, average, peak in shown[:3]]
    return "; ".join(texts) + (" …" if len(shown) > len(texts) else "")


def _print_schedules(schedules: Sequence[Json]) -> None:
    rows = [
        (one["id"], one["queue"], f"{one['count']:,}", until(one["next"][0]) if one["next"] else "—", _takes(one),
         _remark(one))
        for one in schedules[:MOST_SCHEDULES]
    ]  # fmt: skip
    table(("SCHEDULE", "QUEUE", "STARTS", "NEXT", "TAKES", "NOTE"), rows, empty="", wide=("SCHEDULE", "NOTE"))
    if len(schedules) > MOST_SCHEDULES:
        click.echo(f"… and {plural(len(schedules) - MOST_SCHEDULES, 'schedule')} more: --json has all")


def _takes(one: Json) -> str | None:
    expected = one["expected"]
    if expected is None:
        return None
    usual, long = milliseconds(expected["p50Ms"]), milliseconds(expected["p90Ms"])
    return usual if usual == long else f"{usual} (10 %: over {long})"


def _remark(one: Json) -> str:
    parts = ["shadow: it only observes"] if one["shadow"] else []
    if one["paused"]:
        parts.append(status("paused") + (f" until {local(one['resumeAt'])}" if one["resumeAt"] else ""))
    closed: dict[str, int] = {}
    for each in one["blackouts"]:
        closed[each["calendar"]] = closed.get(each["calendar"], 0) + each["count"]
    parts += [f"{status('blackout')} {name}: {count:,}" for name, count in closed.items()]
    return ", ".join(parts)


def _print_clashes(found: Json) -> None:
    if found["clashes"]:
        click.echo()
    for clash in found["clashes"]:
        when = local(clash["at"]) if clash["kind"] != "overrun" else ""
        if clash.get("end"):
            when += f" to {local(clash['end'])}"
        line = f"{when}: {clash['text']}" if when else clash["text"]
        click.echo(f"{click.style('!', fg='yellow')} {safe_line(line)}")
    if not found["complete"]:
        click.echo(f"{click.style('!', fg='yellow')} there are more schedules than are looked at")
    for schedule_id in found["notUnderstood"]:
        click.echo(f"{click.style('!', fg='red')} {safe_line(schedule_id)}: its rule cannot be read any more")
