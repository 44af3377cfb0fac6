"""The threads that read."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from rota.errors import DatabaseUnavailable
from rota.store.readers import Readers


@pytest.fixture
def readers() -> Iterator[Readers]:
    readers = Readers(3)
    yield readers
    readers.close()


def test_answers_with_the_result_or_the_error(readers: Readers) -> None:
    def fail() -> None:
        raise KeyError("x")

    good, bad = readers.submit(lambda: 42), readers.submit(fail)
    assert good.result(5) == 42
    with pytest.raises(KeyError):
        bad.result(5)


def test_reads_at_once_but_no_more_than_allowed(readers: Readers) -> None:
    together, names = threading.Barrier(3), set()

    def read() -> None:
        names.add(threading.current_thread().name)
        together.wait(5)

    for future in [readers.submit(read) for _ in range(9)]:
        future.result(5)
    assert len(names) == 3


def test_what_was_cancelled_before_its_turn_does_not_run() -> None:
    readers = Readers(1)
    go, ran = threading.Event(), []
    first = readers.submit(lambda: go.wait(5))
    second = readers.submit(lambda: ran.append(1))
    assert second.cancel()
    go.set()
    first.result(5)
    readers.close()
    assert ran == []


def test_a_hanging_read_does_not_hold_up_the_end() -> None:
    readers = Readers(1)
    go = threading.Event()
    hanging, waiting = readers.submit(lambda: go.wait(5)), readers.submit(lambda: 1)
    readers.close(timeout_s=0.05)
    assert waiting.cancelled()
    with pytest.raises(DatabaseUnavailable, match="stopping"):
        readers.submit(lambda: 1)
    go.set()
    assert hanging.result(5)
