"""``rota apply``: make schedules, calendars and queues what a file says, after showing what that changes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

from rota.cli import definitions
from rota.cli.command import ClientCommand
from rota.cli.connection import connect
from rota.cli.options import json_option, read_file, yes_option
from rota.cli.output import confirm, plural, print_json
from rota.cli.terminal import safe_line
from rota.errors import Conflict, Invalid
from rota.jsontext import is_said

if TYPE_CHECKING:
    from rota.client import Client, Json

MARKS = {"create": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red"), "refused": ("!", "red")}
DONE = {"create": "created", "update": "updated", "delete": "deleted"}
LONGEST_VALUE = 200
UNSAID = {"timezone": "UTC", "overlap": "skip", "catchup": "latest", "afterRun": "keep"}
"""What need not be told of a schedule that is new."""
NAMED = ("id", "owner", "source")


@click.command(cls=ClientCommand, fields={"source": "--source"})
@click.argument("file", metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--prune", is_flag=True, help="Delete the schedules that this source declared before and no more.")
@click.option("--take-over", is_flag=True, help="Also change schedules of code, of people, of other files.")
@click.option("--source", metavar="NAME", help="Who declares it: else what the file says, else the file's name.")
@click.option(
    "--format", "form", type=click.Choice(definitions.FORMATS), help="What is in the file; its name says it too."
)
@yes_option
@json_option
@click.pass_context
def apply(
    ctx: click.Context,
    file: str,
    dry_run: bool,
    prune: bool,
    take_over: bool,
    source: str | None,
    form: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Make schedules, calendars and queues what a file (TOML, JSON, YAML) says.

    Shows first what that changes, and asks. All of it is done or nothing; what the file does not name stays, unless
    --prune. `-` reads standard input.
    """
    said = definitions.parse(read_file(file, "FILE"), definitions.format_of(file, form))
    document = {**said, "source": _source(file, source, said), "prune": prune, "takeOver": take_over}
    with connect(ctx, makes_database=not dry_run) as client:
        plan = ask(client, {**document, "dryRun": True}, file)
        changes = [change for change in plan["changes"] if change["action"] != "unchanged"]
        if not as_json:
            print_plan(plan, changes)
        if dry_run or not changes:
            if as_json:
                print_json(plan)
            return
        refuse_others(changes, plan["source"])
        if as_json and not yes:
            raise click.UsageError("--json does not ask: add --yes, or --dry-run to see the plan")
        confirm(f"Apply {plural(len(changes), 'change')}?", yes=yes)
        done = ask(client, document, file)
    if as_json:
        print_json(done)
    else:
        click.echo(f"applied: {counted(done['changes'])}")


def ask(client: Client, document: Json, file: str) -> Json:
    """Send a document, or ask for its plan; errors name the file."""
    try:
        return client.apply(document)
    except Invalid as error:
        raise Invalid(f"{file}: {error.field}", error.reason, hint=error.hint) from error


def _source(file: str, given: str | None, said: Json) -> str:
    """Return who declares it."""
    named = given if given is not None else said.get("source")
    if named is None and file == "-":
        raise Invalid("--source", "is missing: standard input has no name", hint='or write source = "…" in it')
    if named is not None and not isinstance(named, str):
        raise Invalid("FILE", "source is no text", hint='source = "billing"')
    return named if named is not None else PurePath(file).name


def print_plan(plan: Json, changes: Sequence[Json]) -> None:
    """Print what changes, as one reads the difference of two files."""
    for change in changes:
        mark, colour = MARKS[change["action"]]
        reason = f": {change['reason']}" if change["reason"] else ""
        what = f"{mark} {change['kind']} {change['id']}{reason}"
        click.echo(click.style(safe_line(what), fg=colour, bold=True))
        for field in change["fields"]:
            _print_field(field, is_new=change["action"] == "create")
    unchanged = len(plan["changes"]) - len(changes)
    if changes:
        click.echo()
    told = f"{plan['source']}: {counted(plan['changes']) or 'nothing changes'}"
    click.echo(safe_line(f"{told}, {unchanged} unchanged" if unchanged else told))


def _print_field(field: Json, *, is_new: bool) -> None:
    if is_new:
        name, value = field["field"], field["to"]
        if name not in NAMED and is_said(value) and value != UNSAID.get(name):
            click.echo(click.style(safe_line(f"    + {name}: {_value(value)}"), fg="green"))
        return
    click.echo(click.style(safe_line(f"    - {field['field']}: {_value(field['from'])}"), fg="red"))
    click.echo(click.style(safe_line(f"    + {field['field']}: {_value(field['to'])}"), fg="green"))


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def counted(changes: Sequence[Json]) -> str:
    """Return how many changes there are of each kind."""
    counts = Counter(change["action"] for change in changes)
    words = {**DONE, "refused": "refused"}
    return ", ".join(f"{counts[action]} {word}" for action, word in words.items() if counts[action])


def refuse_others(changes: Sequence[Json], source: str) -> None:
    """Raise Conflict where a plan holds schedules of others."""
    refused = [change["id"] for change in changes if change["action"] == "refused"]
    if refused:
        more = f" and {len(refused) - 3} more" if len(refused) > 3 else ""
        raise Conflict(
            f"nothing was changed: {', '.join(refused[:3])}{more} cannot be changed by {source}",
            hint="--take-over makes them the file's",
        )
