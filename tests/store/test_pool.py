"""The pool: lends, takes back, forgets what is broken, and never loses a place."""

from __future__ import annotations

import threading

import pytest

from rota.errors import Conflict, DatabaseBusy, DatabaseReadOnly, DatabaseUnavailable
from rota.store.pool import Places, Pool
from tests.store import builders
from tests.support.waiting import wait_until


class Connection:
    """What the pool asks of a connection."""

    def __init__(self) -> None:
        self.closed = False
        self.usable = True

    def close(self) -> None:
        self.closed = True


class Server:
    """Makes connections, and remembers them."""

    def __init__(self) -> None:
        self.made: list[Connection] = []
        self.down = False

    def connect(self) -> Connection:
        if self.down:
            raise DatabaseUnavailable
        self.made.append(Connection())
        return self.made[-1]

    def pool(self, size: int = 2, wait_s: float = 5.0) -> Pool:
        return Pool(self.connect, size, wait_s=wait_s, usable=lambda connection: connection.usable)


@pytest.fixture
def server() -> Server:
    return Server()


def use(pool: Pool, error: Exception | None = None) -> Connection:
    with pool.connection() as connection:
        if error is not None:
            raise error
        assert isinstance(connection, Connection)
        return connection


def test_a_connection_is_used_again(server: Server) -> None:
    pool = server.pool()
    assert use(pool) is use(pool)
    with pytest.raises(Conflict):
        use(pool, Conflict())
    assert use(pool) is server.made[0]
    assert len(server.made) == 1


def test_the_last_used_is_lent_first(server: Server) -> None:
    """Those that nobody needs grow old together, and few are kept warm."""
    pool = server.pool()
    with pool.connection() as first, pool.connection() as second:
        pass
    assert use(pool) is first
    with pool.connection() as again, pool.connection() as other:
        assert (again, other) == (first, second)


def test_only_so_many_at_once(server: Server) -> None:
    pool = server.pool(size=2, wait_s=0.05)
    with pool.connection(), pool.connection(), pytest.raises(DatabaseBusy, match="in use"):
        use(pool)
    use(pool)


def test_who_waits_gets_what_is_given_back(server: Server) -> None:
    pool = server.pool(size=1)
    waiting = threading.Event()

    def wait() -> Connection:
        waiting.set()
        return use(pool)

    def hold() -> Connection:
        with pool.connection() as connection:
            waiting.wait(5)
            assert isinstance(connection, Connection)
            return connection

    held, got = builders.at_once(hold, wait)
    assert held is got


@pytest.mark.parametrize("error", [DatabaseUnavailable(), DatabaseReadOnly()])
def test_after_a_lost_connection_all_are_made_anew(server: Server, error: Exception) -> None:
    pool = server.pool(size=3)
    with pool.connection(), pool.connection() as in_use:
        use(pool)
        with pytest.raises(type(error)):
            use(pool, error)
        assert not in_use.closed
    assert all(connection.closed for connection in server.made)
    assert use(pool) is server.made[-1] and len(server.made) == 4


def test_what_comes_back_unusable_is_closed(server: Server) -> None:
    pool = server.pool()
    with pool.connection() as connection:
        connection.usable = False
    assert connection.closed
    assert use(pool) is not connection


def test_failures_lose_no_places(server: Server) -> None:
    pool = server.pool(size=2, wait_s=0.05)
    server.down = True
    for _ in range(5):
        with pytest.raises(DatabaseUnavailable):
            use(pool)
    server.down = False
    for error in (DatabaseUnavailable(), Conflict(), DatabaseReadOnly()) * 2:
        with pytest.raises(type(error)):
            use(pool, error)
    with pool.connection(), pool.connection():
        pass


def test_closing_closes_the_idle_now_and_the_others_when_they_come_back(server: Server) -> None:
    pool = server.pool()
    with pool.connection() as in_use:
        idle = use(pool)
        pool.close()
        assert idle.closed and not in_use.closed
    assert in_use.closed
    assert not use(pool).closed


def test_who_may_not_wait_has_one_at_once(server: Server) -> None:
    pool = server.pool(size=1, wait_s=0.05)
    with pool.connection():
        with pool.at_once():
            assert use(pool) is server.made[1]
        with pytest.raises(DatabaseBusy):
            use(pool)
    assert use(pool) in server.made[:2]


def test_who_waits_longest_has_the_next_place() -> None:
    places, order = Places(1), list[int]()
    assert places.take(0)
    waiting = places._waiting  # noqa: SLF001 - who has begun to wait shows nowhere else

    def wait(number: int) -> None:
        assert places.take(30)
        order.append(number)
        places.give()

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads):
        thread.start()
        wait_until(lambda number=number: len(waiting) == number + 1, what="it waits")  # type: ignore[misc]
    assert not places.take(0.01), "who came last and gave up has none, and takes none"
    places.give()
    for thread in threads:
        thread.join(30)
    assert order == [0, 1, 2, 3, 4]
    assert places.take(0)
