"""Actions on named secrets.  Their values come in, and nothing here gives one out again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from rota.actions import present
from rota.actions.specs import Caller, SecretIn
from rota.errors import Conflict, Invalid, NotFound
from rota.executors.secret_refs import names_of, references
from rota.jsontext import check_secret, check_text
from rota.masking import SHORTEST
from rota.model import Secret
from rota.sealing import Box, CannotOpen, Keys
from rota.store import audit, secrets
from rota.store.audit import Done
from rota.store.database import Tx

MAX_VALUE_BYTES = 64 * 1024
LONGEST_NOTE = 1000
MOST_RESEALED = 100
"""In one transaction."""
_NAMED = 5
NO_KEY = "ROTA_SECRET_KEY is not set, so that no secret can be encrypted"
MAKE_KEY = "make a key: rota secrets key, and set it for the service and its workers"


class Resealed(msgspec.Struct):
    """What a rotation of keys has come to."""

    rotated: int
    left: int
    """How many still wait for it."""
    unreadable: list[str]
    """Those that no key at hand opens."""


def put(tx: Tx, name: str, spec: SecretIn, caller: Caller, keys: Keys) -> Secret:
    """Make a secret, give it its next value, or say anew what it is for."""
    check_secret(name)
    note = check_text(spec.note, "note", max_length=LONGEST_NOTE) if spec.note else None
    old = secrets.get(tx, name, lock=True)
    if spec.note is msgspec.UNSET and old is not None:
        note = old.note
    if spec.value is msgspec.UNSET:
        if old is None:
            raise Invalid("value", f"is missing, and there is no secret {name} yet")
        secrets.put_note(tx, name, note, by=caller.subject)
    else:
        check_value(spec.value)
        if keys.first_id is None:
            raise Conflict(NO_KEY, hint=MAKE_KEY)
        box = keys.seal(name, spec.value)
        secrets.put(tx, name, box.text, box.key_id, note=note, by=caller.subject)
    saved = known(tx, name)
    before, after = (_kept(old) if old is not None else None), _kept(saved)
    audit.record(tx, caller, "created" if old is None else "edited", "secret", name, before=before, after=after)
    return saved


def check_value(value: str) -> None:
    """Raise Invalid, without the value, for one that cannot be a secret."""
    if len(value) < SHORTEST:
        hint = "use a longer one"
        raise Invalid(
            "value", f"shorter than {SHORTEST} characters: it could not be hidden in what jobs say", hint=hint
        )
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Invalid("value", "has half of a character (a lone surrogate)") from None
    if "\0" in value:
        raise Invalid("value", "has a NUL character", hint="encode what is no text, for example as base64")
    if size > MAX_VALUE_BYTES:
        raise Invalid("value", f"has {size} bytes; at most {MAX_VALUE_BYTES}")


def known(tx: Tx, name: str) -> Secret:
    """Return a secret in its box; raises NotFound."""
    found = secrets.get(tx, name) if "\0" not in name else None
    if found is None:
        raise NotFound(f"there is no secret {name[:100]}")
    return found


def delete(tx: Tx, name: str, caller: Caller) -> None:
    """Delete a secret; raises Conflict while a schedule or a job type refers to it."""
    gone = known(tx, name)
    users = [f"{kind} {id}" for kind, id, target in secrets.mentioning(tx, name) if name in names_of(target)]
    if users:
        more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
        raise Conflict(f"it is used by {', '.join(users[:_NAMED])}{more}", hint="change them first")
    secrets.delete(tx, name)
    audit.record(tx, caller, "deleted", "secret", name, before=_kept(gone))


def reseal(tx: Tx, caller: Caller, keys: Keys, limit: int = MOST_RESEALED) -> Resealed:
    """Encrypt with the first key what another has encrypted, ``limit`` secrets at once."""
    if keys.first_id is None:
        raise Conflict(NO_KEY, hint=MAKE_KEY)
    waiting = [secret for secret in secrets.listed(tx) if secret.key_id != keys.first_id]
    done: list[Done] = []
    unreadable: list[str] = []
    for secret in waiting:
        if len(done) == limit:
            break
        try:
            value = keys.open(secret.name, Box(secret.box, secret.key_id))
        except CannotOpen:
            unreadable.append(secret.name)
            continue
        box = keys.seal(secret.name, value)
        if secrets.reseal(tx, secret, box.text, box.key_id):
            before, after = {"keyId": secret.key_id}, {"keyId": box.key_id}
            done.append(Done(action="rotated", noun="secret", name=secret.name, before=before, after=after))
    audit.record_all(tx, caller, done)
    return Resealed(len(done), len(waiting) - len(done) - len(unreadable), unreadable)


def check_known(tx: Tx, targets: Iterable[str | None]) -> None:
    """Raise Invalid for the field of a target (JSON text) that refers to a secret which is not there."""
    wanted: dict[str, str] = {}
    for target in targets:
        if target is not None and "secret" in target and names_of(target):
            wanted = {**references(msgspec.json.decode(target)), **wanted}
    if wanted:
        known = secrets.named(tx, wanted)
        for name, field in wanted.items():
            if name not in known:
                raise Invalid(field, f"there is no secret {name}", hint=f"make it first: rota secrets set {name}")


def shown(secret: Secret, keys: Keys) -> dict[str, Any]:
    """Return what is told of a secret."""
    return {
        "name": secret.name,
        "version": secret.version,
        "note": secret.note,
        "keyId": secret.key_id,
        "keyKnown": secret.key_id in keys,
        "createdAt": present.instant(secret.created_at),
        "createdBy": secret.created_by,
        "updatedAt": present.instant(secret.updated_at),
        "updatedBy": secret.updated_by,
        "usedAt": present.instant(secret.used_at),
    }


def _kept(secret: Secret) -> dict[str, Any]:
    return {"version": secret.version, "keyId": secret.key_id, "note": secret.note}
