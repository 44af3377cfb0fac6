"""Numbers at equal distances, and how many numbers some such progressions have between them.

A union is counted by adding the progressions, taking away what each two have in common, adding what each three have,
and so on; what they have in common is again a progression.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True, slots=True)
class Progression:
    """The numbers that leave ``rest`` when divided by ``step``, from ``least`` on."""

    step: int
    rest: int
    least: int

    @classmethod
    def of(cls, anchor: int, step: int) -> Progression:
        """Return the numbers one step, two steps and so on after an anchor."""
        return cls(step, anchor % step, anchor + step)

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and number >= self.least and number % self.step == self.rest

    def within(self, divisor: int) -> bool:
        """Tell whether all its numbers are multiples of ``divisor``."""
        return not (self.step % divisor or self.rest % divisor)

    def count(self, first: int, end: int) -> int:
        """Return how many of its numbers lie from ``first`` up to, not including, ``end``."""
        first = max(first, self.least)
        if first >= end:
            return 0
        return (end - 1 - self.rest) // self.step - (first - 1 - self.rest) // self.step

    def meet(self, other: Progression) -> Progression | None:
        """Return the numbers that are in both, None where there is none."""
        common = gcd(self.step, other.step)
        apart, remainder = divmod(other.rest - self.rest, common)
        if remainder:
            return None
        rest, size = self.step // common, other.step // common
        steps = apart * pow(rest, -1, size) % size if size > 1 else 0
        step = self.step * size
        return Progression(step, (self.rest + self.step * steps) % step, max(self.least, other.least))


def count_union(progressions: Iterable[Progression], first: int, end: int, *, without: int) -> int:
    """Return how many numbers from ``first`` up to ``end`` are in any progression, not counting multiples of
    ``without``.
    """
    terms: dict[Progression, int] = {}
    for one in progressions:
        fresh = {one: 1}
        for term, sign in terms.items():
            both = term.meet(one)
            # What has no number in this stretch has none in common with anything either.
            if both is not None and both.count(first, end):
                fresh[both] = fresh.get(both, 0) - sign
        for term, sign in fresh.items():
            terms[term] = terms.get(term, 0) + sign
        terms = {term: sign for term, sign in terms.items() if sign}
    multiples = Progression(without, 0, first)
    total = 0
    for term, sign in terms.items():
        counted = term.meet(multiples)
        total += sign * (term.count(first, end) - (counted.count(first, end) if counted else 0))
    return total
