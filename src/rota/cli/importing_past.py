"""``rota import scheduled-jobs``: take over the history of an admin job service."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click
import msgspec

from rota.cli.command import ClientCommand
from rota.cli.connection import connect
from rota.cli.options import json_option, read_file, yes_option
from rota.cli.output import confirm, plural, print_json, table
from rota.cli.terminal import safe_line
from rota.importers import scheduled_jobs as reading
from rota.importers.scheduled_jobs import History, PastJob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rota.client import Client

MOST_TOGETHER = 1000
MOST_BYTES = 1_500_000
MOST_SHOWN = 20


@click.command("scheduled-jobs", cls=ClientCommand)
@click.argument("file", metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Show what would be stored, and store nothing.")
@yes_option
@json_option
@click.pass_context
def scheduled_jobs(ctx: click.Context, file: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Import the history in a table scheduled_jobs: CSV with a header, JSON lines, a JSON array, or pg_dump's dump.

    Rows of jobs that have not ended are refused. The same rows again change nothing.
    """
    found = reading.read(read_file(file, "FILE"))
    if as_json and not (yes and not dry_run):
        print_json(msgspec.to_builtins(found))
        ctx.exit(1 if found.errors else 0)
    if not as_json:
        _print(found)
    stored = 0
    if found.entries and not dry_run:
        confirm(f"Store {plural(len(found.entries), 'job')} of the past?", yes=yes)
        with connect(ctx, makes_database=True) as client:
            stored = _store(client, found.entries)
    if as_json:
        print_json({**msgspec.to_builtins(found), "stored": stored})
    elif not dry_run:
        click.echo(f"imported: {stored} stored, {len(found.entries) - stored} there already")
    ctx.exit(1 if found.errors else 0)


def _store(client: Client, jobs: list[PastJob]) -> int:
    return sum(client.store_past_jobs(part)["stored"] for part in _parts(jobs))


def _parts(jobs: list[PastJob]) -> Iterator[list[dict[str, Any]]]:
    """Divide jobs into requests that a service takes."""
    part: list[dict[str, Any]] = []
    size = 0
    for one in jobs:
        document = one.document()
        length = len(msgspec.json.encode(document))
        if part and (len(part) == MOST_TOGETHER or size + length > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(document)
        size += length
    if part:
        yield part


def _print(found: History) -> None:
    for one in found.errors[:MOST_SHOWN]:
        click.echo(click.style(safe_line(f"line {one.line} is refused: {one.reason}"), fg="red"), err=True)
    if len(found.errors) > MOST_SHOWN:
        click.echo(f"… and {len(found.errors) - MOST_SHOWN} lines more (--json lists all)", err=True)
    counts = Counter((one.job_type, one.status) for one in found.entries)
    rows = [(name, status, count) for (name, status), count in sorted(counts.items())]
    table(("TYPE", "STATUS", "JOBS"), rows, empty="No job in it has ended.")
