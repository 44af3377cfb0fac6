"""``rota audit`` on the database of the settings, on both kinds."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.support.cli import Cli


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str) -> Cli:
    """The command line on a database in which two queues were changed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    cli = Cli(monkeypatch, capsys)
    cli.ok("db", "migrate")
    assert cli.ok("audit", "list") == "Nothing was changed yet.\n"
    cli.ok("queues", "set", "mail", "--concurrency", "5")
    cli.ok("queues", "set", "mail", "--concurrency", "6")
    cli.ok("queues", "pause", "mail", "--note", "=1+1")
    return cli


def test_list_says_who_did_what(cli: Cli) -> None:
    told = cli.ok("audit", "list")
    assert "changed the queue mail: concurrency 5 → 6 (by the command line)" in told
    assert told.index("paused the queue mail") < told.index("changed the queue mail")
    assert [one["name"] for one in cli.json("audit", "list", "--action", "changed")] == ["mail", "mail"]
    assert [one["name"] for one in cli.json("audit", "list", "--kind", "queue", "-n", "1")] == ["mail"]
    assert cli.json("audit", "list", "--via", "api") == []
    assert cli.json("audit", "list", "--since", "2100-01-01T00:00:00Z") == []
    assert len(cli.json("audit", "list", "--since", "1h", "--id", "mail")) == 3
    assert cli.ok("audit", "list", "--by", "nobody") == "No change matches.\n"


def test_export_writes_files(cli: Cli) -> None:
    entries = [json.loads(line) for line in cli.ok("audit", "export").splitlines()]
    assert [(one["action"], one["name"]) for one in entries] == [
        ("paused", "mail"), ("changed", "mail"), ("changed", "mail"),
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(cli.ok("audit", "export", "--format", "csv"))))
    assert [row["id"] for row in rows] == [one["id"] for one in entries]
    assert json.loads(rows[1]["after"]) == {"concurrency": 6}
    assert rows[0]["note"] == "'=1+1", "no spreadsheet may take it for a formula"
