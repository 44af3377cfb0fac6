"""Two claims of a queue with limits at once, each step in an order that we choose: never one job above a limit.

On SQLite writers follow one another, so there the order of whole claims is all there is: test_limits.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from rota.errors import Conflict
from rota.store import claims, limits, queues, results, serving
from rota.store.claims import Claimed, Found
from rota.store.database import Database, Tx
from rota.store.limits import Wait
from rota.store.opening import open_database
from rota.store.picking import Rounds
from rota.store.results import Finished
from rota.store.serving import Request
from tests.store import builders
from tests.store.builders import HOUR, claim, claim_ids, end, insert, insert_one, new_job

KEYED = "a"
LIMITS: dict[str, dict[str, Any]] = {
    "queue": {"concurrency": 1},
    "key": {"key_concurrency": 1},
    "rate": {"rate_limits": msgspec.json.encode([{"limit": 1, "per": HOUR}]).decode()},
    "key rate": {"rate_limits": msgspec.json.encode([{"limit": 1, "per": HOUR, "scope": "key"}]).decode()},
}
STARTED = "SELECT count(*) FROM rota_jobs WHERE queue = 'limited' AND attempt > 0"


@pytest.fixture
def workers(pg: Database) -> list[str]:
    return [builders.register(pg) for _ in range(2)]


@pytest.fixture(params=LIMITS)
def kind(request: pytest.FixtureRequest, pg: Database) -> str:
    """A limit of one, in whatever way it is one, and jobs that wait for it."""
    limit = LIMITS[request.param]
    pg.run(lambda tx: queues.change(tx, "limited", limit))
    insert(pg, *[new_job(queue="limited", concurrency_key=KEYED) for _ in range(4)])
    return str(request.param)


def look(pg: Database, worker: str, rounds: Rounds | None = None) -> Found:
    return claims.look(pg, Request(worker, builders.EVERYTHING), rounds)


@contextmanager
def halted(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object], *, after: bool) -> Iterator[None]:
    """Let the next claim stand still before or after a step, while ``act`` is done."""
    step, left = getattr(serving, name), [act]

    def halting(*args: Any) -> Any:
        if not after and left:
            left.pop()()
        found = step(*args)
        if after and left:
            left.pop()()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(serving, name, halting)
        yield
    assert not left, "it was not halted"


def started(pg: Database) -> int:
    return int(pg.read(lambda tx: tx.value(STARTED)))


def test_who_finds_the_queue_taken_serves_the_others_and_says_so(
    pg: Database, workers: list[str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first stands still between lock and count."""
    free, second = insert_one(pg, queue="free"), list[Found]()
    with halted(monkeypatch, "hold", lambda: second.append(look(pg, workers[1])), after=True):
        first = look(pg, workers[0])
    assert [one.call.job_id for one in second[0].jobs] == [free]
    assert second[0].waits == {"limited": Wait("contended")}
    assert second[0].contended
    assert [one.call.queue for one in first.jobs] == ["limited"]
    assert started(pg) == 1


