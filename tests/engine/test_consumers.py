"""What each worker does with its queues, with a clock that is turned by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rota.store import consumers, queues, workers
from rota.store.consumers import Consumer
from rota.store.database import Database
from tests.store import builders
from tests.support.clock import DAY, MINUTE, SECOND, HandClock

LANES = '{"command":10,"http":10}'


def ask(db: Database, worker: str) -> dict[str, Consumer]:
    found = db.read(lambda tx: consumers.consumers(tx, workers.listed(tx)))
    return {one.queue: one for one in found[worker]}


def mail(db: Database, worker: str) -> tuple[str | None, int | None]:
    one = ask(db, worker)["mail"]
    return one.reason, one.until


def limit(db: Database, **values: Any) -> None:
    db.run(lambda tx: queues.change(tx, "mail", values))


def wait(db: Database, count: int = 1, **given: Any) -> None:
    builders.insert(db, *(builders.new_job(**{"lane": "command", "queue": "mail", **given}) for _ in range(count)))


@pytest.fixture
def worker(db: Database) -> str:
    return builders.register(db, lease_us=DAY, lanes=LANES)


def test_empty_and_at_work(db: Database, worker: str) -> None:
    wait(db)
    assert ask(db, worker) == {"mail": Consumer("mail", 0)}
    (claimed,) = builders.claim(db, worker)
    assert ask(db, worker) == {"mail": Consumer("mail", 1)}
    builders.end(db, worker, claimed)
    assert ask(db, worker) == {"mail": Consumer("mail", 0, "empty")}


def test_full(db: Database, worker: str) -> None:
    other = builders.register(db, lease_us=DAY, lanes=LANES)
    limit(db, concurrency=2)
    wait(db, 3)
    assert len(builders.claim(db, other)) == 2
    assert ask(db, worker)["mail"] == Consumer("mail", 0, "full")
    assert ask(db, other)["mail"] == Consumer("mail", 2, "full")
    limit(db, concurrency=None, worker_concurrency=2)
    assert (mail(db, worker), mail(db, other)) == ((None, None), ("worker-full", None))


def test_rate_limited_until(db: Database, clock: HandClock, worker: str) -> None:
    limit(db, rate_limits=msgspec.json.encode([{"limit": 2, "per": MINUTE, "scope": "queue"}]).decode())
    wait(db, 3)
    claimed = builders.claim(db, worker)
    builders.end(db, worker, *claimed)
    reason, until = mail(db, worker)
    assert (len(claimed), reason) == (2, "rate-limited")
    assert until is not None and clock.now + MINUTE <= until < clock.now + MINUTE + SECOND
    clock.set(until)
    assert mail(db, worker) == (None, None)


def test_paused_and_slowed(db: Database, clock: HandClock, worker: str) -> None:
    wait(db, lane="http")
    builders.execute(db, f"UPDATE rota_queues SET slowed_until = {clock.now + MINUTE}, slowed_by = 'x'")
    assert mail(db, worker) == ("slowed", clock.now + MINUTE)
    db.run(lambda tx: queues.pause(tx, "mail", by="ann", note=None, resume_at=clock.now + SECOND))
    assert mail(db, worker) == ("paused", clock.now + SECOND)
    clock.turn(2 * SECOND)
    assert mail(db, worker)[0] == "slowed"
    wait(db)
    assert mail(db, worker) == (None, None)


def test_what_only_the_claims_see(db: Database, clock: HandClock, worker: str) -> None:
    wait(db, concurrency_key="k")
    limit(db, key_concurrency=1)

    def tell(**told: Any) -> None:
        detail = msgspec.json.encode({"sleeping": {"mail": told}}).decode()
        assert db.run(lambda tx: workers.renew(tx, worker, DAY, running=0, state="running", detail=detail))

    tell(reason="keys-full", until=None)
    assert mail(db, worker) == ("keys-full", None)
    tell(reason="rate-limited", until=clock.now + SECOND)
    assert mail(db, worker) == ("rate-limited", clock.now + SECOND)
    clock.turn(SECOND)
    assert mail(db, worker) == (None, None)
    tell(reason="full", until=None)
    assert mail(db, worker) == (None, None), "that is known better from rows"


def test_only_what_it_serves(db: Database) -> None:
    some = builders.register(db, lease_us=DAY, lanes=LANES, queues='["mail"]')
    scheduler = builders.register(db, lease_us=DAY, role="scheduler")
    wait(db)
    wait(db, queue="other")
    found = db.read(lambda tx: consumers.consumers(tx, workers.listed(tx)))
    assert list(found) == [some] and scheduler not in found
    assert list(ask(db, some)) == ["mail"]


def test_among_many_queues_only_those_with_something(
    db: Database, worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "MOST_IDLE", 2)
    for name in ("a", "b", "c"):
        db.run(lambda tx, name=name: queues.change(tx, name, {}))  # type: ignore[misc]
    db.run(lambda tx: queues.change(tx, "limited", {"concurrency": 1}))
    wait(db)
    assert list(ask(db, worker)) == ["limited", "mail"]


def test_the_last_claim_is_told_by_the_heartbeat(db: Database, clock: HandClock, worker: str) -> None:
    def renew(claimed_ago: int | None) -> int | None:
        db.run(
            lambda tx: workers.renew(tx, worker, DAY, running=0, state="running", detail=None, claimed_ago=claimed_ago)
        )
        return next(one.claimed_at for one in db.read(workers.listed) if one.id == worker)

    assert renew(None) is None
    assert renew(SECOND) == clock.now - SECOND
    assert renew(None) == clock.now - SECOND
