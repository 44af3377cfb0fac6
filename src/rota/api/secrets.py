"""Named secrets over REST: their values go in, and never come out."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rota import logs
from rota.actions import secrets as secret_actions
from rota.actions.specs import SecretIn
from rota.api.answers import Answer, Page, Time
from rota.api.context import Context
from rota.api.operations import Operations, Parameter
from rota.api.paging import WholeQuery, part_of
from rota.api.reply import JsonReply
from rota.sealing import Keys
from rota.store import secrets
from rota.store.database import Tx

operations = Operations("Secrets", Parameter(name="name", description="Name of the secret.", example="stripe"))


class SecretOut(Answer):
    """A named secret, without its value."""

    name: str
    version: int
    note: str | None
    key_id: str
    key_known: bool
    created_at: Time
    created_by: str | None
    updated_at: Time
    updated_by: str | None
    used_at: Time | None


class SecretList(Page):
    """All named secrets, without their values."""

    secrets: list[SecretOut]


class Rotation(Answer):
    """What a rotation of keys has come to."""

    rotated: int
    left: int
    unreadable: list[str]


@operations.add("GET", "/api/secrets", "listSecrets", role="admin", query=WholeQuery, answer=SecretList)
async def list_secrets(context: Context) -> Response:
    """List all named secrets by name, without their values.

    `keyKnown` says whether this process has the key that opens it.
    """
    keys, query = _keys(context), context.query(WholeQuery)

    def look(tx: Tx) -> list[dict[str, Any]]:
        return [secret_actions.shown(secret, keys) for secret in secrets.listed(tx)]

    return JsonReply(part_of("secrets", await context.read(look), query))


@operations.add(
    "PUT",
    "/api/secrets/{name}",
    "putSecret",
    role="admin",
    body=SecretIn,
    example={"value": "sk_live_…", "note": "payments, rotated each quarter"},
    answer=SecretOut,
    problems=(409,),
)
async def put_secret(context: Context) -> Response:
    """Make a secret, or give it its next value, which holds from the next attempt on.

    `value` has 4 characters at least, and is never given out. Without `value` only the note changes. It is a conflict
    while `ROTA_SECRET_KEY` is not set.
    """
    name, spec, caller, keys = context.path("name"), await context.body(SecretIn), context.caller, _keys(context)

    def work(tx: Tx) -> dict[str, Any]:
        saved = secret_actions.put(tx, name, spec, caller, keys)
        tx.after_commit(lambda: logs.event("secret/saved", secret=saved.name, version=saved.version, by=caller.subject))
        return secret_actions.shown(saved, keys)

    return JsonReply(await context.write(work))


@operations.add("DELETE", "/api/secrets/{name}", "deleteSecret", role="admin", status=204, problems=(409,))
async def delete_secret(context: Context) -> Response:
    """Delete a secret; refused while a schedule or a job type refers to it."""
    name, caller = context.path("name"), context.caller

    def work(tx: Tx) -> None:
        secret_actions.delete(tx, name, caller)
        tx.after_commit(lambda: logs.event("secret/removed", secret=name, by=caller.subject))

    await context.write(work)
    return Response(status_code=204)


@operations.add("POST", "/api/secrets/rotate", "rotateSecrets", role="admin", answer=Rotation, problems=(409,))
async def rotate_secrets(context: Context) -> Response:
    """Encrypt anew, with the first key of `ROTA_SECRET_KEY`, what another key has encrypted; 100 secrets at a time.

    Ask again until `left` is 0. `unreadable` are those that no key at hand opens. The values stay as they are.
    """
    caller, keys = context.caller, _keys(context)

    def work(tx: Tx) -> secret_actions.Resealed:
        done = secret_actions.reseal(tx, caller, keys)
        if done.rotated:
            tx.after_commit(lambda: logs.event("secret/rotated", rotated=done.rotated, by=caller.subject))
        return done

    return JsonReply(await context.write(work))


def _keys(context: Context) -> Keys:
    return Keys(context.settings.secret_keys)
