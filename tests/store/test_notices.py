"""Notices wait for their channels, once each."""

from __future__ import annotations

from rota.ids import new_id
from rota.model import Notice
from rota.store import notices
from rota.store.database import Database


def notice(title: str = "Schedule digest is late") -> Notice:
    return Notice(new_id(), "opened", "error", title, "It should have run at 9.", "/schedules/digest", (new_id(),))


def test_a_notice_is_there_once_its_transaction_is_committed(db: Database) -> None:
    one = notice()
    with db.transaction() as tx:
        notices.add(tx, one)
        notices.add(tx, one)
    with db.statement() as tx:
        assert tx.value("SELECT count(*) FROM rota_notices") == 1
