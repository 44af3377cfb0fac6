"""What many watchers of jobs ask at once: status and how far the log has come, in one statement."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rota.model import Status, shown_as
from rota.store.database import Tx

SEEN = """
SELECT j.id, j.status, j.log_lines, CASE WHEN u.log = 1 THEN coalesce(
  (SELECT l.first_line + l.lines - 1 FROM rota_logs l WHERE l.job_id = j.id ORDER BY l.first_line DESC LIMIT 1), 0)
  ELSE 0 END
FROM {rows|u|batch|id uuid, log bigint} JOIN rota_jobs j ON j.id = u.id
"""


class Seen(msgspec.Struct, frozen=True):
    """The state of a job."""

    status: Status
    log_lines: int
    """How many lines its ended attempts have written."""
    last_line: int
    """The number of the last line stored; 0 where the log was not asked for."""


def look(tx: Tx, ids: Sequence[str], with_log: frozenset[str] = frozenset()) -> dict[str, Seen]:
    """Return the state of each known job."""
    batch = msgspec.json.encode([{"id": job_id, "log": int(job_id in with_log)} for job_id in ids]).decode()
    return {row[0]: Seen(shown_as(row[1]), row[2], row[3]) for row in tx.rows(SEEN, {"batch": batch})}
