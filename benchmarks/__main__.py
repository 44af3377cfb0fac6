"""``python -m benchmarks``: run all, print a table, write ``benchmarks/results.json``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec

from benchmarks import drain
from benchmarks.server import postgres
from benchmarks.setting import ROOT, Figure

Benchmark = Callable[[str, str | None], Iterator[Figure]]
ALL: dict[str, Benchmark] = {"drain": drain.run}


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)} (all)")
    parser.add_argument("--database", choices=["postgresql", "sqlite", "both"], default="both")
    options = parser.parse_args()
    unknown = set(options.names) - set(ALL)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    kinds = ["postgresql", "sqlite"] if options.database == "both" else [options.database]
    with postgres("postgresql" in kinds) as url:
        figures = list(measure(options.names or list(ALL), kinds, url))
    write(figures)
    return 0


def measure(names: list[str], kinds: list[str], url: str | None) -> Iterator[Figure]:
    """Run benchmarks one after the other, and print each figure when it is there."""
    print(f"{'benchmark':58} {'database':11} {'value':>14} {'raw':>14} {'ratio':>7}  goal")
    for name in names:
        for kind in kinds:
            for figure in ALL[name](kind, url):
                print(line(figure), flush=True)
                yield figure


def line(figure: Figure) -> str:
    """Return a figure as a line of the table."""
    raw = f"{figure.raw:,.0f} {figure.unit}" if figure.raw else "—"
    ratio = f"{figure.ratio:.2f}" if figure.ratio else "—"
    goal = f"≥ {figure.goal:.2f}" if figure.goal else ""
    digits = 0 if figure.value >= 100 else 2
    return f"{figure.name:58} {figure.database:11} {figure.value:>7,.{digits}f} {figure.unit:<6} {raw:>14} {ratio:>7}  {goal}"


def write(figures: list[Figure]) -> None:
    """Write every figure with its reference and ratio."""
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()},
        "figures": [{**msgspec.structs.asdict(figure), "ratio": figure.ratio} for figure in figures],
    }
    path = ROOT / "benchmarks" / "results.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    print(f"written to {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
