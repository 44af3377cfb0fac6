"""Workers: every process of Rota has a row, and a worker's lease lives in it."""

from __future__ import annotations

import msgspec

from rota.model import Worker
from rota.store.database import Tx, columns

COLUMNS = columns(Worker.__struct_fields__)
STATE = "CASE WHEN state IN ('running', 'draining') AND lease_until < rota_now() THEN 'lost' ELSE state END"
"""What a process is now: it is marked as lost only when a scheduler looks, and there may be none."""
SHOWN = ", ".join(f"{STATE} AS state" if name == "state" else name for name in Worker.__struct_fields__)


def register(tx: Tx, worker: Worker, lease_us: int) -> None:
    """Add a process, alive for ``lease_us`` from now; the same call again begins its lease anew."""
    sql = f"""
    INSERT INTO rota_workers ({COLUMNS}) VALUES (:id, :role, :host, :pid, :version, 'running', {{json|:queues}},
      {{json|:lanes}}, {{json|:types}}, {{json|:labels}}, {{json|:detail}}, 0, rota_now(), rota_now(), NULL,
      rota_now() + :lease)
    ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, lease_until = excluded.lease_until
    """
    tx.run(sql, {**msgspec.structs.asdict(worker), "lease": lease_us})


def renew(
    tx: Tx,
    worker_id: str,
    lease_us: int,
    *,
    running: int,
    state: str,
    detail: str | None,
    claimed_ago: int | None = None,
) -> bool:
    """Renew the lease by the database's clock; False when it ran out and another process took the jobs.

    ``claimed_ago`` is how long ago the last claim was that took something (µs).
    """
    sql = """
    UPDATE rota_workers SET lease_until = rota_now() + :lease, seen_at = rota_now(), running = :running, state = :state,
      detail = {json|:detail}, claimed_at = coalesce(rota_now() - CAST(:claimed_ago AS bigint), claimed_at)
    WHERE id = :id AND state IN ('running', 'draining')
    """
    params = {"id": worker_id, "lease": lease_us, "running": running, "state": state, "detail": detail}
    params["claimed_ago"] = claimed_ago
    return tx.run(sql, params) == 1


def declare(tx: Tx, worker_id: str, types: list[str]) -> None:
    """Note which job types the worker has the code of."""
    encoded = msgspec.json.encode(types).decode()
    tx.run("UPDATE rota_workers SET types = {json|:types} WHERE id = :id", {"id": worker_id, "types": encoded})


def stop(tx: Tx, worker_id: str) -> None:
    """Note that the process ended in good order."""
    sql = """
    UPDATE rota_workers SET state = 'stopped', seen_at = rota_now(), running = 0 WHERE id = :id AND state <> 'lost'
    """
    tx.run(sql, {"id": worker_id})


def expire(tx: Tx) -> list[str]:
    """Mark processes whose lease ran out as lost; return their ids."""
    sql = """
    UPDATE rota_workers SET state = 'lost' WHERE state IN ('running', 'draining') AND lease_until < rota_now()
    RETURNING id
    """
    return [row[0] for row in tx.rows(sql)]


def living(tx: Tx, role: str | None = None) -> list[Worker]:
    """Return the processes whose lease holds."""
    sql = f"SELECT {COLUMNS} FROM rota_workers WHERE state IN ('running', 'draining') AND lease_until >= rota_now()"
    return [
        worker
        for row in tx.rows(sql)
        if (worker := Worker(**dict(zip(Worker.__struct_fields__, row, strict=True)))).role == role or role is None
    ]


def last_seen(tx: Tx, role: str) -> int | None:
    """Return when a process of a role last gave a sign of life, whether it lives or not; None where there was none."""
    found: int | None = tx.value("SELECT max(seen_at) FROM rota_workers WHERE role = :role", {"role": role})
    return found


def listed(tx: Tx) -> list[Worker]:
    """Return all processes that are kept, the living first; one whose lease is over is lost."""
    sql = f"""
    SELECT {SHOWN} FROM rota_workers
    ORDER BY CASE {STATE} WHEN 'running' THEN 0 WHEN 'draining' THEN 1 ELSE 2 END, started_at DESC
    """
    return [Worker(**dict(zip(Worker.__struct_fields__, row, strict=True))) for row in tx.rows(sql)]


def forget(tx: Tx, before_us: int) -> int:
    """Delete ended processes last seen before ``before_us`` that hold nothing."""
    sql = """
    DELETE FROM rota_workers WHERE state IN ('lost', 'stopped') AND seen_at < :before
      AND NOT EXISTS (SELECT 1 FROM rota_jobs j WHERE j.worker_id = rota_workers.id AND j.status = 'running')
    """
    return tx.run(sql, {"before": before_us})
