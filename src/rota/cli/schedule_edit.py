"""``rota schedules edit``: what would change is shown before it is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rota.cli.command import ClientCommand
from rota.cli.connection import connect
from rota.cli.options import json_option, yes_option
from rota.cli.output import compact_json, confirm, local, notes, plural, print_json
from rota.cli.schedule_options import EDITABLE, FIELDS, JOB, POLICY, RULE, WHAT, WHEN_FIELDS, add_options, body
from rota.cli.schedule_view import print_saved
from rota.cli.terminal import safe_line
from rota.jsontext import is_said

if TYPE_CHECKING:
    from rota.client import Json

MOST_SHOWN = 5


@click.command(cls=ClientCommand, fields=FIELDS)
@click.argument("schedule_id", metavar="ID")
@add_options(RULE, WHAT, POLICY, JOB)
@click.option("--unset", multiple=True, metavar="FIELD", help="Take a field away, such as endAt; also several.")
@click.option("--take-over", is_flag=True, help="Make it yours, though code or a file keeps it.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@yes_option
@json_option
@click.pass_context
def edit(
    ctx: click.Context,
    /,
    schedule_id: str,
    unset: tuple[str, ...],
    take_over: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Change what is named; everything else stays.  An edit is a new version.

    Shows which fields change, and which instants of the next 7 days go and come; where any does, it asks.
    """
    changes = body(options)
    if not changes and not unset and not take_over:
        raise click.UsageError("say what to change, for example --cron '0 9 * * *'")
    _check_unset(unset)
    with connect(ctx) as client:
        wanted = _edited(client.schedule(schedule_id), changes, unset)
        if take_over:
            wanted["takeOver"] = True
        found = client.look_at_edit(schedule_id, wanted)
        if dry_run:
            print_json(found) if as_json else print_edit(found)
            return
        if not as_json:
            print_edit(found)
        if found["goesCount"] or found["comesCount"]:
            confirm(f"Change the schedule {schedule_id}?", yes=yes)
        print_saved(client, client.put_schedule(schedule_id, wanted), as_json=as_json)


def _check_unset(names: tuple[str, ...]) -> None:
    for name in names:
        if name not in EDITABLE or name in WHEN_FIELDS | {"jobType", "target"}:
            free = ", ".join(one for one in EDITABLE if one not in WHEN_FIELDS | {"jobType", "target"})
            raise click.BadParameter(f"{name[:80]!r} is no field that can be taken away (known: {free})")


def _edited(old: Json, changes: Json, unset: tuple[str, ...]) -> dict[str, Any]:
    """Return the whole of a schedule with its changes."""
    kept = {name: old[name] for name in EDITABLE if _is_kept(old.get(name)) and name not in unset}
    if changes.keys() & WHEN_FIELDS:
        kept = {name: value for name, value in kept.items() if name not in WHEN_FIELDS | {"seconds", "dayMatch"}}
    if changes.keys() & {"target", "jobType"}:
        kept = {name: value for name, value in kept.items() if name not in ("target", "jobType")}
    return {**kept, **changes}


def _is_kept(value: Any) -> bool:
    return is_said(value) or value == {}  # empty arguments are some


def print_edit(edit: Json) -> None:
    """Say what an edit would change."""
    if not edit["changes"]:
        click.echo("Nothing changes.")
        return
    for change in edit["changes"]:
        click.echo(f"  {change['field']}: {_value(change['from'])} → {_value(change['to'])}")
    zone = edit["schedule"]["timezone"]
    for sign, name, colour in (("-", "goes", "red"), ("+", "comes", "green")):
        count = edit[f"{name}Count"]
        if not count:
            continue
        verb = {"goes": "go" if count > 1 else "goes", "comes": "come" if count > 1 else "comes"}[name]
        click.echo(f"{plural(count, 'instant')} until {local(edit['until'], zone)} {verb}:")
        for instant in edit[name][:MOST_SHOWN]:
            click.echo(click.style(f"  {sign} {local(instant, zone)}", fg=colour))
        if count > MOST_SHOWN:
            click.echo(f"  … and {count - MOST_SHOWN} more")
    notes(edit["warnings"])


def _value(value: Any) -> str:
    if value in (None, [], ""):
        return "nothing"
    return safe_line(value if isinstance(value, str) else compact_json(value) or "")
