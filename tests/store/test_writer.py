"""The group writer: many closures, one transaction, an answer for each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from rota.errors import Conflict, DatabaseBusy, DatabaseError, DatabaseFull, DatabaseUnavailable
from rota.settings import parse_database_url
from rota.store import meta
from rota.store.database import Database, Duplicate, Tx
from rota.store.migrate import migrate
from rota.store.opening import open_database
from rota.store.writer import GroupWriter


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    db = open_database(parse_database_url(database_url))
    migrate(db)
    yield db
    db.close()


@pytest.fixture
def writer(db: Database) -> Iterator[GroupWriter]:
    writer = GroupWriter(db)
    yield writer
    writer.close()


class Held:
    """Keeps the writer's thread inside a closure, so that whatever comes meanwhile waits together."""

    def __init__(self, writer: GroupWriter) -> None:
        self._entered = threading.Event()
        self._go = threading.Event()
        self._first = writer.submit(self._hold)
        assert self._entered.wait(5)

    def _hold(self, tx: Tx) -> None:
        self._entered.set()
        assert self._go.wait(5)

    def release(self) -> None:
        self._go.set()
        self._first.result(5)


def put(key: str) -> Callable[[Tx], str]:
    def work(tx: Tx) -> str:
        meta.put(tx, key, "1")
        return key

    return work


def stored(db: Database) -> set[str]:
    return {row[0] for row in db.read(lambda tx: tx.rows("SELECT key FROM rota_meta WHERE key LIKE 'k%'"))}


