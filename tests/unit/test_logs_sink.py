"""Where lines go: in order, whole, soon, and without harm when nobody takes them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.logs import sink as sink_module
from rota.logs.sink import MOST_LINES, Sink
from tests.support.waiting import wait_until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rota.log"


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A named pipe and its reading end, which reads nothing by itself."""
    name = str(tmp_path / "pipe")
    os.mkfifo(name)
    reader = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    yield name, reader
    os.close(reader)


def test_the_first_line_after_a_pause_is_written_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_module, "QUIET_S", 20.0)  # a busy machine makes a pause of the usual one between any two
    sink = Sink(str(path))
    assert sink.put("one\n", False) is False
    assert path.read_text() == "one\n"
    assert sink.put("two\n", False) is True
    assert sink.drain(wait=True) is True
    assert path.read_text() == "one\ntwo\n"


def test_an_urgent_line_is_written_at_once_behind_those_that_wait(path: Path) -> None:
    sink = Sink(str(path))
    for number in range(5):
        sink.put(f"{number}\n", False)
    assert sink.put("urgent\n", True) is False
    assert path.read_text() == "0\n1\n2\n3\n4\nurgent\n"


def test_lines_are_added_to_the_file(path: Path) -> None:
    Sink(str(path)).put("old\n", True)
    Sink(str(path)).put("new\n", True)
    assert path.read_text() == "old\nnew\n"
    assert path.stat().st_mode & 0o007 == 0


def test_nothing_is_lost_or_torn_by_many_threads(path: Path) -> None:
    sink = Sink(str(path))

    def write(name: int) -> None:
        for number in range(2000):
            sink.put(f"{name}:{number}\n", number % 100 == 0)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.close()
    lines = path.read_text().splitlines()
    assert len(lines) == 16_000
    for name in range(8):
        assert [line for line in lines if line.startswith(f"{name}:")] == [f"{name}:{n}" for n in range(2000)]


def test_a_reader_that_does_not_read_delays_nobody(pipe: tuple[str, int]) -> None:
    name, reader = pipe
    sink = Sink(name)
    line = "x" * 999 + "\n"
    started = time.monotonic()
    for _ in range(500):  # half a megabyte; a pipe holds 64 KiB
        sink.put(line, True)
    assert time.monotonic() - started < 2
    assert sink.drain(wait=False) is False
    received = b""
    while received.count(b"\n") < 500:
        received += os.read(reader, 65_536)
        sink.drain(wait=False)
    assert received == (line * 500).encode()
    assert sink.dropped == 0


def test_what_a_stalled_reader_makes_wait_is_bounded(pipe: tuple[str, int]) -> None:
    sink = Sink(pipe[0])
    for _ in range(MOST_LINES + 20_000):
        sink.put("x" * 30 + "\n", False)
    assert 0 < sink.dropped < 20_000


def test_writes_to_a_pipe_are_whole_lines_below_the_atomic_size(pipe: tuple[str, int]) -> None:
    sink = Sink(pipe[0])
    for number in range(100):
        sink.put(f"{number} {'é' * 500}\n", number == 99)
    chunks: list[bytes] = []
    while len(chunks) < 1 or not chunks[-1].endswith(b"\n") or b"99 " not in chunks[-1]:
        chunks.append(os.read(pipe[1], 4096))
        sink.drain(wait=False)
    assert b"".join(chunks).decode().count("\n") == 100


def test_a_reader_that_is_gone_costs_lines_but_no_error(tmp_path: Path) -> None:
    name = str(tmp_path / "pipe")
    os.mkfifo(name)
    reader = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    sink = Sink(name)
    os.close(reader)
    sink.put("lost\n", True)
    sink.put("lost too\n", True)
    assert sink.dropped == 2
    sink.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, which is a full disk")
def test_a_full_disk_costs_lines_but_no_error() -> None:
    sink = Sink("/dev/full")
    assert sink.put("lost\n", True) is True  # there is news
    assert sink.dropped == 1
    sink.close()


def test_a_half_written_line_is_ended_before_the_next(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Sink(str(path))
    room = [3]

    def write(fd: int, data: memoryview) -> int:
        """A disk with room for three bytes."""
        if not room[0]:
            raise OSError(28, "No space left on device")
        taken = os_write(fd, data[: room[0]])
        room[0] -= taken
        return taken

    os_write = os.write
    with monkeypatch.context() as full_disk:
        full_disk.setattr(os, "write", write)
        sink.put("first\n", True)
    sink.put("second\n", True)
    assert path.read_text() == "fir\nsecond\n"
    assert sink.dropped == 1


def test_a_rotated_file_is_left_for_the_new_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_module, "_LOOK_AT_FILE_S", 0.0)
    sink = Sink(str(path))
    sink.put("before\n", True)
    path.rename(path.with_suffix(".1"))
    sink.put("after\n", True)
    assert path.read_text() == "after\n"
    assert path.with_suffix(".1").read_text() == "before\n"
    assert not sink.is_terminal


def test_closing_writes_what_waits(path: Path) -> None:
    sink = Sink(str(path))
    for number in range(10):
        sink.put(f"{number}\n", False)
    sink.close()
    assert path.read_text().count("\n") == 10
    sink.put("too late\n", True)
    assert sink.dropped == 1


def test_a_blocked_writer_goes_on_when_the_reader_does(pipe: tuple[str, int]) -> None:
    name, reader = pipe
    sink = Sink(name)
    for _ in range(300):
        sink.put("x" * 999 + "\n", False)
    writer = threading.Thread(target=sink.drain, kwargs={"wait": True})
    writer.start()
    received = 0

    def read_on() -> bool:
        nonlocal received
        try:
            received += len(os.read(reader, 65_536))
        except BlockingIOError:
            return False
        return received == 300_000

    wait_until(read_on, what="all lines")
    writer.join(timeout=5)
    assert not writer.is_alive()
