"""Declaring: ``schedule_many`` of 10,000 schedules, as programs say them at each start, beside a copy of the rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks import app
from benchmarks.figure import Figure, Goals, interleaved, of_rounds
from benchmarks.setting import Bench, Session
from rota import Rota
from rota.model import Schedule
from rota.store.database import columns

COUNT = 10_000
MOST_S = 2.0
NAMES = Schedule.__struct_fields__
COPY = f"""
INSERT INTO rota_schedules ({columns(NAMES)})
SELECT {columns(["'copy-' || id" if name == "id" else name for name in NAMES])}
FROM rota_schedules WHERE id LIKE 'say-%'
"""


def run(session: Session) -> Iterator[Figure]:
    """Measure new ones, the same again, and all of them changed."""
    count = session.some(COUNT)
    with session.fresh() as bench:
        rota = Rota(settings=bench.settings)
        note = rota.job(queue="bench")(app.note.function)
        say = partial(said, rota, note, count)
        say(1)
        copied = partial(copy, session, bench)

        def new() -> float:
            session.say("new schedules")
            bench.db.run(lambda tx: tx.run("DELETE FROM rota_schedules"))
            return say(1)

        def same() -> float:
            session.say("the same schedules")
            return say(1)

        users = iter(range(2, 1_000))
        measures: tuple[tuple[str, Callable[[], float]], ...] = (
            ("new", new),
            ("unchanged", same),
            ("changed", lambda: say(next(users))),
        )
        for name, action in measures:
            if name == "changed":
                session.say("changed schedules")
            rounds = interleaved(session.rounds, copied, action)
            yield of_rounds(
                rounds, name=f"schedule_many, {count:,} {name}", database=bench.kind, unit="s",
                raw_name="copy of the same rows by one statement", goals=Goals(most=MOST_S),
            )  # fmt: skip
        rota.close()


def said(rota: Rota, what: Any, count: int, user: int) -> float:
    """Say schedules; return how long that takes (s)."""
    items = [
        {"id": f"say-{number}", "func": what, "every_seconds": 3600, "args": {"user": user, "text": f"{number}"}}
        for number in range(count)
    ]
    began = time.perf_counter()
    rota.schedule_many(items)
    return time.perf_counter() - began


def copy(session: Session, bench: Bench) -> float:
    """Copy the rows; return how long that takes (s)."""
    session.say("a copy of the rows")
    bench.db.run(lambda tx: tx.run("DELETE FROM rota_schedules WHERE id LIKE 'copy-%'"))
    began = time.perf_counter()
    bench.db.run(lambda tx: tx.run(COPY))
    taken = time.perf_counter() - began
    bench.db.run(lambda tx: tx.run("DELETE FROM rota_schedules WHERE id LIKE 'copy-%'"))
    return taken
