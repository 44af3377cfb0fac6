"""Options that choose jobs, as the filter of the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from rota.cli.options import given, past

F = TypeVar("F", bound=Callable[..., Any])

FILTERS = (
    click.option("--type", "type_", metavar="TYPE", help="Of this job type."),
    click.option("--status", metavar="STATUS", help="In these statuses, divided by commas."),
    click.option("--queue", metavar="Q", help="In this queue."),
    click.option("--schedule", metavar="ID", help="Of this schedule."),
    click.option("--tag", metavar="TAG", help="With this tag."),
    click.option("--started-by", metavar="WHO", help="Started by this person."),
    click.option("--batch", metavar="ID", help="Of this batch."),
    click.option("--key", metavar="KEY", help="With this concurrency key."),
    click.option("--label", metavar="LABEL", help="That ask for a worker with this label."),
    click.option("--hide-frequent", is_flag=True, help="Without runs of schedules that are due each minute."),
    click.option("--arg", "arguments", metavar="PATH=VALUE", multiple=True, help="With this argument: user.id=42."),
    click.option("--since", metavar="TIME", help="Created then or later; `2h` is two hours ago."),
    click.option("--until", metavar="TIME", help="Created before."),
    click.option("-q", "--search", metavar="TEXT", help="With this text in any part of the job."),
)  # fmt: skip
FIELDS = {"args": "--arg", "q": "--search", "concurrencyKey": "--key", "frequent": "--hide-frequent"}


def filters(function: F) -> F:
    """Add the options that choose jobs."""
    for option in reversed(FILTERS):
        function = option(function)
    return function


def _arguments(given: tuple[str, ...]) -> dict[str, str] | None:
    """Return what `--arg` says, by path."""
    found = {}
    for one in given:
        path, divider, value = one.partition("=")
        if not (path and divider):
            raise click.UsageError(f"--arg {one}: write PATH=VALUE, such as user.id=42")
        found[path] = value
    return found or None


def chosen(options: dict[str, Any]) -> dict[str, Any]:
    """Return the filter of the API."""
    return given(
        type=options["type_"],
        status=options["status"],
        queue=options["queue"],
        schedule=options["schedule"],
        tag=options["tag"],
        startedBy=options["started_by"],
        batch=options["batch"],
        concurrencyKey=options["key"],
        label=options["label"],
        frequent="hide" if options["hide_frequent"] else None,
        since=past(options["since"], "--since"),
        until=past(options["until"], "--until"),
        q=options["search"],
        args=_arguments(options["arguments"]),
    )
