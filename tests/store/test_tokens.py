"""API tokens and remembered answers."""

from __future__ import annotations

from rota.ids import new_id
from rota.store import retention, tokens
from rota.store.database import Database
from tests.store import builders
from tests.store.builders import HOUR, SECOND


def add(db: Database, digest: str = "digest", expires_at: int | None = None) -> str:
    token_id = new_id()
    db.run(lambda tx: tokens.add(tx, token_id, "ci", "operator", digest, by="ann", expires_at=expires_at))
    return token_id


def find(db: Database, digest: str = "digest") -> object:
    return db.read(lambda tx: tokens.find(tx, digest))


def test_a_token_is_found_by_its_digest(db: Database) -> None:
    token_id = add(db)
    assert find(db) == {"id": token_id, "name": "ci", "role": "operator"}
    assert find(db, "another") is None


def test_the_list_shows_no_digest(db: Database) -> None:
    token_id = add(db, expires_at=77)
    (listed,) = db.read(tokens.listed)
    assert (listed["id"], listed["created_by"], listed["expires_at"], listed["revoked_at"]) == (
        token_id,
        "ann",
        77,
        None,
    )
    assert "hash" not in listed and "digest" not in listed.values()


def test_expired_and_revoked_tokens_are_not_found(db: Database) -> None:
    now = db.read(lambda tx: tx.now())
    add(db, "past", expires_at=now)
    add(db, "future", expires_at=now + HOUR)
    assert (find(db, "past"), find(db, "future") is not None) == (None, True)

    token_id = add(db)
    assert db.run(lambda tx: tokens.revoke(tx, token_id))
    assert find(db) is None
    assert not db.run(lambda tx: tokens.revoke(tx, token_id))
    assert not db.run(lambda tx: tokens.revoke(tx, "no id"))


def test_use_is_noted_once_a_minute(db: Database) -> None:
    token_id = add(db)

    def used() -> int | None:
        db.run(lambda tx: tokens.touch(tx, token_id))
        (listed,) = db.read(tokens.listed)
        at: int | None = listed["last_used_at"]
        return at

    first = used()
    assert first is not None and used() == first
    db.run(lambda tx: tx.run("UPDATE rota_tokens SET last_used_at = last_used_at - :n", {"n": 61 * SECOND}))
    again = used()
    assert again is not None and again > first


class TestIdempotency:
    def remember(self, db: Database, key: str = "k", body: str = '{"a": 1}') -> bool:
        return db.run(lambda tx: tokens.remember(tx, key, "hash", 201, body))

    def test_the_first_answer_is_kept_byte_for_byte(self, db: Database) -> None:
        assert db.read(lambda tx: tokens.remembered(tx, "k")) is None
        assert self.remember(db)
        assert not self.remember(db, body="{}")
        assert db.read(lambda tx: tokens.remembered(tx, "k")) == ("hash", 201, '{"a": 1}')

    def test_of_many_at_once_one_is_the_first(self, db: Database) -> None:
        assert sum(builders.at_once(*[lambda: self.remember(db)] * 6)) == 1

    def test_old_answers_are_forgotten_in_parts(self, db: Database) -> None:
        for number in range(5):
            self.remember(db, str(number))
        old = "UPDATE rota_idempotency SET created_at = 1000 WHERE key <> '4'"
        db.run(lambda tx: tx.run(old))
        assert [db.run(lambda tx: retention.delete_idempotency(tx, 1001, 3)) for _ in range(3)] == [3, 1, 0]
        assert builders.column(db, "key", "rota_idempotency") == ["4"]
