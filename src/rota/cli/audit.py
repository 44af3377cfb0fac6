"""``rota audit``: who changed what, from where."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click
import msgspec

from rota.actions import audit_table
from rota.cli.command import ClientGroup, WholeNumber
from rota.cli.connection import connect
from rota.cli.options import given, json_option, past
from rota.cli.output import ago, print_json, table

F = TypeVar("F", bound=Callable[..., Any])

FILTERS = (
    click.option("--by", "actor", metavar="WHO", help="Done by this person or program."),
    click.option("--action", metavar="WHAT", help="What was done: edited, paused, retried …"),
    click.option("--kind", "noun", metavar="KIND", help="Kind of thing: job, schedule, queue, type, token …"),
    click.option("--id", "name", metavar="ID", help="Id or name of the thing."),
    click.option("--via", "origin", metavar="WAY", help="By which way: api, ui, cli, python, file, scheduler."),
    click.option("--from", "client", metavar="ADDRESS", help="From this address."),
    click.option("--since", metavar="TIME", help="Then or later; `2h` is two hours ago."),
    click.option("--until", metavar="TIME", help="Before."),
)
FIELDS = {"actor": "--by", "noun": "--kind", "name": "--id", "origin": "--via", "client": "--from"}


def _filters(function: F) -> F:
    for option in reversed(FILTERS):
        function = option(function)
    return function


def _chosen(options: dict[str, Any]) -> dict[str, Any]:
    since, until = past(options.pop("since"), "--since"), past(options.pop("until"), "--until")
    return given(since=since, until=until, **options)


@click.group(cls=ClientGroup)
def audit() -> None:
    """Who changed what, from where; for admins."""


@audit.command("list", fields=FIELDS)
@_filters
@click.option("-n", "--limit", type=WholeNumber(1, 10_000), default=50, show_default=True, help="At most so many.")
@json_option
@click.pass_context
def list_(ctx: click.Context, /, limit: int, as_json: bool, **options: Any) -> None:
    """List the changes, the latest first."""
    wanted = _chosen(options)
    with connect(ctx) as client:
        found = list(client.audit(limit=limit, **wanted))
    if as_json:
        print_json(found)
        return
    empty = "No change matches." if wanted else "Nothing was changed yet."
    table(("WHEN", "WHAT"), [(ago(one["at"]), one["text"]) for one in found], empty=empty, wide=("WHAT",))


@audit.command(fields=FIELDS)
@_filters
@click.option(
    "--format", "kind", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True, help="Kind of file."
)
@click.pass_context
def export(ctx: click.Context, /, kind: str, **options: Any) -> None:
    """Write all changes that match to standard output, the latest first."""
    with connect(ctx) as client:
        for text in _texts(client.audit(**_chosen(options)), kind):
            sys.stdout.write(text)


def _texts(entries: Iterator[Any], kind: str) -> Iterator[str]:
    if kind == "csv":
        yield audit_table.head()
    for one in entries:
        yield audit_table.lines([one]) if kind == "csv" else f"{msgspec.json.encode(one).decode()}\n"
