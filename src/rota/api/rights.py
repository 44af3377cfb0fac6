"""What a role may do beyond the operation itself: whoever says what is executed, and where, must be an admin."""

from __future__ import annotations

from collections.abc import Iterable

from rota.actions.specs import JobIn, TriggerIn, given
from rota.api.access import Identity


def check_jobs(identity: Identity, specs: Iterable[JobIn]) -> None:
    """Raise Forbidden for an operator's own target or callback address; drop a ``startedBy`` not to be believed."""
    for spec in specs:
        if given(spec.target) is not None or spec.callback_url is not None:
            identity.require("admin")
        if not identity.may_name_others:
            spec.started_by = None


def check_trigger(identity: Identity, spec: TriggerIn) -> None:
    """Drop a ``triggeredBy`` that is not to be believed."""
    if not identity.may_name_others:
        spec.triggered_by = None