def transactions_of(db: Database, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    opened: list[int] = []
    original = db.transaction

    @contextmanager
    def counted() -> Iterator[Tx]:
        opened.append(1)
        with original() as tx:
            yield tx

    monkeypatch.setattr(db, "transaction", counted)
    return opened


def test_answers_each_caller(db: Database, writer: GroupWriter) -> None:
    futures = [writer.submit(put(f"k{i}")) for i in range(50)]
    assert [future.result(5) for future in futures] == [f"k{i}" for i in range(50)]
    assert stored(db) == {f"k{i}" for i in range(50)}


def test_commits_what_waits_in_one_transaction(
    db: Database, writer: GroupWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(writer)
    opened = transactions_of(db, monkeypatch)
    futures = [writer.submit(put(f"k{i}")) for i in range(20)]
    held.release()
    for future in futures:
        future.result(5)
    assert len(opened) == 1


def test_an_error_hurts_only_its_own(db: Database, writer: GroupWriter) -> None:
    def refuse(tx: Tx) -> None:
        meta.put(tx, "k-refused", "1")
        tx.after_commit(lambda: db.known_queues.add("never"))
        raise Conflict("not so")

    def collide(tx: Tx) -> None:
        for _ in range(2):
            tx.run("INSERT INTO rota_meta (key, value) VALUES ('k-twice', '1')")

    held = Held(writer)
    before, bad, double, after = (writer.submit(work) for work in (put("k1"), refuse, collide, put("k2")))
    held.release()
    assert (before.result(5), after.result(5)) == ("k1", "k2")
    with pytest.raises(Conflict, match="not so"):
        bad.result(5)
    with pytest.raises(Duplicate):
        double.result(5)
    assert stored(db) == {"k1", "k2"}
    assert "never" not in db.known_queues


def test_a_closure_that_breaks_the_transaction_fails_alone(db: Database, writer: GroupWriter) -> None:
    def breaks(tx: Tx) -> None:
        tx.run("INSERT INTO rota_no_such_table VALUES (1)")

    held = Held(writer)
    before, bad, after = (writer.submit(work) for work in (put("k1"), breaks, put("k2")))
    held.release()
    assert (before.result(5), after.result(5)) == ("k1", "k2")
    with pytest.raises(DatabaseError):
        bad.result(5)
    assert stored(db) == {"k1", "k2"}


def test_of_two_groups_that_wait_for_each_other_one_goes_on_one_by_one(
    pg_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried again as a whole it would meet the next group in the same way, and so on for as long as others write."""
    databases = [open_database(parse_database_url(pg_database)) for _ in range(2)]
    migrate(databases[0])
    for key in ("k1", "k2"):
        databases[0].run(put(key))
    writers = [GroupWriter(each) for each in databases]
    both = threading.Barrier(2)

    def meeting() -> Callable[[Tx], None]:
        met = threading.Event()

        def work(_: Tx) -> None:
            if not met.is_set():
                met.set()
                both.wait(10)

        return work

    held = [Held(writer) for writer in writers]
    opened = [transactions_of(each, monkeypatch) for each in databases]
    orders = (("k1", "k2"), ("k2", "k1"))
    futures = [
        writer.submit(work)
        for writer, (first, second) in zip(writers, orders, strict=True)
        for work in (put(first), meeting(), put(second))
    ]
    for one in held:
        one.release()
    for future in futures:
        future.result(20)
    assert sorted(len(each) for each in opened) == [1, 1 + 3]
    for writer, each in zip(writers, databases, strict=True):
        writer.close()
        each.close()


def test_a_full_disk_is_each_callers_own_answer(db: Database, writer: GroupWriter) -> None:
    def full(tx: Tx) -> None:
        raise DatabaseFull

    held = Held(writer)
    futures = [writer.submit(work) for work in (put("k1"), full, full)]
    held.release()
    assert futures[0].result(5) == "k1"
    for future in futures[1:]:
        with pytest.raises(DatabaseFull):
            future.result(5)


def test_a_lost_connection_is_tried_again(db: Database, writer: GroupWriter) -> None:
    tries: list[int] = []

    def lost_once(tx: Tx) -> str:
        tries.append(1)
        if len(tries) == 1:
            raise DatabaseUnavailable
        meta.put(tx, "k-again", "1")
        return "again"

    held = Held(writer)
    first, flaky = writer.submit(put("k1")), writer.submit(lost_once)
    held.release()
    assert (first.result(5), flaky.result(5)) == ("k1", "again")
    assert stored(db) == {"k1", "k-again"}


def test_a_database_that_stays_away_fails_all_within_its_time(db: Database, writer: GroupWriter) -> None:
    def lost(tx: Tx) -> None:
        raise DatabaseUnavailable("gone")

    held = Held(writer)
    futures = [writer.submit(lost) for _ in range(20)]
    held.release()
    for future in futures:
        with pytest.raises(DatabaseUnavailable, match="gone"):
            future.result(4.5)


def test_refuses_when_too_many_wait(db: Database) -> None:
    writer = GroupWriter(db, most_waiting=2)
    held = Held(writer)
    futures = [writer.submit(put("k1")), writer.submit(put("k2"))]
    with pytest.raises(DatabaseBusy, match="2 writes wait"):
        writer.submit(put("k3"))
    held.release()
    assert [future.result(5) for future in futures] == ["k1", "k2"]
    writer.close()


def test_close_commits_what_waits_and_takes_no_more(db: Database) -> None:
    writer = GroupWriter(db)
    held = Held(writer)
    waiting = writer.submit(put("k1"))
    closer = threading.Thread(target=writer.close)
    closer.start()
    held.release()
    closer.join(5)
    assert waiting.result(0) == "k1"
    with pytest.raises(DatabaseUnavailable, match="stopping"):
        writer.submit(put("k2"))


async def test_answers_an_event_loop(db: Database, writer: GroupWriter) -> None:
    def refuse(tx: Tx) -> None:
        raise Conflict("not so")

    good, bad = await asyncio.gather(writer.run(put("k1")), writer.run(refuse), return_exceptions=True)
    assert good == "k1"
    assert isinstance(bad, Conflict)


async def test_what_was_given_up_before_its_turn_does_not_run(db: Database, writer: GroupWriter) -> None:
    held = Held(writer)
    given_up = asyncio.create_task(writer.run(put("k-given-up")))
    kept = asyncio.create_task(writer.run(put("k-kept")))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    await asyncio.to_thread(held.release)
    assert await kept == "k-kept"
    assert stored(db) == {"k-kept"}
