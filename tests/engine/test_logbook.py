"""The log of an attempt: numbered through, head and tail kept, the middle left out."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rota.engine.logbook import Logbook
from rota.executor import Line
from rota.model import LogChunk

JOB = "01a1fc3a-04a8-719a-8819-e984f26c46d7"


def line(text: str) -> Line:
    return Line(1, "stdout", text)


def numbers(chunks: list[LogChunk]) -> list[int]:
    return [chunk.first_line + place for chunk in chunks for place in range(chunk.lines)]


def texts(chunks: list[LogChunk]) -> list[str]:
    return [text for chunk in chunks for _, _, text in msgspec.json.decode(chunk.body)]


def test_lines_are_numbered_on_from_the_attempts_before() -> None:
    book = Logbook(JOB, 2, written=10, limit_bytes=1_000_000)
    book.add([line("a"), line("b")])
    chunks, dropped = book.take()
    assert (numbers(chunks), texts(chunks), dropped) == ([11, 12], ["a", "b"], [])
    assert book.lines == 12
    assert book.empty


def test_a_flood_keeps_head_and_tail() -> None:
    book = Logbook(JOB, 1, written=0, limit_bytes=400_000)
    stored: dict[int, LogChunk] = {}
    for start in range(0, 100_000, 5_000):
        book.add([line(f"line {n:06d}") for n in range(start + 1, start + 5_001)])
        chunks, dropped = book.take()
        stored.update({chunk.first_line: chunk for chunk in chunks})
        for job_id, first in dropped:
            assert job_id == JOB
            del stored[first]
    kept = numbers([stored[first] for first in sorted(stored)])
    assert kept[:1000] == list(range(1, 1001))
    assert kept[-1000:] == list(range(99_001, 100_001))
    assert len(kept) < 20_000
    assert texts([stored[max(stored)]])[-1] == "line 100000"
    assert sum(len(chunk.body) for chunk in stored.values()) < 700_000


def test_one_burst_between_two_flushes_is_bounded_too() -> None:
    book = Logbook(JOB, 1, written=0, limit_bytes=400_000)
    book.add([line("x" * 1000) for _ in range(20_000)])
    chunks, _ = book.take()
    kept = numbers(chunks)
    assert kept[0] == 1
    assert kept[-1] == 20_000
    assert sum(len(chunk.body) for chunk in chunks) < 2_500_000


@given(st.lists(st.lists(st.integers(0, 3000), max_size=60), max_size=20))
def test_every_line_has_its_number_and_none_is_doubled(flushes: list[list[int]]) -> None:
    book = Logbook(JOB, 1, written=0, limit_bytes=100_000)
    seen: list[int] = []
    total = 0
    for sizes in flushes:
        book.add([line("x" * size) for size in sizes])
        total += len(sizes)
        chunks, _ = book.take()
        seen += numbers(chunks)
    assert book.lines == total
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen)
