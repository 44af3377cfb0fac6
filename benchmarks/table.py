"""The table, and what is measured just now on the line below it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from benchmarks.figure import Figure, number

NAME, DATABASE, VALUE, RAW, RATIO = 50, 10, 15, 15, 18


def print_head() -> None:
    """Print the heads of the columns."""
    raw = "raw"
    print(f"{'':{NAME}} {'database':{DATABASE}} {'value':>{VALUE}} {raw:>{RAW}}  {'ratio (rounds)':{RATIO}} goal")


def progress(name: str, database: str) -> Callable[[str], None]:
    """Return what shows a person at a terminal what is measured just now."""
    where = f"{name} on {database}" if database else name

    def say(what: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K  {where}: {what} …", end="", file=sys.stderr, flush=True)

    return say


def print_line(figure: Figure) -> None:
    """Print a figure."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    if figure.note:
        print(f"{figure.name:{NAME}} {figure.database:{DATABASE}} {figure.note}", flush=True)
        return
    value = f"{number(figure.value)} {figure.unit}"
    raw = f"{number(figure.raw)} {figure.unit}" if figure.raw else ""
    goal = figure.goals.texts(figure.unit)
    short = "  SHORT" if figure.falls_short else ""
    print(
        f"{figure.name:{NAME}} {figure.database:{DATABASE}} {value:>{VALUE}} {raw:>{RAW}}  {_ratio(figure):{RATIO}}"
        f" {goal}{short}".rstrip(),
        flush=True,
    )


def _ratio(figure: Figure) -> str:
    if figure.ratio is None:
        return ""
    text = f"{number(figure.ratio)}"
    if len(figure.rounds) > 1:
        ratios = [each.ratio for each in figure.rounds]
        text += f" ({number(min(ratios))}–{number(max(ratios))})"
    return text


def print_end(figures: Sequence[Figure], seconds: float, *, quick: bool) -> None:
    """Print what the raw references are, and which figures fall short of their goals."""
    print("\nraw is, in the same run and interleaved:")
    for name in dict.fromkeys(figure.raw_name for figure in figures if figure.raw_name):
        lines = {figure.name.partition(",")[0] for figure in figures if figure.raw_name == name}
        print(f"  {', '.join(sorted(lines))}: {name}")
    if quick:
        print(f"\n{seconds:.0f} s; so little was measured that the figures mean nothing")
        return
    short = [figure for figure in figures if figure.falls_short]
    with_goal = [figure for figure in figures if figure.goals.texts("")]
    print(f"\n{len(with_goal) - len(short)} of {len(with_goal)} goals are met, in {seconds:.0f} s", end="")
    print(f"; load average at the end {os.getloadavg()[0]:.1f}; machines differ: only ratios count.")
    for figure in short:
        print(f"  falls short: {figure.name}{f' on {figure.database}' if figure.database else ''}")
