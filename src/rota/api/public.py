"""What anybody may see: the page and the badge of a tag, where an administrator switched them on."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from rota.api.badge import badge
from rota.api.check_answers import PublicStatus
from rota.api.context import Context
from rota.api.operations import Operations, Parameter
from rota.api.public_page import POLICY, page
from rota.api.reply import JsonReply

operations = Operations(
    "Status pages", Parameter(name="slug", description="Last part of the address.", example="acme-jobs")
)

HEADERS = {"Cache-Control": "public, max-age=10", "X-Robots-Tag": "noindex, nofollow"}


@operations.add("GET", "/status/{slug}.json", "getPublicStatus", role=None, answer=PublicStatus, has_payloads=False)
async def status_json(context: Context) -> Response:
    """See the states of what has a tag, where that is public."""
    found = await context.service.boards.get(context.path("slug"), "page")
    return JsonReply(msgspec.to_builtins(found), 200, dict(HEADERS))


@operations.add("GET", "/status/{slug}", "getPublicPage", role=None, media_type="text/html", has_payloads=False)
async def status_page(context: Context) -> Response:
    """See them as a page, which needs no script."""
    found = await context.service.boards.get(context.path("slug"), "page")
    headers = {**HEADERS, "Content-Security-Policy": POLICY}
    return Response(page(found), 200, headers, "text/html; charset=utf-8")


@operations.add("GET", "/badge/{slug}.svg", "getBadge", role=None, media_type="image/svg+xml", has_payloads=False)
async def status_badge(context: Context) -> Response:
    """See the worst of them as a small picture."""
    found = await context.service.boards.get(context.path("slug"), "badge")
    headers = {**HEADERS, "Content-Security-Policy": "default-src 'none'; style-src 'none'; frame-ancestors 'none'"}
    return Response(badge(found.title, found.status), 200, headers, "image/svg+xml")
