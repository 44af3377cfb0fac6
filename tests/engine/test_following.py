"""An end that makes room in a queue with a limit, and the claim of what may start then, are one transaction."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from rota.engine.claimer import Claimer
from rota.engine.flusher import Flusher
from rota.engine.slots import Slots
from rota.errors import DatabaseUnavailable
from rota.settings import Settings
from rota.store import queues
from rota.store.claims import Claimed
from rota.store.database import Database
from rota.store.results import Finished
from tests.store import builders
from tests.store.builders import column, get, insert, new_job
from tests.support.faults import Faults


class Pair:
    """A claimer and a flusher, turned by hand, with four slots."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.worker = builders.register(db)
        self.slots = Slots({"async": 4})
        self.slots.open("async")
        self.taken: list[Claimed] = []
        self.told = 0
        lease: Any = SimpleNamespace(held=True, worker_id=self.worker)
        registry: Any = SimpleNamespace(foreign=())
        self.claimer = Claimer(
            db, settings, lease, self.slots, registry,
            claimed=lambda found, _: self.taken.extend(found), cancel=lambda _: None, held=lambda *_: None,
            clocks=lambda _: None,
        )  # fmt: skip
        self.flusher = Flusher(db, lambda *_: None, room=self._tell, turn=self.claimer.turn)

    def _tell(self) -> None:
        self.told += 1

    def end(self, one: Claimed) -> None:
        """Let a run end, as the worker does."""
        self.slots.release({"async": 1})
        finished = Finished(id=one.call.job_id, attempt=one.call.attempt, status="completed")
        self.flusher.add(self.worker, [finished], room=Counter([one.room] if one.room else []))


@pytest.fixture
def pair(real_db: Database, settings: Settings) -> Pair:
    """Beside two jobs of one key wait two of another; a key lets one run."""
    real_db.run(lambda tx: queues.change(tx, "q", {"key_concurrency": 1}))
    insert(real_db, *[new_job(queue="q", concurrency_key=key) for key in "aabb"])
    return Pair(real_db, settings)


@pytest.fixture
def hints(real_db: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What others are told."""
    told: list[str] = []

    def note(topic: str) -> bool:
        told.append(topic)
        return False

    monkeypatch.setattr(real_db, "hints_due", note)
    return told


def test_the_next_of_the_key_begins_with_the_end(pair: Pair, real_db: Database, hints: list[str]) -> None:
    pair.claimer.run_once()
    assert [one.room for one in pair.taken] == [("q", "a"), ("q", "b")]
    pair.end(pair.taken[0])
    before, opened = real_db.transaction, list[bool]()

    def counted() -> Any:
        opened.append(True)
        return before()

    real_db.transaction = counted  # type: ignore[method-assign]
    pair.flusher.run_once()
    assert len(opened) == 1
    assert [one.room for one in pair.taken[2:]] == [("q", "a")]
    assert sorted(column(real_db, "status")) == ["completed", "pending", "running", "running"]
    assert pair.slots.taken() == {"async": 2}
    assert (pair.told, hints) == (0, []), "nothing is left for others"


def test_room_that_stays_free_is_told_to_others(pair: Pair, real_db: Database, hints: list[str]) -> None:
    pair.claimer.run_once()
    insert(real_db, new_job(queue="other"))
    for one in list(pair.taken):
        pair.end(one)
    pair.flusher.run_once()
    assert len(pair.taken) == 5
    hints.clear()
    for one in pair.taken[2:]:
        pair.end(one)
    pair.flusher.run_once()
    assert (len(pair.taken), hints) == (5, ["room"])


def test_while_the_claimer_claims_it_is_told_instead(pair: Pair, real_db: Database, hints: list[str]) -> None:
    pair.claimer.run_once()
    pair.end(pair.taken[0])
    with pair.claimer.turn():
        pair.flusher.run_once()
    assert (len(pair.taken), pair.told, hints) == (2, 1, ["room"])


def test_who_drains_claims_no_more(pair: Pair) -> None:
    pair.claimer.run_once()
    pair.claimer.drain()
    pair.end(pair.taken[0])
    pair.flusher.run_once()
    assert (len(pair.taken), pair.told) == (2, 1)


def test_of_a_claim_whose_answer_was_lost_the_end_is_written_and_the_rest_looked_for(
    pair: Pair, real_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.claimer.run_once()
    pair.end(pair.taken[0])
    checks: list[bool] = []
    monkeypatch.setattr(pair.claimer, "check_soon", lambda: checks.append(True))
    faults = Faults(real_db, monkeypatch)
    faults.lose_answer = True
    with pytest.raises(DatabaseUnavailable):
        pair.flusher.run_once()
    assert (len(pair.taken), pair.slots.taken(), checks) == (2, {"async": 1}, [True])
    pair.flusher.run_once()
    assert get(real_db, pair.taken[0].call.job_id).status == "completed"
    assert pair.flusher.idle


def test_a_claim_that_fails_keeps_no_end_from_being_written(
    pair: Pair, real_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.claimer.run_once()
    pair.end(pair.taken[0])

    def failing(*_: object) -> None:
        raise ValueError("a mistake")

    monkeypatch.setattr("rota.store.claims.claim_in_turn", failing)
    pair.flusher.run_once()
    assert get(real_db, pair.taken[0].call.job_id).status == "completed"
    assert (len(pair.taken), pair.told) == (2, 1)
