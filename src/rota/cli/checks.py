"""``rota checks``: jobs that Rota does not run, which tell it that they ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rota.cli.command import ClientGroup, WholeNumber
from rota.cli.connection import connect
from rota.cli.options import given, json_option, yes_option
from rota.cli.output import ago, confirm, details, local, milliseconds, print_json, status, table, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from rota.client import Json

STATES = ("new", "up", "started", "late", "down", "failed", "paused")
SAID = ("name", "every", "cron", "timezone", "grace", "longest", "tags", "note")
FIELDS = {
    "every": "--every", "cron": "--cron", "timezone": "--tz", "grace": "--grace", "longest": "--longest",
    "name": "--name", "tags": "--tag", "note": "--note", "id": "ID",
}  # fmt: skip
EMPTY = "No checks.  Make one: rota checks add nightly-backup --cron '30 2 * * *' --grace 20m"


@click.group(cls=ClientGroup)
def checks() -> None:
    """Watch jobs that Rota does not run: they ping an address."""


def _said(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what is expected of a check."""
    for option in reversed(
        (
            click.option("--every", metavar="1d", help="Expect a ping at the latest so long after the last."),
            click.option("--cron", metavar="EXPR", help="Or at the times of a cron expression."),
            click.option("--tz", "timezone", metavar="ZONE", help="Its time zone (UTC)."),
            click.option("--grace", metavar="5m", help="How much later it may come (5m)."),
            click.option("--longest", metavar="2h", help="How long a run may take, from its start to its end."),
            click.option("--name", metavar="TEXT", help="What people call it."),
            click.option("--tag", "tags", multiple=True, metavar="TAG", help="A tag; may be given several times."),
            click.option("--note", metavar="TEXT", help="What it is for."),
        )
    ):
        command = option(command)
    return command


@checks.command("list", fields={"q": "--q", "tag": "--tag"})
@click.option("--q", metavar="TEXT", help="Part of the id or of the name.")
@click.option("--tag", metavar="TAG", help="Only with this tag.")
@click.option("--status", "state", type=click.Choice(STATES), help="Only in this state.")
@json_option
@click.pass_context
def list_(ctx: click.Context, q: str | None, tag: str | None, state: str | None, as_json: bool) -> None:
    """List checks with their states."""
    with connect(ctx) as client:
        found = list(client.checks(**given(q=q, tag=tag, status=state)))
    if as_json:
        print_json(found)
        return
    rows = [
        (one["id"], status(one["status"]), one["description"], ago(one["lastPingAt"]), until(one["nextAt"]),
         milliseconds(one["lastDurationMs"]), one["problem"] or one["pauseNote"])
        for one in found
    ]  # fmt: skip
    headers = ("CHECK", "STATE", "EXPECTED", "LAST PING", "NEXT", "TOOK", "NOTE")
    table(headers, rows, empty=EMPTY, wide=("CHECK", "EXPECTED", "NOTE"))


@checks.command(fields=FIELDS)
@click.argument("id", metavar="ID")
@json_option
@click.pass_context
def show(ctx: click.Context, id: str, as_json: bool) -> None:
    """Show a check, for administrators with the address that its job pings."""
    with connect(ctx) as client:
        _tell(client.check(id), as_json)


@checks.command(fields=FIELDS)
@click.argument("id", metavar="ID")
@_said
@json_option
@click.pass_context
def add(ctx: click.Context, /, id: str, as_json: bool, **said: Any) -> None:
    """Make a check, and print the address that its job is to ping."""
    from rota.errors import Conflict, NotFound

    with connect(ctx, makes_database=True) as client:
        try:
            client.check(id)
        except NotFound:
            _tell(client.put_check(id, _body(said)), as_json)
            return
    raise Conflict(f"there is a check {id} already", hint=f"rota checks edit {id}")


@checks.command(fields=FIELDS)
@click.argument("id", metavar="ID")
@_said
@json_option
@click.pass_context
def edit(ctx: click.Context, /, id: str, as_json: bool, **said: Any) -> None:
    """Say anew some of what is expected; the rest, and the address, stay.  Other times count from now on."""
    body = _body(said)
    if not body:
        raise click.UsageError("say what is to change, for example --grace 20m")
    with connect(ctx) as client:
        before: Json = client.check(id)
        kept = {name: before[name] for name in SAID if before[name] not in (None, [])}
        if "every" in body:
            kept.pop("cron", None)
        if "cron" in body:
            kept.pop("every", None)
        _tell(client.put_check(id, {**kept, **body}), as_json)


