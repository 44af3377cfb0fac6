"""SQLite's troubles are our own errors, and end by themselves: busy, full, read-only, gone."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.errors import (
    DatabaseBusy,
    DatabaseError,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnavailable,
)
from rota.store import database, meta, migrate, sqlite
from rota.store.database import Database, Duplicate, Tx
from tests.store import builders
from tests.store.builders import new_job

ROOT = Path(__file__).parents[2]

WRITE = """
import sys
from rota.settings import parse_database_url
from rota.store import claims, jobs, results
from rota.store.opening import open_database
from tests.store import builders
db = open_database(parse_database_url(sys.argv[1]))
worker = builders.register(db, lease_us=builders.HOUR)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    with db.transaction() as tx:  # not db.run: nothing here tries again
        jobs.insert(tx, [builders.new_job()])
    builders.end(db, worker, *builders.claim(db, worker, lanes={"async": 2}))
print("done", flush=True)
"""


@pytest.fixture
def impatient(lite: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database that waits for others only a moment."""
    monkeypatch.setattr(database, "RETRY_FOR_S", 0.1)
    monkeypatch.setattr(sqlite, "BUSY_FOR_S", 0.05)
    return lite


class TestBusy:
    def test_a_strangers_transaction_is_waited_for_then_told(self, impatient: Database, sqlite_path: Path) -> None:
        stranger = sqlite3.connect(sqlite_path, isolation_level=None)
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy):
            builders.insert_one(impatient)
        assert builders.column(impatient, "id") == []
        stranger.execute("ROLLBACK")
        builders.insert_one(impatient)
        stranger.close()

    def test_a_reader_holds_nobody_up(self, impatient: Database, sqlite_path: Path) -> None:
        builders.insert_one(impatient)
        reader = sqlite3.connect(sqlite_path, isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM rota_jobs").fetchone() == (1,)
        for _ in range(20):
            builders.insert_one(impatient)
        assert reader.execute("SELECT count(*) FROM rota_jobs").fetchone() == (1,)
        reader.close()

    def test_a_thread_that_writes_for_ever_is_waited_for_then_told(self, impatient: Database) -> None:
        with impatient.transaction(), pytest.raises(DatabaseBusy):
            builders.insert_one(impatient)

    def test_many_processes_write_and_none_is_locked_out(self, lite: Database, sqlite_url: str) -> None:
        each, count = 100, 4
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", WRITE, sqlite_url, str(each)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            )
            for _ in range(count)
        ]  # fmt: skip
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        outputs = []
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        outputs = [process.communicate(timeout=100) for process in processes]
        assert outputs == [("done\n", "")] * count
        assert len(builders.column(lite, "id")) == each * count
        assert set(builders.column(lite, "status")) == {"completed"}
        assert set(builders.column(lite, "attempt")) == {1}


class TestFull:
    def cap(self, db: Database) -> None:
        with db.statement() as tx:
            pages = tx.value("PRAGMA page_count")
            tx.rows(f"PRAGMA max_page_count={pages + 4}")

    def test_nothing_is_half_stored_and_it_goes_on_by_itself(self, lite: Database) -> None:
        kept = builders.insert_one(lite)
        self.cap(lite)
        with pytest.raises(DatabaseFull):
            builders.insert(lite, *[new_job(args=f'"{"x" * 10_000}"') for _ in range(20)])
        assert builders.column(lite, "id") == [kept]

        with lite.statement() as tx:
            tx.rows("PRAGMA max_page_count=1000000")
        builders.insert(lite, *[new_job(args=f'"{"x" * 10_000}"') for _ in range(20)])
        assert len(builders.column(lite, "id")) == 21

    def test_who_goes_on_after_the_transaction_is_gone_stores_nothing(self, lite: Database) -> None:
        """SQLite rolls back by itself after some errors; what follows must not be committed statement by statement."""

        def careless(tx: Tx) -> None:
            meta.put(tx, "a", "1")
            with contextlib.suppress(Duplicate):
                tx.run("INSERT OR ROLLBACK INTO rota_meta (key, value) VALUES ('a', '2')")
            meta.put(tx, "b", "1")

        with pytest.raises(Duplicate):
            lite.run(careless)
        assert not {"a", "b"} & set(builders.column(lite, "key", "rota_meta"))

    def test_a_full_disk(self, small_disk: Path) -> None:
        db = builders.opened(f"sqlite:///{small_disk}/rota.db")
        migrate.migrate(db)
        stored: list[str] = []

        def fill() -> None:
            for _ in range(2000):
                stored.append(builders.insert_one(db, args=f'"{"x" * 5000}"'))  # noqa: PERF401 - kept when it ends

        with pytest.raises(DatabaseFull):
            fill()
        assert sorted(builders.column(db, "id")) == sorted(stored)
        with pytest.raises(DatabaseFull):
            builders.insert_one(db, args=f'"{"x" * 500_000}"')

        (small_disk / "ballast").unlink()
        builders.insert_one(db, args=f'"{"x" * 50_000}"')
        assert db.read(lambda tx: tx.value("PRAGMA integrity_check")) == "ok"
        db.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for little, half of it taken by a file that can be deleted."""
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine does not let root mount a file system")
    (tmp_path / "ballast").write_bytes(b"x" * 2_000_000)
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """As somebody whom file permissions bind."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


class TestReadOnly:
    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        """A folder that everybody may enter, unlike those of pytest."""
        folder = Path(tempfile.mkdtemp(prefix="rota-read-only-"))
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)
        shutil.rmtree(folder)

    def test_writing_is_refused_reading_is_not(self, folder: Path) -> None:
        url = f"sqlite:///{folder}/rota.db"
        owner = builders.opened(url)
        migrate.migrate(owner)
        job_id = builders.insert_one(owner)
        for path in folder.iterdir():
            path.chmod(0o444)
        folder.chmod(0o555)
        with unprivileged():
            db = builders.opened(url)
            assert builders.column(db, "id") == [job_id]
            with pytest.raises(DatabaseReadOnly):
                builders.insert_one(db)
            db.close()
        owner.close()

    def test_a_folder_that_cannot_be_written_to(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database, "RETRY_FOR_S", 0.1)
        folder.chmod(0o555)
        with unprivileged():
            db = builders.opened(f"sqlite:///{folder}/rota.db")
            with pytest.raises(DatabaseUnavailable):
                builders.insert_one(db)


class TestGone:
    @pytest.fixture(autouse=True)
    def give_up_soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database, "RETRY_FOR_S", 0.1)

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        db = builders.opened(f"sqlite:///{tmp_path}/none/rota.db")
        began = time.monotonic()
        for _ in range(40):  # more than the pool has places
            with pytest.raises(DatabaseUnavailable), db.statement():
                pass
        assert time.monotonic() - began < 5
        (tmp_path / "none").mkdir()
        assert migrate.migrate(db) != []
        db.close()

    def test_a_folder_in_its_place(self, tmp_path: Path) -> None:
        db = builders.opened(f"sqlite:///{tmp_path}")
        with pytest.raises(DatabaseUnavailable):
            migrate.migrate(db)

    def test_another_kind_of_file(self, tmp_path: Path) -> None:
        (tmp_path / "rota.db").write_text("not a database, but long enough to be taken for one " * 50)
        db = builders.opened(f"sqlite:///{tmp_path}/rota.db")
        with pytest.raises(DatabaseError, match="is no SQLite database"):
            migrate.migrate(db)


def test_the_schema_is_missing(sqlite_url: str) -> None:
    db = builders.opened(sqlite_url)
    with pytest.raises(DatabaseError, match="no such table"):
        builders.insert_one(db)
    db.close()
