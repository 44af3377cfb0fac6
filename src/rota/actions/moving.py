"""Moving everything from one database to another, as ``rota db move`` does.

The source is only read.  The target says in ``rota_meta`` how far it is, in the same transaction as what it got, so
that a move that was broken off goes on.  At the end every row is read again on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from rota.errors import Conflict, RotaError, SchemaMismatch
from rota.store import copying, migrate, workers
from rota.store.copying import Moving, Place, Sum, Table
from rota.store.database import Database, Tx

Show = Callable[[str, int, int], None]
"""Is told what is done (``copying`` or ``checking``), how many rows more of it, and how many rows there are."""


class Moved(msgspec.Struct, rename="camel"):
    """What a move came to."""

    rows: dict[str, int]
    """Of each table, the same on both sides."""
    resumed: bool


class Differs(RotaError):
    """The two databases are not the same."""

    code = "conflict"
    status = 409


def move(source: Database, target: Database, show: Show, *, live: bool = False, anew: bool = False) -> Moved:
    """Copy everything to an empty database, or go on where an earlier move stopped, and compare every row.

    ``live``: though processes use the source; what they change meanwhile may be missing.  ``anew``: delete what an
    earlier move has stored.  Raises Conflict where an end is not as it must be, Differs where the comparison fails.
    """
    with source.snapshot() as tx:
        migrate.check(tx)
        if not live:
            _check_still(tx, source, "stop them, or say --live")
        found, facts = copying.tables(tx), copying.facts(tx)
        migrate.migrate(target, moving=True)
        wanted = _wanted(found, target)
        total = sum(copying.count(tx, table) for table in wanted.values())
        state, resumed = target.run(lambda own: _begin(own, source, target, anew=anew))
        _copy(tx, target, wanted, state, lambda rows: show("copying", rows, total))
        rows = _compare(tx, target, wanted, lambda rows: show("checking", rows, total))
    target.run(lambda own: copying.arrive(own, facts, [*wanted, copying.META]))
    rows[copying.META] = len(facts)
    return Moved(rows=rows, resumed=resumed)


def compare(source: Database, target: Database) -> dict[str, int]:
    """Compare every row of two databases; return how many each table has.  Raises Differs."""
    with source.snapshot() as tx:
        return _compare(tx, target, _wanted(copying.tables(tx), target), lambda _: None)


def _check_still(tx: Tx, db: Database, hint: str) -> None:
    living = workers.living(tx)
    if living:
        who = ", ".join(sorted(f"{one.role} {one.pid} on {one.host}" for one in living)[:5])
        raise Conflict(
            f"{len(living)} of its processes use {db.url}: {who}",
            hint=f"{hint}; one that was killed counts until its lease is over",
        )


def _begin(tx: Tx, source: Database, target: Database, *, anew: bool) -> tuple[Moving, bool]:
    """Note that a move begins; return how far it is, and whether it was begun earlier."""
    name = str(source.url.path or source.url)
    found, begun = copying.tables(tx), copying.moving(tx)
    if begun is not None and anew:
        copying.empty(tx, found)
    elif begun is not None:
        if begun.source != name:
            raise Conflict(
                f"a move from {begun.source} to {target.url} was begun", hint="--anew deletes what it stored"
            )
        return begun, True
    else:
        _check_still(tx, target, "stop them")
        filled = copying.filled(tx, found)
        if filled:
            raise Conflict(
                f"{target.url} is not empty: there are rows in {', '.join(filled[:5])}", hint="give an empty database"
            )
    state = Moving(source=name)
    copying.note(tx, state)
    return state, False


def _wanted(found: Mapping[str, Table], target: Database) -> dict[str, Table]:
    """Return what is copied row by row; a table that the target does not have is not Rota's."""
    known = target.read(copying.tables)
    for name, table in found.items():
        if name in known and set(table.columns) != set(known[name].columns):
            raise SchemaMismatch(f"{name} has other columns there", hint="give a database that this Rota has made")
    return {name: table for name, table in found.items() if name in known and name != copying.META}


def _copy(tx: Tx, target: Database, found: Mapping[str, Table], state: Moving, show: Callable[[int], None]) -> None:
    for name, table in found.items():
        place = state.tables.setdefault(name, Place())
        if place.rows:
            show(place.rows)
        if place.done:
            continue
        for rows in copying.pages(tx, table, place.after):
            if not rows:
                continue
            place.after = copying.key_of(table, rows[-1])
            place.rows += len(rows)
            place.done = not table.key  # it came as a whole
            with target.transaction() as own:
                own.load(name, table.columns, rows)
                copying.note(own, state)
            show(len(rows))
        place.done = True
        target.run(lambda own: copying.note(own, state))


def _compare(tx: Tx, target: Database, found: Mapping[str, Table], show: Callable[[int], None]) -> dict[str, int]:
    """Read every row of both; return how many each table has.  Raises Differs."""
    rows: dict[str, int] = {}
    with target.snapshot() as own:
        for name, table in found.items():
            ours, theirs = sum_of(tx, table, show), sum_of(own, table, lambda _: None)
            if ours != theirs:
                raise Differs(
                    f"{name} differs: {ours.rows} rows were read and {theirs.rows} are stored, digests"
                    f" {ours.digest:032x} and {theirs.digest:032x}",
                    hint="the source was changed since the move began: --anew begins again",
                )
            rows[name] = ours.rows
    return rows


def sum_of(tx: Tx, table: Table, show: Callable[[int], None]) -> Sum:
    """Return all rows of a table summed up."""
    found = Sum()
    for rows in copying.pages(tx, table):
        found.add(rows)
        show(len(rows))
    return found
