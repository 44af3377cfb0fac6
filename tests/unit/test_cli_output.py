"""Tables, times and durations as people read them."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta

import click
import pytest

from rota.cli import output
from rota.cli.progress import progress
from rota.cli.terminal import width

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(**offset: float) -> str:
    return (NOW + timedelta(**offset)).isoformat(timespec="milliseconds")


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        ({"seconds": 0}, "now"),
        ({"seconds": -0.4}, "now"),
        ({"seconds": -1}, "1 s ago"),
        ({"seconds": 59.9}, "in 60 s"),
        ({"seconds": 90}, "in 90 s"),
        ({"minutes": 9, "seconds": 59.9}, "in 10 min"),
        ({"minutes": -59.99}, "60 min ago"),
        ({"hours": -23.999}, "24 h ago"),
        ({"hours": 47}, "in 47 h"),
        ({"days": 30, "seconds": -1}, "in 30 d"),
    ],
)
def test_a_time_is_said_as_people_do(offset: dict[str, float], said: str) -> None:
    assert output.ago(at(**offset), NOW) == said


def test_what_should_have_happened_is_late() -> None:
    assert output.until(at(minutes=5), NOW) == "in 5 min"
    assert output.until(at(seconds=-1), NOW) == "1 s ago"
    assert click.unstyle(output.until(at(minutes=-5), NOW)) == "late 5 min"
    assert output.until(None) == output.ago(None) == "—"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "—"),
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1.0 s"),
        (59_949, "59.9 s"),
        (59_951, "1 min 0 s"),
        (125_400, "2 min 5 s"),
        (7_260_000, "2 h 1 min"),
    ],
)
def test_durations(value: int | None, said: str) -> None:
    assert output.milliseconds(value) == said


def test_times_of_a_schedule_are_in_its_zone(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.local("2026-11-21T12:00:00.000Z", "Europe/Paris") == "2026-11-21 13:00:00 CET"
    output.instants(["2026-07-01T07:00:00.000Z"], "Europe/Paris")
    assert "Wed 2026-07-01 09:00:00 CEST   2026-07-01 07:00:00 UTC" in capsys.readouterr().out


def test_columns_are_aligned_whatever_is_in_them(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("漢字", output.status("failed"), None), ("a\nb\x1b[2J", output.status("running"), "")]
    output.table(("NAME", "STATUS", "NOTE"), rows, empty="nothing")
    assert capsys.readouterr().out == "NAME  STATUS     NOTE\n漢字  ✗ failed   —\na b   ▶ running  —\n"
    output.table(("NAME",), [], empty="nothing")
    assert capsys.readouterr().out == "nothing\n"


def test_a_narrow_terminal_cuts_what_may_be_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ("0123456789", "x" * 40, "y" * 20)
    output.table(("ID", "LONG", "MIDDLE"), [row], empty="", wide=("LONG", "MIDDLE"))
    assert "x" * 40 in capsys.readouterr().out  # a pipe gets it all
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((50, 24)))
    output.table(("ID", "LONG", "MIDDLE"), [row], empty="", wide=("LONG", "MIDDLE"))
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert max(map(width, lines)) == 50
    assert lines[1] == f"0123456789  {'x' * 17}…  {'y' * 17}…"
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((10, 24)))
    output.table(("ID", "LONG", "MIDDLE"), [row], empty="", wide=("LONG", "MIDDLE"))
    assert click.unstyle(capsys.readouterr().out).splitlines()[1] == f"0123456789  {'x' * 11}…  {'y' * 11}…"


def test_a_file_gets_what_the_job_wrote_and_a_terminal_what_is_harmless(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = "\x1b[31mred\x1b[0m\x1b[2J"
    output.print_text(written, stream=sys.stdout)
    assert capsys.readouterr().out == written + "\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    output.print_text(written, stream=sys.stdout)
    assert capsys.readouterr().out == "\x1b[31mred\x1b[0m\n"


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    output.confirm("Delete all?", yes=True)
    with pytest.raises(click.UsageError, match="Delete all. Say so with --yes"):
        output.confirm("Delete all?", yes=False)


def test_progress_is_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with progress(1000, "delete") as show:
        show(1)
        assert capsys.readouterr().err == ""
        now = 2.5
        show(499)
        assert capsys.readouterr().err == "delete: 500 of 1,000\n"
        show(500)
        assert capsys.readouterr().err == "delete: 1,000 of 1,000\n"
    with progress(1000, "delete", quiet=True) as show:
        show(1000)
    assert capsys.readouterr().err == ""
