"""PostgreSQL's troubles are our own errors, and end by themselves: lost, restarted, busy, full, read-only."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from rota.errors import (
    DatabaseBusy,
    DatabaseError,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnavailable,
)
from rota.store import database, jobs, meta, migrate, results
from rota.store.database import Database, Tx
from rota.store.postgres import CONNECTION, POOL_SIZE
from tests.store import builders
from tests.store.builders import new_job
from tests.support.postgres import Cluster
from tests.support.proxy import Proxy, proxying
from tests.support.waiting import free_port, wait_until

SUICIDE = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
def give_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "RETRY_FOR_S", 0.1)


def superuser(url: str, *statements: str) -> None:
    """Do as an operator does, beside Rota."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def end_others(url: str) -> None:
    """End every other connection to the database, and wait until they have ended: they are only asked to."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid) {others}".encode())
        wait_until(lambda: connection.execute(f"SELECT 1 {others}".encode()).fetchone() is None, what="their end")


def fill_pool(db: Database) -> None:
    """Let as many connections be idle as there can be."""
    entered = threading.Barrier(POOL_SIZE)

    def read() -> None:
        with db.statement() as tx:
            tx.now()
            entered.wait(30)

    builders.at_once(*[read] * POOL_SIZE)


class TestRestart:
    @pytest.mark.parametrize("mode", ["fast", "immediate"])
    def test_it_says_so_at_once_and_works_again_by_itself(
        self, own_cluster: Cluster, mode: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        db = builders.opened(own_cluster.url())
        migrate.migrate(db)
        job_id = builders.insert_one(db)
        fill_pool(db)
        own_cluster.stop("fast" if mode == "fast" else "immediate")

        monkeypatch.setattr(database, "RETRY_FOR_S", 0.1)
        began = time.monotonic()
        for _ in range(2 * POOL_SIZE):  # more than the pool has places
            with pytest.raises(DatabaseUnavailable), db.statement() as tx:
                tx.now()
        assert time.monotonic() - began < 5
        monkeypatch.undo()

        own_cluster.start()
        assert builders.column(db, "id") == [job_id]
        builders.insert_one(db)
        fill_pool(db)
        db.close()

    def test_callers_wait_through_a_short_one(self, own_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database, "RETRY_FOR_S", 60.0)
        db = builders.opened(own_cluster.url())
        migrate.migrate(db)
        own_cluster.stop()
        inserting = threading.Thread(target=lambda: builders.insert_one(db))
        inserting.start()
        own_cluster.start()
        inserting.join(60)
        assert len(builders.column(db, "id")) == 1
        db.close()


class TestLostConnection:
    def test_idle_ones_are_replaced_without_anybody_noticing(self, pg: Database, pg_database: str) -> None:
        fill_pool(pg)
        end_others(pg_database)
        assert builders.insert_one(pg)
        fill_pool(pg)

    def test_a_transaction_whose_connection_dies_is_run_again_once(self, pg: Database) -> None:
        job, tries = new_job(), []

        def work(tx: Tx) -> None:
            jobs.insert(tx, [job])
            tries.append(1)
            if len(tries) == 1:
                tx.run(SUICIDE)

        pg.run(work)
        assert (len(tries), builders.column(pg, "id")) == (2, [job.id])

    def test_outside_of_run_it_is_told(self, pg: Database) -> None:
        for _ in range(2 * POOL_SIZE):
            with pytest.raises(DatabaseUnavailable), pg.transaction() as tx:
                tx.run(SUICIDE)
            with pytest.raises(DatabaseUnavailable), pg.statement() as tx:
                tx.run(SUICIDE)
        fill_pool(pg)

    def test_swallowed_it_is_told_all_the_same(self, pg: Database) -> None:
        def careless(tx: Tx) -> None:
            meta.put(tx, "a", "1")
            with pytest.raises(DatabaseUnavailable):
                tx.run(SUICIDE)

        with pytest.raises(DatabaseUnavailable), pg.transaction() as tx:
            careless(tx)
        assert pg.read(lambda tx: meta.get(tx, "a")) is None

    def test_one_that_idles_too_long_in_a_transaction(self, pg: Database) -> None:
        def idle(tx: Tx) -> None:
            tx.run("SET LOCAL idle_in_transaction_session_timeout = '1ms'")
            give_up = time.monotonic() + 10
            while time.monotonic() < give_up:
                time.sleep(0.05)
                tx.now()

        with pytest.raises(DatabaseUnavailable), pg.transaction() as tx:
            idle(tx)
        builders.insert_one(pg)

    def test_a_listener_tells_and_can_be_made_anew(self, pg: Database, pg_database: str) -> None:
        listener = pg.listen()
        builders.insert_one(pg)
        assert listener.wait(10) == {"jobs"}
        end_others(pg_database)

        def listen_on() -> None:
            for _ in range(3):  # the server's last word may come before the end of the connection
                listener.wait(10)

        with pytest.raises(DatabaseUnavailable):
            listen_on()
        listener.close()
        again = pg.listen()
        pg.run(lambda tx: tx.hint("cancel"))
        assert again.wait(10) == {"cancel"}
        again.close()


@pytest.mark.usefixtures("give_up_soon")
class TestUnreachable:
    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://postgres@127.0.0.1:{free}/rota",
            "postgresql://postgres@127.0.0.1:{port}/no_such_database",
            "postgresql://no_such_role@127.0.0.1:{port}/postgres",
            "postgresql://postgres@no-such-host.invalid:{port}/postgres",
        ],
    )
    def test_it_says_so_soon_every_time(self, postgres: str, url: str) -> None:
        db = builders.opened(url.format(free=free_port(), port=urlsplit(postgres).port))
        began = time.monotonic()
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable) as caught:
                db.read(lambda tx: tx.now())
            assert "\n" not in str(caught.value)
        assert time.monotonic() - began < 5
        db.close()

    def test_a_server_that_does_not_answer(self) -> None:
        """It takes connections, as a frozen one does, and says nothing."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            db = builders.opened(f"postgresql://postgres@127.0.0.1:{port}/rota?connect_timeout=2")
            began = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                db.read(lambda tx: tx.now())
            assert time.monotonic() - began < 5
        assert int(CONNECTION["connect_timeout"]) <= 4

    def test_too_many_connections(self, pg: Database, pg_database: str) -> None:
        role = f"crowded_{os.getpid()}_{time.monotonic_ns()}"
        superuser(pg_database, f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1")
        try:
            db = builders.opened(pg_database.replace("postgres@", f"{role}@"))
            with db.statement() as tx:
                assert tx.now() > 0
                with pytest.raises(DatabaseUnavailable, match="too many connections"):
                    db.read(lambda tx: tx.now())
            assert db.read(lambda tx: tx.now()) > 0
            db.close()
        finally:
            superuser(pg_database, f"DROP ROLE {role}")


class TestBusy:
    @pytest.mark.parametrize("limit", ["statement_timeout", "lock_timeout"])
    def test_waiting_too_long_is_busy_and_costs_no_connection(self, pg: Database, limit: str) -> None:
        def wait(tx: Tx) -> None:
            tx.run(f"SET LOCAL {limit} = '10ms'")
            meta.put(tx, "a", "2")

        with pg.transaction() as holder:
            meta.put(holder, "a", "1")
            with pytest.raises(DatabaseBusy), pg.transaction() as tx:
                wait(tx)
        assert pg.read(lambda tx: meta.get(tx, "a")) == "1"

    def test_a_deadlock_is_run_again(self, pg: Database) -> None:
        for key in ("a", "b"):
            builders.put_fact(pg, key, "0")
        both = threading.Barrier(2)
        tries: list[str] = []

        def crossing(first: str, second: str) -> str:
            def work(tx: Tx) -> None:
                tx.run("SET LOCAL deadlock_timeout = '50ms'")
                tries.append(first)
                meta.put(tx, first, first)
                if len(tries) <= 2:
                    both.wait(10)
                meta.put(tx, second, first)

            pg.run(work)
            return first

        assert builders.at_once(lambda: crossing("a", "b"), lambda: crossing("b", "a")) == ["a", "b"]
        assert len(tries) == 3
        values = pg.read(lambda tx: (meta.get(tx, "a"), meta.get(tx, "b")))
        assert values[0] == values[1] != "0"


class TestReadOnly:
    def test_writing_is_refused_reading_is_not_and_it_ends_by_itself(self, pg: Database, pg_database: str) -> None:
        job_id = builders.insert_one(pg)
        name = urlsplit(pg_database).path[1:]
        pg.close()
        superuser(pg_database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        for _ in range(2 * POOL_SIZE):
            with pytest.raises(DatabaseReadOnly):
                builders.insert_one(pg)
        assert builders.column(pg, "id") == [job_id]

        superuser(
            pg_database,
            "SET default_transaction_read_only = off",
            f"ALTER DATABASE {name} RESET default_transaction_read_only",
        )
        with pytest.raises(DatabaseReadOnly):
            builders.insert_one(pg)  # by a connection from before; with it, all of those are gone
        builders.insert_one(pg)

    def test_of_several_hosts_the_primary_is_chosen(self, own_cluster: Cluster) -> None:
        own = own_cluster.url()
        superuser(own, "ALTER DATABASE postgres SET default_transaction_read_only = on")
        port = urlsplit(own).port
        db = builders.opened(f"postgresql://postgres@127.0.0.1:{port},127.0.0.1:{port}/postgres")
        with pytest.raises(DatabaseUnavailable, match="read-only"), db.statement():
            pass
        db.close()


class TestFull:
    @pytest.fixture
    def small_disk(self, own_cluster: Cluster) -> Iterator[Path]:
        """A file system of the server's own with room for little, half of it taken by a file."""
        if os.geteuid() != 0 or not sys.platform.startswith("linux"):
            pytest.skip("only root can mount a small file system")
        folder = own_cluster.directory / "small"
        folder.mkdir()
        owner = (own_cluster.data.stat().st_uid, own_cluster.data.stat().st_gid)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], check=False)
        if mounted.returncode != 0:
            pytest.skip("this machine does not let root mount a file system")
        (folder / "ballast").write_bytes(b"x" * 4_000_000)
        (folder / "space").mkdir()
        for path in (folder, folder / "space"):
            os.chown(path, *owner)
        yield folder
        own_cluster.stop("immediate")
        subprocess.run(["umount", "--lazy", str(folder)], check=True)

    def test_a_full_disk_and_then_a_freed_one(self, own_cluster: Cluster, small_disk: Path) -> None:
        superuser(
            own_cluster.url(),
            f"CREATE TABLESPACE small LOCATION '{small_disk}/space'",
            "CREATE DATABASE rota TABLESPACE small",
        )
        db = builders.opened(own_cluster.url("rota"))
        migrate.migrate(db)
        stored: list[str] = []

        def fill() -> None:
            for _ in range(2000):  # texts that cannot be compressed
                stored.append(builders.insert_one(db, args=f'"{secrets.token_hex(20_000)}"'))  # noqa: PERF401

        with pytest.raises(DatabaseFull):
            fill()
        assert sorted(builders.column(db, "id")) == sorted(stored)
        (small_disk / "ballast").unlink()
        builders.insert_one(db)
        db.close()


