"""What pytest does for the reliability tests: which of them run, with what chance, and what is told of them."""

from __future__ import annotations

import fcntl
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.chaos.report import ROOT, Line, begin, end, kept, table, write
from tests.conftest import run_key

SEED_VARIABLE = "ROTA_CHAOS_SEED"
GIVEN_SEED = os.environ.pop(SEED_VARIABLE, "")
Item = TypeVar("Item")
BY_ORDER = "SOAK"
"""The line that runs only when it is named: it takes hours."""
HERE = Path(__file__).parent
KINDS = {"postgresql": ("pg_database", "own_cluster"), "sqlite": ("sqlite_url", "sqlite_path")}
"""The fixtures that tell a test's database."""
LONGEST_ERROR = 300

seed_key = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos", "reliability tests")
    group.addoption("--chaos-line", action="append", default=[], metavar="ID", help="run this line of the table only")
    group.addoption("--chaos-seed", default="", metavar="SEED", help="the chance of another run")
    group.addoption("--chaos-json", type=Path, metavar="FILE", help="write what was found to this file")
    group.addoption("--soak", default="2h", metavar="LENGTH", help="how long SOAK runs, such as 15m")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "at_rest: bounds its times so closely that at full size nothing runs beside it")
    seed = _workerinput(config).get("chaos_seed") or config.getoption("--chaos-seed", "") or GIVEN_SEED
    config.stash[seed_key] = seed or str(random.SystemRandom().randrange(10**9))
    if not _workerinput(config):
        config.pluginmanager.register(Teller(config))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["chaos_seed"] = node.config.stash[seed_key]


def _workerinput(config: pytest.Config) -> dict[str, Any]:
    found: dict[str, Any] = getattr(config, "workerinput", {})
    return found


def _ids(item: pytest.Item) -> list[str]:
    return sorted({str(word) for mark in item.iter_markers("chaos") for word in mark.args})


def _database(item: pytest.Item) -> str:
    parameters, names = item.name.partition("[")[2], getattr(item, "fixturenames", ())
    named = [kind for kind in KINDS if kind in parameters]
    return (named + [kind for kind, fixtures in KINDS.items() if any(each in names for each in fixtures)] + [""])[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that ask for ``full_size`` have a small size; of the others each takes minutes, and runs by order."""
    wanted, full = set(config.getoption("--chaos-line", [])), config.getoption("--full-size")
    chosen: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        ids = _ids(item)
        runs = bool(wanted & set(ids)) if wanted else BY_ORDER not in ids
        if not full and item.path.is_relative_to(HERE):
            runs = runs and "full_size" in getattr(item, "fixturenames", ())
        (chosen if runs else others).append(item)
        item.user_properties += [("ids", ids), ("database", _database(item))]
    if others:
        config.hook.pytest_deselected(items=others)
    items[:] = _dealt(chosen, int(_workerinput(config).get("workercount", 1))) if full else chosen


def _dealt(items: list[pytest.Item], piles: int) -> list[pytest.Item]:
    """Those that took longest first and those at rest last, dealt out like cards."""
    took = {(line.test, line.parameters): line.seconds for each in kept() for line in each.lines}
    items = sorted(items, key=lambda item: (_rests(item), -took.get(_split(item.name), 60.0)))
    return dealt(items, piles)


def dealt(items: list[Item], piles: int) -> list[Item]:
    """Each process begins with a part of the list, one of the last ones with one more where it does not come out even.

    Were the parts cut elsewhere than the piles, the longest test of one would be the last of another.
    """
    return [item for pile in reversed(range(piles)) for item in items[pile::piles]]


def _rests(item: pytest.Item) -> bool:
    return item.get_closest_marker("at_rest") is not None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """At full size a test at rest waits until no other runs, and all others wait for it."""
    if not item.config.getoption("--full-size"):
        return (yield)
    with (item.config.stash[run_key].path / "rest").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX if _rests(item) else fcntl.LOCK_SH)
        return (yield)


def _split(name: str) -> tuple[str, str]:
    test, _, parameters = name.partition("[")
    return test, parameters.removesuffix("]")


class Teller:
    """Gathers what the tests tell, whichever process they run in."""

    def __init__(self, config: pytest.Config) -> None:
        self._began = time.monotonic()
        self._path: Path | None = config.getoption("--chaos-json", None)
        self._lines: dict[str, Line] = {}
        size = "full" if config.getoption("--full-size") else "small"
        self._pass = begin(config.stash[seed_key], size, int(config.getoption("numprocesses", 0) or 1))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Each test tells three times: of its beginning, of itself and of its end."""
        told: dict[str, Any] = dict(report.user_properties)
        if not (told.get("ids") or told.get("figures")):
            return
        line = self._line(report.nodeid, told)
        line.seconds = round(line.seconds + report.duration, 1)
        line.figures.update(told.get("figures", {}))
        if not line.test and report.when == "call":
            line.figures["tests"] = int(line.figures.get("tests", 0)) + 1
        if report.outcome != "passed":
            line.outcome, line.error = report.outcome, _error(report)
        if report.when == "teardown":
            line.ended = True
            self._sum_up(broken_off=True)  # what has run is not lost when the rest never does

    def _line(self, nodeid: str, told: dict[str, Any]) -> Line:
        """The line of a test; of those elsewhere, which are small and many, one for all of a file."""
        file, _, name = nodeid.partition("::")
        one = file.startswith(HERE.relative_to(ROOT).as_posix())
        key = nodeid if one else file
        if key not in self._lines:
            test, parameters = _split(name) if one else ("", "")
            self._lines[key] = Line(told["ids"], file, test, parameters, told["database"] if one else "")
        return self._lines[key]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._sum_up(broken_off=exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED))

    def _sum_up(self, *, broken_off: bool) -> None:
        self._pass.lines = [line for line in self._lines.values() if line.ended]
        end(self._pass, time.monotonic() - self._began, broken_off=broken_off)
        if self._path is not None and self._pass.lines:
            write(self._pass, self._path)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print what was measured."""
        if self._pass.lines:
            terminalreporter.section(f"reliability ({SEED_VARIABLE}={self._pass.seed})")
            for text in table(self._pass.lines):
                terminalreporter.write_line(text)


def _error(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):  # why it was skipped
        return str(report.longrepr[2])[:LONGEST_ERROR]
    text = report.longreprtext.replace(f"{ROOT}/", "")
    said = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    return (said or [text])[0][:LONGEST_ERROR]
