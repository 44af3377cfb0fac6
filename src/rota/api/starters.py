"""Who starts the jobs of a request: the caller or whom it names, as the user service calls them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rota.actions.specs import Caller, JobIn, TriggerIn
from rota.api.context import Context


async def starting(context: Context, specs: Sequence[JobIn] | Sequence[TriggerIn] = ()) -> Caller:
    """Return the caller, with the id under which it starts jobs; those whom ``specs`` name get their ids too.

    What the user service does not know keeps its name.
    """
    caller, identity, users = context.caller, context.identity, context.service.users
    if users is None:
        return caller
    named = [name for spec in specs if (name := _named(spec))]
    own = [identity.subject] if identity.is_user else []
    ids = await users.ids_of([*own, *named])
    for spec in specs:
        if name := _named(spec):
            _rename(spec, ids[name])
    return msgspec.structs.replace(caller, starts_as=ids[identity.subject]) if own else caller


def _named(spec: JobIn | TriggerIn) -> str | None:
    return spec.triggered_by if isinstance(spec, TriggerIn) else spec.started_by


def _rename(spec: JobIn | TriggerIn, name: str) -> None:
    if isinstance(spec, TriggerIn):
        spec.triggered_by = name
    else:
        spec.started_by = name
