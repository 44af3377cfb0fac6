"""``rota db move``: everything goes to another database, each row compared, and a move that stopped goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.actions import moving
from rota.errors import SchemaMismatch
from rota.model import LogChunk
from rota.store import copying, meta, migrate
from rota.store.database import Database
from tests.store import builders
from tests.support.cli import Cli, assert_one_line
from tests.support.postgres import fresh_database

JOBS = 900
MORE = """
INSERT INTO rota_starts (queue, key, at, starts) VALUES ('default', NULL, 1, 1), ('default', NULL, 1, 1);
INSERT INTO rota_secrets (name, box, key_id, version, created_at, updated_at) VALUES ('a', 'sealed', 'k', 1, 1, 1);
INSERT INTO rota_audit (id, at, action, noun, name, after)
  VALUES ('01a1ffc8-999d-76ea-8804-b918f30e53a0', 1, 'edit', 'queue', 'q', '{"a": 1, "a": 2}');
INSERT INTO rota_attempts (job_id, attempt, outcome, ended_at) SELECT id, 1, 'lost', 5 FROM rota_jobs;
"""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


@pytest.fixture
def source(migrated: None, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A SQLite database with something of every kind, which the settings name."""
    monkeypatch.setenv("ROTA_DATABASE_URL", sqlite_url)
    db = builders.opened(sqlite_url)
    builders.insert(db, *[builders.new_job(args='{"a": 1, "a": "\\u0000ä"}', tags='["x"]') for _ in range(JOBS)])
    job_id = builders.insert_one(db)
    builders.log(db, LogChunk(job_id=job_id, attempt=1, first_line=1, lines=1, at=1, body='[[1,"stdout","€"]]'))
    builders.put(db)
    builders.stop(db, builders.register(db))
    with db.transaction() as tx:
        tx.script(MORE)
        tx.run("UPDATE rota_jobs SET progress = 0.1, error = :text", {"text": "a\0b"})
        meta.put(tx, meta.ACCOUNTED_TO, "7")
    yield db
    db.close()


@pytest.fixture
def empty(postgres: str) -> Iterator[Database]:
    """An empty PostgreSQL database without a schema; not of ``pg_database``, which would have one here."""
    with fresh_database(postgres, "template0") as url:
        db = builders.opened(url)
        yield db
        db.close()


def sums(db: Database) -> dict[str, copying.Sum]:
    with db.snapshot() as tx:
        found = copying.tables(tx)
        return {name: moving.sum_of(tx, table, lambda _: None) for name, table in found.items() if name != copying.META}


LATER = migrate.Migration(
    migrate.newest() + 1, "later", "CREATE TABLE rota_later (kind text, n bigint, share double precision, box text)"
)
TYPES = """
SELECT table_name, column_name, data_type FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name IN (SELECT tablename FROM pg_tables) AND table_name LIKE 'rota%'
"""


def value(kind: str, n: int) -> object:
    """Something that both databases store in a column of this type."""
    return {
        "uuid": f"018f0000-0000-7000-8000-{n:012x}", "bigint": (1 << 62) + n, "double precision": n + 0.1,
        "json": f'{{"a": {n}, "a": "é"}}', "text": f'{{"é": "{n}\\n\\u0000"}}\t',
    }[kind]  # fmt: skip


def fill_every_column(source: Database, target: Database) -> dict[str, int]:
    """Add two rows to each table that there is, with something in each column; return the tables and their columns."""
    columns: dict[str, dict[str, str]] = {}
    for table, column, kind in target.read(lambda tx: tx.rows(TYPES)):
        columns.setdefault(table, {})[column] = kind
    with source.transaction() as tx:
        for name, kinds in columns.items():
            sql = f"INSERT INTO {name} ({', '.join(kinds)}) VALUES ({', '.join(f':{one}' for one in kinds)})"
            for row in (1, 2):
                numbers = range(1000 * row, 1000 * row + len(kinds))
                tx.run(sql, {one: value(kind, n) for n, (one, kind) in zip(numbers, kinds.items(), strict=True)})
    return {name: len(kinds) for name, kinds in columns.items()}


