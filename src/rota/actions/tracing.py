"""The trace of those who enqueue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import msgspec

from rota import traces
from rota.actions.specs import Caller, JobIn, TriggerIn


def enqueuing(specs: Sequence[JobIn] | Sequence[TriggerIn], caller: Caller) -> AbstractContextManager[Caller]:
    """Give the caller by which jobs are enqueued within: with the trace context that they get.

    That of a span for it, where this program makes spans; else the one that the caller sent, or that is open here.
    """
    if not traces.makes_spans():
        parent = caller.trace or traces.current()
        return nullcontext(caller if parent == caller.trace else msgspec.structs.replace(caller, trace=parent))
    return _span(specs, caller)


@contextmanager
def _span(specs: Sequence[JobIn] | Sequence[TriggerIn], caller: Caller) -> Iterator[Caller]:
    names = {spec.job_type for spec in specs}
    what = next(iter(names)) if len(names) == 1 else None
    with traces.enqueuing(what or "jobs", caller.trace, jobs=len(specs)) as parent:
        yield msgspec.structs.replace(caller, trace=parent)
