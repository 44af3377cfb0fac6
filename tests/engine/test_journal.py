"""The journal of a SQLite file is emptied when it has grown; who keeps it from that is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rota.engine import journal as loop
from rota.engine.journal import JournalLoop
from rota.store import journal
from tests.store import builders

READS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM rota_jobs").fetchall()
print("reading", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say who holds a lock")
def test_a_reader_that_does_not_end_is_named(
    migrated: None,
    sqlite_url: str,
    sqlite_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="rota")
    monkeypatch.setattr(loop, "MUCH", 100_000)
    monkeypatch.setattr(loop, "TOO_MUCH", 200_000)
    db = builders.opened(sqlite_url)
    turned = JournalLoop(db)
    turned.run_once()
    reader = subprocess.Popen(
        [sys.executable, "-S", "-c", READS, str(sqlite_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdin is not None and reader.stdout is not None
    with reader, reader.stdout:
        assert reader.stdout.readline() == "reading\n"
        builders.insert_one(db, args=f'"{"x" * 150_000}"')
        turned.run_once()
        assert "journal" not in caplog.text, "so much is no trouble yet"
        for _ in range(3):
            builders.insert_one(db, args=f'"{"x" * 150_000}"')
        turned.run_once()
        assert journal.size(str(sqlite_path)) > 200_000
        reader.stdin.close()
    record = next(record for record in caplog.records if "journal-large" in str(record.__dict__))
    assert f"process {reader.pid} (" in record.getMessage()
    turned.run_once()
    turned.run_once()
    assert journal.size(str(sqlite_path)) == 0
    assert "journal was written back" in caplog.text
    db.close()
