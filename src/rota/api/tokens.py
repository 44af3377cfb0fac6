"""API tokens over REST."""

from __future__ import annotations

import secrets
from typing import Any

from starlette.responses import Response

from rota import logs
from rota.actions import present
from rota.actions.specs import TokenIn
from rota.api.answers import TokenList, TokenMade
from rota.api.context import Context
from rota.api.idempotency import create_once
from rota.api.operations import IDEMPOTENCY_KEY, Operations, Parameter
from rota.api.paging import WholeQuery, part_of
from rota.api.providers import TOKEN_PREFIX, digest_of
from rota.api.reply import JsonReply
from rota.durations import SECOND, parse_duration
from rota.errors import NotFound
from rota.ids import new_id
from rota.jsontext import check_text
from rota.store import audit, tokens
from rota.store.database import Tx

ID = Parameter(name="id", description="Id of the token.", example="019a9d2c-7c1e-7aa0-8f5e-0c3b2a190000")
operations = Operations("Tokens", ID)

LONGEST_NAME = 200


@operations.add("GET", "/api/tokens", "listTokens", role="admin", query=WholeQuery, answer=TokenList)
async def list_tokens(context: Context) -> Response:
    """List all API tokens, those that ended included, without what they are."""
    query = context.query(WholeQuery)
    found = await context.read(tokens.listed)
    return JsonReply(part_of("tokens", [_shown(row) for row in found], query, key="id"))


@operations.add(
    "POST",
    "/api/tokens",
    "createToken",
    role="admin",
    body=TokenIn,
    example={"role": "operator", "name": "web app", "expiresIn": "90d"},
    headers=(IDEMPOTENCY_KEY,),
    status=201,
    answer=TokenMade,
)
async def create_token(context: Context) -> Response:
    """Make an API token.

    `token` is shown this once: a digest of it is all that is kept.
    """
    spec, caller = await context.body(TokenIn), context.caller
    name = check_text(spec.name, "name", max_length=LONGEST_NAME)
    lasts = None if spec.expires_in is None else parse_duration(spec.expires_in, "expiresIn", minimum_us=SECOND)
    token_id, text = new_id(), TOKEN_PREFIX + secrets.token_urlsafe(32)

    def work(tx: Tx) -> dict[str, Any]:
        now = tx.now()
        ends = None if lasts is None else now + lasts
        tokens.add(tx, token_id, name, spec.role, digest_of(text), by=caller.subject, expires_at=ends)
        made = {"name": name, "role": spec.role, "expiresAt": present.instant(ends)}
        audit.record(tx, caller, "created", "token", token_id, after=made)
        tx.after_commit(lambda: logs.event("auth/changed", "a token was made", by=caller.subject, tokenName=name))
        return {
            "id": token_id,
            "name": name,
            "role": spec.role,
            "token": text,
            "createdAt": present.instant(now),
            "expiresAt": present.instant(ends),
        }

    shown, headers = await create_once(context, work, remember=lambda made: {**made, "token": None})
    return JsonReply(shown, 201, headers)


@operations.add("DELETE", "/api/tokens/{id}", "revokeToken", role="admin", status=204)
async def revoke_token(context: Context) -> Response:
    """End an API token and the sessions that it opened.

    Processes of the API believe it for up to 3 seconds more.
    """
    token_id, caller = context.path("id"), context.caller

    def work(tx: Tx) -> None:
        ended = tokens.revoke(tx, token_id)
        if ended is None:
            raise NotFound(f"there is no token {token_id[:100]} that could be ended")
        audit.record(tx, caller, "revoked", "token", token_id, before=ended)
        tx.after_commit(lambda: logs.event("auth/changed", "a token was revoked", by=caller.subject))

    await context.write(work)
    for forget in context.service.when_token_ends:
        forget()
    return Response(status_code=204)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "role": row["role"],
        "createdBy": row["created_by"],
        "createdAt": present.instant(row["created_at"]),
        "expiresAt": present.instant(row["expires_at"]),
        "lastUsedAt": present.instant(row["last_used_at"]),
        "revokedAt": present.instant(row["revoked_at"]),
    }
