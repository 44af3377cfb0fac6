"""Facts about the whole system."""

from __future__ import annotations

import random

from rota.store import meta
from rota.store.database import Database
from tests.store import builders


def put(db: Database, value: str) -> None:
    db.run(lambda tx: meta.put(tx, "k", value))


def raise_to(db: Database, at: int) -> int | None:
    db.run(lambda tx: meta.raise_accounted_to(tx, at))
    return db.read(meta.accounted_to)


def test_facts_are_stored_and_replaced(db: Database) -> None:
    assert db.read(lambda tx: meta.get(tx, "k")) is None
    for value in ("a", "b ☃"):
        put(db, value)
        assert db.read(lambda tx: meta.get(tx, "k")) == value


def test_the_watermark_never_goes_back(db: Database) -> None:
    assert db.read(meta.accounted_to) is None
    seen = [raise_to(db, at) for at in (900, 1000, 999, 100_000, 2000)]
    assert seen == [900, 1000, 1000, 100_000, 100_000]


def test_it_goes_back_where_the_clock_did(db: Database) -> None:
    now = db.read(lambda tx: tx.now())
    ahead = now + builders.HOUR
    assert raise_to(db, ahead) == ahead
    assert raise_to(db, now) == now


def test_several_schedulers_raise_it_together(db: Database) -> None:
    marks = list(range(1, 200))
    random.shuffle(marks)
    parts = iter([marks[number::4] for number in range(4)])

    def raise_all() -> bool:
        return all((raise_to(db, at) or 0) >= at for at in next(parts))

    assert all(builders.at_once(*[raise_all] * 4))
    assert db.read(meta.accounted_to) == max(marks)
