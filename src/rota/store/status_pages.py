"""Status pages: what is shown to anybody, by tag."""

from __future__ import annotations

import msgspec

from rota.store.database import Tx, columns
from rota.store.schedules import TAGGED

MOST_PAGES = 1000


class StatusPage(msgspec.Struct, kw_only=True):
    """What is shown to anybody of the schedules and checks with a tag."""

    tag: str
    slug: str
    """The last part of the address."""
    title: str
    names: str | None = None
    """What they are called there (JSON), by ``schedule:ID`` and ``check:ID``."""
    page: int = 0
    badge: int = 0
    created_at: int = 0
    created_by: str | None = None
    updated_at: int = 0
    updated_by: str | None = None


class ScheduleState(msgspec.Struct, frozen=True):
    """A schedule, and what became of its last runs; times in µs UTC."""

    id: str
    paused_at: int | None
    next_at: int | None
    last_for: int | None
    """For which instant the last run is."""
    last: str | None
    """Status of the last run."""
    ended: str | None
    """Status of the last run that has ended by itself."""


COLUMNS = columns(StatusPage.__struct_fields__)

OF_TAG = f"""
SELECT s.id, s.paused_at, s.next_at, l.scheduled_for, l.status,
  (SELECT e.status FROM rota_jobs e WHERE e.schedule_id = s.id AND e.schedule_id IS NOT NULL
   AND e.scheduled_for IS NOT NULL AND e.status IN ('completed', 'failed') ORDER BY e.scheduled_for DESC LIMIT 1)
FROM (SELECT * FROM rota_schedules WHERE {TAGGED} ORDER BY id LIMIT :limit) s
LEFT JOIN rota_jobs l ON l.id = (
  SELECT j.id FROM rota_jobs j WHERE j.schedule_id = s.id AND j.schedule_id IS NOT NULL
  AND j.scheduled_for IS NOT NULL ORDER BY j.scheduled_for DESC LIMIT 1)
ORDER BY s.id
"""


def get(tx: Tx, tag: str, *, lock: bool = False) -> StatusPage | None:
    """Return what is shown of a tag, or None; with ``lock`` it stays as it is until the transaction ends."""
    row = tx.row(
        f"SELECT {COLUMNS} FROM rota_status_pages WHERE tag = :tag {'{pg|FOR UPDATE}' if lock else ''}", {"tag": tag}
    )
    return StatusPage(**dict(zip(StatusPage.__struct_fields__, row, strict=True))) if row else None


def listed(tx: Tx) -> list[StatusPage]:
    """Return all of them by tag."""
    rows = tx.rows(f"SELECT {COLUMNS} FROM rota_status_pages ORDER BY tag LIMIT {MOST_PAGES}")
    return [StatusPage(**dict(zip(StatusPage.__struct_fields__, row, strict=True))) for row in rows]


def put(tx: Tx, page: StatusPage) -> None:
    """Store what is shown of a tag; raises Duplicate for the slug of another."""
    names = StatusPage.__struct_fields__
    values = ", ".join("{json|:names}" if name == "names" else f":{name}" for name in names)
    sets = ", ".join(f"{name} = excluded.{name}" for name in names if name not in ("tag", "created_at", "created_by"))
    sql = f"INSERT INTO rota_status_pages ({COLUMNS}) VALUES ({values}) ON CONFLICT (tag) DO UPDATE SET {sets}"
    tx.run(sql, msgspec.structs.asdict(page))


def slug_of(tx: Tx, slug: str) -> str | None:
    """Return the tag whose page has a slug."""
    found: str | None = tx.value("SELECT tag FROM rota_status_pages WHERE slug = :slug", {"slug": slug})
    return found


def delete(tx: Tx, tag: str) -> bool:
    """Show nothing more of a tag."""
    return tx.run("DELETE FROM rota_status_pages WHERE tag = :tag", {"tag": tag}) == 1


def schedules(tx: Tx, tag: str, limit: int) -> list[ScheduleState]:
    """Return the schedules with a tag by id, the first ``limit`` of them, and how their last runs went."""
    return [ScheduleState(*row) for row in tx.rows(OF_TAG, {"tag": tag, "limit": limit})]
