"""``rota types`` and ``rota workers``: what there is to run, and who runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli.command import ClientGroup
from rota.cli.connection import connect
from rota.cli.options import future, given, json_option
from rota.cli.output import ago, compact_json, details, local, print_json, status, table
from rota.errors import NotFound

if TYPE_CHECKING:
    from rota.client import Json


@click.group(cls=ClientGroup)
def types() -> None:
    """Look at the declared job types, pause them."""


@types.command("list")
@json_option
@click.pass_context
def list_types(ctx: click.Context, as_json: bool) -> None:
    """List the job types."""
    with connect(ctx) as client:
        found = client.job_types()
    if as_json:
        print_json(found)
        return
    rows = [
        (one["name"], one["kind"], one["owner"], one["version"], ago(one["updatedAt"]),
         status("paused") if one["paused"] else "open", one["pausedNote"])
        for one in found
    ]  # fmt: skip
    empty = "No job types.  Decorate a function with @rota.job and start: rota up --app module:rota"
    headers = ("TYPE", "KIND", "OWNER", "VERSION", "CHANGED", "STATE", "NOTE")
    table(headers, rows, empty=empty, wide=("TYPE", "NOTE"))


@types.command("show")
@click.argument("name", metavar="NAME")
@json_option
@click.pass_context
def show_type(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show a job type: its target, the arguments it takes, its defaults."""
    with connect(ctx) as client:
        one = client.job_type(name)
    if as_json:
        print_json(one)
        return
    details(
        [
            ("type", one["name"]),
            ("kind", one["kind"]),
            ("target", compact_json(one["target"])),
            ("arguments", compact_json(one["argsSchema"])),
            ("defaults", compact_json(one["defaults"])),
            ("owner", f"{one['owner']}, version {one['version']}"),
            ("declared", local(one["createdAt"])),
            ("changed", local(one["updatedAt"])),
            ("paused", _paused(one)),
        ]
    )


def _paused(one: Json) -> str | None:
    """Return how a type is paused, or None."""
    if not one["paused"]:
        return None
    by, until = one["pausedBy"], one["resumeAt"]
    parts = [local(one["pausedAt"]), f"by {by}" if by else "", f"until {local(until)}" if until else ""]
    return " ".join(part for part in parts if part) + (f": {one['pausedNote']}" if one["pausedNote"] else "")


@types.command()
@click.argument("name", metavar="NAME")
@click.option("--note", metavar="TEXT", help="Why.")
@click.option("--until", metavar="TIME", help="It ends by itself then: 2026-11-21T09:00:00Z, or 2h from now.")
@click.pass_context
def pause(ctx: click.Context, name: str, note: str | None, until: str | None) -> None:
    """Start no more jobs of a type, in no queue; what runs goes on."""
    until = future(until, "--until")
    body = given(note=note or None, until=until or None)
    with connect(ctx) as client:
        client.type_action(name, "pause", body)
    click.echo(f"{name} paused" + (f" until {until}" if until else ""))


@types.command()
@click.argument("name", metavar="NAME")
@click.pass_context
def resume(ctx: click.Context, name: str) -> None:
    """Start jobs of a type again."""
    with connect(ctx) as client:
        client.type_action(name, "resume")
    click.echo(f"{name} resumed")


@click.group(cls=ClientGroup)
def workers() -> None:
    """Look at the processes of the service."""


@workers.command("list")
@json_option
@click.pass_context
def list_workers(ctx: click.Context, as_json: bool) -> None:
    """List workers, schedulers and api processes, the living first."""
    with connect(ctx) as client:
        found = client.workers()
    if as_json:
        print_json(found)
        return
    rows = [
        (one["id"], one["role"], status(one["state"]), f"{one['host']}:{one['pid']}", one["running"],
         ",".join(one["queues"] or ()) or "all" if one["role"] == "worker" else None, ",".join(one["labels"]),
         ago(one["lastClaim"]), ago(one["lastHeartbeat"]), ago(one["startedAt"]), one["version"])
        for one in found
    ]  # fmt: skip
    headers = (
        "ID", "ROLE", "STATE", "PROCESS", "JOBS", "QUEUES", "LABELS", "CLAIM", "HEARTBEAT", "STARTED", "VERSION",
    )  # fmt: skip
    table(headers, rows, empty="Nothing runs.  Start it: rota up", wide=("PROCESS", "QUEUES", "LABELS"))


@workers.command("show")
@click.argument("worker_id", metavar="ID")
@json_option
@click.pass_context
def show_worker(ctx: click.Context, worker_id: str, as_json: bool) -> None:
    """Show a process: its slots, its loops, and what it does with each queue.

    The end of the id, as far as it names one process, is enough.
    """
    with connect(ctx) as client:
        found = [one for one in client.workers() if one["id"].endswith(worker_id.lower())]
    if len(found) != 1:
        raise NotFound(f"there is no process {worker_id[:100]}" if not found else f"{len(found)} ids end so")
    one = found[0]
    if as_json:
        print_json(one)
        return
    slots = ", ".join(f"{lane} {of['taken']} of {of['of']}" for lane, of in sorted((one["slots"] or {}).items()))
    details(
        [
            ("process", one["id"]),
            ("role", one["role"]),
            ("state", status(one["state"])),
            ("where", f"{one['host']}:{one['pid']}, version {one['version']}"),
            ("queues", ", ".join(one["queues"] or ()) or "all" if one["role"] == "worker" else None),
            ("labels", ", ".join(one["labels"]) or None),
            ("slots taken", slots or None),
            ("started", local(one["startedAt"])),
            ("last heartbeat", f"{local(one['lastHeartbeat'])} ({ago(one['lastHeartbeat'])})"),
            ("last claim", local(one["lastClaim"]) if one["lastClaim"] else None),
            ("loop lag", f"{one['loopLagMs']} ms" if one["loopLagMs"] is not None else None),
        ]
    )
    if one["consumers"]:
        click.echo()
        rows = [(of["queue"], of["numRunningLoops"], *_sleeping(of["sleeping"])) for of in one["consumers"]]
        table(("QUEUE", "RUNNING", "SLEEPS", "UNTIL"), rows, empty="", wide=("QUEUE",))
    if one["loops"]:
        click.echo()
        turns = [(of["name"], of["state"], f"{of['turnedMsAgo']} ms", of["error"]) for of in one["loops"]]
        table(("LOOP", "STATE", "LAST TURN", "ERROR"), turns, empty="", wide=("ERROR",))


def _sleeping(told: Json | None) -> tuple[str | None, str | None]:
    if told is None:
        return None, None
    return told["reason"], local(told["until"]) if told["until"] else None
