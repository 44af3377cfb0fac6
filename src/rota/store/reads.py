"""Lists of jobs: filters, pages by id, capped counts."""

from __future__ import annotations

from typing import Any

import msgspec

from rota.errors import Invalid
from rota.ids import is_id, least_id
from rota.model import STATUSES, Job
from rota.store.database import Tx, columns
from rota.store.sql import containing

LIST_COLUMNS = columns(Job.__struct_fields__)
COUNT_CAP = 10_000

CLOCKS_APART_US = 3_600_000_000
"""How far the clock of a caller, which is in the ids, may be from the database's, which is in ``created_at``."""


class JobFilter(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Which jobs; every field narrows.  Times are µs UTC, of creation."""

    type: str | None = None
    statuses: tuple[str, ...] = ()
    queue: str | None = None
    schedule: str | None = None
    tag: str | None = None
    started_by: str | None = None
    since: int | None = None
    until: int | None = None
    q: str | None = None

    def empty(self) -> bool:
        """Tell whether nothing is narrowed."""
        return self == JobFilter()


class JobPage(msgspec.Struct, frozen=True):
    """A page of jobs, the latest first."""

    jobs: list[Job]
    total: int
    total_is_estimate: bool
    next_cursor: str | None


def _where(wanted: JobFilter) -> tuple[str, dict[str, Any]]:
    """Build the condition; only what is asked for stands in it, so that the partial indexes serve."""
    parts: list[str] = ["true"]
    params: dict[str, Any] = {}

    def narrow(text: str, **values: Any) -> None:
        parts.append(text)
        params.update(values)

    if wanted.statuses:
        if unknown := set(wanted.statuses) - set(STATUSES):
            raise Invalid("status", f"{min(unknown)!r} is unknown", hint=f"one of {', '.join(STATUSES)}")
        literals = ", ".join(f"'{status}'" for status in wanted.statuses)
        parts.append(f"status IN ({literals})" if len(wanted.statuses) > 1 else f"status = {literals}")
    if wanted.type is not None:
        narrow("type = :type", type=wanted.type)
    if wanted.queue is not None:
        narrow("queue = :queue", queue=wanted.queue)
    if wanted.schedule is not None:
        narrow("schedule_id = :schedule", schedule=wanted.schedule)
    if wanted.started_by is not None:
        narrow("started_by = :started_by", started_by=wanted.started_by)
    if wanted.since is not None:
        narrow("id >= :least", least=least_id(wanted.since - CLOCKS_APART_US))
        narrow("created_at >= :since", since=wanted.since)
    if wanted.until is not None:
        narrow("id < :most", most=least_id(wanted.until + CLOCKS_APART_US))
        narrow("created_at < :until", until=wanted.until)
    if wanted.tag is not None:
        each = "{pg|json_array_elements_text(tags) AS t(value)}{lite|json_each(tags) AS t}"
        narrow(f"EXISTS (SELECT 1 FROM {each} WHERE t.value = :tag)", tag=wanted.tag)
    if wanted.q is not None:
        texts = (
            "CAST(id AS text)",
            "type",
            "queue",
            "error",
            "schedule_id",
            "CAST(args AS text)",
            "CAST(target AS text)",
        )
        narrow("(" + " OR ".join(f"lower({text}) LIKE :q ESCAPE '\\'" for text in texts) + ")", q=containing(wanted.q))
    return " AND ".join(parts), params


def jobs(tx: Tx, wanted: JobFilter, *, limit: int, cursor: str | None = None, page: int = 1) -> JobPage:
    """Return a page of the jobs wanted, by ``cursor`` (the last id of the page before) or by number."""
    where, params = _where(wanted)
    # Counted in the order of the list, so by its index: the table itself may begin with pages that retention emptied.
    counted = f"SELECT 1 FROM rota_jobs WHERE {where} ORDER BY id DESC LIMIT {COUNT_CAP + 1}"
    total = int(tx.value(f"SELECT count(*) FROM ({counted}) c", params))
    if cursor is not None and not is_id(cursor):
        raise Invalid("cursor", f"{cursor[:100]!r} is none", hint="take nextCursor of the page before")
    paged = f"{where} AND id < :cursor" if cursor is not None else where
    sql = f"SELECT {LIST_COLUMNS} FROM rota_jobs WHERE {paged} ORDER BY id DESC LIMIT :limit OFFSET :offset"
    offset = 0 if cursor is not None else (page - 1) * limit
    rows = tx.rows(sql, {**params, "cursor": cursor, "limit": limit + 1, "offset": offset})
    names = Job.__struct_fields__
    found = [Job(**dict(zip(names, row, strict=True))) for row in rows[:limit]]
    more = found[-1].id if len(rows) > limit else None
    return JobPage(found, min(total, COUNT_CAP), total > COUNT_CAP, more)


def ids(tx: Tx, wanted: JobFilter, *, limit: int, after: str | None = None) -> list[str]:
    """Return ids of the jobs wanted in ascending order, those after ``after``: for actions in batches."""
    where, params = _where(wanted)
    paged = f"{where} AND id > :after" if after is not None else where
    sql = f"SELECT id FROM rota_jobs WHERE {paged} ORDER BY id LIMIT :limit"
    return [row[0] for row in tx.rows(sql, {**params, "after": after, "limit": limit})]


def count(tx: Tx, wanted: JobFilter) -> int:
    """Return how many jobs are wanted, exactly."""
    where, params = _where(wanted)
    return int(tx.value(f"SELECT count(*) FROM rota_jobs WHERE {where}", params))
