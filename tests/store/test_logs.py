"""Logs: chunks of lines, numbered over all attempts of a job."""

from __future__ import annotations

import msgspec
import pytest

from rota.ids import new_id
from rota.model import LogChunk
from rota.store import logs
from rota.store.database import Database
from tests.store import builders
from tests.store.builders import claim, end, get, give_back, insert_one, lose, register, run_one


def chunk(job_id: str, first: int, *texts: str, attempt: int = 1) -> LogChunk:
    body = msgspec.json.encode([[100 + first + place, "stdout", text] for place, text in enumerate(texts)]).decode()
    return LogChunk(job_id, attempt, first, len(texts), 5, body)


def numbers(db: Database, job_id: str, **given: int) -> list[int]:
    return [line["n"] for line in db.read(lambda tx: logs.lines(tx, job_id, **given))]


def texts(db: Database, job_id: str) -> list[str]:
    return [line["text"] for line in db.read(lambda tx: logs.lines(tx, job_id))]


def test_lines_come_back_with_their_numbers(db: Database, worker: str) -> None:
    job_id = run_one(db, worker).call.job_id
    builders.log(db, chunk(job_id, 3, "c"), chunk(job_id, 1, "a \0 \\u0000 ☃", "b"))
    lines = db.read(lambda tx: logs.lines(tx, job_id))
    assert lines[0] == {"n": 1, "at": 101, "stream": "stdout", "attempt": 1, "text": "a \0 \\u0000 ☃"}
    assert [line["n"] for line in lines] == [1, 2, 3]


def test_lines_are_paged_by_number_also_within_chunks(db: Database, worker: str) -> None:
    job_id = run_one(db, worker).call.job_id
    for first in (1, 5, 9):
        builders.log(db, chunk(job_id, first, *"abcd"))
    assert numbers(db, job_id, limit=3) == [1, 2, 3]
    assert numbers(db, job_id, after=3, limit=3) == [4, 5, 6]
    assert numbers(db, job_id, after=8) == [9, 10, 11, 12]
    assert numbers(db, job_id, after=12) == []
    read: list[int] = []
    while page := numbers(db, job_id, after=read[-1] if read else 0, limit=5):
        read += page
    assert read == list(range(1, 13))


