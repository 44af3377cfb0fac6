"""Pings: what came in for checks, each numbered within its check."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from rota.store.counting import count_up_to
from rota.store.database import Tx, columns
from rota.store.sql import batch

Kind = Literal["start", "success", "fail", "log"]


class Ping(msgspec.Struct, kw_only=True):
    """Something that a check told of itself; time in µs UTC."""

    check_id: str
    n: int
    """The how many-th of its check."""
    kind: Kind
    exit_code: int | None = None
    run_id: str | None = None
    took_us: int | None = None
    """How long the run took that it ends, where its start is known."""
    source: str | None = None
    """From which address."""
    body: str | None = None
    at: int = 0


COLUMNS = columns(Ping.__struct_fields__)
TYPED = (
    "check_id text, n bigint, kind text, exit_code bigint, run_id text, took_us bigint, source text, body text, "
    "at bigint"
)


def add(tx: Tx, pings: Iterable[Ping]) -> None:
    """Store pings."""
    rows = [msgspec.structs.asdict(ping) for ping in pings]
    if rows:
        sql = f"INSERT INTO rota_pings ({COLUMNS}) SELECT {columns(Ping.__struct_fields__, 'p.')} FROM ROWS"
        tx.run(sql.replace("ROWS", f"{{rows|p|batch|{TYPED}}}"), {"batch": batch(rows)})


def of_runs(tx: Tx, runs: Iterable[tuple[str, str]]) -> list[Ping]:
    """Return the pings of runs, each named by its check and its ``rid``, without their bodies."""
    rows = [{"check_id": check_id, "run_id": run_id} for check_id, run_id in sorted(set(runs))]
    if not rows:
        return []
    names = [name for name in Ping.__struct_fields__ if name != "body"]
    sql = f"""
    SELECT {columns(names, "p.")} FROM {{few|r|batch|check_id text, run_id text}}
    JOIN rota_pings p ON p.check_id = r.check_id AND p.run_id = r.run_id
    """
    return [Ping(**dict(zip(names, row, strict=True))) for row in tx.rows(sql, {"batch": batch(rows)})]


def listed(
    tx: Tx, check_id: str, *, kind: Kind | None = None, before: int | None = None, limit: int = 50, offset: int = 0
) -> list[Ping]:
    """Return the pings of a check, the last first; those before the ``before``-th."""
    condition = "check_id = :id AND n < :before" + (" AND kind = :kind" if kind is not None else "")
    sql = f"SELECT {COLUMNS} FROM rota_pings WHERE {condition} ORDER BY n DESC LIMIT :limit OFFSET :offset"
    values = {"id": check_id, "before": (1 << 62) if before is None else before, "limit": limit, "offset": offset}
    found = tx.rows(sql, values | ({"kind": kind} if kind is not None else {}))
    return [Ping(**dict(zip(Ping.__struct_fields__, row, strict=True))) for row in found]


def count(tx: Tx, check_id: str, kind: Kind | None) -> int:
    """Return how many pings of a check are kept, one more than the cap of lists at most."""
    condition = "check_id = :id" + (" AND kind = :kind" if kind is not None else "")
    return count_up_to(tx, "rota_pings", condition, {"id": check_id} | ({"kind": kind} if kind is not None else {}))


def forget(tx: Tx, *, before: int | None, keep: int, limit: int) -> int:
    """Delete pings that came before an instant, and all but the last ``keep`` of each check; return how many."""
    gone = 0
    if before is not None:
        sql = """
        DELETE FROM rota_pings WHERE (check_id, n) IN (
          SELECT check_id, n FROM rota_pings WHERE at < :before ORDER BY at LIMIT :limit)
        """
        gone = tx.run(sql, {"before": before, "limit": limit})
    sql = """
    DELETE FROM rota_pings WHERE (check_id, n) IN (
      SELECT p.check_id, p.n FROM rota_checks c JOIN rota_pings p ON p.check_id = c.id AND p.n <= c.pings - :keep
      WHERE c.pings > :keep LIMIT :limit)
    """
    return gone + tx.run(sql, {"keep": keep, "limit": limit})
