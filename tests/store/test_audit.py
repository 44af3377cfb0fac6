"""The audit: rows are added with the change, hold what differs, are found by what narrows, and age out."""

from __future__ import annotations

import pytest

from rota.actions.audit_words import sentence
from rota.actions.specs import Caller
from rota.errors import RotaError
from rota.model import AuditEntry
from rota.store import audit
from rota.store.audit import AuditFilter
from rota.store.database import Database, Tx
from tests.store import builders

ANN = Caller("ann", "operator", "api")
BOB = Caller("bob", "admin", "cli")


def listed(db: Database, **wanted: object) -> list[AuditEntry]:
    return db.read(lambda tx: audit.listed(tx, AuditFilter(**wanted), limit=100))  # type: ignore[arg-type]


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


def test_it_is_only_added_to(db: Database) -> None:
    db.run(lambda tx: audit.record(tx, ANN, "paused", "queue", "mail"))
    for statement in ("UPDATE rota_audit SET actor = 'eve'", "DELETE FROM rota_audit"):
        with pytest.raises(RotaError, match="only added to"):
            db.run(lambda tx, statement=statement: tx.run(statement))  # type: ignore[misc]
    assert [one.actor for one in listed(db)] == ["ann"]
    # Retention alone may delete, and only what is as old as it says.
    assert db.run(lambda tx: audit.forget(tx, before=tx.now() - builders.HOUR, limit=10)) == 0
    with pytest.raises(RotaError, match="only added to"):
        db.run(lambda tx: tx.run("DELETE FROM rota_audit"))
    assert db.run(lambda tx: audit.forget(tx, before=tx.now() + builders.HOUR, limit=10)) == 1


def test_says_from_which_address(db: Database) -> None:
    far = Caller("ann", "admin", "ui", client="10.0.0.7")
    was, is_ = {"concurrency": 5}, {"concurrency": 6}
    db.run(lambda tx: audit.record(tx, far, "edited", "queue", "mail", before=was, after=is_))
    db.run(lambda tx: audit.record(tx, ANN, "deleted", "calendar", "off", note="no more\nneeded"))
    (one,) = listed(db, client="10.0.0.7")
    assert sentence(one) == "ann edited the queue mail: concurrency 5 → 6 (on the pages, from 10.0.0.7)"
    (other,) = listed(db, origin="api")
    assert sentence(other) == "ann deleted the calendar off (over the API): no more needed"
