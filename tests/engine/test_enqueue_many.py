"""Many jobs at once from Python: all or none, though the database stores a part while the next one is checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rota import Rota
from rota.actions.bulk import PART
from rota.errors import DatabaseUnavailable, Invalid
from rota.store.database import Database, Tx
from rota.store.opening import open_database
from tests.store.builders import column

COUNT = 3 * PART + 1


@pytest.fixture
def app(database_url: str) -> Iterator[Rota]:
    made = Rota(database_url)

    @made.job
    def note(number: int) -> None:
        """Take a number."""

    yield made
    made.close()


@pytest.fixture
def db(app: Rota, database_url: str) -> Iterator[Database]:
    app.database()
    database = open_database(app.settings.database_url)
    yield database
    database.close()


def items(count: int = COUNT, **options: Any) -> list[Any]:
    return [("note", {"number": number}, options) for number in range(count)]


def test_each_is_stored_once_and_answered_in_order(app: Rota, db: Database) -> None:
    found = app.enqueue_many(items())
    assert sorted(column(db, "id")) == sorted(job.id for job in found)
    args = [found[place].refresh().record.args for place in (0, PART, COUNT - 1)]
    assert args == [f'{{"number":{number}}}' for number in (0, PART, COUNT - 1)]


@pytest.mark.parametrize("wrong", [0, PART - 1, PART, COUNT - 1])
def test_one_that_is_wrong_keeps_all_from_being_stored(app: Rota, db: Database, wrong: int) -> None:
    some = items()
    some[wrong] = ("note", {"number": 1}, {"queue": "no queue"})
    with pytest.raises(Invalid) as raised:
        app.enqueue_many(some)
    assert raised.value.field == f"jobs.{wrong}.queue"
    assert column(db, "id") == []
    assert len(app.enqueue_many(items(2))) == 2


def test_unique_keys_and_turns_among_them(app: Rota, db: Database) -> None:
    first = app.enqueue("note", {"number": -1}, unique_key="k")
    some = items()
    some[1] = ("note", {"number": 1}, {"unique_key": "k"})
    some[PART + 1] = ("note", {"number": 1}, {"order_key": "o"})
    some[2 * PART + 1] = ("note", {"number": 2}, {"order_key": "o"})
    found = app.enqueue_many(some)
    assert (found[1].id, found[1].existing) == (first.id, True)
    assert [found[place].refresh().record.status for place in (PART + 1, 2 * PART + 1)] == ["pending", "held"]
    assert len(column(db, "id")) == COUNT


def test_one_that_waits_for_another_of_the_same_request(app: Rota, db: Database) -> None:
    some = [*items(), {"jobType": "note", "args": {"number": 0}, "dependsOn": [f"#{PART + 3}"]}]
    found = app.enqueue_many(some)
    assert len(column(db, "id")) == COUNT + 1
    assert found[-1].refresh().record.status == "held"


def test_after_a_commit_whose_answer_was_lost_nothing_is_stored_twice(
    app: Rota, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = app.database()
    again, tries = own.transaction, list[int]()

    @contextmanager
    def losing() -> Iterator[Tx]:
        with again() as tx:
            yield tx
        tries.append(1)
        if len(tries) == 1:
            raise DatabaseUnavailable("the answer was lost")

    app.enqueue_many(items(1))  # its type and queue are known
    monkeypatch.setattr(own, "transaction", losing)
    found = app.enqueue_many(items())
    assert len(tries) == 2
    assert not any(job.existing for job in found)
    assert len(column(db, "id")) == COUNT + 1
