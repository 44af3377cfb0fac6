"""``rota calendars`` on the database of the settings, on both kinds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.cli import Cli, assert_one_line


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, database_url: str) -> Cli:
    """The command line on a database that is ready."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROTA_DATABASE_URL", database_url)
    cli = Cli(monkeypatch, capsys)
    cli.ok("db", "migrate")
    return cli


def test_set_show_list_remove(cli: Cli) -> None:
    assert cli.ok("calendars", "list").startswith("No calendars.  Make one: rota calendars set")
    made = cli.ok(
        "calendars", "set", "days-off", "--weekday", "SAT", "--weekday", "sun", "--date", "2026-12-25",
        "--range", "2026-12-29..2026-12-30", "--yearly", "01-01", "--note", "closed",
    )  # fmt: skip
    assert made == (
        "days-off covers Saturday and Sunday; 1 January; 2026-12-25 and 2026-12-29 to 2026-12-30 (version 1)\n"
    )
    look = ("days-off", "--tz", "Europe/Paris", "--from", "2026-12-24T23:30:00Z", "--to", "2027-01-02T12:00:00Z")
    assert cli.ok("calendars", "show", *look).splitlines()[-3:] == [
        "  Fri 2026-12-25 00:30 to Mon 2026-12-28 00:00 CET",
        "  Tue 2026-12-29 to Wed 2026-12-30",
        "  Fri 2027-01-01 00:00 to Sat 2027-01-02 13:00 CET",
    ]
    listed = cli.ok("calendars", "list").splitlines()[1]
    assert re.fullmatch(r"days-off +Saturday and Sunday; .* 1 +\S+ +(now|1 s ago) +closed", listed)
    assert cli.json("calendars", "show", *look, "-n", "1")["spans"] == [
        {"from": "2026-12-24T23:30:00.000Z", "to": "2026-12-27T23:00:00.000Z"}
    ]
    assert cli.ok("calendars", "remove", "days-off", "--yes") == "days-off removed\n"
    assert cli.json("calendars", "list") == []


def test_import_keeps_what_is_there_and_a_document_says_all(cli: Cli, tmp_path: Path) -> None:
    event = "BEGIN:VEVENT\nDTSTART;VALUE=DATE:2026122{}\nEND:VEVENT\n"
    first, second = tmp_path / "team.ics", tmp_path / "other.ics"
    first.write_text(f"BEGIN:VCALENDAR\n{event.format(4)}{event.format(5)}END:VCALENDAR\n")
    second.write_text(f"BEGIN:VCALENDAR\n{event.format(6)}END:VCALENDAR\n")
    assert cli.ok("calendars", "import", str(first)) == "team covers 2 events of a calendar file (version 1)\n"
    assert cli.json("calendars", "set", "team", "--document", '{"yearly": ["05-01"], "note": "n"}')["ics"] is None
    assert cli.ok("calendars", "import", str(first), "--name", "team").endswith("(version 3)\n")
    found = cli.json("calendars", "import", str(second), "--name", "team")
    assert (found["events"], found["yearly"], found["note"], found["version"]) == (1, ["05-01"], "n", 4)


def test_what_is_wrong(cli: Cli, tmp_path: Path) -> None:
    broken = tmp_path / "broken.ics"
    broken.write_text("no calendar")
    assert_one_line(cli("calendars", "show", "nosuch"), 1, "there is no calendar nosuch")
    assert_one_line(cli("calendars", "set", "x"), 2, "say what it covers")
    assert_one_line(cli("calendars", "set", "a b", "--date", "2026-12-25"), 2, "NAME: 'a b' is not a name")
    assert_one_line(cli("calendars", "set", "x", "--date", "25.12."), 2, "--date: '25.12.' is not a date")
    assert_one_line(cli("calendars", "set", "x", "--range", "2026"), 2, "--range: '2026' is no range")
    mixed = cli("calendars", "set", "x", "--range", "2026-12-25..no")
    assert_one_line(mixed, 2, "ranges.0.to: a range has two dates or two times")
    assert_one_line(cli("calendars", "set", "x", "--weekday", "FUN"), 2, "--weekday: 'FUN' is not a weekday")
    assert_one_line(cli("calendars", "set", "x", "--country", "XX"), 2, "--country: no holidays are known")
    assert_one_line(cli("calendars", "set", "x", "--note", "n", "--document", "{}"), 2, "--document says all")
    assert_one_line(cli("calendars", "set", "x", "--document", "[]"), 2, "--document: is no object")
    assert_one_line(cli("calendars", "import", str(broken)), 2, "FILE: is no calendar file")
    assert_one_line(cli("calendars", "import", str(tmp_path / "none")), 2, "FILE", "cannot be read")
    assert_one_line(cli("calendars", "import", "-"), 2, "say which calendar")
