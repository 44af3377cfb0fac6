"""The tables of the passes of ``make chaos`` that are kept, for ``docs/explanation/reliability.md``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tests.chaos.report import PASSES, Line, Pass, kept, shown

PAGE = Path(__file__).parent / "explanation" / "reliability.md"
BEGIN = "<!-- From here to the end: made by docs/generate.py of what is in docs/explanation/chaos. -->"
DATABASES = {"postgresql": "PostgreSQL", "sqlite": "SQLite", "": ""}


def reliability_page() -> str:
    """Return the page with what the kept passes found."""
    written = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0].rstrip()
    return "\n\n".join([written, BEGIN, *sections(kept())]) + "\n"


def sections(passes: Sequence[Pass]) -> list[str]:
    """Return the passes, and for each test what the last one says that ran it at full size."""
    full = [each for each in passes if each.size == "full"]
    if not full:
        return ["## The passes", "None is kept yet."]
    letters = {each.at: _letter(number) for number, each in enumerate(full)}
    newest: dict[tuple[str, str, str], tuple[Pass, Line]] = {}
    for each in full:
        newest |= {(line.file, line.test, line.parameters): (each, line) for line in each.lines}
    found = sorted(newest.values(), key=lambda one: (one[1].ids, one[1].file, one[1].test, one[1].parameters))
    return [
        "## The figures",
        "Of each test what the last pass says in which it ran; the passes are below.",
        "\n".join(["| line | test | database | held | figures | s | pass |", "|---|---|---|---|---|---|---|"]
                  + [_line(line, letters[each.at]) for each, line in found]),
        "## The passes",
        "\n".join(["| | begun | seed | commit | lines that held | at once | min | load | machine |",
                   "|---|---|---|---|---|---|---|---|---|"]
                  + [_pass(each, letters[each.at]) for each in reversed(full)]),
    ]  # fmt: skip


def _letter(number: int) -> str:
    return f"P{number + 1}"


def _line(line: Line, letter: str) -> str:
    name = (line.test or Path(line.file).stem).removeprefix("test_").replace("_", " ")
    parameters = [word for word in line.parameters.split("-") if word not in DATABASES]
    name += f" ({'-'.join(parameters)})" if parameters else ""
    held = {"passed": "yes", "skipped": "not run"}.get(line.outcome, "**no**")
    figures = _cell(shown(line.figures) if line.outcome == "passed" else line.error or shown(line.figures))
    words = [", ".join(line.ids), name, DATABASES[line.database], held, figures, f"{line.seconds:.0f}", letter]
    return f"| {' | '.join(words)} |"


def _pass(each: Pass, letter: str) -> str:
    held = sum(line.outcome == "passed" for line in each.lines)
    path = next(path for path in PASSES.glob("*.json") if f'"{each.at}"' in path.read_text(encoding="utf-8"))
    at = f"[{datetime.fromisoformat(each.at):%Y-%m-%d %H:%M} UTC](chaos/{path.name})"
    commit = f"`{each.commit[:7]}`" + (", changed" if each.changed else "")
    machine, rest = each.machine, ", broken off" if each.broken_off else ""
    where = f"{machine.cores} cores, Python {machine.python}, SQLite {machine.sqlite}, PostgreSQL {machine.postgres}"
    words = [
        letter, at, each.seed, commit, f"{held} of {len(each.lines)}{rest}", str(each.jobs), f"{each.seconds / 60:.0f}",
        "–".join(f"{load:.0f}" for load in machine.load), f"{where}, nice {machine.niceness}",
    ]  # fmt: skip
    return f"| {' | '.join(words)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
