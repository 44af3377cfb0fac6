"""The audit: rows are added with the change, hold what differs, are found by what narrows, and age out."""

from __future__ import annotations

import pytest

from rota.actions.specs import Caller
from rota.store import audit
from rota.store.audit import AuditFilter
from rota.store.database import Database, Tx

ANN = Caller("ann", "operator", "api")
BOB = Caller("bob", "admin", "cli")


def entries(db: Database, **wanted: object) -> list[tuple[str | None, str, str, str]]:
    found = db.read(lambda tx: audit.listed(tx, AuditFilter(**wanted), limit=100))  # type: ignore[arg-type]
    return [(one.actor, one.action, one.noun, one.name) for one in found]


def test_an_entry_says_who_did_what_from_where(db: Database) -> None:
    db.run(lambda tx: audit.record(tx, ANN, "paused", "queue", "mail", note="bad release"))
    (one,) = db.read(lambda tx: audit.listed(tx, AuditFilter(), limit=10))
    assert (one.actor, one.role, one.origin) == ("ann", "operator", "api")
    assert (one.action, one.noun, one.name, one.note) == ("paused", "queue", "mail", "bad release")
    assert (one.before, one.after) == (None, None)
    assert abs(one.at - db.read(lambda tx: tx.now())) < 60_000_000


def test_only_what_differs_is_kept(db: Database) -> None:
    was, is_ = {"queue": "a", "priority": 1, "tags": ["x"]}, {"queue": "a", "priority": 2, "tags": ["x"], "note": 1}
    db.run(lambda tx: audit.record(tx, ANN, "edited", "job", "1", before=was, after=is_))
    (one,) = db.read(lambda tx: audit.listed(tx, AuditFilter(), limit=10))
    assert (one.before, one.after) == ('{"priority":1}', '{"priority":2,"note":1}')


def test_what_no_database_stores_is_stored_all_the_same(db: Database) -> None:
    db.run(lambda tx: audit.record(tx, ANN, "paused", "queue", "q", note="a\0b\ud800"))
    (one,) = db.read(lambda tx: audit.listed(tx, AuditFilter(), limit=10))
    assert one.note == "a\ufffdb\ufffd"


def test_an_entry_goes_with_a_change_that_is_undone(db: Database) -> None:
    def work(tx: Tx) -> None:
        audit.record(tx, ANN, "paused", "queue", "mail")
        raise KeyError

    with pytest.raises(KeyError):
        db.run(work)
    assert entries(db) == []


def test_the_latest_come_first_and_each_field_narrows(db: Database) -> None:
    db.run(lambda tx: audit.record(tx, ANN, "paused", "queue", "mail"))
    db.run(lambda tx: audit.record(tx, BOB, "resumed", "queue", "mail"))
    db.run(lambda tx: audit.record(tx, BOB, "edited", "job", "mail"))
    third, second, first = entries(db)
    assert first == ("ann", "paused", "queue", "mail")
    assert entries(db, actor="bob") == [third, second]
    assert entries(db, noun="queue", name="mail") == [second, first]
    assert entries(db, action="edited") == [third]
    now = db.read(lambda tx: tx.now())
    assert entries(db, since=now + 60_000_000) == []
    assert entries(db, until=now - 60_000_000) == []
    assert entries(db, since=now - 60_000_000, until=now + 60_000_000) == [third, second, first]


def test_pages_follow_each_other(db: Database) -> None:
    for number in range(5):
        db.run(lambda tx, number=number: audit.record(tx, ANN, "edited", "job", str(number)))  # type: ignore[misc]
    seen: list[str] = []
    before: str | None = None
    while page := db.read(lambda tx, before=before: audit.listed(tx, AuditFilter(), limit=2, before=before)):  # type: ignore[misc]
        seen += [one.name for one in page]
        before = page[-1].id
    assert seen == ["4", "3", "2", "1", "0"]


def test_old_entries_are_forgotten_in_batches(db: Database) -> None:
    for number in range(5):
        db.run(lambda tx, number=number: audit.record(tx, ANN, "edited", "job", str(number)))  # type: ignore[misc]
    now = db.read(lambda tx: tx.now())
    assert db.run(lambda tx: audit.forget(tx, before=now - 60_000_000, limit=10)) == 0
    assert db.run(lambda tx: audit.forget(tx, before=now + 60_000_000, limit=3)) == 3
    assert [name for *_, name in entries(db)] == ["4", "3"]
