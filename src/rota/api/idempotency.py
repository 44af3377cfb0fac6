"""``Idempotency-Key``: a creation that is asked for again is answered again, not done again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from rota.api.context import Context
from rota.errors import Conflict, Invalid
from rota.jsontext import check_text
from rota.store import tokens
from rota.store.database import Tx

HEADER = "Idempotency-Key"
REPLAYED = {"Idempotency-Replayed": "true"}
_LONGEST_KEY = 255
_TRIES = 3


class _Raced(Exception):
    """Another request with the key was quicker; its answer is there now."""


async def create_once(
    context: Context, make: Callable[[Tx], Any], *, remember: Callable[[Any], Any] = lambda answer: answer
) -> tuple[Any, dict[str, str]]:
    """Commit ``make`` unless its idempotency key was used; return (answer, headers).

    The answer is what ``make`` returned, now or then; ``remember`` makes of it what is kept for later.
    """
    key = context.header(HEADER)
    if key is None:
        return await context.write(make), {}
    if not key:
        raise Invalid(HEADER, "is empty", hint="send a text that is new for each creation")
    check_text(key, HEADER, max_length=_LONGEST_KEY)
    name = _name(context, key)
    fingerprint = context.fingerprint(await context.raw_body())

    def work(tx: Tx) -> tuple[Any, dict[str, str]]:
        found = tokens.remembered(tx, name)
        if found is not None:
            if found[0] != fingerprint:
                raise Invalid(HEADER, "was used with another request", hint="send a new key for a new request")
            return msgspec.json.decode(found[2]), REPLAYED
        answer = make(tx)
        kept = msgspec.json.encode(remember(answer)).decode()
        if not tokens.remember(tx, name, fingerprint, 201, kept):
            raise _Raced
        return answer, {}

    for _ in range(_TRIES):
        try:
            return await context.write(work)
        except _Raced:
            continue
    raise Conflict("another request with this Idempotency-Key is being answered", hint="try again")


def _name(context: Context, key: str) -> str:
    """Keys of one caller do not meet those of another."""
    identity = context.identity
    owner = identity.digest or f"{identity.source}:{identity.subject}"
    return hashlib.sha256(f"{owner}\0{key}".encode()).hexdigest()
