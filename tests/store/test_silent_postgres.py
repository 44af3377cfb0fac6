"""A network that swallows what is sent and ends nothing: a connection that has fallen silent is given up in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from rota.errors import DatabaseUnavailable
from rota.store import postgres, postgres_wire
from rota.store.postgres import PostgresDatabase
from tests.store import builders
from tests.support.proxy import Proxy, proxying
from tests.support.waiting import wait_until

Network = tuple[PostgresDatabase, Proxy]


@pytest.fixture
def network(pg_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    monkeypatch.setattr(postgres_wire, "SILENT_S", 0.3)
    monkeypatch.setattr(postgres, "LISTEN_CHECK_S", 0.1)
    port = urlsplit(pg_database).port
    assert port is not None
    with proxying(port) as proxy:
        url = pg_database.replace(f":{port}", f":{proxy.port}")
        db = builders.opened(f"{url}?sslmode=disable&gssencmode=disable&connect_timeout=2")
        assert isinstance(db, PostgresDatabase)
        yield db, proxy
        db.close()


def one(db: PostgresDatabase) -> int:
    return int(db.read(lambda tx: tx.value("SELECT 1")))


def test_another_connection_is_taken(network: Network) -> None:
    db, proxy = network
    listener = db.listen()
    assert one(db) == 1
    proxy.fall_silent()
    began = time.monotonic()
    assert one(db) == 1
    assert time.monotonic() - began < 5
    time.sleep(0.1)
    with pytest.raises(DatabaseUnavailable, match="said nothing"):
        listener.wait(0)
    listener.close()


def test_a_long_statement_is_waited_for(network: Network) -> None:
    db, _ = network
    assert db.read(lambda tx: tx.value("SELECT 2 FROM pg_sleep(1.5)")) == 2


def test_a_hint_is_not_lost_by_looking(network: Network, pg_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_wire, "SILENT_S", 30.0)  # here nothing falls silent, and a busy machine is slow
    db, _ = network
    listener = db.listen()
    with psycopg.connect(pg_database, autocommit=True) as other:
        for number in range(20):
            other.execute("SELECT pg_notify('rota', %s)", (str(number),))
            assert wait_until(lambda: listener.wait(0.06), what="the hint") == {str(number)}
    listener.close()


def test_while_all_is_frozen_it_is_unavailable(network: Network) -> None:
    db, proxy = network
    assert one(db) == 1
    proxy.freeze()
    with pytest.raises(DatabaseUnavailable):
        one(db)
    proxy.mend()
    assert one(db) == 1


def test_what_a_lost_machine_had_locked_is_free_again(network: Network, pg_database: str) -> None:
    db, _ = network

    def stand_idle() -> None:
        with db.transaction() as tx:
            assert tx.value("SHOW idle_in_transaction_session_timeout") == "10s"
            tx.rows("SELECT set_config('idle_in_transaction_session_timeout', '50ms', true), pg_advisory_xact_lock(1)")
            with psycopg.connect(pg_database) as other:
                other.execute("SELECT pg_advisory_lock(1)")  # it waits until the server has given the other one up

    with pytest.raises(DatabaseUnavailable):
        stand_idle()
