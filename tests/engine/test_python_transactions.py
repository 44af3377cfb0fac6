"""A job enqueued on the caller's own connection is part of the caller's transaction, its type too."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rota import Rota


def application(url: str) -> Rota:
    app = Rota(url)

    @app.job
    def receipt(order: int) -> None: ...

    app.database()
    return app


def connect(url: str, app: Rota) -> Any:
    if url.startswith("postgresql"):
        return psycopg.connect(url)
    path = app.settings.database_url.path
    assert path is not None
    assert Path(path).exists()
    return sqlite3.connect(path)


@pytest.mark.parametrize("commits", [True, False])
def test_it_is_stored_or_gone_with_the_callers_transaction(database_url: str, commits: bool) -> None:
    app = application(database_url)
    connection = connect(database_url, app)
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE orders (id integer)")
    connection.commit()
    cursor.execute("INSERT INTO orders VALUES (1)")
    job = app.enqueue("receipt", {"order": 1}, connection=connection)
    (connection.commit if commits else connection.rollback)()
    connection.close()
    stored = app.database().read(lambda tx: tx.value("SELECT count(*) FROM rota_jobs WHERE id = :id", {"id": job.id}))
    assert stored == (1 if commits else 0)
    assert app.enqueue("receipt", {"order": 2}).status == "pending"  # declared, whatever became of the first
    app.close()
