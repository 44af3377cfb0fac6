"""Counting by the second, against counting one by one."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rota.actions import tally
from rota.actions.tally import Tally

SECONDS = 64
masks = st.integers(0, (1 << SECONDS) - 1)


def members(mask: int) -> list[int]:
    return [second for second in range(mask.bit_length()) if mask >> second & 1]


def numbers(counted: Tally) -> Counter[int]:
    found: Counter[int] = Counter()
    for digit, mask in enumerate(counted.digits):
        for second in members(mask):
            found[second] += 1 << digit
    return found


@given(st.lists(masks, max_size=20), st.integers(0, 12))
def test_it_counts_each_second(sets: list[int], least: int) -> None:
    counted, expected = Tally(), Counter[int]()
    for mask in sets:
        counted.add(mask)
        expected.update(members(mask))
    assert numbers(counted) == expected
    assert counted.total() == expected.total()
    greatest = max(expected.values(), default=0)
    everything = (1 << SECONDS) - 1
    assert counted.most(everything)[0] == greatest
    assert members(counted.most(everything)[1]) == [one for one in range(SECONDS) if expected[one] == greatest]
    assert members(counted.at_least(least) & everything) == [one for one in range(SECONDS) if expected[one] >= least]


@given(st.lists(masks, max_size=9))
def test_pieces_are_those_of_the_whole(sets: list[int]) -> None:
    counted = Tally()
    for mask in sets:
        counted.add(mask)
    cut = list(counted.pieces(16, 4))
    for place, piece in enumerate(cut):
        assert numbers(piece) == Counter(
            {second - 16 * place: n for second, n in numbers(counted).items() if 16 * place <= second < 16 * place + 16}
        )


@given(masks, st.integers(1, 40))
def test_windows(mask: int, seconds: int) -> None:
    expected = Counter[int]()
    for second in members(mask):
        expected.update(range(second, second + seconds))
    assert numbers(tally.window(mask, seconds)) == expected
    assert members(tally.widened(mask, seconds)) == sorted(expected)


@given(masks, st.integers(0, 70))
def test_the_earliest(mask: int, count: int) -> None:
    assert members(tally.earliest(mask, count)) == members(mask)[:count]
    assert tally.seconds(mask << 5000, count + 1) == [5000 + second for second in members(mask)[: count + 1]]
    if mask:
        assert tally.first_of(mask) == members(mask)[0]


@given(st.integers(-5, 20), st.integers(-5, 20))
def test_stretches(first: int, end: int) -> None:
    assert members(tally.stretch(first, end)) == list(range(max(first, 0), end))
