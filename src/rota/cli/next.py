"""``rota next``: what a rule means, and when it is due; nothing but the timetable is asked."""

from __future__ import annotations

import time

import click

from rota.cli.command import ClientCommand, WholeNumber
from rota.cli.options import json_option, timestamp
from rota.cli.output import instants, notes, print_json
from rota.timetable import parse_instant, parse_rule


@click.command("next", cls=ClientCommand, fields={"cron": "EXPR", "timezone": "--tz"})
@click.argument("expression", metavar="EXPR")
@click.option("--tz", default="UTC", show_default=True, metavar="ZONE", help="Time zone.")
@click.option("-n", "--count", type=WholeNumber(1, 1000), default=10, show_default=True, metavar="N", help="How many.")
@click.option("--after", metavar="TIME", help="Strictly after this time (now).")
@click.option("--id", "key", metavar="ID", help="Id of the schedule: `H` is computed from it.")
@click.option("--seconds", type=click.Choice(["first", "last"]), help="The expression has a seconds field there.")
@json_option
def next_(
    expression: str, tz: str, count: int, after: str | None, key: str | None, seconds: str | None, as_json: bool
) -> None:
    """Show what a cron expression means and its next instants."""
    start = parse_instant(after, "--after") if after is not None else time.time_ns() // 1000
    rule = parse_rule(cron=expression, timezone=tz, key=key, seconds=seconds, anchor_us=start)
    found = [timestamp(at) for at in rule.instants(start, count)]
    if as_json:
        print_json({"description": rule.describe(), "instants": found, "warnings": rule.warnings()})
        return
    click.echo(rule.describe())
    instants(found, tz)
    notes(rule.warnings())
