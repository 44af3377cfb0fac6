"""``rota next``: what a rule means, and when it is due; nothing but the timetable is asked."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click

from rota.cli.options import json_option
from rota.cli.output import print_json
from rota.timetable import parse_instant, parse_rule


@click.command("next")
@click.argument("expression", metavar="EXPR")
@click.option("--tz", default="UTC", show_default=True, metavar="ZONE", help="Time zone.")
@click.option("-n", "--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many instants.")
@click.option("--after", metavar="TIME", help="Strictly after this time (now).")
@click.option("--id", "key", metavar="ID", help="Id of the schedule: `H` is hashed from it.")
@click.option("--seconds", type=click.Choice(["first", "last"]), help="The expression has a seconds field there.")
@json_option
def next_(
    expression: str, tz: str, count: int, after: str | None, key: str | None, seconds: str | None, as_json: bool
) -> None:
    """Show what a cron expression means and its next instants."""
    start = parse_instant(after, "--after") if after else time.time_ns() // 1000
    rule = parse_rule(cron=expression, timezone=tz, key=key, seconds=seconds, anchor_us=start)
    instants = rule.instants(start, count)
    if as_json:
        shown = [_utc(at).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at // 1000 % 1000:03d}Z" for at in instants]
        print_json({"description": rule.describe(), "instants": shown, "warnings": rule.warnings()})
        return
    click.echo(rule.describe())
    zone = ZoneInfo(tz)
    for at in instants:
        here = _utc(at).astimezone(zone)
        in_utc = "" if tz == "UTC" else f"   {_utc(at):%Y-%m-%d %H:%M:%S} UTC"
        click.echo(f"  {here:%a %Y-%m-%d %H:%M:%S %Z}{in_utc}")
    if not instants:
        click.echo("  never after that")
    for warning in rule.warnings():
        click.echo(click.style(f"note: {warning}", fg="yellow"), err=True)


def _utc(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC)
