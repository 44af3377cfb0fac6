"""A database that goes away, hangs and comes back when a test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rota.errors import DatabaseUnavailable
from rota.store import database
from rota.store.database import Database, Tx


class Faults:
    """What befalls one database object; its connections themselves are real."""

    def __init__(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away = False
        """Whether it cannot be reached."""
        self.asked = 0
        """How often somebody tried while it was away."""
        self.lose_answer = False
        """Whether the next transaction is committed, and its answer lost on the way."""
        monkeypatch.setattr(database, "RETRY_FOR_S", 0.2)
        self._free = threading.Event()
        self._free.set()
        for name in ("transaction", "statement"):
            monkeypatch.setattr(db, name, self._befallen(getattr(db, name), commits=name == "transaction"))

    def hang(self) -> None:
        """Let everybody who asks wait, until ``answer``."""
        self._free.clear()

    def answer(self) -> None:
        """End a ``hang``."""
        self._free.set()

    def _befallen(self, opener: Callable[[], Any], *, commits: bool) -> Callable[[], Any]:
        @contextmanager
        def open_or_fail() -> Iterator[Tx]:
            assert self._free.wait(60)
            if self.away:
                self.asked += 1
                raise DatabaseUnavailable("it is away")
            with opener() as tx:
                yield tx
            if commits and self.lose_answer:
                self.lose_answer = False
                raise DatabaseUnavailable("the answer is lost")

        return open_or_fail


REFUSE_POSTGRES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON rota_jobs FOR EACH ROW
  WHEN (NEW.id = 'ID' AND CONDITION) EXECUTE FUNCTION refuse();
"""
REFUSE_SQLITE = """
CREATE TRIGGER refuse BEFORE UPDATE ON rota_jobs WHEN NEW.id = 'ID' AND CONDITION
BEGIN SELECT RAISE(ABORT, 'not this one'); END;
"""


def refuse(db: Database, job_id: str, condition: str) -> None:
    """Have the database refuse what changes a job, under a condition on its ``NEW`` row."""
    script = REFUSE_POSTGRES if db.dialect == "postgresql" else REFUSE_SQLITE
    db.run(lambda tx: tx.script(script.replace("ID", job_id).replace("CONDITION", condition)))


def refuse_no_more(db: Database) -> None:
    """End a ``refuse``."""
    table = " ON rota_jobs" if db.dialect == "postgresql" else ""
    db.run(lambda tx: tx.run(f"DROP TRIGGER refuse{table}"))
