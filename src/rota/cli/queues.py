"""``rota queues``: what is in them, their limits, their keys, their pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rota.cli.command import ClientGroup
from rota.cli.connection import connect
from rota.cli.job_changes import change_matching
from rota.cli.options import future, given, json_option, yes_option
from rota.cli.output import ago, compact_json, details, local, print_json, status, table
from rota.cli.queue_options import FIELDS, completed, kept, limits, rates

if TYPE_CHECKING:
    from rota.client import Json


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
         ago(one["oldestPendingAt"]), _limits(one), _state(one), one["pausedNote"])
        for one in found
    ]  # fmt: skip
    headers = ("QUEUE", "PENDING", "SCHEDULED", "RUNNING", "FAILED", "OLDEST", "LIMITS", "STATE", "NOTE")
    table(headers, rows, empty="No queues.  A queue is made by its first job.", wide=("QUEUE", "LIMITS", "NOTE"))


def _limits(one: Json) -> str:
    """Return what bounds a queue, in short."""
    named = [(one["concurrency"], "{} at once"), (one["workerConcurrency"], "{} a worker")]
    named += [(one["keyConcurrency"], "{} a key")]
    return ", ".join([text.format(value) for value, text in named if value is not None] + rates(one["rateLimits"]))


def _state(one: Json) -> str:
    if one["paused"]:
        return status("paused") + (f" until {local(one['resumeAt'])}" if one["resumeAt"] else "")
    return f"slowed until {local(one['slowedUntil'])}" if one["slowedUntil"] else "open"


@queues.command()
@click.argument("name", metavar="NAME")
@json_option
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show a queue: its limits, and what is in it by status and priority."""
    with connect(ctx) as client:
        one = client.queue(name)
    if as_json:
        print_json(one)
        return
    _print(one)
    rows = [(each["status"], each["priority"], f"{each['count']:,}", ago(each["oldestAt"])) for each in one["stats"]]
    click.echo()
    table(("STATUS", "PRIORITY", "JOBS", "OLDEST"), rows, empty="Nothing waits, runs or has failed.")


def _print(one: Json) -> None:
    note = f": {one['pausedNote']}" if one["pausedNote"] else ""
    details(
        [
            ("queue", one["name"]),
            ("state", _state(one) + note),
            ("concurrency", one["concurrency"] or "without limit"),
            ("worker concurrency", one["workerConcurrency"]),
            ("key concurrency", one["keyConcurrency"]),
            ("rate limits", ", ".join(rates(one["rateLimits"])) or None),
            ("ageing", one["ageing"] and f"one priority each {one['ageing']}"),
            ("defaults", compact_json(one["defaults"])),
            ("keeps", kept(one["retention"])),
            ("slowed by", one["slowedBy"]),
        ]
    )


@queues.command("set", fields=FIELDS)
@click.argument("name", metavar="NAME")
@click.option("--concurrency", metavar="N", help="Most jobs at once over all machines; `none` for no limit.")
@click.option("--worker-concurrency", metavar="N", help="Most jobs at once on one worker.")
@click.option("--key-concurrency", metavar="N", help="Most jobs at once of each concurrency key.")
@click.option("--rate", multiple=True, metavar="100/1m", help="Most starts within so long; also several.")
@click.option("--key-rate", multiple=True, metavar="5/1s", help="The same of each concurrency key.")
@click.option("--ageing", metavar="10m", help="Waiting so long is worth one priority.")
@click.option("--defaults", metavar="JSON", help='What its jobs get: {"maxAttempts": 3}; @FILE and @- read it.')
@click.option(
    "--keep", multiple=True, metavar="STATUS=AGE", help="Keep ended jobs so long: completed=24h, failed=never."
)
@click.option(
    "--keep-most", multiple=True, metavar="STATUS=N", help="Keep so many: completed=10000; or so much: bytes=500MB."
)
@json_option
@click.pass_context
def set_(ctx: click.Context, /, name: str, as_json: bool, **options: Any) -> None:
    """Set limits of a queue; they hold within a second.

    `none` takes a limit away.  --rate sets all rates of the queue, --key-rate all of those by key.
    """
    said = limits(options)
    with connect(ctx, makes_database=True) as client:
        one = client.set_queue(name, completed(said, options, lambda: client.queue(name)))
    print_json(one) if as_json else _print(one)


@queues.command()
@click.argument("name", metavar="NAME")
@json_option
@click.pass_context
def keys(ctx: click.Context, name: str, as_json: bool) -> None:
    """List the keys of a queue: how many jobs of each wait and run, which are paused or blocked."""
    with connect(ctx) as client:
        found = list(client.keys(name))
    if as_json:
        print_json(found)
        return
    rows = [
        (one["key"], one["kind"], f"{one['waiting']:,}", f"{one['running']:,}", ago(one["oldestAt"]), _key_state(one),
         one["pausedNote"])
        for one in found
    ]  # fmt: skip
    headers = ("KEY", "KIND", "WAITING", "RUNNING", "OLDEST", "STATE", "NOTE")
    table(headers, rows, empty="No job with a concurrency key or an order key waits or runs.", wide=("KEY", "NOTE"))


def _key_state(one: Json) -> str:
    if one["paused"]:
        return status("paused") + (f" until {local(one['resumeAt'])}" if one["resumeAt"] else "")
    return f"blocked by {one['activeJobId']}, which is tried again" if one["blocked"] else "open"


@queues.command()
@click.argument("name", metavar="NAME", required=False)
@click.option("--key", metavar="K", help="Only this concurrency key; without NAME in all queues.")
@click.option("--note", metavar="TEXT", help="Why.")
@click.option("--until", metavar="TIME", help="It ends by itself then: 2026-11-21T09:00:00Z, or 2h from now.")
@click.pass_context
def pause(ctx: click.Context, name: str | None, key: str | None, note: str | None, until: str | None) -> None:
    """Start no more jobs of a queue; what runs goes on."""
    until = future(until, "--until")
    body = given(note=note or None, until=until or None)
    with connect(ctx) as client:
        _act(client, name, key, "pause", body)
    click.echo(f"{_named(name, key)} paused" + (f" until {until}" if until else ""))


@queues.command()
@click.argument("name", metavar="NAME", required=False)
@click.option("--key", metavar="K", help="Only this concurrency key; without NAME its pause in all queues.")
@click.pass_context
def resume(ctx: click.Context, name: str | None, key: str | None) -> None:
    """Start jobs of a queue again."""
    with connect(ctx) as client:
        _act(client, name, key, "resume", {})
    click.echo(f"{_named(name, key)} resumed")


def _act(client: Any, name: str | None, key: str | None, action: str, body: Json) -> None:
    if key is not None:
        client.key_action(key, action, body, queue=name)
    elif name is not None:
        client.queue_action(name, action, body)
    else:
        raise click.UsageError(f"say what to {action}: NAME, --key K or both")


def _named(name: str | None, key: str | None) -> str:
    if key is None:
        return str(name)
    return f"{key} in {name}" if name else f"{key} in all queues"


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
