"""Figures: what was measured, the raw reference of the same run, and the goals."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import msgspec


class Round(msgspec.Struct, frozen=True):
    """One measurement and the raw reference beside it."""

    value: float
    raw: float

    @property
    def ratio(self) -> float:
        return self.value / self.raw


class Goals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the project promises of a figure."""

    ratio: float | None = None
    """The least ratio to the raw reference."""
    least: float | None = None
    """The least value."""
    most: float | None = None
    """The greatest value."""

    def texts(self, unit: str) -> str:
        """Return the goals as the table shows them."""
        parts = [
            f"≥ {self.ratio:.2f}" if self.ratio is not None else "",
            f"≥ {number(self.least)} {unit}" if self.least is not None else "",
            f"≤ {number(self.most)} {unit}" if self.most is not None else "",
        ]
        return ", ".join(part for part in parts if part)


class Figure(msgspec.Struct, kw_only=True):
    """One line of the table."""

    name: str
    database: str
    """Empty where none takes part."""
    value: float
    unit: str
    raw: float | None = None
    raw_name: str | None = None
    rounds: list[Round] = []
    goals: Goals = Goals()
    note: str = ""
    """Why there is nothing, where it could not be measured."""

    @property
    def ratio(self) -> float | None:
        """Value to raw; of several rounds, each with its own raw reference, the median."""
        if self.rounds:
            return statistics.median(each.ratio for each in self.rounds)
        return self.value / self.raw if self.raw else None

    @property
    def falls_short(self) -> bool:
        """Whether it misses a goal."""
        goals, ratio = self.goals, self.ratio
        return (
            (goals.ratio is not None and ratio is not None and ratio < goals.ratio)
            or (goals.least is not None and self.value < goals.least)
            or (goals.most is not None and self.value > goals.most)
        )


def of_rounds(rounds: Sequence[Round], **fields: object) -> Figure:
    """Return the figure of rounds: medians of the values and of the raw references."""
    document = {
        "value": statistics.median(each.value for each in rounds),
        "raw": statistics.median(each.raw for each in rounds),
        "rounds": list(rounds),
        **fields,
    }
    return msgspec.convert(document, Figure)


def interleaved(count: int, raw: Callable[[], float], real: Callable[[], float]) -> list[Round]:
    """Measure raw, real, raw, real … raw: machines drift, so each value stands beside the mean of its neighbours."""
    rounds = []
    before = raw()
    for _ in range(count):
        value = real()
        after = raw()
        rounds.append(Round(value, (before + after) / 2))
        before = after
    return rounds


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def number(value: float) -> str:
    """Return a number as people read it."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}".rstrip("0").rstrip(".")
