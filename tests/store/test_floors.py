"""Floors: claims that begin behind what lies dead, and find all the same whatever comes before it."""

from __future__ import annotations

import pytest

from rota.store import claims, floors, serving
from rota.store.database import Database
from rota.store.floors import Floor, Floors
from rota.store.picking import Rounds
from rota.store.serving import Request
from tests.store import builders

ALL = {"async": 3, "http": 5}


def rows(count: int, lane: str = "async", queue: str = "mail") -> list[tuple[object, ...]]:
    return [(0, 1, f"{number:03d}", 1, lane, queue) for number in range(count)]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every claim is a slow one, and of a long queue."""
    for name, value in (("SLOW_S", -1.0), ("SLOW_EACH_S", 0.0), ("ENOUGH", 1), ("LASTS_S", 3600.0)):
        monkeypatch.setattr(floors, name, value)
    monkeypatch.setattr(Floors, "begun_behind", lambda self, rows, asked, _: BEHIND(self, rows, asked, 0.0))


BEHIND = Floors.begun_behind


def test_a_floor_is_the_last_key_of_a_lane_that_one_queue_filled() -> None:
    low = Floors()
    low.begun_at_front(rows(100), {"async": 100, "http": 5}, took_s=1.0)
    assert low.now() == {"async": Floor("mail", 0, 1, "099")}
    assert low.begun_behind(rows(100), {"async": 100, "http": 5}, took_s=0.1)
    assert not low.begun_behind(rows(99), {"async": 100}, took_s=0.1), "a slot is free: look from the front"
    assert low.now() == {}


@pytest.mark.parametrize(
    ("taken", "took_s"), [(rows(100), 0.009), (rows(10), 1.0), (rows(50) + rows(50, queue="other"), 1.0)]
)
def test_there_is_none_after_quick_claims_short_ones_and_of_several_queues(
    taken: list[tuple[object, ...]], took_s: float
) -> None:
    low = Floors()
    low.begun_at_front(taken, {"async": len(taken)}, took_s)
    assert low.now() == {}


def test_where_it_is_hardly_quicker_it_is_given_up_for_a_while() -> None:
    low = Floors()
    low.begun_at_front(rows(100), {"async": 100}, took_s=1.0)
    assert low.begun_behind(rows(100), {"async": 100}, took_s=0.9)
    assert low.now() == {}
    low.begun_at_front(rows(100), {"async": 100}, took_s=1.0)
    assert low.now() == {}


@pytest.mark.usefixtures("slow")
def test_what_comes_before_the_floor_is_taken_when_slots_are_left(pg: Database) -> None:
    worker, rounds = builders.register(pg), Rounds()

    def claim() -> list[str]:
        return [one.call.job_id for one in claims.claim(pg, Request(worker, ALL), rounds)]

    jobs = builders.insert(pg, *[builders.new_job() for _ in range(8)])
    assert claim() == jobs[:3]
    assert rounds.floors.now()["async"].id == jobs[2]
    urgent = builders.insert_one(pg, rank=-5)
    assert claim() == jobs[3:6], "until a second is over, or slots are left"
    assert claim() == [*jobs[6:], urgent]
    assert rounds.floors.now() == {}
    builders.insert(pg, *[builders.new_job() for _ in range(4)])
    elsewhere = builders.insert_one(pg, queue="other")
    assert len(claim()) == 3
    assert elsewhere in claim(), "a floor of one queue is none of another"


@pytest.mark.usefixtures("slow")
def test_a_claim_behind_a_floor_goes_by_the_index(pg: Database) -> None:
    worker, rounds = builders.register(pg), Rounds()
    builders.insert(pg, *[builders.new_job() for _ in range(8)])
    request = Request(worker, ALL)
    claims.claim(pg, request, rounds)
    low = rounds.floors.now()
    assert low
    with pg.transaction() as tx:
        tx.run("SET LOCAL enable_seqscan = off")
        sql = f"EXPLAIN {claims._statement(request, low)}"  # noqa: SLF001
        found = tx.rows(sql, {**serving.params_of(request), **floors.params(low)})
    assert any("Index Cond" in row[0] and "ROW(rank, run_at, id) > ROW(" in row[0] for row in found), found
