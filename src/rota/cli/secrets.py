"""``rota secrets``: named secrets for targets.  A value is asked for, or read; never given on the command line."""

from __future__ import annotations

import sys

import click

from rota.cli.command import ClientGroup, Command
from rota.cli.connection import connect
from rota.cli.options import json_option, read_file, yes_option
from rota.cli.output import ago, confirm, mark, plural, print_json, table
from rota.cli.progress import progress
from rota.errors import Conflict, Invalid
from rota.sealing import new_key


@click.group(cls=ClientGroup)
def secrets() -> None:
    """Named secrets, to which targets refer as {{secret.NAME}}."""


@secrets.command("set", fields={"name": "NAME", "value": "the value"})
@click.argument("name", metavar="NAME")
@click.option("--value-stdin", is_flag=True, help="Read the value from standard input, less the last line end.")
@click.option("--from-file", metavar="FILE", help="Take all of a file as the value.")
@click.option("--note", metavar="TEXT", help="What it is for.")
@json_option
@click.pass_context
def set_(
    ctx: click.Context, /, name: str, value_stdin: bool, from_file: str | None, note: str | None, as_json: bool
) -> None:
    """Make a secret, or give it its next value; without an option it asks, and shows nothing.

    The value cannot be an argument: everybody on the machine could see it, and the shell would remember it.
    """
    if value_stdin and from_file is not None:
        raise click.UsageError("give either --value-stdin or --from-file")
    value = _value(name, value_stdin=value_stdin, from_file=from_file)
    with connect(ctx, makes_database=True) as client:
        saved = client.put_secret(name, value, note)
    if as_json:
        print_json(saved)
        return
    click.echo(f"{saved['name']} set (version {saved['version']}); refer to it as {{{{secret.{saved['name']}}}}}")


@secrets.command("list")
@json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the secrets without their values."""
    with connect(ctx) as client:
        found = client.secrets()
    if as_json:
        print_json(found)
        return
    rows = [
        (one["name"], one["version"], f"{mark(one['keyKnown'])} {one['keyId']}", one["updatedBy"],
         ago(one["updatedAt"]), ago(one["usedAt"]), one["note"])
        for one in found
    ]  # fmt: skip
    headers = ("SECRET", "VERSION", "KEY", "BY", "CHANGED", "LAST USED", "NOTE")
    table(headers, rows, empty="No secrets.  Make one: rota secrets set NAME", wide=("NOTE",))


@secrets.command(fields={"name": "NAME"})
@click.argument("name", metavar="NAME")
@yes_option
@click.pass_context
def remove(ctx: click.Context, name: str, yes: bool) -> None:
    """Delete a secret to which no schedule and no job type refers."""
    with connect(ctx) as client:
        confirm(f"Delete the secret {name}?", yes=yes)
        client.delete_secret(name)
    click.echo(f"{name} removed")


@secrets.command()
@json_option
@click.pass_context
def rotate(ctx: click.Context, as_json: bool) -> None:
    """Encrypt all secrets with the first key of ROTA_SECRET_KEY; their values stay.

    To change keys: put a new one before the old, separated by a comma, restart the service and its workers, rotate,
    and take the old one out.
    """
    with connect(ctx) as client:
        total = len(client.secrets())
        done = client.rotate_secrets()
        rotated = done["rotated"]
        with progress(rotated + done["left"], "encrypted", quiet=as_json) as show:
            show(rotated)
            while done["left"]:
                done = client.rotate_secrets()
                rotated += done["rotated"]
                show(done["rotated"])
    if as_json:
        print_json({**done, "rotated": rotated})
    else:
        click.echo(f"{plural(rotated, 'secret')} encrypted anew, {total - rotated} left as they were")
    if done["unreadable"]:
        names = ", ".join(done["unreadable"][:5])
        hint = "add the key that encrypted them to ROTA_SECRET_KEY, or set them again"
        raise Conflict(f"no key of ROTA_SECRET_KEY opens {names}", hint=hint)


@secrets.command(cls=Command)
def key() -> None:
    """Print a new key for ROTA_SECRET_KEY."""
    click.echo(new_key())


def _value(name: str, *, value_stdin: bool, from_file: str | None) -> str:
    if from_file is not None:
        return _text(read_file(from_file, "--from-file"), "--from-file")
    if value_stdin:
        return _text(read_file("-", "--value-stdin"), "--value-stdin").removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask: give --value-stdin or --from-file FILE")
    value: str = click.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True, err=True)
    return value


def _text(raw: bytes, field: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Invalid(field, "is not UTF-8", hint="encode what is no text, for example as base64") from None
