"""Which jobs a new one waits for: ids of stored jobs, or ``#0`` and so on for those of the same request."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from rota.actions.specs import JobIn
from rota.errors import Invalid
from rota.ids import is_id
from rota.model import NewJob
from rota.store import jobs
from rota.store.database import Tx

MAX_PARENTS = 1000
_PLACE = re.compile(r"#([0-9]{1,5})", re.ASCII)


def resolve(tx: Tx, specs: Sequence[JobIn], prepared: Sequence[NewJob]) -> None:
    """Let prepared jobs wait for those that they name; raises Invalid for ``dependsOn`` of the one that is wrong."""
    named: dict[str, str] = {}
    for place, (spec, job) in enumerate(zip(specs, prepared, strict=True)):
        if spec.depends_on is None and spec.if_parent_failed is None:
            continue
        prefix = f"jobs.{place}." if len(specs) > 1 else ""
        if not spec.depends_on:
            if spec.if_parent_failed is not None:
                raise Invalid(f"{prefix}ifParentFailed", "needs jobs to wait for", hint="name them in dependsOn")
            continue
        if len(spec.depends_on) > MAX_PARENTS:
            raise Invalid(
                f"{prefix}dependsOn", f"{len(spec.depends_on)} jobs are too many", hint=f"at most {MAX_PARENTS}"
            )
        if spec.if_exists not in (None, "keep"):
            raise Invalid(
                f"{prefix}ifExists", "what a waiting job waits for cannot be replaced", hint="leave out dependsOn"
            )
        found = {}
        for number, text in enumerate(spec.depends_on):
            field = f"{prefix}dependsOn.{number}"
            parent = _beside(text, prepared, place, field)
            if parent is None:
                named.setdefault(_stored(text, field), field)
            found[text if parent is None else parent.id] = True
        job.depends_on = msgspec.json.encode(list(found)).decode()
        job.if_parent_failed = spec.if_parent_failed or "cancel"
    known = jobs.existing(tx, list(named)) if named else set()
    for job_id, field in named.items():
        if job_id not in known:
            raise Invalid(field, f"there is no job {job_id}")


def _beside(text: str, prepared: Sequence[NewJob], place: int, field: str) -> NewJob | None:
    """Return the job of the same request that is meant; None where the text is no such place."""
    match = _PLACE.fullmatch(text)
    if match is None:
        return None
    number = int(match[1])
    if number >= place:  # so that nothing waits for itself
        raise Invalid(field, f"{text} is not before this job", hint="#0 is the first job of the request")
    if prepared[number].unique_key is not None:
        raise Invalid(
            field, f"{text} has a uniqueKey, so that it may be another job", hint="enqueue it first, for its id"
        )
    return prepared[number]


def _stored(text: str, field: str) -> str:
    if not is_id(text):
        raise Invalid(field, f"{text[:100]!r} is no id of a job", hint="or #0 for the first job of the same request")
    return text
