"""Enqueueing from Python: one durable job at a time, and many at once, beside raw inserts of the same row."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks import app
from benchmarks.figure import Figure, Goals, interleaved, of_rounds
from benchmarks.raw import raw_like
from benchmarks.setting import Session
from rota import Rota

ONE_BY_ONE = 200
MANY = 5_000
SHORT = 4
"""So many times the rounds of other benchmarks, since these are so short."""


def run(session: Session) -> Iterator[Figure]:
    """Measure both."""
    few, many = session.some(ONE_BY_ONE), session.some(MANY)
    with session.fresh() as bench:
        rota = Rota(settings=bench.settings)
        note = rota.job(queue="bench")(app.note.function)
        with raw_like(bench, note.enqueue(user=1, text="hello").id) as raw:

            def raw_singles() -> float:
                session.say("raw inserts")
                return rate(few, lambda: [raw.insert() for _ in range(few)])

            def singles() -> float:
                session.say("one job at a time")
                return rate(few, lambda: [note.enqueue(user=number, text="hello") for number in range(few)])

            def raw_bulk() -> float:
                session.say("a raw insert of many rows")
                return rate(many, lambda: raw.insert_many(many))

            def bulk() -> float:
                session.say("enqueue_many")
                items = [(note, {"user": number, "text": "hello"}) for number in range(many)]
                return rate(many, lambda: rota.enqueue_many(items))

            raw_singles(), singles(), raw_bulk(), bulk()  # statements are prepared, types declared
            rounds = interleaved(SHORT * session.rounds, raw_singles, singles)
            yield of_rounds(
                rounds, name="enqueue, one durable job at a time", database=bench.kind, unit="jobs/s",
                raw_name="insert of the same row, committed one by one", goals=Goals(ratio=0.8),
            )  # fmt: skip
            rounds = interleaved(SHORT * session.rounds // 2, raw_bulk, bulk)
            yield of_rounds(
                rounds, name=f"enqueue_many, {many:,} jobs at a time", database=bench.kind, unit="jobs/s",
                raw_name="insert of the same rows in one statement", goals=Goals(least=80_000),
            )  # fmt: skip
        rota.close()


def rate(count: int, action: object) -> float:
    """Return how many things a second an action does that does ``count`` of them."""
    assert callable(action)
    began = time.perf_counter()
    action()
    return count / (time.perf_counter() - began)
