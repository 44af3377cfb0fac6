"""What must be true of the rows at any moment; each query finds those that break it."""

from __future__ import annotations

import msgspec

from rota.store import meta
from rota.store.database import Tx

PATIENCE_US = 60_000_000
"""A scheduler gives back what a dead worker held; so long after its lease that must have happened."""
MOST = 1000
"""Of the rows that break a rule so many are found."""


class Rule(msgspec.Struct, frozen=True):
    """Something that must be true."""

    name: str
    text: str
    """What is true of all rows."""
    sql: str
    """Finds what breaks it, as text."""


class Finding(msgspec.Struct):
    """What became of a rule."""

    name: str
    text: str
    broken: int
    """By so many rows, counted up to ``MOST``."""
    examples: list[str]


RULES = (
    Rule(
        "starts",
        "the starts of each job are numbered without a gap",
        """
        SELECT CAST(id AS text) FROM (
          SELECT j.id, j.status, j.attempt,
            (SELECT count(*) FROM rota_attempts a WHERE a.job_id = j.id) AS told,
            (SELECT coalesce(max(a.attempt), 0) FROM rota_attempts a WHERE a.job_id = j.id) AS last
          FROM rota_jobs j WHERE j.attempt > 0
        ) s
        WHERE told <> last OR last > attempt
          OR (status = 'running' AND told <> attempt - 1)
          OR (status IN ('pending', 'scheduled', 'held') AND told <> attempt)
          OR (status IN ('completed', 'failed', 'cancelled') AND told < attempt - 1)
        """,
    ),
    Rule(
        "ends",
        "each job that has ended says when",
        """
        SELECT CAST(id AS text) FROM rota_jobs WHERE status IN ('completed', 'failed', 'cancelled')
          AND completed_at IS NULL
        """,
    ),
    Rule(
        "leases",
        "each running job belongs to a process that lives, or waits for its answer",
        """
        SELECT CAST(j.id AS text) FROM rota_jobs j LEFT JOIN rota_workers w ON w.id = j.worker_id
        WHERE j.status = 'running' AND (j.worker_id IS NOT NULL OR j.answer_by IS NULL)
          AND (w.id IS NULL OR (w.state NOT IN ('running', 'draining') AND w.seen_at < :patient)
            OR w.lease_until < :patient)
        """,
    ),
    Rule(
        "attempts",
        "each attempt belongs to a job",
        """
        SELECT CAST(a.job_id AS text) FROM rota_attempts a
        WHERE NOT EXISTS (SELECT 1 FROM rota_jobs j WHERE j.id = a.job_id)
        """,
    ),
    Rule(
        "logs",
        "each log belongs to a job",
        """
        SELECT CAST(l.job_id AS text) FROM rota_logs l
        WHERE NOT EXISTS (SELECT 1 FROM rota_jobs j WHERE j.id = l.job_id)
        """,
    ),
    Rule(
        "instants",
        "no instant of a schedule has two jobs",
        """
        SELECT schedule_id || ' at ' || CAST(scheduled_for AS text) FROM rota_jobs
        WHERE schedule_id IS NOT NULL AND scheduled_for IS NOT NULL
        GROUP BY schedule_id, scheduled_for HAVING count(*) > 1
        """,
    ),
    Rule(
        "ledger",
        "no instant of a schedule is accounted for twice",
        """
        SELECT schedule_id || ' at ' || CAST(scheduled_for AS text) FROM (
          SELECT schedule_id, scheduled_for,
            lag(until_at) OVER (PARTITION BY schedule_id ORDER BY scheduled_for) AS before FROM rota_occurrences
        ) o WHERE before >= scheduled_for
        """,
    ),
    Rule(
        "runs",
        "each run of a schedule stands in its account",
        """
        SELECT CAST(j.id AS text) FROM rota_jobs j JOIN rota_schedules s ON s.id = j.schedule_id
        WHERE j.schedule_id IS NOT NULL AND j.scheduled_for IS NOT NULL AND j.created_at >= :remembered
          AND NOT EXISTS (SELECT 1 FROM rota_occurrences o
            WHERE o.schedule_id = j.schedule_id AND o.scheduled_for = j.scheduled_for AND o.job_id = j.id)
        """,
    ),
    Rule(
        "watermark",
        "nothing is due before what is accounted for",
        "SELECT id FROM rota_schedules WHERE next_at IS NOT NULL AND paused_at IS NULL AND next_at < :accounted_to",
    ),
    Rule(
        "waiting",
        "each job that waits for another is held",
        """
        SELECT DISTINCT CAST(d.child_id AS text) FROM rota_dependencies d JOIN rota_jobs j ON j.id = d.child_id
        WHERE j.status IN ('pending', 'scheduled', 'running')
        """,
    ),
)


def look(tx: Tx, occurrences_kept_us: int | None) -> list[Finding]:
    """Return what became of each rule; ``occurrences_kept_us`` is how long the account of instants is kept."""
    now = tx.now()
    params = {
        "patient": now - PATIENCE_US,
        "remembered": 0 if occurrences_kept_us is None else now - occurrences_kept_us + PATIENCE_US,
        "accounted_to": (meta.accounted_to(tx) or 0) - PATIENCE_US,
    }
    findings = [_storage(tx)]
    for rule in RULES:
        given = {name: value for name, value in params.items() if f":{name}" in rule.sql}
        rows = tx.rows(f"{rule.sql} LIMIT {MOST}", given)
        findings.append(Finding(rule.name, rule.text, len(rows), [str(row[0]) for row in rows[:5]]))
    return findings


def _storage(tx: Tx) -> Finding:
    """Ask the database about itself."""
    if tx.dialect == "sqlite":
        said = [row[0] for row in tx.rows("PRAGMA integrity_check(20)") if row[0] != "ok"]
        return Finding("storage", "SQLite finds its file sound", len(said), said[:5])
    sql = """
    SELECT CAST(c.relname AS text) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_class t ON t.oid = i.indrelid
    WHERE NOT i.indisvalid AND substr(CAST(t.relname AS text), 1, 5) = 'rota_' AND pg_table_is_visible(t.oid)
    """
    said = [row[0] for row in tx.rows(sql)]
    return Finding("storage", "PostgreSQL finds all indexes valid", len(said), said[:5])
