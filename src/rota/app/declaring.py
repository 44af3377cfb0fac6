"""The job types that a program brings along: written before the first job of each is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rota.actions.resolving import with_resolved
from rota.app.database import AppHome
from rota.job import JobFunction
from rota.model import JobType
from rota.store import types


def type_of(function: JobFunction[..., Any]) -> JobType:
    """Return the job type that a function declares."""
    return JobType(
        name=function.name,
        lane=function.lane,
        target=None,
        args_schema=function.args_schema,
        defaults=function.defaults_json,
        owner="code",
    )


def declare(home: AppHome, functions: Sequence[JobFunction[..., Any]], connection: Any = None) -> dict[str, JobType]:
    """Return the types of functions, written where the database does not know them as they are.

    The worker that has the code may start later; its jobs wait for it.
    """
    wanted = {function.name: home.declared.get(function.name) or _resolved(home, function) for function in functions}
    new = [one for name, one in wanted.items() if name not in home.declared]
    if not new:
        return wanted
    db = home.database()
    stale = db.read(lambda tx: [one for one in new if not _alike(one, types.get(tx, one.name))])
    if stale and connection is not None and db.dialect == "sqlite":
        # The caller's transaction may hold the only write lock there is; and it may be rolled back.
        with home.adopt(connection) as tx:
            types.put(tx, stale)
        return wanted
    if stale:
        db.run(lambda tx: types.put(tx, stale))
    home.declared.update({one.name: one for one in new})
    return wanted


def _resolved(home: AppHome, function: JobFunction[..., Any]) -> JobType:
    return with_resolved(type_of(function), home.settings)


def _alike(one: JobType, other: JobType | None) -> bool:
    names = ("lane", "target", "args_schema", "defaults", "resolved", "owner")
    return other is not None and all(getattr(one, name) == getattr(other, name) for name in names)
