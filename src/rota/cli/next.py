"""``rota next``: what a rule means, and when it is due; nothing but the timetable is asked."""

from __future__ import annotations

import time

import click

from rota.cli.command import ClientCommand, WholeNumber
from rota.cli.options import json_option, timestamp
from rota.cli.output import instants, notes, print_json
from rota.errors import Invalid
from rota.timetable import Rule, parse_instant, parse_rule, unite


@click.command("next", cls=ClientCommand, fields={"cron": "EXPR", "timezone": "--tz"})
@click.argument("expressions", metavar="EXPR", nargs=-1)
@click.option("--cron", "more", multiple=True, metavar="EXPR", help="One more expression; may be given several times.")
@click.option("--tz", default="UTC", show_default=True, metavar="ZONE", help="Time zone.")
@click.option("-n", "--count", type=WholeNumber(1, 1000), default=10, show_default=True, metavar="N", help="How many.")
@click.option("--after", metavar="TIME", help="Strictly after this time (now).")
@click.option("--id", "key", metavar="ID", help="Id of the schedule: `H` is computed from it.")
@click.option("--seconds", type=click.Choice(["first", "last"]), help="The expressions have a seconds field there.")
@json_option
def next_(
    expressions: tuple[str, ...],
    more: tuple[str, ...],
    tz: str,
    count: int,
    after: str | None,
    key: str | None,
    seconds: str | None,
    as_json: bool,
) -> None:
    """Show what a cron expression means and its next instants; of several, those of any of them."""
    start = parse_instant(after, "--after") if after is not None else time.time_ns() // 1000
    if not expressions + more:
        raise click.UsageError("EXPR is missing: give a cron expression, for example '0 9 * * MON'")
    rules = [
        _read(text, len(expressions + more) > 1, tz=tz, key=key, seconds=seconds, anchor_us=start)
        for text in expressions + more
    ]
    rule = rules[0] if len(rules) == 1 else unite(rules, timezone=tz)
    found = [timestamp(at) for at in rule.instants(start, count)]
    if as_json:
        print_json({"description": rule.describe(), "instants": found, "warnings": rule.warnings()})
        return
    click.echo(rule.describe())
    instants(found, tz)
    notes(rule.warnings())


def _read(text: str, several: bool, *, tz: str, key: str | None, seconds: str | None, anchor_us: int) -> Rule:
    try:
        return parse_rule(cron=text, timezone=tz, key=key, seconds=seconds, anchor_us=anchor_us)
    except Invalid as error:
        if error.field != "cron" or not several:
            raise
        raise Invalid(f"EXPR {text[:80]!r}", error.reason, hint=error.hint) from None
