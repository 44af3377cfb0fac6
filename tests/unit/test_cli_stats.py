"""``rota stats`` on the database of the settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.cli.stats import strip
from rota.engine.rollups import Rollups
from rota.store import rollups
from rota.store.database import Database
from tests.store import builders
from tests.support.cli import Cli, assert_one_line


@pytest.fixture
def cli(
    migrated: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, sqlite_url: str
) -> Cli:
    """The command line on a database that is ready."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", sqlite_url)
    monkeypatch.setattr(rollups, "LATEST_US", -1)
    return Cli(monkeypatch, capsys)


@pytest.fixture
def db(cli: Cli, sqlite_url: str) -> Iterator[Database]:
    database = builders.opened(sqlite_url)
    worker = builders.register(database)
    for queue, status in (("mail", "completed"), ("mail", "failed"), ("mail", "completed"), ("slow", "completed")):
        builders.end(database, worker, builders.run_one(database, worker, queue=queue), status=status)
    while Rollups(database).run_once() == 0:
        pass
    yield database
    database.close()


def test_of_all(cli: Cli, db: Database) -> None:
    headers, row = cli.ok("stats", "--window", "1h").splitlines()
    assert headers.split()[:4] == ["COMPLETED", "FAILED", "CANCELLED", "RETRIED"]
    assert re.match(r"all +3 +1 +0 +0 +\d+ ms +\d+ ms +\d+ ms +\d+ ms +\S", row)


def test_by_queue_with_most_ends_first(cli: Cli, db: Database) -> None:
    headers, *rows = cli.ok("stats", "--by", "queue").splitlines()
    assert headers.startswith("QUEUE")
    assert [row.split()[:3] for row in rows] == [["mail", "2", "1"], ["slow", "1", "0"]]


def test_narrowed_as_json(cli: Cli, db: Database) -> None:
    found = cli.json("stats", "--queue", "slow", "--type", "report")
    assert found["groups"][0]["totals"]["completed"] == 1


def test_of_nothing(cli: Cli) -> None:
    assert cli.ok("stats", "--by", "type") == "Nothing ended in the last 24h.\n"


def test_refuses_other_windows(cli: Cli) -> None:
    assert_one_line(cli("stats", "--window", "2h"), 2, "--window")


def test_a_strip_shows_every_end() -> None:
    points = [{"completed": count, "failed": 0} for count in (0, 1, 50, 100)]
    assert strip(points) == " ▁▄█"
    assert len(strip(points * 24)) == 24
    assert strip([]) == ""
