"""The loop around a turn: pauses, hints, failures, the end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rota import logs
from rota.engine.loop import Loop, stop_all
from rota.errors import DatabaseBusy, DatabaseUnavailable
from tests.engine.scheduling import settings_of
from tests.support.waiting import wait_until


class Counting(Loop):
    """Does what it is told in each turn, and counts the turns."""

    name = "counting"

    def __init__(self, turn: Callable[[], float] = lambda: 60.0) -> None:
        super().__init__()
        self.turns = 0
        self._do = turn

    def run_once(self) -> float:
        self.turns += 1
        return self._do()


Start = Callable[..., Counting]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start loops, and end them with the test."""
    loops: list[Counting] = []

    def begin(turn: Callable[[], float] = lambda: 60.0) -> Counting:
        loops.append(Counting(turn))
        loops[-1].start()
        return loops[-1]

    yield begin
    assert stop_all(loops, 10) == []


@pytest.fixture
def log_lines(tmp_path: Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines of the service's own log."""
    path = tmp_path / "log"
    logs.configure(settings_of("sqlite:///unused.db", log_file=str(path), log_format="json"), "worker")
    yield lambda: [json.loads(line) for line in path.read_text().splitlines()]
    logs.close()


def fail(error: Exception) -> float:
    raise error


def rests(loop: Counting) -> bool:
    """Whether it sleeps after a good turn, with all told that there is to tell of it."""
    return loop.last_error is None and loop.sleeps_until is not None  # in this order: a turn begins without the second


def test_a_hint_begins_the_next_turn(start: Start) -> None:
    loop = start()
    wait_until(lambda: loop.sleeps_until is not None, what="the loop sleeps")
    for turn in (2, 3):
        loop.wake()
        wait_until(lambda turn=turn: loop.turns == turn, what="another turn")  # type: ignore[misc]


def test_a_hint_in_a_turn_is_not_lost(start: Start) -> None:
    hinted = threading.Event()

    def turn() -> float:
        if not hinted.is_set():
            loop.wake()
            hinted.set()
        return 60.0

    ready = threading.Event()
    loop = start(lambda: (ready.wait(10) and turn()) or 60.0)
    ready.set()
    wait_until(lambda: loop.turns == 2, what="the turn that the hint asked for")


def test_hints_do_not_shorten_the_pause_after_a_failure(start: Start) -> None:
    loop = start(lambda: fail(RuntimeError("no")))
    wait_until(lambda: loop.turns >= 1, what="the first turn")
    deadline = time.monotonic() + 1.0
    turns = loop.turns
    while True:
        loop.wake()
        time.sleep(0.001)
        seen = loop.turns  # before the look at the time: what came later does not count
        if time.monotonic() >= deadline:
            break
        turns = seen
    assert turns <= 6  # pauses of 50 ms at least, doubling


def test_the_end_does_not_wait_for_a_pause(start: Start) -> None:
    loops = [start(), start(lambda: fail(DatabaseUnavailable("away")))]
    wait_until(lambda: loops[1].turns >= 4, what="a long pause")
    began = time.monotonic()
    assert stop_all(loops, 10) == []
    assert time.monotonic() - began < 1.0


def test_one_that_does_not_end_is_named(start: Start) -> None:
    free = threading.Event()
    loop = start(lambda: (free.wait(30) and 60.0) or 60.0)
    wait_until(lambda: loop.turns == 1, what="the turn that hangs")
    assert stop_all([loop], 0.05) == ["counting"]
    free.set()


def test_it_works_on_when_the_trouble_is_over(start: Start) -> None:
    troubles = [RuntimeError("one"), DatabaseUnavailable("two")]
    loop = start(lambda: fail(troubles.pop()) if troubles else 60.0)
    wait_until(lambda: loop.turns == 3 and loop.last_error is None, what="a good turn")


def test_it_tells_what_it_does(start: Start) -> None:
    loop = start()
    wait_until(lambda: loop.describe()["state"] == "sleeping", what="the loop sleeps")
    assert loop.moves(0)
    assert isinstance(loop.describe()["sleepsUntil"], int)


class Standing(Loop):
    """Sleeps, and stands still in its second turn until it is let go."""

    name = "standing"

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self.stands, self.go_on = threading.Event(), threading.Event()

    def run_once(self) -> float:
        self.turns += 1
        if self.turns == 2:
            self.stands.set()
            assert self.go_on.wait(30)
        return 3600.0


def test_a_turn_after_a_long_sleep_stands_still_no_longer_than_it_takes() -> None:
    loop = Standing()
    loop.start()
    wait_until(lambda: loop.sleeps_until is not None, 10, "it sleeps")
    loop.turned -= 3600  # for an hour
    loop.wake()
    assert loop.stands.wait(10)
    assert loop.moves(600)
    assert not loop.moves(0)
    loop.go_on.set()
    assert loop.stop()


def test_a_lost_database_is_told_once_for_all_loops(
    start: Start, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    away = threading.Event()
    away.set()
    loops = [start(lambda: fail(DatabaseUnavailable("gone")) if away.is_set() else 60.0) for _ in range(5)]
    wait_until(lambda: all(loop.turns >= 3 for loop in loops), what="every loop has met it")
    away.clear()
    wait_until(lambda: all(map(rests, loops)), what="every loop works again")
    logs.flush()
    assert [line["event"] for line in log_lines()] == ["database/lost", "database/back"]


def test_a_busy_database_is_told_only_when_it_stays_so(
    start: Start, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    troubles: list[Exception] = [DatabaseBusy("deadlock")] * 2
    loop = start(lambda: fail(troubles.pop()) if troubles else 60.0)
    wait_until(lambda: loop.turns == 3 and rests(loop), what="a good turn")
    logs.flush()
    assert log_lines() == []
    troubles += [DatabaseBusy("deadlock")] * 3
    loop.wake()
    wait_until(lambda: loop.turns == 7 and rests(loop), what="a good turn after a longer trouble")
    logs.flush()
    assert [line["event"] for line in log_lines()] == ["database/lost", "database/back"]
