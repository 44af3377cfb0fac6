"""``python -m benchmarks``: measure, print a table, write ``benchmarks/results.json``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks import (
    api,
    api_lists,
    api_waiters,
    commands,
    declaring,
    drain,
    enqueue,
    http_jobs,
    idle,
    keys,
    large_table,
    lateness,
    logs,
    metrics,
    pages,
    peers_beside,
    pickup,
    schedules_scale,
    table,
    timetable,
)
from benchmarks.figure import Figure
from benchmarks.server import postgres
from benchmarks.setting import ROOT, Session

DATABASES = ("postgresql", "sqlite")


class Benchmark(msgspec.Struct, frozen=True):
    """What is measured, and on which databases; an empty name means on none."""

    run: Callable[[Session], Iterator[Figure]]
    databases: tuple[str, ...] = DATABASES
    long: bool = False
    """Whether it takes so long that it runs only when it is named, or with ``--full``."""


ALL = {
    "drain": Benchmark(drain.run),
    "keys": Benchmark(keys.run),
    "enqueue": Benchmark(enqueue.run),
    "api": Benchmark(api.run),
    "waiters": Benchmark(api_waiters.run),
    "lists": Benchmark(api_lists.run, ("postgresql",)),
    "pickup": Benchmark(pickup.run),
    "idle": Benchmark(idle.run),
    "lateness": Benchmark(lateness.run),
    "declaring": Benchmark(declaring.run),
    "schedules": Benchmark(schedules_scale.run),
    "http": Benchmark(http_jobs.run),
    "commands": Benchmark(commands.run, ("",)),
    "logs": Benchmark(logs.run),
    "metrics": Benchmark(metrics.run, ("postgresql",), long=True),
    "pages": Benchmark(pages.run, long=True),
    "peers": Benchmark(peers_beside.run, ("postgresql",)),
    "timetable": Benchmark(timetable.run, ("",)),
    "large": Benchmark(large_table.run, ("postgresql",), long=True),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Rota beside raw loops.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)} (all but metrics, pages and large)"
    )
    parser.add_argument("--database", choices=[*DATABASES, "both"], default="both")
    parser.add_argument("--quick", action="store_true", help="little of everything: to see that it works")
    parser.add_argument(
        "--full", action="store_true", help="also what takes long: the pages, and the large table for half an hour"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results.json", metavar="FILE")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(ALL)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    usual = [name for name, each in ALL.items() if options.full or not each.long]
    chosen = {name: ALL[name] for name in options.names or usual}
    allowed = {"", *(DATABASES if options.database == "both" else [options.database])}
    needed = {kind for each in chosen.values() for kind in each.databases} & allowed
    began = time.monotonic()
    with postgres("postgresql" in needed) as url:
        figures = list(measure(chosen, allowed, url, quick=options.quick))
    table.print_end(figures, time.monotonic() - began, quick=options.quick)
    write(figures, options.output, quick=options.quick)
    return 0


def measure(chosen: dict[str, Benchmark], allowed: set[str], url: str | None, *, quick: bool) -> Iterator[Figure]:
    """Run benchmarks one after the other, and print each figure when it is there."""
    table.print_head()
    for name, benchmark in chosen.items():
        for database in benchmark.databases:
            if database in allowed:
                session = Session(database, url, quick, table.progress(name, database))
                for figure in benchmark.run(session):
                    table.print_line(figure)
                    yield figure


def write(figures: Sequence[Figure], path: Path, *, quick: bool) -> None:
    """Write every figure with its reference and ratio."""
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "load": os.getloadavg(),
        },
        "figures": [
            {**msgspec.to_builtins(figure), "ratio": figure.ratio, "fallsShort": figure.falls_short}
            for figure in figures
        ],
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    print(f"written to {path}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
