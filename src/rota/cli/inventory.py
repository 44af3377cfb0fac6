"""``rota types`` and ``rota workers``: what there is to run, and who runs it."""

from __future__ import annotations

import click

from rota.cli.command import ClientGroup
from rota.cli.connection import connect
from rota.cli.options import json_option
from rota.cli.output import ago, compact_json, details, local, print_json, status, table


@click.group(cls=ClientGroup)
def types() -> None:
    """Look at the declared job types."""


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
    rows = [(one["name"], one["kind"], one["owner"], one["version"], ago(one["updatedAt"])) for one in found]
    empty = "No job types.  Decorate a function with @rota.job and start: rota up --app module:rota"
    table(("TYPE", "KIND", "OWNER", "VERSION", "CHANGED"), rows, empty=empty, wide=("TYPE",))


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
        ]
    )


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
         ",".join(one["queues"] or ()) or "all" if one["role"] == "worker" else None,
         ago(one["lastHeartbeat"]), ago(one["startedAt"]), one["version"])
        for one in found
    ]  # fmt: skip
    headers = ("ID", "ROLE", "STATE", "PROCESS", "JOBS", "QUEUES", "HEARTBEAT", "STARTED", "VERSION")
    table(headers, rows, empty="Nothing runs.  Start it: rota up", wide=("PROCESS", "QUEUES"))
