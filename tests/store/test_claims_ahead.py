"""The end of a keyed job and the claim of the next, in few ways: what was asked ahead must hold still."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from rota.model import ORDER
from rota.store import claims, queues, results, serving
from rota.store.claims import Found
from rota.store.database import Database, Tx
from rota.store.limits import Wait
from rota.store.picking import Rounds
from rota.store.postgres_wire import Statement, Wire
from rota.store.results import Finished
from rota.store.serving import Request, Sight
from tests.store import builders
from tests.store.builders import HOUR, end_lease, get, insert, insert_one, new_job

KEYED = "limited"


class Follower:
    """A worker that claims in the transactions of its ends, as it goes on."""

    def __init__(self, db: Database, worker: str, free: int = 4) -> None:
        self.db = db
        self.request = Request(worker, {"async": free})
        self.rounds = Rounds()

    def turn(self, ended: Sequence[str] = (), before: Callable[[Tx], object] = lambda _: None) -> Found:
        with self.db.transaction() as tx:
            sight = Sight(tx, self.request, ringed=self.rounds.ringed)
            finished = [Finished(id=job_id, attempt=1, status="completed") for job_id in ended]
            if finished:
                assert results.finish(tx, self.request.worker, finished) == set(ended)
            before(tx)
            return claims.claim_in_turn(tx, self.request, self.rounds, sight)

    def ids(self, ended: Sequence[str] = ()) -> list[str]:
        return [one.call.job_id for one in self.turn(ended).jobs]


@pytest.fixture
def follower(pg: Database) -> Follower:
    """One that has begun to go round keys: of four jobs of one key the first runs."""
    pg.run(lambda tx: queues.change(tx, KEYED, {"key_concurrency": 1}))
    insert(pg, *[new_job(queue=KEYED, concurrency_key="a") for _ in range(4)])
    return Follower(pg, builders.register(pg))


def test_a_cycle_takes_four_ways(follower: Follower, monkeypatch: pytest.MonkeyPatch) -> None:
    ended, ways, run = follower.ids(), list[list[str]](), Wire.run

    def counting(wire: Wire, statements: list[Statement]) -> None:
        ways.append([one.sql.split()[0] for one in statements])
        run(wire, statements)

    monkeypatch.setattr(Wire, "run", counting)
    assert len(follower.ids(ended)) == 1
    assert ways == [
        ["BEGIN", "SELECT", "WITH", "UPDATE"],  # what waits, and where; the end
        ["SELECT", "WITH"],  # the lock; the keys
        ["SELECT"],  # the jobs
        ["UPDATE", "COMMIT"],
    ]


def test_all_of_a_key_run_one_after_the_other(follower: Follower) -> None:
    ended, seen = list[str](), list[str]()
    while ended := follower.ids(ended):
        assert len(ended) == 1
        seen += ended
    assert len(seen) == len(set(seen)) == 4


def test_what_an_end_lets_go_is_seen(pg: Database) -> None:
    """The look at what waits went ahead of the result: then the next in order was held still."""
    pg.run(lambda tx: queues.change(tx, KEYED, {"concurrency": 1}))
    first, second = insert(pg, *[new_job(queue=KEYED, turn_key=f"{ORDER}a") for _ in range(2)])
    follower = Follower(pg, builders.register(pg))
    assert follower.ids() == [first]
    assert get(pg, second).status == "held"
    assert follower.ids([first]) == [second]


def acted(follower: Follower, ended: Sequence[str], act: Callable[[], object]) -> Found:
    """The claim stands still between its look and its lock, while ``act`` is done."""
    hold, patch = serving.hold, pytest.MonkeyPatch()

    def held(*given: Any) -> dict[str, Wait]:
        patch.undo()  # it stands still once, whoever else claims meanwhile
        act()
        return hold(*given)

    patch.setattr(serving, "hold", held)
    return follower.turn(ended)


def test_a_queue_that_another_claim_holds_is_left_to_it(follower: Follower, pg: Database) -> None:
    ended = follower.ids()
    with pg.transaction() as theirs:
        lock = "SELECT 1 FROM rota_queues WHERE name = :name FOR UPDATE"
        found = acted(follower, ended, lambda: theirs.rows(lock, {"name": KEYED}))
    assert (found.jobs, found.waits) == ([], {KEYED: Wait("contended")})
    assert len(follower.ids()) == 1


def test_what_another_has_begun_before_the_lock_is_counted(follower: Follower, pg: Database) -> None:
    (running,) = follower.ids()
    other, theirs = Follower(pg, builders.register(pg)), list[str]()

    def begin() -> None:
        with pg.transaction() as tx:  # its lease is over, and another worker has given the job back and taken the next
            tx.run("UPDATE rota_jobs SET status = 'completed' WHERE id = :id", {"id": running})
        theirs.extend(other.ids())

    assert acted(follower, [], begin).jobs == []
    assert len(theirs) == 1


def test_a_limit_that_is_set_before_the_lock_holds(follower: Follower, pg: Database) -> None:
    ended = follower.ids()
    once = msgspec.json.encode([{"limit": 1, "per": HOUR, "scope": "key"}]).decode()

    def limit() -> None:
        pg.run(lambda tx: queues.change(tx, KEYED, {"rate_limits": once}))
        builders.execute(pg, "INSERT INTO rota_starts (queue, key, at, starts) VALUES ('limited', 'a', rota_now(), 1)")

    found = acted(follower, ended, limit)
    assert (found.jobs, found.waits[KEYED].reason) == ([], "rate-limited")


def test_a_limit_that_is_lifted_before_the_lock_is_none(follower: Follower, pg: Database) -> None:
    ended = follower.ids()
    found = acted(follower, ended, lambda: pg.run(lambda tx: queues.change(tx, KEYED, {"key_concurrency": 3})))
    assert len(found.jobs) == 3


def test_who_has_lost_the_lease_is_told_at_the_commit(follower: Follower, pg: Database) -> None:
    ended = follower.ids()
    end_lease(pg, follower.request.worker)
    found = follower.turn(ended)
    assert (found.rooms, found.jobs) == ([(KEYED, "a")], [])
    assert sorted(builders.column(pg, "status")) == ["completed", "pending", "pending", "pending"]


def test_a_key_that_comes_after_the_look_waits_for_the_next_claim(follower: Follower, pg: Database) -> None:
    ended, later = follower.ids(), list[str]()

    def enqueue(_: Tx) -> None:
        later.append(insert_one(pg, queue=KEYED, concurrency_key="b"))

    taken = [one.call.job_id for one in follower.turn(ended, enqueue).jobs]
    assert set(later) <= {*taken, *follower.ids()}