def test_a_part_of_many_chunks_is_read_and_a_long_one_in_pieces(
    db: Database, worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = run_one(db, worker).call.job_id
    builders.log(db, *[chunk(job_id, first, "a", "b") for first in range(1, 401, 2)])
    assert numbers(db, job_id, after=7, limit=300) == list(range(8, 308))
    assert numbers(db, job_id, after=395) == [396, 397, 398, 399, 400]
    monkeypatch.setattr(logs, "MOST_CHARS", 100)
    part = db.read(lambda tx: logs.read(tx, job_id))
    assert (0 < len(part.lines) < 20, part.complete) == (True, False)
    assert numbers(db, job_id, limit=500) == list(range(1, 401))


def test_a_log_is_searched(db: Database, worker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = run_one(db, worker).call.job_id
    said = [("stdout", "Straße"), ("stderr", "an \x1b[31mErr\x1b[1mor\x1b[0m"), ("stdout", "error 2"), ("stderr", "x")]
    for first in range(1, 41, 4):
        body = msgspec.json.encode([[1, *one] for one in said]).decode()
        builders.log(db, LogChunk(job_id, 1, first, 4, 5, body))

    def found(text: str, stream: str | None = None) -> list[int]:
        lines, after, complete = [], 0, False
        with db.statement() as tx:
            while not complete:
                part = logs.read(tx, job_id, after=after, limit=3, text=text, stream=stream)
                lines += [line["n"] for line in part.lines]
                after, complete = part.through, part.complete
        return lines

    for _ in range(2):
        assert found(text="ERROR") == [n for n in range(1, 41) if n % 4 in (2, 3)]
        assert found(text="error", stream="stderr") == list(range(2, 41, 4))
        assert found(text="STRASSE") == list(range(1, 41, 4))
        assert found(text="[31m") == found(text="nowhere") == []
        monkeypatch.setattr(logs, "MOST_CHARS", 100)


def test_attempts_can_be_read_apart(db: Database, worker: str) -> None:
    claimed = run_one(db, worker)
    job_id = claimed.call.job_id
    builders.log(db, chunk(job_id, 1, "first", "try"))
    give_back(db, worker, claimed, log_lines=2)
    (again,) = claim(db, worker)
    assert again.log_lines == 2
    builders.log(db, chunk(job_id, 3, "second", attempt=2))
    assert numbers(db, job_id) == [1, 2, 3]
    assert (numbers(db, job_id, attempt=1), numbers(db, job_id, attempt=2)) == ([1, 2], [3])


def test_a_chunk_stored_before_is_left_as_it_is(db: Database, worker: str) -> None:
    job_id = run_one(db, worker).call.job_id
    builders.log(db, chunk(job_id, 1, "first"))
    builders.log(db, chunk(job_id, 1, "again"), chunk(job_id, 2, "second"))
    assert texts(db, job_id) == ["first", "second"]


def test_the_last_lines_may_come_with_or_after_the_end(db: Database, worker: str) -> None:
    ended, returned = run_one(db, worker), run_one(db, worker)
    end(db, worker, ended, log_lines=1)
    give_back(db, worker, returned, log_lines=1)
    for one in (ended, returned):
        builders.log(db, chunk(one.call.job_id, 1, "last words"))
        assert texts(db, one.call.job_id) == ["last words"]


def test_late_lines_of_a_lost_worker_take_no_new_lines_place(db: Database, worker: str) -> None:
    claimed = run_one(db, worker)
    job_id = claimed.call.job_id
    builders.log(db, chunk(job_id, 1, "before"))
    lose(db, worker)
    builders.log(db, chunk(job_id, 2, "late", "later"))

    (again,) = claim(db, register(db))
    assert again.log_lines == 1 == get(db, job_id).log_lines
    builders.log(db, chunk(job_id, 2, "late", "later"))
    builders.log(db, chunk(job_id, 2, "anew", attempt=2))
    assert texts(db, job_id) == ["before", "anew"]


def test_lines_of_no_job_are_not_kept(db: Database, worker: str) -> None:
    job_id = run_one(db, worker).call.job_id
    builders.log(db, chunk(new_id(), 1, "whose?"), chunk(job_id, 1, "mine"))
    assert builders.column(db, "job_id", "rota_logs") == [job_id]


def test_the_middle_can_be_dropped(db: Database, worker: str) -> None:
    one, other = run_one(db, worker).call.job_id, run_one(db, worker).call.job_id
    for job_id in (one, other):
        builders.log(db, *[chunk(job_id, first, "x", "y") for first in (1, 3, 5)])
    db.run(lambda tx: logs.drop(tx, [(one, 3), (other, 1), (one, 99)]))
    db.run(lambda tx: logs.drop(tx, []))
    assert (numbers(db, one), numbers(db, other)) == ([1, 2, 5, 6], [3, 4, 5, 6])
    assert numbers(db, one, after=2, limit=1) == [5]


def test_a_log_of_many_attempts_keeps_the_first_and_the_last(db: Database, worker: str) -> None:
    claimed = run_one(db, worker)
    job_id = claimed.call.job_id
    for attempt in range(1, 7):
        builders.log(db, chunk(job_id, attempt, "x" * 100, attempt=attempt))
        give_back(db, worker, claimed, log_lines=attempt)
        (claimed,) = claim(db, worker)
    size = len(chunk(job_id, 1, "x" * 100).body)
    db.run(lambda tx: logs.shorten(tx, job_id, 6 * size))
    assert numbers(db, job_id) == [1, 2, 3, 4, 5, 6]
    db.run(lambda tx: logs.shorten(tx, job_id, 4 * size - 1))
    assert numbers(db, job_id) == [1, 5, 6]
    db.run(lambda tx: logs.shorten(tx, job_id, 1))
    assert numbers(db, job_id) == [1, 6]


def test_unknown_jobs_have_no_lines(db: Database) -> None:
    insert_one(db)
    for job_id in (new_id(), "no id", "\0"):
        assert numbers(db, job_id) == []
