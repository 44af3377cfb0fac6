"""Lists of jobs: filters, pages by id, capped counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from rota.errors import Invalid
from rota.ids import is_id, least_id
from rota.model import STATES, Job
from rota.store.counting import COUNT_CAP
from rota.store.database import Tx, columns
from rota.store.sql import containing

LIST_COLUMNS = columns([f"NULL AS {name}" if name == "exchange" else name for name in Job.__struct_fields__])
"""Exchanges are for who looks at one job: two hundred of them may be megabytes."""

LOOKED_AT = 20_000
"""Jobs that one look for what no index finds goes through: a million would take seconds."""

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
    batch: str | None = None
    concurrency_key: str | None = None
    label: str | None = None
    hide_frequent: bool = False
    """Without the runs of schedules that are due each minute or more often."""
    since: int | None = None
    until: int | None = None
    q: str | None = None
    args: tuple[tuple[tuple[str, ...], str], ...] = ()
    """Paths and values."""

    def empty(self) -> bool:
        """Tell whether nothing is narrowed."""
        return self == JobFilter()


class JobPage(msgspec.Struct, frozen=True):
    """A page of jobs, the latest first."""

    jobs: list[Job]
    total: int
    total_is_estimate: bool
    next_cursor: str | None


NOT_INDEXED = ("queue", "tag", "started_by", "concurrency_key", "label", "hide_frequent", "q", "args")


class _Condition:
    """What narrows a list, as text and parameters.

    ``few`` says that one index finds all candidates, among a table of which they are a small part.  SQLite, which
    knows no numbers, is then kept from others (by the sign +), above all from walking the table in the order of ids.
    """

    def __init__(self, *, few: bool = False) -> None:
        self.sign = "{lite|+}" if few else ""
        self.params: dict[str, Any] = {}
        self._parts: list[str] = ["true"]

    def add(self, text: str, **params: Any) -> None:
        self._parts.append(text)
        self.params.update(params)

    def __str__(self) -> str:
        return " AND ".join(self._parts)


WAITING = frozenset(("scheduled", "pending", "held", "running"))
UNSUCCESSFUL = frozenset(("failed", "cancelled"))
"""These are found by an index of their own, and are fewer than those of most types."""

# Those that are ready stand in two indexes.
BRANCHES = {"pending": ("status = 'pending' AND ring IS NULL", "status = 'pending' AND ring IS NOT NULL")}

EQUAL = {
    "type": "+type",
    "queue": "queue",
    "schedule": "+schedule_id",
    "started_by": "started_by",
    "batch": "batch_id",
    "concurrency_key": "+concurrency_key",
}
"""The columns of filters; + stands for the sign."""


def _condition(wanted: JobFilter, status: str | None = None, branch: str | None = None) -> _Condition:
    """Build the condition; only what is asked for stands in it, so that the partial indexes serve."""
    found = _Condition(few=status in WAITING)
    sign = found.sign
    if branch is not None:
        found.add(branch)
    for name, column in EQUAL.items():
        if (value := getattr(wanted, name)) is not None:
            aside = "{lite|+}" if name == "type" and status in UNSUCCESSFUL else sign
            found.add(f"{column.replace('+', aside)} = :{name}", **{name: value})
    if wanted.since is not None:
        found.add(f"{sign}id >= :first_id", first_id=least_id(wanted.since - CLOCKS_APART_US))
        found.add("created_at >= :since", since=wanted.since)
    if wanted.until is not None:
        found.add(f"{sign}id < :last_id", last_id=least_id(wanted.until + CLOCKS_APART_US))
        found.add("created_at < :until", until=wanted.until)
    if wanted.tag is not None:
        found.add(HAS.format(names="tags", wanted="tag"), tag=wanted.tag)
    if wanted.label is not None:
        found.add("run_on IS NOT NULL")
        found.add(HAS.format(names="run_on", wanted="label"), label=wanted.label)
    if wanted.hide_frequent:
        found.add(SELDOM)
    for place, (path, value) in enumerate(wanted.args):
        found.add("args IS NOT NULL")
        found.add(ARGUMENT.format(place=place), **_argument(place, path, value))
    if wanted.q is not None:
        found.add("(" + " OR ".join(f"lower({text}) LIKE :q ESCAPE '\\'" for text in SEARCHED) + ")")
        found.params["q"] = containing(wanted.q)
    return found


HAS = """EXISTS (SELECT 1 FROM {{pg|json_array_elements_text({names}) AS t(value)}}{{lite|json_each({names}) AS t}}
  WHERE t.value = :{wanted})"""

# What a schedule's last two instants are apart says how often it is due, whatever its rule.
SELDOM = """(schedule_id IS NULL OR NOT EXISTS (SELECT 1 FROM rota_schedules s WHERE s.id = rota_jobs.schedule_id
  AND s.next_at - s.last_at <= 60000000))"""

# A text, or the JSON of anything else: 42, true.
ARGUMENT = """{{pg|args #>> CAST(:path{place} AS text[])}}{{lite|CASE json_type(args, :place{place})
  WHEN 'text' THEN args ->> :place{place} ELSE args -> :place{place} END}} = :value{place}"""


def _argument(place: int, path: Sequence[str], value: str) -> dict[str, str]:
    """Return the path as each database takes it; no part holds a quotation mark or a backslash."""
    steps = [f"[{part}]" if _INDEX.fullmatch(part) else f'."{part}"' for part in path]
    listed = ",".join(f'"{part}"' for part in path)
    return {f"path{place}": f"{{{listed}}}", f"place{place}": f"${''.join(steps)}", f"value{place}": value}


_INDEX = re.compile("[0-9]{1,9}")

# Of a target only what everybody is shown: who could search its headers would learn a secret letter by letter.
SEARCHED = (
    "CAST(id AS text)", "type", "queue", "error", "schedule_id", "CAST(args AS text)",
    *(f"target->>'{field}'" for field in ("service", "command", "shell", "function", "task")),
    *(f"{{pg|split_part(target->>'{field}', '?', 1)}}"
      f"{{lite|substr(target->>'{field}', 1, instr((target->>'{field}') || '?', '?') - 1)}}"
      for field in ("url", "path")),
)  # fmt: skip


# On PostgreSQL the index of types is without what runs: each start would write an entry that its end writes anew.
RESTING, RUNNING = "{pg|status <> 'running'}{lite|true}", "{pg|status = 'running'}{lite|false}"


def _by_status(wanted: JobFilter) -> list[_Condition]:
    """One condition for each status, since each has its own index, or two."""
    if unknown := set(wanted.statuses) - set(STATES):
        raise Invalid("status", f"{min(unknown)!r} is unknown", hint=f"one of {', '.join(STATES)}")
    found = [
        _condition(wanted, status, branch)
        for status in dict.fromkeys(wanted.statuses)
        for branch in BRANCHES.get(status, (f"status = '{status}'",))
    ]
    if not found and wanted.type is not None:
        return [_condition(wanted, branch=RESTING), _condition(wanted, branch=RUNNING)]
    return found or [_condition(wanted)]


def jobs(tx: Tx, wanted: JobFilter, *, limit: int, cursor: str | None = None, page: int = 1) -> JobPage:
    """Return a page of the jobs wanted, by ``cursor`` (the last id of the page before) or by number.

    What no index finds is looked for among the next ``LOOKED_AT`` jobs: the total is of these, and the cursor goes on
    behind them, also from a page that is not full.
    """
    if cursor is not None and not is_id(cursor):
        raise Invalid("cursor", f"{cursor[:100]!r} is none", hint="take nextCursor of the page before")
    conditions = _by_status(wanted)
    is_looked_for = _is_looked_for(wanted)
    floor = _floor(tx, wanted, cursor) if is_looked_for else None
    for condition in conditions:
        if floor is not None:
            condition.add("id >= :floor", floor=floor)
        if is_looked_for and cursor is not None:
            condition.add("id < :cursor", cursor=cursor)
    counts = _counts_up_to(tx, conditions, COUNT_CAP + 1)
    total = sum(counts)
    offset = 0 if cursor is not None else (page - 1) * limit
    params = {
        **conditions[0].params,
        "cursor": cursor,
        "limit": limit + 1,
        "offset": offset,
        "deep": offset + limit + 1,
    }
    latest = [
        _latest(condition, "" if cursor is None else f" AND {condition.sign}id < :cursor", sort=count <= COUNT_CAP)
        for condition, count in zip(conditions, counts, strict=True)
    ]
    sql = f"""
    SELECT {LIST_COLUMNS} FROM rota_jobs
    WHERE id {{in|SELECT id FROM ({" UNION ALL ".join(latest)}) u ORDER BY id DESC LIMIT :limit OFFSET :offset}}
    ORDER BY id DESC
    """
    rows = tx.rows(sql, params, fresh=True)
    names = Job.__struct_fields__
    found = [Job(**dict(zip(names, row, strict=True))) for row in rows[:limit]]
    more = found[-1].id if len(rows) > limit else floor
    is_estimate = total > COUNT_CAP or floor is not None or (is_looked_for and cursor is not None)
    return JobPage(found, min(total, COUNT_CAP), is_estimate, more)


def _is_looked_for(wanted: JobFilter) -> bool:
    """Tell whether jobs must be looked at one by one: no index finds them, nor others that are few."""
    if wanted.batch is not None or wanted.schedule is not None:
        return False
    if wanted.statuses and WAITING.issuperset(wanted.statuses):
        return False
    by_status = bool(wanted.statuses) and UNSUCCESSFUL.issuperset(wanted.statuses)
    return (by_status and wanted.type is not None) or any(getattr(wanted, name) for name in NOT_INDEXED)


def _floor(tx: Tx, wanted: JobFilter, cursor: str | None) -> str | None:
    """Return the id up to which one look goes; None where it goes through all that is left."""
    by_status = len(wanted.statuses) == 1 and wanted.statuses[0] in UNSUCCESSFUL
    found = _condition(JobFilter(type=None if by_status else wanted.type, since=wanted.since, until=wanted.until))
    if by_status:
        found.add(f"status = '{wanted.statuses[0]}'")
    elif wanted.type is not None:
        found.add(RESTING)
    if cursor is not None:
        found.add("id < :cursor", cursor=cursor)
    sql = f"SELECT id FROM rota_jobs WHERE {found} ORDER BY id DESC LIMIT 1 OFFSET :looked_at"
    floor: str | None = tx.value(sql, {**found.params, "looked_at": LOOKED_AT - 1})
    return floor


def _latest(condition: _Condition, beyond: str, *, sort: bool) -> str:
    """Few are found by their index and sorted; where there are many, the way down from the latest is short."""
    order = f"{condition.sign if sort else ''}id DESC"
    return f"SELECT * FROM (SELECT id FROM rota_jobs WHERE {condition}{beyond} ORDER BY {order} LIMIT :deep) l"


def _counts_up_to(tx: Tx, conditions: Sequence[_Condition], most: int) -> list[int]:
    # In the order of the list, so by its index: the table itself may begin with pages that retention emptied.
    parts = [
        f"SELECT count(*), {place} FROM (SELECT 1 FROM rota_jobs WHERE {condition}"
        f" {'' if condition.sign else 'ORDER BY id DESC'} LIMIT :most) c{place}"
        for place, condition in enumerate(conditions)
    ]
    rows = tx.rows(" UNION ALL ".join(parts), {**conditions[0].params, "most": most}, fresh=True)
    return [int(count) for count, _ in sorted(rows, key=lambda row: row[1])]


def ids(tx: Tx, wanted: JobFilter, *, limit: int, after: str | None = None) -> list[str]:
    """Return ids of the jobs wanted in ascending order, those after ``after``: for actions in batches."""
    beyond = " AND id > :after" if after is not None else ""
    conditions = _by_status(wanted)
    parts = [
        f"SELECT * FROM (SELECT id FROM rota_jobs WHERE {condition}{beyond} ORDER BY id LIMIT :limit) p"
        for condition in conditions
    ]
    sql = f"SELECT id FROM ({' UNION ALL '.join(parts)}) u ORDER BY id LIMIT :limit"
    params = {**conditions[0].params, "after": after, "limit": limit}
    return [row[0] for row in tx.rows(sql, params, fresh=True)]


def count(tx: Tx, wanted: JobFilter, *, most: int | None = None) -> int:
    """Return how many jobs are wanted, exactly, or at most ``most``."""
    if most is not None:
        return min(most, sum(_counts_up_to(tx, _by_status(wanted), most)))
    total = 0
    for condition in _by_status(wanted):
        sql = f"SELECT count(*) FROM rota_jobs WHERE {condition}"
        total += int(tx.rows(sql, condition.params, fresh=True)[0][0])
    return total