def test_no_column_of_any_table_is_forgotten(
    cli: Cli, source: Database, empty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables are those that the database has, so one that is added later is moved and looked at here too."""
    real = migrate.migrations()
    monkeypatch.setattr(migrate, "migrations", lambda: (*real, LATER))
    for db in (source, empty):
        migrate.migrate(db)
    columns = fill_every_column(source, empty)
    assert columns["rota_later"] == 4 and len(columns) > 30
    before = source.read(lambda tx: {name: copying.count(tx, table) for name, table in copying.tables(tx).items()})
    moved = cli.json("db", "move", "--live", "--to", to(empty))["rows"]
    assert {name for name in before if before[name] < 2} == set()
    assert {**moved, "rota_meta": 0} == {**before, "rota_meta": 0}
    with empty.snapshot() as tx:
        for name in columns:
            if name != "rota_meta":
                (kept,) = [row for row in tx.rows(f"SELECT * FROM {name}") if None not in row][-1:]
                assert len(kept) == columns[name], name
        assert len(dict(tx.rows("SELECT key, value FROM rota_meta WHERE key LIKE '{%'"))) == 2
    assert sums(source) == sums(empty)


def to(db: Database) -> str:
    return f"postgresql://postgres@{db.url.display.rpartition('@')[2]}"


def test_everything_is_there_and_back(cli: Cli, source: Database, empty: Database, tmp_path: Path) -> None:
    before = hashlib.sha256(Path(source.url.path or "").read_bytes()).digest()
    moved = cli.json("db", "move", "--to", to(empty))
    assert hashlib.sha256(Path(source.url.path or "").read_bytes()).digest() == before
    assert moved["resumed"] is False
    assert (moved["rows"]["rota_jobs"], moved["rows"]["rota_starts"]) == (JOBS + 1, 2)
    assert sums(source) == sums(empty)
    assert empty.read(lambda tx: tx.value("SELECT box FROM rota_secrets")) == "sealed"
    assert empty.read(lambda tx: tx.value("SELECT DISTINCT error FROM rota_jobs")) == "a\ufffdb"
    assert empty.read(meta.accounted_to) == 7
    assert_one_line(cli("db", "move", "--to", to(empty)), 1, "is not empty", "rota_jobs")

    there = builders.opened(f"sqlite:///{tmp_path}/back.db")
    moving.move(empty, there, lambda *_: None)
    assert sums(there) == sums(empty)
    there.close()


def test_a_table_that_is_not_ours_stays_where_it_is(cli: Cli, source: Database, empty: Database) -> None:
    with source.transaction() as tx:
        tx.script("CREATE TABLE rota_shifts (person text); INSERT INTO rota_shifts VALUES ('Ada')")
    moved = cli.json("db", "move", "--to", to(empty))
    assert "rota_shifts" not in moved["rows"]
    empty.read(migrate.check)


def test_one_that_stopped_goes_on(cli: Cli, source: Database, empty: Database) -> None:
    stop_after(source, empty, JOBS + 500)
    with pytest.raises(SchemaMismatch, match="has not ended"):
        empty.read(migrate.check)
    stored = empty.read(lambda tx: tx.value("SELECT count(*) FROM rota_jobs"))
    assert 0 < stored < JOBS
    assert cli.json("db", "move", "--to", to(empty))["resumed"] is True
    assert sums(source) == sums(empty)
    empty.read(migrate.check)


def test_a_source_that_changed_meanwhile_is_found(cli: Cli, source: Database, empty: Database) -> None:
    stop_after(source, empty, JOBS + 500)
    source.run(lambda tx: tx.run("UPDATE rota_jobs SET error = 'later'"))
    assert_one_line(cli("db", "move", "--json", "--to", to(empty)), 1, "rota_jobs differs", "--anew")
    assert cli.json("db", "move", "--anew", "--to", to(empty))["resumed"] is False
    assert sums(source) == sums(empty)


def test_wrong_ends_are_refused(cli: Cli, source: Database, empty: Database, sqlite_path: Path) -> None:
    assert_one_line(cli("db", "move", "--to", "postgres"), 2, "--to", "sqlite:///")
    assert_one_line(cli("db", "move", "--to", f"sqlite:///{sqlite_path}"), 1, "is not empty")
    worker = builders.register(source)
    assert_one_line(cli("db", "move", "--to", to(empty)), 1, "1 of its processes", "--live")
    cli.ok("db", "move", "--live", "--to", to(empty))
    builders.stop(source, worker)


def stop_after(source: Database, target: Database, rows: int) -> None:
    """Break a move off when so many rows are stored."""
    left = rows

    def show(step: str, more: int, total: int) -> None:
        nonlocal left
        left -= more
        if left <= 0:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        moving.move(source, target, show)
