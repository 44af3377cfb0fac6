"""``rota schedules why``: one sentence on why it did or did not run, and when it will."""

from __future__ import annotations

import click

from rota.cli.command import ClientCommand
from rota.cli.connection import connect
from rota.cli.options import json_option
from rota.cli.output import print_json
from rota.cli.terminal import safe_line


@click.command("why", cls=ClientCommand)
@click.argument("schedule_id", metavar="ID")
@json_option
@click.pass_context
def why(ctx: click.Context, schedule_id: str, as_json: bool) -> None:
    """Say why it did or did not run last, and when it will."""
    with connect(ctx) as client:
        found = client.why_schedule(schedule_id)
    print_json(found) if as_json else click.echo(safe_line(found["text"]))
