"""``rota monitors``: what watches over schedules, queues and the system, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rota.cli.channels import test
from rota.cli.command import ClientGroup, WholeNumber
from rota.cli.connection import connect
from rota.cli.options import future, given, json_option, past
from rota.cli.output import ago, details, local, print_json, status, table

if TYPE_CHECKING:
    from rota.client import Json

FIELDS = {
    "id": "ID", "limit": "--limit", "count": "--count", "grace": "--grace", "realert": "--realert", "note": "--note",
    "quietHours": "--quiet", "quietHours.from": "--quiet", "quietHours.to": "--quiet", "quietHours.timezone": "--tz",
    "quietHours.days": "--day", "dependsOn": "--depends-on", "until": "--until", "q": "--q", "subject": "--subject",
    "monitor": "--monitor", "since": "--since", "kind": "--kind",
}  # fmt: skip
NONE = "none"
HEADERS = ("MONITOR", "STATE", "LIMIT", "AGAIN AFTER", "SINCE", "SAYS")


@click.group(cls=ClientGroup)
def monitors() -> None:
    """What watches over schedules, queues and the system, and who is told."""


monitors.add_command(test)


@monitors.command("list", fields=FIELDS)
@click.option("--kind", metavar="KIND", help="Only of this kind: late, failing, backlog …")
@click.option("--subject", metavar="WHAT", help="Only of such things: system, check, queue, type, schedule.")
@click.option("--state", metavar="STATE", help="Only these: open, held, muted, off, changed.")
@click.option("--q", metavar="TEXT", help="Part of the id of what is watched.")
@click.option("-n", "--limit", type=WholeNumber(1, 10_000), default=100, show_default=True, help="At most so many.")
@json_option
@click.pass_context
def list_(ctx: click.Context, /, limit: int, as_json: bool, **filters: Any) -> None:
    """List monitors: there is one for each thing that can go wrong with each thing there is."""
    with connect(ctx) as client:
        found = list(client.monitors(limit=limit, **given(**filters)))
    if as_json:
        print_json(found)
        return
    rows = [
        (one["id"], _state(one), _limit(one), one["realert"], ago(one["since"]), one["text"] or _note(one))
        for one in found
    ]
    table(HEADERS, rows, empty="No monitor matches.", wide=("MONITOR", "SAYS"))


def _state(one: Json) -> str:
    if one["mute"] is not None:
        return status("muted") + (f" until {local(one['mute']['until'])}" if one["mute"]["until"] else "")
    return status(one["state"])


def _limit(one: Json) -> str | None:
    parts: list[str | None] = [one["limit"], None if one["count"] is None else str(one["count"])]
    return " or ".join(part for part in parts if part) or None


def _note(one: Json) -> str | None:
    note: str | None = (one["mute"] or {}).get("note") or one["note"]
    return note


@monitors.command(fields=FIELDS)
@click.argument("id", metavar="ID")
@json_option
@click.pass_context
def show(ctx: click.Context, id: str, as_json: bool) -> None:
    """Show a monitor; ID is its kind and what it watches: failing:schedule:digest, late:schedule:*."""
    with connect(ctx) as client:
        _tell(client.monitor(id), as_json)


def _tell(one: Json, as_json: bool) -> None:
    if as_json:
        print_json(one)
        return
    quiet, mute = one["quietHours"], one["mute"]
    days = f" on {' '.join(quiet['days'])}" if quiet and quiet["days"] else ""
    by = f" by {mute['by']}" if mute and mute["by"] else ""
    of_all = f" ({mute['monitor']})" if mute and mute["monitor"] != one["id"] else ""
    details(
        [
            ("monitor", one["id"]),
            ("looks for", one["meaning"]),
            ("state", _state(one)),
            ("says", one["text"]),
            ("since", local(one["since"]) if one["since"] else None),
            ("held by", one["heldBy"]),
            ("limit", _limit(one)),
            ("grace", one["grace"]),
            ("told again", "never" if one["realert"] == "never" else f"after {one['realert']}"),
            ("quiet hours", f"{quiet['from']}-{quiet['to']} {quiet['timezone']}{days}" if quiet else None),
            ("depends on", ", ".join(one["dependsOn"]) or None),
            ("muted", f"{ago(mute['at'])}{by}{of_all}" if mute else None),
            ("note", _note(one)),
        ]
    )


@monitors.command("set", fields=FIELDS)
@click.argument("id", metavar="ID")
@click.option("--on/--off", "enabled", default=None, help="Switch it on or off.")
@click.option("--limit", metavar="3m", help="From so long on something is wrong; `none`: as by default.")
@click.option("--count", metavar="N", help="From so many on; `none`: as by default.")
@click.option("--grace", metavar="1m", help="So much longer it must be so before it is told; `none`.")
@click.option("--realert", metavar="4h", help="Tell it again after so long; `never`, `none`.")
@click.option("--quiet", metavar="22:00-07:00", help="Tell nobody in these hours; `none`.")
@click.option("--tz", metavar="ZONE", help="Their time zone (UTC).")
@click.option("--day", "days", multiple=True, metavar="DAY", help="They begin on this day: SUN, MON …  Several times.")
@click.option("--depends-on", multiple=True, metavar="ID", help="Tell nothing while this monitor does; `none`.")
@click.option("--note", metavar="TEXT", help="Why; `none`.")
@click.option("--defaults", is_flag=True, help="Let all be as by default first; a mute ends.")
@json_option
@click.pass_context
def set_(ctx: click.Context, /, id: str, as_json: bool, defaults: bool, **options: Any) -> None:
    """Say what a monitor is like; what is not named stays as it is."""
    said = _options(options)
    if not said and not defaults:
        raise click.UsageError("say what is to change, for example --limit 3m")
    with connect(ctx, makes_database=True) as client:
        if defaults:
            client.reset_monitor(id)
        before = client.monitor(id)
        if not said:
            _tell(before, as_json)
            return
        kept = {name: value for name, value in (before["said"] or {}).items() if value is not None}
        body = {name: value for name, value in {**kept, **said}.items() if value is not None}
        _tell(client.put_monitor(id, body), as_json)


def _options(options: Json) -> Json:
    """Return the fields that options say; None for one that is to be as by default."""
    said: dict[str, Any] = {}
    for name in ("limit", "count", "grace", "realert", "note"):
        if (text := options[name]) is not None:
            said[name] = None if text == NONE else _number(text) if name == "count" else text
    if options["enabled"] is not None:
        said["enabled"] = options["enabled"]
    if options["quiet"] is not None:
        said["quietHours"] = None if options["quiet"] == NONE else _quiet(options)
    elif options["tz"] is not None or options["days"]:
        raise click.UsageError("--tz and --day go with --quiet")
    if options["depends_on"]:
        said["dependsOn"] = None if options["depends_on"] == (NONE,) else list(options["depends_on"])
    return said


def _number(text: str) -> int:
    return WholeNumber(1, 10_000).convert(text, None, None)


def _quiet(options: Json) -> Json:
    begin, dash, end = options["quiet"].partition("-")
    if not dash:
        raise click.UsageError("--quiet takes two times of the day, as in 22:00-07:00")
    more = given(timezone=options["tz"], days=list(options["days"]) or None)
    return {"from": begin.strip(), "to": end.strip(), **more}


@monitors.command(fields=FIELDS)
@click.argument("id", metavar="ID")
@click.option("--note", metavar="TEXT", help="Why.")
@click.option("--until", metavar="TIME", help="It ends by itself then: 2026-11-21T09:00:00Z, or 2h from now.")
@json_option
@click.pass_context
def mute(ctx: click.Context, id: str, note: str | None, until: str | None, as_json: bool) -> None:
    """Tell nobody of what a monitor finds; `*:*:*` is every monitor."""
    until = future(until, "--until")
    with connect(ctx) as client:
        one = client.mute_monitor(id, note=note or None, until=until or None)
    if as_json:
        print_json(one)
        return
    click.echo(f"{id} muted" + (f" until {until}" if until else ""))


@monitors.command(fields=FIELDS)
@click.argument("id", metavar="ID")
@json_option
@click.pass_context
def unmute(ctx: click.Context, id: str, as_json: bool) -> None:
    """End a mute; what is still so is told then."""
    with connect(ctx) as client:
        one = client.unmute_monitor(id)
    print_json(one) if as_json else click.echo(f"{id} is muted no more")


@monitors.command(fields=FIELDS)
@click.option("--open/--over", "open_", default=None, help="Only those that are not over, or that are.")
@click.option("--monitor", metavar="ID", help="Only of this monitor.")
@click.option("--kind", metavar="KIND", help="Only of such monitors.")
@click.option("--subject", metavar="WHAT", help="Only about such things (schedule), or about one (schedule:digest).")
@click.option("--since", metavar="TIME", help="Found then or later; `2h` is two hours ago.")
@click.option("-n", "--limit", type=WholeNumber(1, 10_000), default=50, show_default=True, help="At most so many.")
@json_option
@click.pass_context
def alerts(
    ctx: click.Context, /, limit: int, as_json: bool, since: str | None, open_: bool | None, **filters: Any
) -> None:
    """List what monitors found, the latest first."""
    wanted = given(since=past(since, "--since"), open=None if open_ is None else str(open_).lower(), **filters)
    with connect(ctx) as client:
        found = list(client.alerts(limit=limit, **wanted))
    if as_json:
        print_json(found)
        return
    rows = [
        (ago(one["openedAt"]), one["monitorId"], status("open" if one["open"] else "over"), ago(one["toldAt"]),
         one["heldBy"], one["text"])
        for one in found
    ]  # fmt: skip
    headers = ("FOUND", "MONITOR", "STATE", "TOLD", "HELD BY", "TEXT")
    table(headers, rows, empty="Nothing was found.", wide=("MONITOR", "TEXT"))


@monitors.command(fields=FIELDS)
@click.option("--q", metavar="TEXT", help="Part of the monitor's id.")
@click.option("--accept", metavar="ID", help="Set the limit that is proposed for this monitor.")
@json_option
@click.pass_context
def proposals(ctx: click.Context, q: str | None, accept: str | None, as_json: bool) -> None:
    """List the limits that history suggests, or accept one."""
    with connect(ctx) as client:
        if accept is not None:
            _tell(client.accept_proposal(accept), as_json)
            return
        found = list(client.proposals(**given(q=q)))
    if as_json:
        print_json(found)
        return
    rows = [(one["monitorId"], one["limit"], one["runs"], one["text"]) for one in found]
    empty = "History suggests nothing: that takes some runs of a schedule, or 50 ends in a queue."
    table(("MONITOR", "LIMIT", "RUNS", "WHY"), rows, empty=empty, wide=("MONITOR", "WHY"))
