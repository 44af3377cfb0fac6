"""What passes of ``make chaos`` say: their tables, what they are called with, and whether something grew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.chaos_tables import PAGE, sections
from tests.chaos import __main__ as command
from tests.chaos.plugin import dealt
from tests.chaos.report import Line, Machine, Pass, end, kept, table, write
from tests.support.soaking import Sample, grown, growths


def a_pass(at: str, *lines: Line, size: str = "full") -> Pass:
    machine = Machine("Linux", "3.11", "3.40", "15.1", cores=2, memory_gib=4.0, niceness=0, load=[1.0])
    return Pass(at, "7", "0123456789", changed=False, size=size, jobs=2, machine=machine, lines=[*lines])


def line(outcome: str = "passed", error: str = "") -> Line:
    figures: dict[str, int | float | str] = {"jobs": 7, "worst s": 0.123}
    place = ["KILL-1"], "tests/chaos/test_kills.py", "test_kill", "alone-sqlite", "sqlite"
    return Line(*place, outcome, figures=figures, error=error)


def test_a_pass_is_read_as_it_was_written(tmp_path: Path) -> None:
    good, bad, left = (a_pass(f"2026-11-2{day}T00:00:00+00:00", line()) for day in range(3))
    bad.lines.append(line("failed", error="E"))
    for each, off in ((left, True), (bad, False), (good, False)):
        end(each, 61.0, broken_off=off)
        write(each, tmp_path / f"{each.at[:10]}.json")
    assert kept(tmp_path) == [good, bad, left]
    assert [each.passed for each in kept(tmp_path)] == [True, False, False]
    (tmp_path / "half.json").write_text('{"at":')
    with pytest.raises(ValueError, match=r"half.json is no pass of make chaos: .*; take it away"):
        kept(tmp_path)


def test_a_table_has_the_figures_and_what_went_wrong() -> None:
    first, second = list(table([line()])), list(table([line("failed", error="it broke")]))
    assert "jobs 7, worst s 0.12" in first[0] and "KILL-1" in first[0]
    assert "failed" in second[0] and "it broke" in second[1]


def test_the_page_has_the_last_pass_of_each_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("docs.chaos_tables.PASSES", tmp_path)
    passes = [
        a_pass("2026-11-20T00:00:00+00:00", line("failed", error="a|b")), a_pass("2026-11-21T00:00:00+00:00", line()),
        a_pass("2026-11-22T00:00:00+00:00", line("failed"), size="small"),
    ]  # fmt: skip
    for each in passes:
        end(each, 61.0, broken_off=False)
        write(each, tmp_path / f"{each.at[:10]}.json")
    assert "| KILL-1 | kill (alone) | SQLite | **no** | a\\|b | 0 | P1 |" in "\n".join(sections(passes[:1]))
    page = "\n".join(sections(passes))
    assert "| KILL-1 | kill (alone) | SQLite | yes | jobs 7, worst s 0.12 | 0 | P2 |" in page
    assert page.count("chaos/2026-11-2") == 2 and "small" not in page
    assert sections(passes[2:])[1] == "None is kept yet."


def test_each_line_of_the_page_has_a_test_and_each_mark_a_line() -> None:
    named = set(re.findall(r"^\| ([A-Z]{2,}(?:-\d)?|S-1) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert named == set(command.lines())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["KILL-99"], "no line is called KILL-99; there are "),
        (["--jobs", "many"], "give how many tests run at the same time"),
        (["SOAK", "--soak", "5m"], "below the least allowed"),
        (["SOAK", "--soak", "long"], "is not a duration"),
    ],
)
def test_a_wrong_call_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        command.main(arguments)
    assert exited.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_growth_is_seen_and_what_comes_and_goes_is_not() -> None:
    def samples(**of: list[float]) -> list[Sample]:
        rows = zip(*of.values(), strict=True)
        return [Sample(at * 10.0, dict(zip(of, row, strict=True))) for at, row in enumerate(rows)]

    steady = [4000.0 + 500 * (at % 6) for at in range(60)]
    odd = [50.0 if at == 30 else 10.0 for at in range(60)]
    leak = [10.0 + at // 10 for at in range(60)]
    found = growths(samples(**{"jobs rows": steady, "api handles": odd, "worker handles": leak, "api threads": odd}))
    assert [fault.split(" grew")[0] for fault in grown(found)] == ["worker handles"]


@pytest.mark.parametrize("piles", range(1, 9))
def test_each_process_begins_with_one_of_the_longest_tests(piles: int) -> None:
    for count in range(piles, 200):
        left, first = dealt([*range(count)], piles), []
        for process in range(piles):  # as pytest-xdist gives them out, all at once
            some = len(left) // (piles - process)
            part, left = left[:some], left[some:]
            first.append(part[0])
            assert part == sorted(part)
        assert sorted(first) == [*range(piles)]
