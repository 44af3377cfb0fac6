"""``rota token``: API tokens."""

from __future__ import annotations

import click

from rota.cli.command import ClientGroup
from rota.cli.connection import connect
from rota.cli.options import json_option, yes_option
from rota.cli.output import ago, confirm, print_json, table

ROLES = ["viewer", "operator", "admin"]


@click.group(cls=ClientGroup)
def token() -> None:
    """Make, list and revoke API tokens."""


@token.command(fields={"expiresIn": "--expires-in"})
@click.option("--role", type=click.Choice(ROLES), required=True, help="What it may do.")
@click.option("--name", default="", metavar="N", help="What it is for.")
@click.option("--expires-in", metavar="30d", help="How long it is valid (for ever).")
@json_option
@click.pass_context
def create(ctx: click.Context, role: str, name: str, expires_in: str | None, as_json: bool) -> None:
    """Make a token; it is shown once."""
    with connect(ctx, makes_database=True) as client:
        made = client.create_token(role, name, expires_in)
    if as_json:
        print_json(made)
        return
    click.echo(made["token"])
    click.echo("Keep it now: it is not shown again.", err=True)


@token.command("list")
@json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the tokens without their text."""
    with connect(ctx) as client:
        found = client.tokens()
    if as_json:
        print_json(found)
        return
    rows = [
        (one["id"], one["name"], one["role"], one["createdBy"], ago(one["createdAt"]), ago(one["lastUsedAt"]),
         "revoked" if one["revokedAt"] else ago(one["expiresAt"]))
        for one in found
    ]  # fmt: skip
    headers = ("ID", "NAME", "ROLE", "MADE BY", "CREATED", "LAST USED", "ENDS")
    table(headers, rows, empty="No tokens.  Make one: rota token create --role operator --name deploy", wide=("NAME",))


@token.command()
@click.argument("token_id", metavar="ID")
@yes_option
@click.pass_context
def revoke(ctx: click.Context, token_id: str, yes: bool) -> None:
    """End a token, at once."""
    with connect(ctx) as client:
        confirm(f"Revoke the token {token_id}?", yes=yes)
        client.revoke_token(token_id)
    click.echo(f"{token_id} revoked")
