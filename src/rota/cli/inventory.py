"""``rota types``, ``rota workers``, ``rota token``: what there is."""

from __future__ import annotations

import click

from rota.cli.connection import connect
from rota.cli.options import json_option, yes_option
from rota.cli.output import ago, confirm, details, print_json, status, table


@click.group()
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
    empty = "No job types.  Decorate a function with @rota.job and start `rota up --app module:rota`."
    table(("TYPE", "KIND", "OWNER", "VERSION", "CHANGED"), rows, empty=empty)


@types.command("show")
@click.argument("name")
@json_option
@click.pass_context
def show_type(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show a job type."""
    with connect(ctx) as client:
        one = client.job_type(name)
    if as_json:
        print_json(one)
        return
    details((key, value) for key, value in one.items() if value not in (None, {}, []))


@click.group()
def workers() -> None:
    """Look at the processes of the service."""


@workers.command("list")
@json_option
@click.pass_context
def list_workers(ctx: click.Context, as_json: bool) -> None:
    """List workers, schedulers and api processes."""
    with connect(ctx) as client:
        found = client.workers()
    if as_json:
        print_json(found)
        return
    rows = [
        (one["id"], one["role"], status(one["state"]), f"{one['host']}:{one['pid']}", one["running"],
         ago(one["lastHeartbeat"]), ago(one["startedAt"]), one["version"])
        for one in found
    ]  # fmt: skip
    headers = ("ID", "ROLE", "STATE", "PROCESS", "JOBS", "HEARTBEAT", "STARTED", "VERSION")
    table(headers, rows, empty="Nothing runs.  Start it: rota up")


@click.group()
def token() -> None:
    """Make, list and revoke API tokens."""


@token.command()
@click.option("--role", type=click.Choice(["viewer", "operator", "admin"]), required=True, help="What it may do.")
@click.option("--name", default="", help="What it is for.")
@click.option("--expires-in", metavar="30d", help="How long it is valid (for ever).")
@json_option
@click.pass_context
def create(ctx: click.Context, role: str, name: str, expires_in: str | None, as_json: bool) -> None:
    """Make a token; it is shown once."""
    with connect(ctx) as client:
        made = client.create_token(role, name, expires_in)
    if as_json:
        print_json(made)
        return
    click.echo(made["token"])
    click.echo("Keep it now: it is not shown again.", err=True)


@token.command("list")
@json_option
@click.pass_context
def list_tokens(ctx: click.Context, as_json: bool) -> None:
    """List the tokens without their text."""
    with connect(ctx) as client:
        found = client.tokens()
    if as_json:
        print_json(found)
        return
    rows = [
        (one["id"], one["name"] or None, one["role"], ago(one["createdAt"]), ago(one["lastUsedAt"]),
         "revoked" if one["revokedAt"] else ago(one["expiresAt"]))
        for one in found
    ]  # fmt: skip
    table(("ID", "NAME", "ROLE", "CREATED", "LAST USED", "ENDS"), rows, empty="No tokens.")


@token.command()
@click.argument("token_id", metavar="ID")
@yes_option
@click.pass_context
def revoke(ctx: click.Context, token_id: str, yes: bool) -> None:
    """End a token."""
    confirm(f"Revoke the token {token_id}?", yes=yes)
    with connect(ctx) as client:
        client.revoke_token(token_id)
    click.echo(f"{token_id} revoked")
