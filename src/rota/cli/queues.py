"""``rota queues``: what is in them, their limits, their pauses."""

from __future__ import annotations

import click

from rota.cli.connection import connect
from rota.cli.options import json_option, yes_option
from rota.cli.output import ago, confirm, print_json, table


@click.group()
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
        (one["name"], *(one["counts"][name] for name in ("pending", "scheduled", "running", "failed")),
         ago(one["oldestPendingAt"]), one["concurrency"], "paused" if one["paused"] else "open")
        for one in found
    ]  # fmt: skip
    headers = ("QUEUE", "PENDING", "SCHEDULED", "RUNNING", "FAILED", "OLDEST", "CONCURRENCY", "STATE")
    table(headers, rows, empty="No queues.  A queue is made by its first job.")


@queues.command("set")
@click.argument("name")
@click.option("--concurrency", metavar="N", help="Most jobs at once over all machines; `none` for no limit.")
@json_option
@click.pass_context
def set_(ctx: click.Context, name: str, concurrency: str | None, as_json: bool) -> None:
    """Set limits of a queue; they hold within a second."""
    if concurrency is None:
        raise click.UsageError("Say what to set, for example --concurrency 5.")
    if concurrency != "none" and not concurrency.isdecimal():
        raise click.BadParameter(f"{concurrency!r} is neither a number nor `none`.", param_hint="--concurrency")
    with connect(ctx) as client:
        one = client.set_queue(name, {"concurrency": None if concurrency == "none" else int(concurrency)})
    print_json(one) if as_json else click.echo(f"{name}: concurrency {one['concurrency'] or 'without limit'}")


@queues.command()
@click.argument("name")
@click.option("--note", help="Why.")
@click.pass_context
def pause(ctx: click.Context, name: str, note: str | None) -> None:
    """Start no more jobs of a queue; what runs goes on."""
    with connect(ctx) as client:
        client.queue_action(name, "pause", {"note": note} if note else {})
    click.echo(f"{name} paused")


@queues.command()
@click.argument("name")
@click.pass_context
def resume(ctx: click.Context, name: str) -> None:
    """Start jobs of a queue again."""
    with connect(ctx) as client:
        client.queue_action(name, "resume")
    click.echo(f"{name} resumed")


@queues.command("retry-failed")
@click.argument("name")
@yes_option
@click.pass_context
def retry_failed(ctx: click.Context, name: str, yes: bool) -> None:
    """Make all failed jobs of a queue wait again."""
    _on_failed(ctx, name, "retry-failed", "Retry", yes=yes)


@queues.command("delete-failed")
@click.argument("name")
@yes_option
@click.pass_context
def delete_failed(ctx: click.Context, name: str, yes: bool) -> None:
    """Delete all failed jobs of a queue."""
    _on_failed(ctx, name, "delete-failed", "Delete", yes=yes)


def _on_failed(ctx: click.Context, name: str, action: str, word: str, *, yes: bool) -> None:
    with connect(ctx) as client:
        verb = action.removesuffix("-failed")
        count = client.act(verb, {"queue": name, "status": "failed"}, dry_run=True)["matched"]
        if not count:
            click.echo(f"No failed job in {name}.")
            return
        confirm(f"{word} {count} failed job{'s' if count != 1 else ''} of {name}?", yes=yes)
        changed = client.queue_action(name, action)["changed"]
    click.echo(f"{changed} job{'s' if changed != 1 else ''} of {name}: {verb}")
