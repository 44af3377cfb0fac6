"""``rota db check`` and ``rota db stats``: whether the database is sound, and how large it is."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click
import msgspec

from rota.cli.command import Command
from rota.cli.db_opened import opened
from rota.cli.options import json_option, timestamp
from rota.cli.output import ago, details, mark, print_json, table
from rota.durations import format_duration
from rota.settings import Settings, load_settings
from rota.store import migrate, queues

if TYPE_CHECKING:
    from rota.store.database import Database
    from rota.store.invariants import Finding
    from rota.store.sizes import Growth, TableSize

OLD_TRANSACTION_US = 600_000_000
LARGE_WAL = 256 << 20


@click.command(cls=Command)
@click.option("--quick", is_flag=True, help="Only whether it is there and has the right schema.")
@json_option
def check(quick: bool, as_json: bool) -> None:
    """Say whether the database has the right schema, and what is in it is in order; exit 1 when not.

    Every job, attempt and log and the account of every schedule is looked at, as it is at one moment.
    """
    with opened() as db:
        with db.statement() as tx:
            migrate.check(tx)
        if not as_json:
            click.echo(f"{db.url} is reached and has schema {migrate.newest()}")
        findings = [] if quick else _findings(db, load_settings())
        broken = any(one.broken for one in findings)
        if as_json:
            print_json({"ok": not broken, "database": str(db.url), "schema": migrate.newest(), "checks": findings})
        for one in findings if not as_json else []:
            click.echo(f"{mark(not one.broken)} {one.text}{_but(one)}")
    sys.exit(1 if broken else 0)


def _findings(db: Database, settings: Settings) -> list[Finding]:
    from rota.actions import ledger
    from rota.store import invariants

    with db.snapshot() as tx:
        return [*invariants.look(tx, settings.retention_occurrences_us), ledger.look(tx)]


def _but(found: Finding) -> str:
    if not found.broken:
        return ""
    from rota.store.invariants import MOST

    count = f"{found.broken:,}" if found.broken < MOST else f"{MOST:,} or more"
    return click.style(f": not so of {count}, such as {', '.join(found.examples)}", fg="red")


@click.command(cls=Command)
@json_option
def stats(as_json: bool) -> None:
    """See how large the database is and why: rows, bytes, ages, and what retention deletes next."""
    from rota.store import sizes

    settings = load_settings()
    with opened() as db:
        with db.snapshot() as tx:
            migrate.check(tx)
            now, found, growth = tx.now(), sizes.of_tables(tx), sizes.growth(tx, _wal_bytes(db))
        kept = _kept(db, settings, now)
        shown = {"database": str(db.url), "schema": migrate.newest(), **msgspec.to_builtins(growth)}
    if as_json:
        print_json({**shown, "tables": [_as_json(one) for one in found], "retention": kept})
        return
    _print_growth(shown["database"], growth)
    click.echo()
    table(
        ("TABLE", "ROWS", "TABLE SIZE", "INDEXES", "DEAD ROWS", "OLDEST"),
        [_row(one) for one in found if one.rows], empty="There is nothing in it yet.",
    )  # fmt: skip
    click.echo()
    columns = ("status", "of", "kept", "due", "next")
    rows = [[ago(one[name]) if name == "next" else one[name] for name in columns] for one in kept]
    table(("ENDED JOBS", "OF", "KEPT", "MAY GO NOW", "THE NEXT"), rows, empty="Ended jobs are kept for ever.")


def _wal_bytes(db: Database) -> int | None:
    if db.url.path is None:
        return None
    try:
        return os.path.getsize(f"{db.url.path}-wal")
    except OSError:
        return 0


def _kept(db: Database, settings: Settings, now: int) -> list[dict[str, Any]]:
    """Return by rule of retention how many ended jobs may go, and when the next one may."""
    from rota.engine.retention import EVER, heaviest, rules
    from rota.store import sizes
    from rota.store.retention import TRAFFIC, bound

    own = db.read(queues.retentions)
    found: list[dict[str, Any]] = [
        {"status": "ended", "of": "all" if queue is None else f"queue {queue}", "kept": f"about {size(most)} at most",
         "due": None, "next": None}
        for queue, most in heaviest(settings, own)
    ]  # fmt: skip
    for rule in rules(settings, own):
        which, age = rule.which, rule.age
        kept = "for ever" if age == EVER else format_duration(age)
        kept += "" if rule.most is None else f", {rule.most:,} at most"
        shown: dict[str, Any] = {"status": which.status, "kept": kept, "due": None, "next": None}
        if which.queue is not None:
            if rule.most is not None:
                before = db.read(partial(bound, which=which, most=rule.most))
                due = db.read(partial(sizes.ended, which=which, before=before))
                found.append({**shown, "of": f"queue {which.queue}", "kept": f"{rule.most:,} at most", "due": due})
            continue
        if which.queues is not None:
            found.append({**shown, "of": f"queues {', '.join(sorted(which.queues))}"})
            continue
        runs = which.origins != TRAFFIC
        aged = db.read(partial(sizes.aged, status=which.status, runs=runs, before=now - age))
        following = None if aged.oldest_at is None or age == EVER else timestamp(aged.oldest_at + age)
        found.append({**shown, "of": "runs" if runs else "enqueued", "due": aged.due, "next": following})
    return found


def _as_json(one: TableSize) -> dict[str, Any]:
    return {**msgspec.to_builtins(one), "oldestAt": None if one.oldest_at is None else timestamp(one.oldest_at)}


def _row(one: TableSize) -> tuple[Any, ...]:
    return (
        one.name, f"{'~' if one.estimated else ''}{one.rows:,}", size(one.table_bytes), size(one.index_bytes),
        one.dead_rows, ago(timestamp(one.oldest_at)) if one.oldest_at else None,
    )  # fmt: skip


def _print_growth(name: str, found: Growth) -> None:
    transaction = None
    if found.oldest_transaction_us is not None:
        transaction = f"{format_duration(found.oldest_transaction_us // 1000 * 1000)} open: {found.oldest_transaction}"
        if found.oldest_transaction_us > OLD_TRANSACTION_US:
            transaction = click.style(f"{transaction}; it keeps dead rows alive", fg="red")
    wal = size(found.wal_bytes) if found.wal_bytes is not None else "not shown to this role"
    if (found.wal_bytes or 0) > LARGE_WAL and name.startswith("sqlite"):
        wal = click.style(f"{wal}; a reader that does not end keeps it", fg="red")
    details(
        [
            ("database", name),
            ("size", size(found.total_bytes)),
            ("free within", size(found.free_bytes) if found.free_bytes is not None else None),
            ("write-ahead log", wal),
            ("oldest transaction", transaction),
        ]
    )


def size(count: int | None) -> str | None:
    """Return bytes as a person says them: ``1.5 MiB``."""
    if count is None:
        return None
    amount, units = float(count), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while amount >= 1024 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    return f"{count} bytes" if units[0] == "bytes" else f"{amount:.1f} {units[0]}"
