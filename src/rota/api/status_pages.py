"""Status pages over REST: what is shown to anybody of a tag, switched on and off by an administrator."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rota import logs
from rota.actions import status_pages as actions
from rota.actions.specs import StatusPageIn
from rota.api.check_answers import StatusPageList, StatusPageOut
from rota.api.context import Context
from rota.api.operations import Operations, Parameter
from rota.api.paging import WholeQuery, part_of
from rota.api.reply import JsonReply
from rota.store import status_pages
from rota.store.database import Tx

operations = Operations("Status pages", Parameter(name="name", description="The tag.", example="customers"))

EXAMPLE = {"page": True, "badge": True, "title": "Nightly work", "names": {"check:nightly-backup": "Backup"}}


@operations.add("GET", "/api/status-pages", "listStatusPages", role="admin", query=WholeQuery, answer=StatusPageList)
async def list_pages(context: Context) -> Response:
    """List what is shown to anybody, by tag."""
    query, root_path = context.query(WholeQuery), context.settings.root_path

    def look(tx: Tx) -> list[dict[str, Any]]:
        return [actions.shown(page, root_path) for page in status_pages.listed(tx)]

    return JsonReply(part_of("statusPages", await context.read(look), query, key="tag"))


@operations.add(
    "PUT",
    "/api/status-pages/{name:path}",
    "putStatusPage",
    role="admin",
    body=StatusPageIn,
    example=EXAMPLE,
    answer=StatusPageOut,
    problems=(409,),
)
async def put_page(context: Context) -> Response:
    """Show the states of the schedules and checks with a tag to anybody who has the address, or no longer.

    `page` and `badge` switch the page and the picture on and off; both are off at first. What is left out stays as it
    is. Without a `slug` the address has 32 random characters.
    """
    tag, spec, caller = context.path("name"), await context.body(StatusPageIn), context.caller
    slug, root_path = actions.random_slug(), context.settings.root_path

    def work(tx: Tx) -> dict[str, Any]:
        saved, changed = actions.put(tx, tag, spec, caller, slug)
        if changed:
            tx.after_commit(
                lambda: logs.event(
                    "status-page/saved", tag=tag, page=bool(saved.page), badge=bool(saved.badge), by=caller.subject
                )
            )
        return actions.shown(saved, root_path)

    return JsonReply(await context.write(work))


@operations.add("DELETE", "/api/status-pages/{name:path}", "deleteStatusPage", role="admin", status=204)
async def delete_page(context: Context) -> Response:
    """Show nothing more of a tag; the address is forgotten."""
    tag, caller = context.path("name"), context.caller

    def work(tx: Tx) -> None:
        actions.delete(tx, tag, caller)
        tx.after_commit(lambda: logs.event("status-page/removed", tag=tag, by=caller.subject))

    await context.write(work)
    return Response(status_code=204)
