"""The memory of what happened: bounded, and nothing is lost from it without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from rota.api import feed as feeds
from rota.api.feed import Feed
from rota.api.wellbeing import Wellbeing
from rota.errors import DatabaseUnavailable
from rota.store.database import Database
from tests.store import builders


class Looks:
    """A feed over a database, read on this event loop."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.count = 0
        self.refused = 0
        self.away = False
        self.fails_at = 0
        """At its so-many-th read the database refuses, or hangs."""
        self.hangs = False
        self.feed = Feed(self._read, self._checkup)

    async def _read(self, work: Any) -> Any:
        if self.away:
            self.refused += 1
            raise DatabaseUnavailable
        self.count += 1
        if self.count == self.fails_at:
            if self.hangs:
                await asyncio.Event().wait()
            raise DatabaseUnavailable
        return self.db.read(work)

    async def _checkup(self) -> Wellbeing:
        return Wellbeing([])

    async def rest(self) -> None:
        while self.feed.looking:
            await asyncio.sleep(0.01)

    async def listen(self, *, place: int | None = 0) -> Any:
        ready = await self.feed.ready()
        return self.feed.follow(frozenset(("job",)), ready if place == 0 else place)


@pytest.fixture
def looks(lite: Database) -> Iterator[Looks]:
    found = Looks(lite)
    yield found
    found.feed.stop()


def names(text: bytes) -> list[str]:
    return [line.removeprefix("event: ") for line in text.decode().splitlines() if line.startswith("event: ")]


async def test_who_reads_too_slowly_is_asked_to_look_anew(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_EVENTS", 10)
    monkeypatch.setattr(feeds, "BUSY_S", 0.01)
    slow, quick = await looks.listen(), await looks.listen()
    await anext(slow)
    await anext(quick)
    seen = 0
    for _ in range(15):
        builders.insert_one(looks.db)
        seen += len(names(await anext(quick)))
    assert seen == 15
    assert names(await anext(slow)) == ["resync"]
    builders.insert_one(looks.db)
    assert names(await anext(slow)) == ["job"]
    await slow.aclose()
    await quick.aclose()


async def test_remembers_no_more_than_so_many_bytes(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_BYTES", 5000)
    stream = await looks.listen()
    await anext(stream)
    builders.insert(looks.db, *(builders.new_job() for _ in range(20)))
    assert names(await anext(stream)) == ["resync"]
    await stream.aclose()


async def test_looks_only_while_somebody_listens(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "BUSY_S", 0.01)
    monkeypatch.setattr(feeds, "IDLE_S", 0.01)
    stream = await looks.listen()
    first = (await anext(stream)).decode()
    await stream.aclose()
    await looks.rest()
    count = looks.count
    await asyncio.sleep(0.05)
    assert looks.count == count
    job_id = builders.insert_one(looks.db)
    place = looks.feed.place(first.split("id: ")[1].strip(), 7)
    await looks.feed.ready()
    again = looks.feed.follow(frozenset(("job",)), place)
    await anext(again)
    assert job_id in (await anext(again)).decode()
    await again.aclose()


async def test_begins_anew_after_a_long_time_without_listeners(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = await looks.listen()
    first = (await anext(stream)).decode().split("id: ")[1].strip()
    await stream.aclose()
    await looks.rest()
    assert looks.feed.place(first, 7) == 0
    monkeypatch.setattr(feeds, "GOES_ON_S", 0.0)
    await looks.feed.ready()
    assert looks.feed.place(first, 7) is None


async def test_goes_on_after_the_database_was_away(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "BUSY_S", 0.01)
    monkeypatch.setattr(feeds, "IDLE_S", 0.02)
    stream = await looks.listen()
    await anext(stream)
    looks.away = True
    job_id = builders.insert_one(looks.db)
    while looks.refused < 3:
        await asyncio.sleep(0.01)
    looks.away = False
    assert job_id in (await anext(stream)).decode()
    await stream.aclose()


@pytest.mark.parametrize("hangs", [False, True])
async def test_what_could_not_be_told_is_asked_for_anew(
    looks: Looks, monkeypatch: pytest.MonkeyPatch, *, hangs: bool
) -> None:
    monkeypatch.setattr(feeds, "AT_ONCE_S", 0.5)
    place = await looks.feed.ready()
    builders.insert_one(looks.db)
    looks.fails_at, looks.hangs = looks.count + 2, hangs  # it sees that there is a job, and does not come to tell it
    assert await looks.feed.here() is None
    assert looks.count == looks.fails_at
    stream = looks.feed.follow(frozenset(("job",)), place)
    await anext(stream)
    assert names(await asyncio.wait_for(anext(stream), 10)) == ["resync"]
    await stream.aclose()
