"""Cutting a stream of anything into lines, and bounding what waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rota.executors import lines
from rota.executors.lines import MAX_LINE_BYTES, MAX_RESULT_BYTES, Lines, split_directives
from rota.executors.spillway import Block, Gap, Spillway


def nothing_long(_head: bytes, size: int) -> None:
    raise AssertionError(f"no result was so long: {size}")


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b"\r\n", b"a\n\nb", b"\xff\n"])))
def test_lines_are_the_same_however_they_arrive(parts: list[bytes]) -> None:
    reader = Lines(nothing_long)
    found = b"".join(map(reader.feed, parts)) + reader.rest()
    whole = b"".join(parts)
    assert found == (whole if whole.endswith(b"\n") or not whole else whole + b"\n")


@given(st.lists(st.integers(1, 65_536), min_size=1, max_size=8))
def test_an_endless_line_is_bounded(sizes: list[int]) -> None:
    reader = Lines(nothing_long)
    assert [reader.feed(b"x" * size) for size in sizes] == [b""] * len(sizes)
    cut = sum(sizes) - MAX_LINE_BYTES
    mark = f"… [{cut} bytes left out]".encode() if cut > 0 else b""
    assert reader.feed(b"\nnext\n") == b"x" * min(sum(sizes), MAX_LINE_BYTES) + mark + b"\nnext\n"


def test_a_carriage_return_begins_a_cut_line_anew() -> None:
    reader = Lines(nothing_long)
    for part in (b"a" * 60_000, b"a" * 60_000, b"a" * 10 + b"\r50%", b"\r", b"\r100%"):
        assert reader.feed(part) == b""
    found = reader.feed(b" done\n")
    assert found.endswith(b"\r100% done\n")
    assert len(found) < 100


def test_a_result_may_be_longer_than_a_line() -> None:
    long: list[tuple[bytes, int]] = []
    reader = Lines(lambda head, size: long.append((head, size)))
    line = lines.RESULT + b"1" * (MAX_RESULT_BYTES - len(lines.RESULT)) + b"\n"
    assert b"".join(reader.feed(line[start : start + 65536]) for start in range(0, len(line), 65536)) == line
    endless = lines.RESULT + b"2" * (3 << 20) + b"\nafter\n"
    rest = b"".join(reader.feed(endless[start : start + 65536]) for start in range(0, len(endless), 65536))
    assert rest == b"after\n"
    [(head, size)] = long
    assert (size, head[:3], len(head)) == (3 << 20, b"222", MAX_RESULT_BYTES - len(lines.RESULT))


def test_directives_are_taken_out_of_a_block() -> None:
    block = b"a\n::rota progress 0.1\nb ::rota progress\n::rota result 1\n::rota other\n\n"
    assert split_directives(block) == (
        b"a\nb ::rota progress\n::rota other\n\n",
        [b"::rota progress 0.1", b"::rota result 1"],
    )


def block(number: int, size: int = 100) -> Block:
    return Block(b"o", number, b"x" * (size - 1) + b"\n")


def taken(spillway: Spillway, now: float, *, everything: bool = False) -> list[Block | Gap]:
    found = []
    while (item := spillway.take(now, everything=everything)) is not None:
        found.append(item)
    return found


def test_what_is_little_passes_at_once() -> None:
    spillway = Spillway(0.0)
    for number in range(1000):
        spillway.put(block(number), 0.0)
    assert [item.at_us for item in taken(spillway, 0.0) if isinstance(item, Block)] == [*range(1000)]
    assert len(spillway) == 0


def test_of_a_flood_head_and_tail_pass_and_the_gap_is_counted() -> None:
    spillway = Spillway(0.0, head=5_000, tail=3_000, rate=0)
    passed: list[Block | Gap] = []
    for number in range(1000):
        spillway.put(block(number), 0.0)
        passed += taken(spillway, 0.0)
    head = len(passed)
    passed += taken(spillway, 0.0, everything=True)
    gap = passed[head]
    assert isinstance(gap, Gap)
    numbers = [item.at_us for item in passed if isinstance(item, Block)]
    tail = len(numbers) - head
    assert numbers == [*range(head), *range(1000 - tail, 1000)]
    assert 5 <= head < 50 and 5 <= tail < 30
    assert gap == Gap(lines=1000 - len(numbers), bytes=100 * (1000 - len(numbers)))


def test_after_the_head_so_much_passes_in_a_second() -> None:
    # A block of 100 bytes in one line costs 420.
    spillway = Spillway(0.0, head=4_200, tail=1_000_000, rate=4_200)
    for number in range(100):
        spillway.put(block(number), 0.0)
    assert [len(taken(spillway, now)) for now in (0.0, 0.0, 1.0, 1.5, 9.0)] == [10, 0, 10, 5, 10]


def test_the_last_block_is_never_dropped() -> None:
    spillway = Spillway(0.0, head=0, tail=10, rate=0)
    spillway.put(block(0), 0.0)
    spillway.put(block(1, 100_000), 0.0)
    assert taken(spillway, 0.0) == []
    assert taken(spillway, 0.0, everything=True) == [Gap(1, 100), block(1, 100_000)]
