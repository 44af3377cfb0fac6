"""A crontab that is imported again after lines came, went or changed: nothing runs twice, and ids stay."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from rota.importers import crontab
from rota.importers.found import Entry, Options
from rota.importers.kept import keep_ids
from tests.support.cli import Cli

A, B, C = "0 1 * * * a\n", "0 2 * * * a\n", "0 3 * * * a\n"


def entries(text: str, **options: str) -> list[Entry]:
    found = crontab.read(text.encode(), Options(**options))  # type: ignore[arg-type]  # texts are all that is given
    assert found.errors == []
    return found.entries


def shown(found: list[Entry]) -> list[dict[str, Any]]:
    """Schedules as REST shows them."""
    return [{"id": one.id, **one.definition} for one in found]


def by_id(found: list[Entry]) -> dict[str, str]:
    return {one.id: one.schedule for one in found}


def again(*files: str) -> dict[str, str]:
    """Import files one after another without ``--prune``; return all schedules with their times."""
    known: dict[str, dict[str, Any]] = {}
    for text in files:
        found = keep_ids(entries(text), known.values())
        assert len(by_id(found)) == len(found)
        known |= {one["id"]: one for one in shown(found)}
    return {schedule_id: one["cron"] for schedule_id, one in known.items()}


def times(*files: str) -> list[str]:
    return sorted(again(*files).values())


ONE, TWO, THREE = "0 1 * * *", "0 2 * * *", "0 3 * * *"


def test_a_command_that_stands_more_than_once_has_ids_with_its_times() -> None:
    (alone,) = by_id(entries(A))
    both, turned = by_id(entries(A + B)), by_id(entries(B + A))
    assert both == turned and all(one.startswith(f"{alone}-") for one in both)
    assert set(both) < set(by_id(entries(A + B + C)))
    elsewhere = by_id(entries(A + B, timezone="Asia/Tokyo", prefix="web1-"))
    assert set(elsewhere) == set(by_id(entries(A + B, prefix="web1-")))
    zones = by_id(entries(A + "CRON_TZ=Asia/Tokyo\n" + A))
    assert len(zones) == 2 and not any(one.endswith("-2") for one in zones)
    same = [one.id for one in entries(A + A)]
    assert same[1] == f"{same[0]}-2"


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ((A + B, B), [ONE, TWO]),
        ((A + B, A), [ONE, TWO]),
        ((A + B, B, A + B), [ONE, TWO]),
        ((A, A + B), [ONE, TWO]),
        ((B, A + B, B, A), [ONE, TWO]),
        ((A + B + C, B + C, C), [ONE, TWO, THREE]),
        ((A, B), [TWO]),  # a line with another time changes its schedule
        ((A + B, A + C), [ONE, THREE]),
        ((A + B, B + C), [TWO, THREE]),
        ((A + B, C + A + B), [ONE, TWO, THREE]),
        ((A + A, A), [ONE, ONE]),
        ((A + B, B, A + C, A + B + C), [ONE, TWO, THREE]),
    ],
)
def test_nothing_runs_twice(files: tuple[str, ...], wanted: list[str]) -> None:
    assert times(*files) == wanted


def test_ids_of_an_older_import_stay() -> None:
    (alone,) = by_id(entries(A))
    known = [{**one, "id": name} for one, name in zip(shown(entries(A + B)), (alone, f"{alone}-2"), strict=True)]
    assert by_id(keep_ids(entries(A + B), known)) == {alone: ONE, f"{alone}-2": TWO}
    assert by_id(keep_ids(entries(B), known)) == {f"{alone}-2": TWO}


def test_the_environment_tells_lines_of_the_same_time_apart() -> None:
    both = entries("X=1\n" + A + "X=2\n" + A)
    (left,) = keep_ids(entries("X=2\n" + A), shown(both))
    assert left.id == both[1].id
    (changed,) = keep_ids(entries("X=3\n" + A), shown(entries("X=2\n" + A)))
    assert changed.id == entries(A)[0].id


def test_prefixes_and_names_are_not_mixed_up() -> None:
    other = entries(A + B, prefix="web1-")
    assert by_id(keep_ids(entries(B), shown(other))) == by_id(entries(B))
    assert keep_ids([], shown(other)) == []


def test_10000_lines_take_seconds_at_most() -> None:
    found = entries("".join(f"{n % 60} {n // 60 % 24} {n // 1440 + 1} * * a\n" for n in range(10_000)))
    begin = time.process_time()
    assert keep_ids(found, shown(found)) == found
    assert time.process_time() - begin < 5


def test_a_deleted_line_on_a_database(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, sqlite_url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", sqlite_url)
    cli, file = Cli(monkeypatch, capsys), Path("crontab")
    cli.ok("db", "migrate")
    file.write_text(A + B)
    cli.ok("import", "crontab", "crontab", "--yes")
    before = {one["id"]: one["cron"] for one in cli.json("schedules", "list")}
    file.write_text(B)
    assert cli.ok("import", "crontab", "crontab").endswith("nothing changes, 1 unchanged\n")
    assert cli.ok("import", "crontab", "crontab", "--prune", "--yes").endswith("imported: 1 deleted\n")
    after = {one["id"]: one["cron"] for one in cli.json("schedules", "list")}
    assert after == {name: cron for name, cron in before.items() if cron == TWO}
