"""``rota status`` on the database of the settings, on both kinds."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.store import meta, queues
from rota.store.database import Database
from tests.store import builders
from tests.support.cli import Cli, assert_one_line
from tests.support.waiting import free_port


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str) -> Cli:
    """The command line on a database that is ready."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    cli = Cli(monkeypatch, capsys)
    cli.ok("db", "migrate")
    return cli


@pytest.fixture
def db(cli: Cli, database_url: str) -> Iterator[Database]:
    database = builders.opened(database_url)
    yield database
    database.close()


@pytest.fixture
def well(db: Database) -> Database:
    """A system that does its work: some jobs wait, one runs, one has failed."""
    builders.register(db, role="scheduler")
    worker = builders.register(db, lanes='{"async":9}', types='["report"]', host="box1")
    db.run(lambda tx: meta.raise_accounted_to(tx, tx.now()))
    builders.end(db, worker, builders.run_one(db, worker, queue="mail"), status="failed")
    builders.run_one(db, worker, queue="mail")
    builders.insert(db, *(builders.new_job(queue="mail") for _ in range(3)))
    builders.put(db, next_at=1 << 60)
    return db


def test_all_is_well(cli: Cli, well: Database) -> None:
    shown = cli.ok("status")
    assert re.search(
        r"^✓ rota is healthy \(the database (sqlite|postgresql)\S+, asked directly\)$", shown, re.MULTILINE
    )
    assert re.search(
        r"^accounted to +\d{4}-\S+ \S+ \S+, \d+ ms behind$|^accounted to .* s behind$", shown, re.MULTILINE
    )
    assert re.search(r"^schedulers +1 alive, last seen (now|\d+ s ago) \(host\)$", shown, re.MULTILINE)
    assert re.search(r"^workers +1 alive, last seen (now|\d+ s ago).* \(box1\)$", shown, re.MULTILINE)
    assert re.search(r"^apis +none lives$", shown, re.MULTILINE)
    assert re.search(r"^schedules +1$", shown, re.MULTILINE)
    assert re.search(r"^jobs +3 pending, 0 scheduled, 1 running$", shown, re.MULTILINE)
    assert re.search(r"^failed in 24 h +1$", shown, re.MULTILINE)
    assert re.search(r"^mail +3 +0 +1 +1 +(now|\d+ s ago) +open", shown, re.MULTILINE)


def test_as_json(cli: Cli, well: Database) -> None:
    well.run(lambda tx: queues.pause(tx, "mail", by="ann", note="the host moves"))
    found = cli.json("status")
    assert (found["status"], found["problems"], found["failedLastDay"]) == ("healthy", [], 1)
    assert {role: found["processes"][role]["alive"] for role in found["processes"]} == {
        "scheduler": 1, "worker": 1, "api": 0,
    }  # fmt: skip
    assert found["queues"][0]["pausedNote"] == "the host moves"
    assert found["accountedTo"].endswith("Z")


def test_it_is_not_well_and_says_why(cli: Cli, well: Database) -> None:
    began = time.monotonic()
    old = "UPDATE rota_meta SET value = CAST(rota_now() - 3600000000 AS text) WHERE key = 'accounted_to'"
    well.run(lambda tx: tx.run(old))
    done = cli("status")
    assert done.code == 1
    assert "✗ rota is not healthy" in done.stdout
    behind = re.search(r"^  ! due instants are accounted for up to (\d+) s ago only", done.stdout, re.MULTILINE)
    assert behind and 3600 <= int(behind[1]) <= 3600 + time.monotonic() - began
    assert json.loads(cli("status", "--json").stdout)["status"] == "unhealthy"


def test_it_is_well_and_somebody_should_look(cli: Cli, well: Database) -> None:
    builders.backdate(well, builders.insert_one(well, queue="slow"), run_at=-2 * builders.HOUR)
    shown = cli.ok("status")
    assert re.search(r"^  ! 1 job waits in queue slow, the oldest since \S+Z, 2h ago\.$", shown, re.MULTILINE)
    assert [one["kind"] for one in cli.json("status")["attention"]] == ["backlog"]


def test_nothing_runs(cli: Cli, db: Database) -> None:
    done = cli("status")
    assert done.code == 1
    assert "  ! no scheduler lives" in done.stdout
    assert "→ nothing runs; start it: rota up" in done.stdout


def test_nothing_answers(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert_one_line(cli("status", "--url", url), 1, f"{url} cannot be reached", "start it: rota up")
    monkeypatch.setenv("ROTA_DATABASE_URL", f"sqlite:///{tmp_path}/nowhere.db")
    assert_one_line(cli("status"), 1, "there is no database", "start it: rota up")


def test_a_queue_too_many_is_counted(cli: Cli, well: Database) -> None:
    builders.insert(well, *(builders.new_job(queue=f"q{number:02}") for number in range(15)))
    assert "… and 4 queues more: rota queues list" in cli("status").stdout