class TestAnswerLostAtCommit:
    """The server committed, and the answer never came: what is done again must not be done twice."""

    @pytest.fixture
    def cut(self, pg: Database, pg_database: str) -> Iterator[tuple[Database, Proxy]]:
        parts = urlsplit(pg_database)
        assert parts.port is not None
        with proxying(parts.port) as between:
            url = pg_database.replace(f":{parts.port}", f":{between.port}") + "?sslmode=disable&gssencmode=disable"
            db = builders.opened(url)
            yield db, between
            db.close()

    def test_an_insert(self, cut: tuple[Database, Proxy]) -> None:
        db, between = cut
        between.lose(b"COMMIT")
        job = new_job(unique_key="k", unique_scope="active")
        assert db.run(lambda tx: jobs.insert(tx, [job])) == []
        assert between.lost == 1
        assert db.read(lambda tx: jobs.existing(tx, [job.id])) == {job.id}
        assert len(builders.column(db, "id")) == 1

    def test_results(self, cut: tuple[Database, Proxy]) -> None:
        db, between = cut
        worker = builders.register(db)
        ended, returned = builders.run_one(db, worker), builders.run_one(db, worker)

        def record(tx: Tx) -> set[str]:
            done = [results.Finished(id=ended.call.job_id, attempt=1, status="completed")]
            back = [results.Returned(id=returned.call.job_id, attempt=1, outcome="failed", used=1)]
            return results.finish(tx, worker, done) | results.give_back(tx, worker, back)

        between.lose(b"COMMIT")
        assert db.run(record) == {ended.call.job_id, returned.call.job_id}
        assert between.lost == 1
        assert builders.get(db, returned.call.job_id).attempts_used == 1
        assert len(builders.attempts(db, returned.call.job_id)) == 1

    def test_a_claim_is_found_by_asking_what_is_held(self, cut: tuple[Database, Proxy]) -> None:
        db, between = cut
        worker, job_id = builders.register(db), builders.insert_one(db)
        between.lose(b"SKIP LOCKED")
        with pytest.raises(DatabaseUnavailable):
            builders.claim(db, worker)
        assert between.lost == 1
        assert db.read(lambda tx: results.held(tx, worker)) == [(job_id, 1)]


def test_the_schema_is_missing(pg_database: str) -> None:
    db = builders.opened(pg_database)
    with pytest.raises(DatabaseError, match="rota_"):
        builders.insert_one(db)
    db.close()