@checks.command(fields=FIELDS)
@click.argument("id", metavar="ID")
@yes_option
@click.pass_context
def remove(ctx: click.Context, id: str, yes: bool) -> None:
    """Delete a check with its history; its address is none from then on."""
    with connect(ctx) as client:
        client.check(id)
        confirm(f"Delete the check {id} with its history?", yes=yes)
        client.delete_check(id)
    click.echo(f"{id} removed")


@checks.command(fields=FIELDS)
@click.argument("id", metavar="ID")
@click.option("--note", metavar="TEXT", help="Why.")
@click.pass_context
def pause(ctx: click.Context, id: str, note: str | None) -> None:
    """Expect nothing for the time being; pings are kept all the same."""
    with connect(ctx) as client:
        client.pause_check(id, note=note)
    click.echo(f"{id} paused")


@checks.command(fields=FIELDS)
@click.argument("id", metavar="ID")
@click.pass_context
def resume(ctx: click.Context, id: str) -> None:
    """Expect pings again, from now on."""
    with connect(ctx) as client:
        found = client.resume_check(id)
    click.echo(f"{id} resumed, next expected {until(found['nextAt'])}")


@checks.command("new-key", fields=FIELDS)
@click.argument("id", metavar="ID")
@yes_option
@json_option
@click.pass_context
def new_key(ctx: click.Context, id: str, yes: bool, as_json: bool) -> None:
    """Give a check another address; the old one is none at once."""
    with connect(ctx) as client:
        client.check(id)
        confirm(f"Give {id} another address? Its job must be told.", yes=yes)
        _tell(client.new_check_key(id), as_json)


@checks.command(fields=FIELDS)
@click.argument("id", metavar="ID")
@click.option(
    "-n", "--count", type=WholeNumber(1, 10_000), default=20, show_default=True, metavar="N", help="How many."
)
@click.option("--kind", type=click.Choice(("start", "success", "fail", "log")), help="Only pings of this kind.")
@json_option
@click.pass_context
def history(ctx: click.Context, id: str, count: int, kind: str | None, as_json: bool) -> None:
    """List what a check told of itself, the last first."""
    with connect(ctx) as client:
        found = list(client.check_pings(id, limit=count, kind=kind))
    if as_json:
        print_json(found)
        return
    rows = [
        (one["n"], local(one["at"]), one["kind"], one["exitCode"], milliseconds(one["durationMs"]), one["source"],
         " ".join((one["body"] or "").split()[-30:]))
        for one in found
    ]  # fmt: skip
    headers = ("N", "AT", "KIND", "EXIT", "TOOK", "FROM", "SAID")
    table(headers, rows, empty="No pings yet.", wide=("SAID",))


def _body(said: dict[str, Any]) -> dict[str, Any]:
    body = given(**said)
    return {**body, "tags": list(body["tags"])} if "tags" in body else body


def _tell(one: Json, as_json: bool) -> None:
    if as_json:
        print_json(one)
        return
    went_on = None if one["startedAt"] is None else f"since {local(one['startedAt'])}"
    details(
        [
            ("check", one["id"]),
            ("name", one["name"]),
            ("state", status(one["status"])),
            ("problem", one["problem"]),
            ("paused", one["pauseNote"] or (one["paused"] or None)),
            ("expected", one["description"]),
            ("grace", one["grace"]),
            ("longest run", one["longest"]),
            ("next", None if one["nextAt"] is None else f"{local(one['nextAt'])} ({until(one['nextAt'])})"),
            ("runs", went_on),
            (
                "last ping",
                None if one["lastPingAt"] is None else f"{local(one['lastPingAt'])} ({ago(one['lastPingAt'])})",
            ),
            ("took", None if one["lastDurationMs"] is None else milliseconds(one["lastDurationMs"])),
            ("failures", one["failures"] or None),
            ("tags", ", ".join(one["tags"]) or None),
            ("note", one["note"]),
            ("ping", one["pingUrl"] or (one["pingPath"] and f"{one['pingPath']}, behind the address of Rota")),
        ]
    )
