"""Counting by the second: how many of some sets of seconds each second of a time is in.

A set of seconds is an integer with a bit for each.  A tally holds the numbers in binary, one such integer for each
digit, so that adding a set takes a few operations however many seconds there are: a week is 75 KB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_BYTES = 512
"""What is looked at a time where bits are sought one by one."""


class Tally:
    """A number for each second."""

    __slots__ = ("digits",)

    def __init__(self, digits: Sequence[int] = ()) -> None:
        self.digits = list(digits)
        """The least significant first."""

    def add(self, mask: int, digit: int = 0) -> None:
        """Add 1, or 2 to the power of ``digit``, to the number of each second of a set."""
        while mask:
            while len(self.digits) <= digit:
                self.digits.append(0)
            self.digits[digit], mask = self.digits[digit] ^ mask, self.digits[digit] & mask
            digit += 1

    def merge(self, other: Tally) -> None:
        """Add the numbers of another tally."""
        for digit, mask in enumerate(other.digits):
            self.add(mask, digit)

    def total(self) -> int:
        """Return the sum of all numbers."""
        return sum(mask.bit_count() << digit for digit, mask in enumerate(self.digits))

    def most(self, among: int = -1) -> tuple[int, int]:
        """Return the greatest number, and the set of the seconds that have it; only those ``among`` a set count."""
        number = 0
        for digit in reversed(range(len(self.digits))):
            having = among & self.digits[digit]
            if having:
                number |= 1 << digit
                among = having
            else:
                among &= ~self.digits[digit]
        return number, among

    def at_least(self, number: int) -> int:
        """Return the set of the seconds whose number is at least that."""
        if number <= 0:
            return -1
        above, equal = 0, -1
        for digit in reversed(range(max(len(self.digits), number.bit_length()))):
            mask = self.digits[digit] if digit < len(self.digits) else 0
            if number >> digit & 1:
                equal &= mask
            else:
                above |= equal & mask
                equal &= ~mask
        return above | equal

    def pieces(self, seconds: int, count: int) -> Iterator[Tally]:
        """Cut the time into ``count`` pieces of as many seconds, a multiple of 8; yield the tally of each."""
        cut = [list(pieces(mask, seconds, count)) for mask in self.digits]
        for place in range(count):
            yield Tally([masks[place] for masks in cut])


def pieces(mask: int, seconds: int, count: int) -> Iterator[int]:
    """Cut a set into ``count`` pieces of as many seconds, a multiple of 8."""
    size = seconds // 8
    raw = (mask & ((1 << seconds * count) - 1)).to_bytes(size * count, "little")
    for place in range(count):
        yield int.from_bytes(raw[place * size : (place + 1) * size], "little")


def widened(mask: int, seconds: int) -> int:
    """Return the set of all seconds that lie less than ``seconds`` after one of a set."""
    reach = 1
    while reach < seconds:
        step = min(reach, seconds - reach)
        mask |= mask << step
        reach += step
    return mask


def window(mask: int, seconds: int) -> Tally:
    """Return how many seconds of a set lie less than ``seconds`` before each second, itself among them."""
    found, reach = Tally(), 0
    power, size = Tally([mask]), 1
    while seconds:
        if seconds & 1:
            found.merge(Tally([digit << reach for digit in power.digits]))
            reach += size
        seconds >>= 1
        if seconds:
            power.merge(Tally([digit << size for digit in power.digits]))
            size *= 2
    return found


def first_of(mask: int) -> int:
    """Return the first second of a set that is not empty."""
    return (mask & -mask).bit_length() - 1


def seconds(mask: int, most: int) -> list[int]:
    """Return the first ``most`` seconds of a set."""
    found: list[int] = []
    raw = mask.to_bytes(-(-mask.bit_length() // 8), "little")
    for place in range(0, len(raw), _BYTES):
        piece = int.from_bytes(raw[place : place + _BYTES], "little")
        while piece:
            found.append(place * 8 + first_of(piece))
            if len(found) >= most:
                return found
            piece &= piece - 1
    return found


def earliest(mask: int, count: int) -> int:
    """Return the earliest ``count`` seconds of a set."""
    if mask.bit_count() <= count:
        return mask
    low, high = 0, mask.bit_length()
    while low < high:  # the shortest beginning of the time that has so many of them
        middle = (low + high) // 2
        if (mask & ((1 << middle) - 1)).bit_count() < count:
            low = middle + 1
        else:
            high = middle
    return mask & ((1 << low) - 1)


def stretch(first: int, end: int) -> int:
    """Return the set of the seconds from ``first`` up to, not including, ``end``."""
    first = max(first, 0)
    return ((1 << (end - first)) - 1) << first if end > first else 0
