"""A backup taken while somebody writes is sound, and has what was there: as `docs/how-to/backup.md` says."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rota.actions import moving
from rota.store import invariants, migrate
from rota.store.database import Database
from tests.store import builders
from tests.support import postgres_binaries
from tests.support.postgres import fresh_database
from tests.support.processes import ROOT

PAGE = ROOT / "docs" / "how-to" / "backup.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def filled(url: str) -> tuple[Database, str]:
    """A database with finished, running and waiting jobs; an id of one."""
    db = builders.opened(url)
    migrate.migrate(db)
    worker = builders.register(db)
    builders.end(db, worker, builders.run_one(db, worker))
    builders.run_one(db, worker)
    builders.put(db)
    return db, builders.insert_one(db)


def assert_same(copy: Database, original: Database, job_id: str) -> None:
    moving.compare(original, copy)
    builders.get(copy, job_id)
    with copy.snapshot() as tx:
        assert [one for one in invariants.look(tx, None) if one.broken] == []
    copy.close()
    original.close()


@pytest.mark.parametrize("how", ["backup", "vacuum", *(["page"] if shutil.which("sqlite3") else [])])
def test_sqlite_while_a_transaction_is_open(
    how: str, migrated: None, sqlite_url: str, sqlite_path: Path, tmp_path: Path
) -> None:
    db, job_id = filled(sqlite_url)
    target = tmp_path / "backup.db"
    with db.transaction() as tx:
        tx.run("UPDATE rota_jobs SET error = 'not committed'")
        source = sqlite3.connect(db.url.path or "")
        if how == "page":
            run_page("sqlite3 ", sqlite_path.parent, {"rota.db": str(sqlite_path)})
            assert_same(
                builders.opened(f"sqlite:///{sqlite_path.parent}/smaller.db"), builders.opened(sqlite_url), job_id
            )
            target = sqlite_path.parent / "backup.db"
        elif how == "backup":
            with sqlite3.connect(target) as there:
                source.backup(there)
            there.close()
        else:
            source.execute("VACUUM INTO ?", (str(target),))
        source.close()
        tx.run("UPDATE rota_jobs SET error = NULL")
    assert_same(builders.opened(f"sqlite:///{target}"), db, job_id)


def test_postgresql(migrated: None, pg_database: str, postgres: str, tmp_path: Path) -> None:
    """What the page says to type, with databases of the test in it."""
    folder = postgres_binaries.find()
    found = str(folder / "pg_dump") if folder and (folder / "pg_dump").exists() else shutil.which("pg_dump")
    if found is None:
        pytest.skip("there is no pg_dump: install a postgresql package")
    db, job_id = filled(pg_database)
    with fresh_database(postgres, "template0") as url:
        name = url.rpartition("/")[2].partition("?")[0]
        given = {
            "postgresql://rota@db.internal/rota_restored": url, "postgresql://rota@db.internal/rota": pg_database,
            "createdb rota_restored": "true  # it is there", "--dbname=rota_restored": f"--dbname={url}",
        }  # fmt: skip
        said = run_page("pg_dump ", tmp_path, given, str(Path(found).parent))
        assert f"{name} is reached" in said and "without a gap" in said
        assert_same(builders.opened(url), db, job_id)


def run_page(with_text: str, folder: Path, given: dict[str, str], programs: str = "/usr/bin") -> str:
    """Run the one block of the page that has a text, with other names in it; return what it printed."""
    (block,) = [one for one in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if with_text in one]
    for old, new in given.items():
        assert old in block
        block = block.replace(old, new)
    path = f"{Path(sys.executable).parent}:{programs}:/usr/local/bin:/usr/bin:/bin"
    command = ["bash", "-euo", "pipefail", "-c", block]
    done = subprocess.run(
        command, cwd=folder, env={"PATH": path}, capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 0, done
    return done.stdout
