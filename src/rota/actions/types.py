"""Actions on job types."""

from __future__ import annotations

from typing import Any

import msgspec

from rota.actions import building, present, resolving, secrets
from rota.actions.arguments import check_schema
from rota.actions.specs import Caller, JobDefaults, TypeIn, given
from rota.actions.targets import check_target, with_secrets_of
from rota.errors import Conflict, Invalid, NotFound, UnknownJobType, meant
from rota.jsontext import check_json, check_type
from rota.model import JobType
from rota.settings import Settings
from rota.store import audit, types
from rota.store.database import Tx

MAX_SCHEMA_BYTES = 64 * 1024
NOBODY = Caller()


def name_the_nearest(tx: Tx, error: Invalid, name: str | None) -> None:
    """Say in an error about a type that was never declared which one was probably meant."""
    if isinstance(error, UnknownJobType):
        error.hint = meant(name or "", [known.name for known in types.listed(tx)], error.hint)


def put(tx: Tx, name: str, spec: TypeIn, settings: Settings, caller: Caller = NOBODY) -> JobType:
    """Declare a job type with a target; code declares its own and is not overwritten."""
    check_type(name, "name")
    existing = types.get(tx, name)
    if existing is not None and existing.owner == "code":
        raise Conflict(f"job type {name} is declared by code", hint="change it there, or choose another name")
    target = check_target(with_secrets_of(existing.target if existing else None, spec.target), settings)
    secrets.check_known(tx, [target.document])
    schema = None
    document = given(spec.args_schema)
    if document is not None:
        schema = check_json(bytes(document), "argsSchema", max_bytes=MAX_SCHEMA_BYTES, max_depth=settings.limit_depth)
        if not isinstance(msgspec.json.decode(schema), dict):
            raise Invalid("argsSchema", "must be a JSON schema object")
        check_schema(schema, "argsSchema")
    defaults = spec.defaults or JobDefaults()
    declared = JobType(
        name=name,
        lane=target.lane,
        target=target.document,
        args_schema=schema,
        defaults=msgspec.json.encode(defaults).decode(),
        owner="api",
    )
    # Whatever is wrong in the defaults shows when a job is built of them.
    building.check_type_defaults(declared, settings)
    changed = types.put(tx, [resolving.with_resolved(declared, settings)])
    stored = types.get(tx, name)
    assert stored is not None
    if changed:
        before = _kept(existing) if existing is not None else None
        action = "created" if before is None else "edited"
        audit.record(tx, caller, action, "type", name, before=before, after=_kept(stored))
    return stored


def _kept(record: JobType) -> dict[str, Any]:
    """Return what the audit keeps of a type, without its secrets."""
    shown = present.job_type(record)
    return {field: shown[field] for field in ("target", "argsSchema", "defaults", "version")}


def delete(tx: Tx, name: str, caller: Caller) -> None:
    """Delete a job type; jobs that wait keep their target."""
    old = types.get(tx, name)
    if old is None or not types.delete(tx, name):
        raise NotFound(f"there is no job type {name[:100]}")
    audit.record(tx, caller, "deleted", "type", name, before=_kept(old))
