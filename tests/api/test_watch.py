"""The watch: one look for all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from rota.api.watch import JobWatch
from rota.errors import DatabaseUnavailable
from rota.store.watch import Seen

PENDING, DONE = Seen("pending", 0, 0), Seen("completed", 0, 0)


class Looks:
    """A database of states, which counts how often it is looked at."""

    def __init__(self, **states: Seen) -> None:
        self.states = states
        self.asked: list[tuple[tuple[str, ...], frozenset[str]]] = []
        self.lost = False

    async def __call__(self, ids: Sequence[str], with_log: frozenset[str]) -> dict[str, Seen]:
        self.asked.append((tuple(ids), with_log))
        if self.lost:
            raise DatabaseUnavailable
        return {job_id: self.states[job_id] for job_id in ids if job_id in self.states}


def done(seen: Seen | None) -> bool:
    return seen is None or seen.status == "completed"


async def test_answers_at_once_what_is_so_already() -> None:
    watch = JobWatch(Looks(a=DONE))
    assert await watch.wait("a", done, 5) == DONE


async def test_answers_all_by_one_look() -> None:
    looks = Looks(a=DONE, b=DONE)
    watch = JobWatch(looks)
    await asyncio.gather(*(watch.wait(job_id, done, 5) for job_id in ("b", "a", "a")))
    assert looks.asked == [(("a", "b"), frozenset())]


async def test_answers_when_it_becomes_so() -> None:
    looks = Looks(a=PENDING)
    watch = JobWatch(looks)
    waiting = asyncio.create_task(watch.wait("a", done, 5))
    while len(looks.asked) < 3:
        await asyncio.sleep(0.01)
    looks.states["a"] = DONE
    assert await waiting == DONE


async def test_gives_up_when_the_time_is_over() -> None:
    with pytest.raises(TimeoutError):
        await JobWatch(Looks(a=PENDING)).wait("a", done, 0.01)


async def test_tells_of_an_unknown_job() -> None:
    assert await JobWatch(Looks()).wait("a", done, 5) is None


async def test_asks_for_logs_only_of_those_who_want_them() -> None:
    looks = Looks(a=DONE, b=DONE)
    watch = JobWatch(looks)
    await asyncio.gather(watch.wait("a", done, 5, with_log=True), watch.wait("b", done, 5))
    assert looks.asked == [(("a", "b"), frozenset({"a"}))]


async def test_looks_less_often_while_nothing_happens_and_rests_when_nobody_waits() -> None:
    looks = Looks(a=PENDING)
    watch = JobWatch(looks)
    with pytest.raises(TimeoutError):
        await watch.wait("a", done, 1.2)
    assert 4 <= len(looks.asked) <= 9  # at 0, 75, 112, 169, 250, 250 … ms
    alone = asyncio.current_task()
    while asyncio.all_tasks() != {alone}:
        await asyncio.sleep(0.01)
    assert await watch.wait("b", done, 5) is None


async def test_waits_on_while_the_database_is_away() -> None:
    looks = Looks(a=DONE)
    looks.lost = True
    watch = JobWatch(looks)
    waiting = asyncio.create_task(watch.wait("a", done, 5))
    while len(looks.asked) < 2:
        await asyncio.sleep(0.01)
    looks.lost = False
    assert await waiting == DONE


async def test_lets_all_go_when_it_stops() -> None:
    watch = JobWatch(Looks(a=PENDING))
    waiting = [asyncio.create_task(watch.wait("a", done, 60)) for _ in range(3)]
    await asyncio.sleep(0)
    watch.stop()
    for found in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(found, TimeoutError)
    with pytest.raises(TimeoutError):
        await watch.wait("a", done, 60)
