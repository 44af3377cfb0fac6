"""Checks over REST: jobs that Rota does not run, and what they told of themselves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response

from rota import logs
from rota.actions import checks as check_actions
from rota.actions.specs import CheckIn, NoteIn
from rota.api.check_answers import CheckList, CheckOut, PingList
from rota.api.context import Context
from rota.api.operations import Operations, Parameter
from rota.api.paging import PageQuery, answered, decode_cursor, encode_cursor
from rota.api.reply import JsonReply
from rota.jsontext import check_text
from rota.store import checks, pings
from rota.store.checks import Check, CheckFilter
from rota.store.database import Tx

operations = Operations("Checks", Parameter(name="id", description="Id of the check.", example="nightly-backup"))

EXAMPLE = {
    "name": "Nightly backup", "cron": "30 2 * * *", "timezone": "Europe/Paris", "grace": "20m", "longest": "2h",
    "tags": ["backup"],
}  # fmt: skip
State = Literal["new", "up", "started", "late", "down", "failed", "paused"]


class CheckQuery(PageQuery):
    """Which checks."""

    q: Annotated[str, msgspec.Meta(description="Part of the id or of the name.", max_length=200)] | None = None
    tag: Annotated[str, msgspec.Meta(description="Tag.", max_length=200)] | None = None
    status: Annotated[State, msgspec.Meta(description="State, as the database's clock has it.")] | None = None


class PingQuery(PageQuery):
    """Which pings."""

    kind: (
        Annotated[Literal["start", "success", "fail", "log"], msgspec.Meta(description="Only those of this kind.")]
        | None
    ) = None


@operations.add("GET", "/api/checks", "listChecks", query=CheckQuery, answer=CheckList, has_payloads=False)
async def list_checks(context: Context) -> Response:
    """List jobs that Rota does not run, in the order of their ids, each with its state now."""
    query = context.query(CheckQuery)
    after = decode_cursor(query.cursor) if query.cursor is not None else ""
    texts = {
        name: check_text(value, name, max_length=200)
        for name in ("q", "tag")
        if (value := getattr(query, name)) is not None
    }
    wanted = CheckFilter(status=query.status, **texts)

    def look(tx: Tx) -> dict[str, Any]:
        now = tx.now()
        found = checks.listed(tx, wanted, now, after=after, limit=query.limit + 1, offset=query.offset())
        page, total = found[: query.limit], checks.count_up_to_cap(tx, wanted, now)
        more = encode_cursor(page[-1].id) if len(found) > query.limit else None
        shown = [check_actions.shown(check, now) for check in page]
        return answered("checks", shown, query, total=total, next_cursor=more)

    return JsonReply(await context.read(look))


@operations.add("GET", "/api/checks/{id}", "getCheck", answer=CheckOut)
async def get_check(context: Context) -> Response:
    """Look at one check; administrators see the address that it pings."""
    check_id = context.path("id")
    return JsonReply(await context.read(lambda tx: _shown(context, tx, check_actions.known(tx, check_id))))


@operations.add("PUT", "/api/checks/{id}", "putCheck", role="admin", body=CheckIn, example=EXAMPLE, answer=CheckOut)
async def put_check(context: Context) -> Response:
    """Make a check, or say anew what is expected of it.

    Exactly one of `every` (so long after the last ping) and `cron` is given. `grace` is 5 minutes unless it is said.
    Saying the same again changes nothing; other times count from now on. The address stays the same.
    """
    check_id, spec, caller = context.path("id"), await context.body(CheckIn), context.caller

    def work(tx: Tx) -> dict[str, Any]:
        saved, changed = check_actions.put(tx, check_id, spec, caller)
        if changed:
            _tell_saved(tx, saved, caller.subject)
        return _shown(context, tx, saved)

    return JsonReply(await context.write(work))


@operations.add("DELETE", "/api/checks/{id}", "deleteCheck", role="admin", status=204)
async def delete_check(context: Context) -> Response:
    """Delete a check, with its history; its address answers 404 from then on."""
    check_id, caller = context.path("id"), context.caller

    def work(tx: Tx) -> None:
        check_actions.delete(tx, check_id, caller)
        tx.after_commit(lambda: logs.event("check/removed", check=check_id, by=caller.subject))

    await context.write(work)
    return Response(status_code=204)


@operations.add(
    "POST",
    "/api/checks/{id}/pause",
    "pauseCheck",
    role="operator",
    body=NoteIn,
    body_required=False,
    example={"note": "the backup host moves"},
    answer=CheckOut,
)
async def pause_check(context: Context) -> Response:
    """Expect no pings for the time being; those that come are kept in the history all the same."""
    check_id, spec, caller = context.path("id"), await context.optional_body(NoteIn), context.caller

    def work(tx: Tx) -> dict[str, Any]:
        saved = check_actions.pause(tx, check_id, spec, caller)
        _tell_saved(tx, saved, caller.subject)
        return _shown(context, tx, saved)

    return JsonReply(await context.write(work))


@operations.add("POST", "/api/checks/{id}/resume", "resumeCheck", role="operator", answer=CheckOut)
async def resume_check(context: Context) -> Response:
    """End a pause: from now on pings are expected, as of a new check."""
    check_id, caller = context.path("id"), context.caller

    def work(tx: Tx) -> dict[str, Any]:
        saved = check_actions.resume(tx, check_id, caller)
        _tell_saved(tx, saved, caller.subject)
        return _shown(context, tx, saved)

    return JsonReply(await context.write(work))


@operations.add("POST", "/api/checks/{id}/key", "newCheckKey", role="admin", answer=CheckOut)
async def new_check_key(context: Context) -> Response:
    """Give a check another address: after the old one got into wrong hands. The old one answers 404 at once."""
    check_id, caller, key = context.path("id"), context.caller, check_actions.new_key()

    def work(tx: Tx) -> dict[str, Any]:
        saved = check_actions.give_new_key(tx, check_id, key, caller)
        _tell_saved(tx, saved, caller.subject)
        return _shown(context, tx, saved)

    return JsonReply(await context.write(work))


@operations.add("GET", "/api/checks/{id}/pings", "listCheckPings", query=PingQuery, answer=PingList)
async def list_pings(context: Context) -> Response:
    """List what a check told of itself, the last first: runs with their durations, exit codes and what they said."""
    check_id, query = context.path("id"), context.query(PingQuery)
    before = query.before_number()

    def look(tx: Tx) -> dict[str, Any]:
        check_actions.known(tx, check_id)
        found = pings.listed(tx, check_id, kind=query.kind, before=before, limit=query.limit + 1, offset=query.offset())
        page = found[: query.limit]
        more = encode_cursor(str(page[-1].n)) if len(found) > query.limit else None
        shown = [check_actions.shown_ping(ping) for ping in page]
        return answered("pings", shown, query, total=pings.count(tx, check_id, query.kind), next_cursor=more)

    return JsonReply(await context.read(look))


def _shown(context: Context, tx: Tx, check: Check) -> dict[str, Any]:
    """Return a check as it is answered; the address only to those who may change it."""
    found = check_actions.shown(check, tx.now())
    path = f"{context.settings.root_path}/ping/{check.key}" if context.identity.may("admin") else None
    return {
        **found,
        "key": None if path is None else check.key,
        "pingPath": path,
        "pingUrl": None if path is None else _whole(context, path),
    }


def _whole(context: Context, path: str) -> str | None:
    """Return the address by ``ROTA_PUBLIC_URL``, else as the caller reaches the service; None by no network."""
    public = context.settings.public_url
    if public is not None:
        return f"{public.rstrip('/')}{path.removeprefix(context.settings.root_path)}"
    if context.identity.source == "trusted":
        return None
    url = context.request.url
    return f"{url.scheme}://{url.netloc}{path}"


def _tell_saved(tx: Tx, check: Check, by: str | None) -> None:
    tx.after_commit(lambda: logs.event("check/saved", check=check.id, version=check.version, by=by))
