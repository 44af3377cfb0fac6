"""A target that asks for a pause slows its queue; the longest pause holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rota.store import queues, slowing
from rota.store.database import Database
from tests.store import builders
from tests.support.clock import hand_clock

SECOND = 1_000_000


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A migrated database whose clock stands still: what is left of a pause is that of a moment ago."""
    with hand_clock(database_url) as clock:
        yield clock.open()


def slow(db: Database, *asked: tuple[str, int, str]) -> list[slowing.Slowed]:
    return db.run(lambda tx: slowing.slow(tx, asked))


def until(db: Database, name: str) -> tuple[int, str | None]:
    """How many seconds the queue still waits, rounded, and who asked."""
    queue = db.read(lambda tx: queues.get(tx, name))
    assert queue is not None
    now = db.read(lambda tx: tx.now())
    return round(((queue.slowed_until or now) - now) / SECOND), queue.slowed_by


def test_it_waits_from_now_by_the_clock_of_the_database(db: Database) -> None:
    builders.insert_one(db, queue="mail")
    told = slow(db, ("mail", 60 * SECOND, "https://a answered 429"))
    assert until(db, "mail") == (60, "https://a answered 429")
    assert [(one.name, one.by) for one in told] == [("mail", "https://a answered 429")]


def test_the_longest_pause_holds_whoever_comes_last(db: Database) -> None:
    for queue in ("mail", "other"):
        builders.insert_one(db, queue=queue)
    slow(db, ("mail", 30 * SECOND, "a"), ("mail", 90 * SECOND, "b"), ("mail", SECOND, "c"), ("other", SECOND, "d"))
    assert until(db, "mail") == (90, "b")
    assert slow(db, ("mail", 10 * SECOND, "e")) == []
    assert until(db, "mail") == (90, "b")
    slow(db, ("mail", 120 * SECOND, "f"))
    assert until(db, "mail") == (120, "f")
    assert until(db, "other") == (1, "d")


def test_what_makes_no_sense_changes_nothing(db: Database) -> None:
    builders.insert_one(db, queue="mail")
    assert slow(db, ("mail", 0, "a"), ("mail", -5, "b"), ("gone", SECOND, "c")) == []
    assert slow(db) == []
    assert until(db, "mail") == (0, None)
