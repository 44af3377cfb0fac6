"""Frames between worker and runner."""

from __future__ import annotations

import random

import pytest

from rota.executor import Call
from rota.executors import runner_frames as frames


def test_frames_are_found_in_pieces_of_any_size() -> None:
    sent = [(kind, list(range(size))) for kind, size in ((1, 0), (2, 3), (11, 5000), (3, 1))]
    stream = b"".join(bytes(frames.pack(kind, payload)) for kind, payload in sent)
    choose = random.Random(1)
    for largest in (1, 3, 100, 10_000, len(stream)):
        reader, found, place = frames.FrameReader(), [], 0
        while place < len(stream):
            size = choose.randint(1, largest)
            found += reader.feed(stream[place : place + size])
            place += size
        assert [(kind, frames.decode_numbers(payload)) for kind, payload in found] == sent


def test_what_is_no_frame_is_noticed() -> None:
    with pytest.raises(frames.FrameError):
        frames.FrameReader().feed(b"print('hello')\n")


def test_a_call_travels_whole() -> None:
    call = Call("id", 2, "async", "q", "t", '{"k": 1}', '{"a": 1}', 5, 6, 7, "s", "me", "http://x", "null", 9, 1, -3)
    work = frames.decode_work(bytes(frames.pack(frames.WORK, [frames.work_of(4, call)]))[5:])[0]
    assert (work.number, work.job_id, work.attempt, work.type, work.target) == (4, "id", 2, "t", '{"k": 1}')
    assert (work.args, work.queue, work.created_at, work.scheduled_for) == ('{"a": 1}', "q", 6, 7)
    assert (work.previous, work.more) == ("null", (-3, 9, 1, "s", "me", "http://x"))
