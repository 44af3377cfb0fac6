"""Somebody else whose act begins while our transaction is open: two at once, in an order that we choose.

Only on PostgreSQL; on SQLite writers follow one another.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from rota.errors import Conflict
from rota.store.database import Database, Tx
from tests.support.waiting import wait_until

Value = TypeVar("Value")

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Other:
    """Somebody else, in a thread, who runs into what our open transaction holds."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._pool = ThreadPoolExecutor(1)

    def waits(self, work: Callable[[], Value]) -> Future[Value]:
        """Begin ``work`` and return when it waits for a lock."""
        future = self._pool.submit(work)
        wait_until(lambda: future.done() or self._db.read(lambda tx: tx.value(WAITING)), what="the other one waits")
        assert not future.done(), f"it did not wait: {future.result()!r}"
        return future

    def close(self) -> None:
        self._pool.shutdown()


def after(pg: Database, other: Other, ours: Callable[[Tx], Any], theirs: Callable[[], Value], *, commit: bool) -> Value:
    """What the other one gets whose act begins after ours, and ends after our commit or roll-back."""
    futures: list[Future[Value]] = []

    def work(tx: Tx) -> None:
        ours(tx)
        futures.append(other.waits(theirs))
        if not commit:
            raise Conflict

    if commit:
        pg.run(work)
    else:
        with pytest.raises(Conflict):
            pg.run(work)
    return futures[0].result(60)


def once(pg: Database, work: Callable[[Tx], Value]) -> Value:
    """As ``Database.run``, which would hide a deadlock by trying again."""
    with pg.transaction() as tx:
        return work(tx)


both_ends = pytest.mark.parametrize("commit", [True, False])