def test_what_was_committed_before_the_lock_is_counted(
    pg: Database, workers: list[str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has looked at the queues; the second claims all that may run; then the first takes the lock."""
    second: list[Claimed] = []
    with halted(monkeypatch, "hold", lambda: second.extend(claim(pg, workers[1])), after=False):
        assert claim(pg, workers[0]) == []
    assert (len(second), started(pg)) == (1, 1)


@pytest.mark.parametrize("commit", [True, False])
def test_a_claim_that_commits_late(pg: Database, workers: list[str], kind: str, commit: bool) -> None:
    def late() -> None:
        with pg.transaction() as tx:
            request = Request(workers[0], builders.EVERYTHING)
            assert len(claims.claim_in_turn(tx, request, Rounds()).jobs) == 1
            assert look(pg, workers[1]).contended
            if not commit:
                raise Conflict

    if commit:
        late()
    else:
        with pytest.raises(Conflict):
            late()
    assert len(claim(pg, workers[1])) == (0 if commit else 1)
    assert claim(pg, workers[0]) == []
    assert started(pg) == 1


def test_an_end_between_lock_and_count(
    pg: Database, workers: list[str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (running,) = claim(pg, workers[1])
    with halted(monkeypatch, "hold", lambda: end(pg, workers[1], running), after=True):
        taken = claim(pg, workers[0])
    assert len(taken) == (0 if "rate" in kind else 1)
    assert claim(pg, workers[1]) == []


def test_a_limit_that_is_lowered_before_the_lock(
    pg: Database, workers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits that hold are those of the moment in which the row is locked."""
    pg.run(lambda tx: queues.change(tx, "limited", {"concurrency": 4}))
    insert(pg, *[new_job(queue="limited") for _ in range(4)])

    def lower() -> None:
        pg.run(lambda tx: queues.change(tx, "limited", {"concurrency": 1}))

    with halted(monkeypatch, "hold", lower, after=False):
        assert len(claim(pg, workers[0])) == 1


def test_a_change_of_limits_waits_for_the_claim_and_the_next_claim_for_it(pg: Database, workers: list[str]) -> None:
    pg.run(lambda tx: queues.change(tx, "limited", {"concurrency": 1}))
    insert(pg, *[new_job(queue="limited") for _ in range(4)])
    with pg.transaction() as tx:
        queues.change(tx, "limited", {"concurrency": 3})
        assert look(pg, workers[0]).contended
    assert len(claim(pg, workers[0])) == 3


def test_what_one_locks_and_leaves_the_others_are_told_of(pg: Database, workers: list[str]) -> None:
    """In a queue without limits nobody waits for another, so what was passed by must be looked at again."""
    insert(pg, *[new_job(run_at=number) for number in range(3)])
    insert(pg, *[new_job(run_at=number, concurrency_key=f"k{number}") for number in range(3)])
    listener, again = pg.listen(), open_database(pg.url)
    try:
        listener.wait(0.0)
        assert len(claim_ids(again, workers[0], lanes={"async": 3})) == 3
        assert listener.wait(5.0) == {"jobs"}
    finally:
        listener.close()
        again.close()


@pytest.mark.parametrize("kind", ["rate", "key rate"], indirect=True)
def test_pruning_beside_a_claim_counts_each_start_once(pg: Database, workers: list[str], kind: str) -> None:
    assert len(claim(pg, workers[0])) == 1
    builders.execute(pg, "UPDATE rota_starts SET at = at - 120000001")
    with pg.transaction() as tx:
        limits.prune(tx)
        assert claim(pg, workers[1]) == []
    assert claim(pg, workers[1]) == []
    assert builders.column(pg, "starts", "rota_starts") == [1]


RUNNING = "SELECT count(*) FROM rota_jobs WHERE queue = 'limited' AND status = 'running'"


def end_in(tx: Tx, worker: str, running: Claimed) -> None:
    call = running.call
    results.finish(tx, worker, [Finished(id=call.job_id, attempt=call.attempt, status="completed")])


@pytest.mark.parametrize("kind", ["queue", "key"], indirect=True)
@pytest.mark.parametrize("commit", [True, False])
def test_an_end_and_the_next_claim_in_one_transaction(
    pg: Database, workers: list[str], kind: str, commit: bool
) -> None:
    """Another claim at every point of it counts the job as running until both are there, or neither is."""
    (running,) = claim(pg, workers[0])

    def both() -> None:
        with pg.transaction() as tx:
            end_in(tx, workers[0], running)
            assert claim(pg, workers[1]) == []
            assert len(claims.claim_in_turn(tx, Request(workers[0], builders.EVERYTHING), Rounds()).jobs) == 1
            assert look(pg, workers[1]).contended
            if not commit:
                raise Conflict

    if commit:
        both()
    else:
        with pytest.raises(Conflict):
            both()
    assert claim(pg, workers[1]) == []
    assert int(pg.read(lambda tx: tx.value(RUNNING))) == 1
    assert started(pg) == (2 if commit else 1)


@pytest.mark.parametrize("kind", ["queue", "key"], indirect=True)
def test_an_end_whose_claim_finds_the_queue_held(
    pg: Database, workers: list[str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one counts what ends here as running, or not: never may both take its room."""
    (running,) = claim(pg, workers[0])
    ours: list[Found] = []

    def end_and_claim() -> None:
        with pg.transaction() as tx:
            end_in(tx, workers[0], running)
            ours.append(claims.claim_in_turn(tx, Request(workers[0], builders.EVERYTHING), Rounds()))

    with halted(monkeypatch, "hold", end_and_claim, after=True):
        theirs = claim(pg, workers[1])
    assert (ours[0].jobs, ours[0].contended) == ([], True)
    assert len(theirs) == 1
    assert int(pg.read(lambda tx: tx.value(RUNNING))) == 1
