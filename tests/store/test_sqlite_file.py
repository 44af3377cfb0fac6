"""The files of a SQLite database, as others on the machine see them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rota.store import migrate
from tests.store import builders


@pytest.mark.skipif(sys.platform == "win32", reason="modes say nothing there")
def test_it_is_for_its_user_alone(sqlite_url: str, sqlite_path: Path) -> None:
    before = os.umask(0)
    try:
        db = builders.opened(sqlite_url)
        migrate.migrate(db)
        modes = {
            path.name: path.stat().st_mode & 0o777 for path in sqlite_path.parent.glob("rota.db*") if path.is_file()
        }
    finally:
        os.umask(before)
    db.close()
    assert modes == {"rota.db": 0o600, "rota.db-wal": 0o600, "rota.db-shm": 0o600}


@pytest.mark.skipif(sys.platform == "win32", reason="modes say nothing there")
def test_whoever_opened_it_to_others_meant_it(sqlite_url: str, sqlite_path: Path) -> None:
    sqlite_path.touch()
    sqlite_path.chmod(0o660)
    db = builders.opened(sqlite_url)
    migrate.migrate(db)
    db.close()
    assert sqlite_path.stat().st_mode & 0o777 == 0o660
