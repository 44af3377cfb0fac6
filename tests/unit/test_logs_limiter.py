"""Repeated events are counted, not repeated."""

from __future__ import annotations

from itertools import pairwise

from rota.logs.limiter import Limiter, Repeated


def some(msg: str = "lost") -> Repeated:
    return Repeated("error", "database/lost", msg, {"loop": "mover"})


def test_the_first_passes_and_the_next_ones_are_counted() -> None:
    limiter = Limiter()
    assert limiter.take(0.0, "key", some()) == 0
    assert [limiter.take(at, "key", some()) for at in (0.1, 5.0, 9.9)] == [None, None, None]
    assert limiter.take(10.0, "key", some()) == 3


def test_keys_are_apart() -> None:
    limiter = Limiter()
    assert limiter.take(0.0, "a", some()) == 0
    assert limiter.take(0.0, "b", some()) == 0


def test_windows_double_to_a_minute() -> None:
    limiter = Limiter()
    passed = [second for second in range(1000) if limiter.take(float(second), "key", some()) is not None]
    gaps = [after - before for before, after in pairwise(passed)]
    assert gaps[:4] == [10, 20, 40, 60]
    assert set(gaps[4:]) == {60}


def test_a_key_that_was_quiet_begins_anew() -> None:
    limiter = Limiter()
    limiter.take(0.0, "key", some())
    limiter.take(10.0, "key", some())  # a window of 20 s
    assert limiter.take(50.0, "key", some()) == 0
    assert limiter.take(59.0, "key", some()) is None
    assert limiter.take(60.0, "key", some()) == 1


def test_the_last_ones_are_told_when_their_window_ends() -> None:
    limiter = Limiter()
    limiter.take(0.0, "key", some("first"))
    limiter.take(1.0, "key", some("second"))
    limiter.take(2.0, "key", some("third"))
    assert limiter.is_holding()
    assert limiter.due(9.9) == []
    assert [(held.msg, held.count) for held in limiter.due(10.0)] == [("third", 2)]
    assert not limiter.is_holding()
    assert limiter.due(100.0) == []


def test_many_keys_take_bounded_memory() -> None:
    limiter = Limiter()
    for number in range(10_000):
        limiter.take(0.0, f"key {number}", some())
    assert len(limiter._states) <= 1000  # noqa: SLF001 - the bound is what is tested
