"""``rota queues``: what is in them, their limits, their pauses."""

from __future__ import annotations

import click

from rota.cli.command import ClientGroup
from rota.cli.connection import connect
from rota.cli.jobs import change_matching
from rota.cli.options import json_option, yes_option
from rota.cli.output import ago, print_json, status, table
from rota.errors import Invalid


@click.group(cls=ClientGroup)
def queues() -> None:
    """Look at queues, set limits, pause them."""


@queues.command("list")
@json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the queues with what is in them."""
    with connect(ctx) as client:
        found = client.queues()
    if as_json:
        print_json(found)
        return
    rows = [
        (one["name"], *(f"{one['counts'][name]:,}" for name in ("pending", "scheduled", "running", "failed")),
         ago(one["oldestPendingAt"]), one["concurrency"], status("paused") if one["paused"] else "open",
         one["pausedNote"])
        for one in found
    ]  # fmt: skip
    headers = ("QUEUE", "PENDING", "SCHEDULED", "RUNNING", "FAILED", "OLDEST", "CONCURRENCY", "STATE", "NOTE")
    table(headers, rows, empty="No queues.  A queue is made by its first job.", wide=("QUEUE", "NOTE"))


@queues.command("set", fields={"name": "NAME"})
@click.argument("name", metavar="NAME")
@click.option("--concurrency", metavar="N", help="Most jobs at once over all machines; `none` for no limit.")
@json_option
@click.pass_context
def set_(ctx: click.Context, name: str, concurrency: str | None, as_json: bool) -> None:
    """Set limits of a queue; they hold within a second."""
    if concurrency is None:
        raise click.UsageError("say what to set, for example --concurrency 5")
    if concurrency != "none" and not (concurrency.isascii() and concurrency.isdecimal() and len(concurrency) < 10):
        raise Invalid("--concurrency", f"{concurrency[:80]!r} is neither a number nor none", hint="for example 5")
    with connect(ctx, makes_database=True) as client:
        one = client.set_queue(name, {"concurrency": None if concurrency == "none" else int(concurrency)})
    print_json(one) if as_json else click.echo(f"{name}: concurrency {one['concurrency'] or 'without limit'}")


@queues.command()
@click.argument("name", metavar="NAME")
@click.option("--note", metavar="TEXT", help="Why.")
@click.pass_context
def pause(ctx: click.Context, name: str, note: str | None) -> None:
    """Start no more jobs of a queue; what runs goes on."""
    with connect(ctx) as client:
        client.queue_action(name, "pause", {"note": note} if note else {})
    click.echo(f"{name} paused")


@queues.command()
@click.argument("name", metavar="NAME")
@click.pass_context
def resume(ctx: click.Context, name: str) -> None:
    """Start jobs of a queue again."""
    with connect(ctx) as client:
        client.queue_action(name, "resume")
    click.echo(f"{name} resumed")


@queues.command("retry-failed")
@click.argument("name", metavar="NAME")
@yes_option
@click.pass_context
def retry_failed(ctx: click.Context, name: str, yes: bool) -> None:
    """Make all failed jobs of a queue wait again."""
    _change_failed(ctx, name, "retry", yes=yes)


@queues.command("delete-failed")
@click.argument("name", metavar="NAME")
@yes_option
@click.pass_context
def delete_failed(ctx: click.Context, name: str, yes: bool) -> None:
    """Delete all failed jobs of a queue."""
    _change_failed(ctx, name, "delete", yes=yes)


def _change_failed(ctx: click.Context, name: str, action: str, *, yes: bool) -> None:
    with connect(ctx) as client:
        client.queue(name)  # a name that was mistyped is not a queue without failures
        change_matching(client, action, {"queue": name, "status": "failed"}, yes=yes)
