"""``rota batches``, and what ``rota enqueue`` says of keys and parents, on both kinds of database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import Cli, assert_one_line


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str) -> Cli:
    """The command line on a database with a job type."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    cli = Cli(monkeypatch, capsys)
    cli.ok("db", "migrate")
    return cli


JOB = {"target": {"kind": "command", "command": ["true"]}}


def test_add_show_list_cancel(cli: Cli, tmp_path: Path) -> None:
    assert cli.ok("batches", "list").startswith("No batches.")
    (tmp_path / "batch.json").write_text(json.dumps({"jobs": [JOB, JOB], "callback": JOB}))
    batch_id = cli.ok("batches", "add", "@batch.json", "--name", "pages").strip()
    shown = cli.ok("batches", "show", batch_id)
    assert "2: 2 pending" in shown
    assert "pages" in shown
    (listed,) = cli.json("batches", "list")
    assert (listed["id"], listed["name"], listed["total"], listed["done"]) == (batch_id, "pages", 2, False)
    assert cli.ok("batches", "list").splitlines()[1].startswith(f"{batch_id}  pages")
    assert cli.ok("batches", "cancel", batch_id) == "2 jobs cancelled\n"
    assert cli.json("batches", "show", batch_id)["done"] is True
    assert len(cli.json("jobs", "list", "--batch", batch_id)) == 2


@pytest.mark.parametrize("yes", ["--yes", "-y"])
def test_to_cancel_takes_yes_as_all_do_that_change_something(cli: Cli, yes: str) -> None:
    batch_id = cli.ok("batches", "add", json.dumps([JOB])).strip()
    assert cli.ok("batches", "cancel", batch_id, yes) == "1 jobs cancelled\n"
    assert cli.json("batches", "show", batch_id)["done"] is True


def test_a_list_is_the_jobs_alone(cli: Cli) -> None:
    assert cli.json("batches", "add", json.dumps([JOB]))["total"] == 1


def test_what_is_no_batch(cli: Cli) -> None:
    for given, what in (("5", "BATCH: is neither"), ("{", "BATCH: is not JSON"), ('{"jobs": 1}', "BATCH: ")):
        assert_one_line(cli("batches", "add", given), 2, what)
