"""``python -m tests.chaos``: break Rota on purpose, line by line of the table, and write down what was found."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from rota.durations import MINUTE, parse_duration
from rota.errors import RotaError
from tests.chaos.plugin import BY_ORDER, SEED_VARIABLE
from tests.chaos.report import PASSES, ROOT, kept

MARK = re.compile(r"\bmark\.chaos\(([^)]*)\)")
LONGEST_S = 3600
LEAST_SOAK = 10 * MINUTE
"""Less says nothing: history is deleted each minute."""


@cache
def lines() -> dict[str, set[Path]]:
    """Every line of the table that has a test, with the files where its tests are."""
    found: dict[str, set[Path]] = defaultdict(set)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for arguments in MARK.findall(path.read_text(encoding="utf-8")):
            for name in re.findall(r'"([^"]+)"', arguments):
                found[name].add(path)
    return dict(sorted(found.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 0 when all of it held."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Break Rota on purpose.")
    parser.add_argument("ids", nargs="*", metavar="ID", help=f"lines of the table, such as KILL-1 (all but {BY_ORDER})")
    parser.add_argument("--list", action="store_true", help="say which lines there are")
    parser.add_argument("--small", action="store_true", help="the size of every day, which takes minutes")
    parser.add_argument("--seed", default="", help=f"the chance of another run, also by {SEED_VARIABLE}")
    parser.add_argument("--jobs", default="auto", metavar="N", help="tests at the same time (twice the cores)")
    parser.add_argument("--soak", default="2h", metavar="LENGTH", help=f"how long {BY_ORDER} runs (2h)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write what was found")
    options = parser.parse_args(arguments)
    known = lines()
    if options.list:
        print("\n".join(f"{name:8} {', '.join(str(path.relative_to(ROOT)) for path in known[name])}" for name in known))
        return 0
    ids = [name.upper() for name in options.ids]
    if unknown := sorted(set(ids) - set(known)):
        parser.error(f"no line is called {', '.join(unknown)}; there are {', '.join(known)}")
    if options.jobs != "auto" and not (options.jobs.isdecimal() and int(options.jobs) > 0):
        parser.error(f"--jobs {options.jobs}: give how many tests run at the same time, such as 4, or auto")
    try:
        parse_duration(options.soak, minimum_us=LEAST_SOAK)
    except RotaError as wrong:
        parser.error(f"--soak {options.soak}: {wrong}")
    try:
        kept()
    except ValueError as wrong:
        parser.error(str(wrong))
    folder = ROOT / "build" / "chaos" if options.small else PASSES  # the page is made of passes at full size
    path = options.json or folder / f"{datetime.now(UTC):%Y-%m-%d-%H%M}.json"
    chosen = ids or [name for name in known if name != BY_ORDER]
    files = sorted({str(file) for name in chosen for file in known[name]})
    code = run([*command(options, chosen, path.resolve()), *files])
    if path.exists():
        print(f"written to {path}", file=sys.stderr)
    return code


def run(call: Sequence[str]) -> int:
    """Run it to its end; Ctrl-C reaches it too, and it ends in good order then."""
    process = subprocess.Popen(call, cwd=ROOT)
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


def command(options: argparse.Namespace, ids: Sequence[str], path: Path) -> list[str]:
    """How pytest is called."""
    jobs = 2 * (os.cpu_count() or 1) if options.jobs == "auto" else int(options.jobs)
    call = [
        sys.executable, "-m", "pytest", "-p", "tests.chaos.plugin", "-p", "no:randomly", "-v",
        "--timeout", str(LONGEST_S), "--soak", options.soak, "--chaos-json", str(path),
        *(f"--chaos-line={name}" for name in ids),
    ]  # fmt: skip
    call += ["--chaos-seed", options.seed] if options.seed else []
    call += [] if options.small else ["--full-size"]
    return call + (["-n", str(jobs), "--dist", "worksteal"] if jobs > 1 else [])


if __name__ == "__main__":
    sys.exit(main())
