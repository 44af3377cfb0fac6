"""Monitors and alerts over REST."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response

from rota import logs
from rota.actions.specs import PauseIn
from rota.api.context import Context
from rota.api.monitor_answers import AlertList, AlertOut, MonitorList, MonitorOut, ProposalList
from rota.api.operations import Operations, Parameter
from rota.api.paging import PageQuery, WholeQuery, answered, decode_offset, encode_cursor, part_of
from rota.api.reply import JsonReply
from rota.durations import format_duration
from rota.errors import Conflict, NotFound
from rota.ids import is_id
from rota.insight import monitor_edits, monitor_list
from rota.insight import proposals as proposing
from rota.insight.monitor_edits import MonitorIn
from rota.insight.monitor_list import MonitorFilter, Monitors
from rota.insight.monitoring import MonitorKind, SubjectKind
from rota.jsontext import check_text
from rota.model import Severity
from rota.store import alerts
from rota.store.alerts import AlertFilter
from rota.store.database import Tx
from rota.timetable import parse_instant

operations = Operations(
    "Monitors",
    Parameter(name="alert_id", description="Id of the alert.", example="019a9d2c-7c1e-7aa0-8f5e-0c3b2a190000"),
    Parameter(
        name="id", description="Id of the monitor, `kind:subject kind:subject`.", example="failing:schedule:digest"
    ),
)

EXAMPLE = {
    "limit": "3m", "grace": "1m", "realert": "2h",
    "quietHours": {"timezone": "Europe/Paris", "from": "22:00", "to": "07:00", "days": ["SAT", "SUN"]},
    "dependsOn": ["backlog:queue:mail"],
}  # fmt: skip


class MonitorQuery(PageQuery):
    """Which monitors."""

    kind: Annotated[MonitorKind, msgspec.Meta(description="Only of this kind.")] | None = None
    subject: Annotated[SubjectKind, msgspec.Meta(description="Only of such things.")] | None = None
    state: (
        Annotated[
            Literal["open", "held", "off", "muted", "changed"],
            msgspec.Meta(description="Only those that tell, find and do not tell, are off, are muted, were changed."),
        ]
        | None
    ) = None
    q: Annotated[str, msgspec.Meta(description="Part of the id of what is watched.", max_length=200)] | None = None


@operations.add("GET", "/api/monitors", "listMonitors", query=MonitorQuery, answer=MonitorList, has_payloads=False)
async def list_monitors(context: Context) -> Response:
    """List the monitors: there is one for each thing that can go wrong with each thing there is.

    All are on by default. What was said for all of a kind (`late:schedule:*`) comes first, then those of the system, of
    checks, queues, job types, and schedules.
    """
    query, stall_us = context.query(MonitorQuery), context.settings.stall_us
    offset = query.offset() if query.cursor is None else decode_offset(query.cursor)
    q = check_text(query.q, "q", max_length=200) if query.q is not None else None
    wanted = MonitorFilter(kind=query.kind, subject_kind=query.subject, state=query.state, q=q)

    def look(tx: Tx) -> dict[str, Any]:
        found, total = Monitors(tx, stall_us).page(wanted, offset=offset, limit=query.limit)
        end = offset + len(found)
        following = encode_cursor(str(end)) if found and end < total else None
        return {**answered("monitors", found, query, total=0, next_cursor=following), "total": total}

    return JsonReply(await context.read(look))


class ProposalQuery(WholeQuery):
    """Which proposals."""


@operations.add(
    "GET", "/api/monitors/proposals", "listProposals", query=ProposalQuery, answer=ProposalList, has_payloads=False
)
async def list_proposals(context: Context) -> Response:
    """List limits that history suggests, where nobody has set one.

    By the last 20 runs of schedules, the first 200 by id (`q` finds others), and by a week of queues and job types.
    """
    query = context.query(ProposalQuery)
    q = check_text(query.q, "q", max_length=200) if query.q is not None else None
    found = await context.read(lambda tx: proposing.proposals(tx, q=q))
    shown = [
        {"monitorId": one.monitor, "limit": format_duration(one.limit_us), "text": one.text, "runs": one.runs}
        for one in found
    ]
    return JsonReply(part_of("proposals", shown, msgspec.structs.replace(query, q=None), key="monitorId"))


@operations.add("GET", "/api/monitors/{id}", "getMonitor", answer=MonitorOut, has_payloads=False)
async def get_monitor(context: Context) -> Response:
    """Look at one monitor.

    In place of what is watched, `*` means all of a kind, and `*:*:*` every monitor: what is said of these holds where
    nothing is said of the monitor itself.
    """
    name = context.path("id")
    return JsonReply(await context.read(lambda tx: _shown(tx, context, name, check=True)))


@operations.add(
    "PUT", "/api/monitors/{id}", "putMonitor", role="operator", body=MonitorIn, example=EXAMPLE, answer=MonitorOut,
    has_payloads=False,
)  # fmt: skip
async def put_monitor(context: Context) -> Response:
    """Say what a monitor is like, all of it: what is not given is as it is by default. A mute stays."""
    name, spec, caller = context.path("id"), await context.body(MonitorIn), context.caller

    def work(tx: Tx) -> dict[str, Any]:
        if monitor_edits.put(tx, name, spec, caller):
            tx.after_commit(lambda: logs.event("monitor/changed", monitor=name, by=caller.subject))
        return _shown(tx, context, name)

    return JsonReply(await context.write(work))


@operations.add("DELETE", "/api/monitors/{id}", "resetMonitor", role="operator", status=204)
async def reset_monitor(context: Context) -> Response:
    """Let a monitor be as it is by default; a mute of it ends too."""
    name, caller = context.path("id"), context.caller

    def work(tx: Tx) -> None:
        if monitor_edits.reset(tx, name, caller):
            tx.after_commit(lambda: logs.event("monitor/changed", monitor=name, by=caller.subject))

    await context.write(work)
    return Response(status_code=204)


@operations.add(
    "POST", "/api/monitors/{id}/mute", "muteMonitor", role="operator", body=PauseIn, body_required=False,
    example={"note": "the mail host moves", "until": "2027-01-05T08:00:00Z"}, answer=MonitorOut, has_payloads=False,
)  # fmt: skip
async def mute_monitor(context: Context) -> Response:
    """Tell nobody of what a monitor finds, for good or until an instant.

    What it finds stands in the list of alerts all the same; what is still so when the mute ends is told then.
    """
    name, spec, caller = context.path("id"), await context.optional_body(PauseIn), context.caller

    def work(tx: Tx) -> dict[str, Any]:
        said = monitor_edits.mute(tx, name, spec, caller)
        tx.after_commit(
            lambda: logs.event(
                "monitor/muted", monitor=name, by=caller.subject, reason=said.muted_note, until=said.muted_until
            )
        )
        return _shown(tx, context, name)

    return JsonReply(await context.write(work))


@operations.add(
    "POST", "/api/monitors/{id}/unmute", "unmuteMonitor", role="operator", answer=MonitorOut, has_payloads=False
)
async def unmute_monitor(context: Context) -> Response:
    """End the mute of a monitor. One that is not muted stays as it is."""
    name, caller = context.path("id"), context.caller

    def work(tx: Tx) -> dict[str, Any]:
        if monitor_edits.unmute(tx, name, caller):
            tx.after_commit(lambda: logs.event("monitor/unmuted", monitor=name, by=caller.subject))
        return _shown(tx, context, name)

    return JsonReply(await context.write(work))


@operations.add(
    "POST", "/api/monitors/{id}/accept", "acceptProposal", role="operator", answer=MonitorOut, problems=(409,),
    has_payloads=False,
)  # fmt: skip
async def accept_proposal(context: Context) -> Response:
    """Set the limit that history suggests for a monitor; a conflict where it suggests none, or somebody has set one."""
    name, caller = context.path("id"), context.caller

    def work(tx: Tx) -> dict[str, Any]:
        monitor_list.check_there(tx, name)
        found = next((one for one in proposing.proposals(tx, q=name) if one.monitor == name), None)
        if found is None:
            raise Conflict(f"nothing is proposed for {name[:100]}", hint="GET /api/monitors/proposals lists what is")
        monitor_edits.limit(tx, name, found.limit_us, caller)
        tx.after_commit(lambda: logs.event("monitor/changed", monitor=name, by=caller.subject))
        return _shown(tx, context, name)

    return JsonReply(await context.write(work))


def _shown(tx: Tx, context: Context, name: str, *, check: bool = False) -> dict[str, Any]:
    if check:
        monitor_list.check_there(tx, name)
    return Monitors(tx, context.settings.stall_us).shown(name)


class AlertQuery(PageQuery):
    """Which alerts."""

    open: Annotated[bool, msgspec.Meta(description="Only those that are not over, or that are.")] | None = None
    monitor: Annotated[str, msgspec.Meta(description="Only of this monitor.")] | None = None
    kind: Annotated[MonitorKind, msgspec.Meta(description="Only of such monitors.")] | None = None
    severity: Annotated[Severity, msgspec.Meta(description="Only such.")] | None = None
    subject: (
        Annotated[str, msgspec.Meta(description="Only about such things: `schedule`; or about one: `schedule:digest`.")]
        | None
    ) = None
    since: Annotated[str, msgspec.Meta(description="Found at or after this time.")] | None = None
    until: Annotated[str, msgspec.Meta(description="Found before this time.")] | None = None


@operations.add("GET", "/api/alerts", "listAlerts", query=AlertQuery, answer=AlertList, has_payloads=False)
async def list_alerts(context: Context) -> Response:
    """List what monitors found, the latest first."""
    query = context.query(AlertQuery)
    wanted, before, limit = _wanted(query), query.before_id(), query.limit

    def look(tx: Tx) -> dict[str, Any]:
        found = alerts.listed(tx, wanted, limit=limit + 1, before=before, offset=query.offset())
        more = found[limit - 1].id if len(found) > limit else None
        items = [monitor_list.shown_alert(one) for one in found[:limit]]
        return answered("alerts", items, query, total=alerts.count(tx, wanted), next_cursor=more)

    return JsonReply(await context.read(look))


@operations.add("GET", "/api/alerts/{alert_id}", "getAlert", answer=AlertOut, has_payloads=False)
async def get_alert(context: Context) -> Response:
    """Look at one alert."""
    alert_id = context.path("alert_id")
    found = await context.read(lambda tx: alerts.get(tx, alert_id)) if is_id(alert_id) else None
    if found is None:
        raise NotFound(f"there is no alert {alert_id[:100]}")
    return JsonReply(monitor_list.shown_alert(found))


def _wanted(query: AlertQuery) -> AlertFilter:
    subject_kind, _, subject_id = (_text(query.subject, "subject") or "").partition(":")
    return AlertFilter(
        open=query.open,
        monitor=_text(query.monitor, "monitor"),
        kind=query.kind,
        severity=query.severity,
        subject_kind=subject_kind or None,
        subject_id=subject_id or None,
        since=parse_instant(query.since, "since") if query.since else None,
        until=parse_instant(query.until, "until") if query.until else None,
    )


def _text(value: str | None, field: str) -> str | None:
    return None if value is None else check_text(value, field, max_length=500)
