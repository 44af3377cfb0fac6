"""Work that no living worker takes, plain or in rings."""

from __future__ import annotations

from typing import Any

import pytest

from rota.model import NewJob
from rota.store import untaken, workers
from rota.store.database import Database
from rota.store.untaken import Lane, Stranded, Taker
from tests.store import builders

LANES = '{"command":1,"async":1}'
GPU = '["gpu"]'
BOTH = '["eu","gpu"]'


def command(**given: Any) -> NewJob:
    return builders.new_job(**{"lane": "command", "type": None, **given})


def found(db: Database) -> list[tuple[str, tuple[str, ...], str]]:
    lanes = db.read(lambda tx: untaken.lanes(tx, untaken.takers_of(workers.living(tx))))
    return [(one.queue, one.labels, one.without) for one in lanes]


def stranded(db: Database) -> list[Stranded]:
    return db.read(untaken.stranded)[1]


def pause(db: Database, kind: str, name: str, queue: str = "") -> None:
    sql = "INSERT INTO rota_pauses (kind, queue, name, at) VALUES (:kind, :queue, :name, 0)"
    db.run(lambda tx: tx.run(sql, {"kind": kind, "queue": queue, "name": name}))


def test_labels_that_nobody_has(db: Database) -> None:
    builders.register(db, lanes=LANES, labels=GPU)
    builders.insert(db, command(), command(run_on=GPU), command(run_on=BOTH), command(run_on=BOTH, queue="q"))
    missing = "no live worker has the labels eu, gpu"
    assert found(db) == [("default", ("eu", "gpu"), missing), ("q", ("eu", "gpu"), missing)]
    builders.register(db, lanes=LANES, labels='["gpu","x","eu"]')
    assert found(db) == []


def test_of_many_keys_one_stands_for_all_with_the_same_labels(db: Database) -> None:
    for labels in (None, GPU, BOTH):
        keys = [f"customer={n}" for n in range(30)]
        builders.insert(db, *(command(run_on=labels, concurrency_key=key) for key in keys for _ in range(2)))
    assert [one[1] for one in found(db)] == [(), ("eu", "gpu"), ("gpu",)]
    assert [(one.labels, one.count) for one in stranded(db)] == [((), 60), (("eu", "gpu"), 60), (("gpu",), 60)]
    assert stranded(db)[0].without == "no worker lives"


def test_plain_jobs_and_those_with_keys_are_told_apart(db: Database) -> None:
    builders.register(db, lanes='{"http":1}')
    builders.insert(db, command(queue="a"), command(queue="b", concurrency_key="k"))
    assert found(db) == [("a", (), "no live worker runs command jobs"), ("b", (), "no live worker runs command jobs")]


@pytest.mark.parametrize(
    ("kind", "name", "queue", "told"),
    [
        ("type", "digest", "", 0), ("type", "other", "", 1), ("key", "k", "", 0), ("key", "k", "default", 0),
        ("key", "k", "other", 1), ("key", "digest", "", 1),
    ],
)  # fmt: skip
def test_what_is_paused_waits_for_another_reason(db: Database, kind: str, name: str, queue: str, told: int) -> None:
    builders.insert(db, builders.new_job(lane="async", type="digest", concurrency_key="k"))
    pause(db, kind, name, queue)
    assert len(found(db)) == len(stranded(db)) == told


def test_behind_what_is_paused_others_are_found(db: Database) -> None:
    builders.insert(
        db,
        command(type="off", rank=-5),
        command(type="on"),
        command(concurrency_key="a", queue="keys"),
        command(concurrency_key="b", queue="keys"),
    )
    pause(db, "type", "off")
    pause(db, "key", "a", "keys")
    assert [(one.queue, one.type, one.count) for one in stranded(db)] == [("default", "on", 1), ("keys", None, 1)]


def test_rings_of_paused_types_are_left_out(db: Database) -> None:
    job_id = builders.insert_one(db, lane="command", type="off")
    ring = "UPDATE rota_jobs SET ring = '!off|' WHERE id = :id"
    assert db.run(lambda tx: tx.run(ring, {"id": job_id})) == 1
    assert found(db) == []


def test_code_that_nobody_has_is_found_in_rings_too(db: Database) -> None:
    builders.execute(
        db,
        "INSERT INTO rota_types (name, lane, defaults, owner, version, created_at, updated_at)"
        " VALUES ('digest', 'async', '{}', 'code', 1, 0, 0)",
    )
    builders.register(db, lanes=LANES, types='["other"]')
    builders.insert(db, builders.new_job(lane="async", type="digest", concurrency_key="k"))
    builders.insert(db, builders.new_job(lane="async", type="digest"))
    (one,) = stranded(db)
    assert (one.type, one.queue, one.count, one.without) == (
        "digest", None, 2, "no live worker runs job type digest"
    )  # fmt: skip


def test_the_queue_of_a_host_needs_that_host(db: Database) -> None:
    builders.register(db, lanes=LANES, host="alpha")
    builders.insert(db, command(queue="host:alpha"), command(queue="host:beta"))
    assert found(db) == [("host:beta", (), "no live worker is on host beta")]


NOBODY = Taker("alpha", None, frozenset(("command",)), frozenset(), frozenset())


@pytest.mark.parametrize(
    ("takers", "lane", "said"),
    [
        ([], Lane("mail", "command", None), "no worker lives"),
        ([Taker("alpha", frozenset("a"), NOBODY.lanes, NOBODY.types, NOBODY.labels)],
         Lane("mail", "command", None), "no live worker takes queue mail"),
        ([NOBODY], Lane("mail", "http", "crawl"), "no live worker runs http jobs"),
        ([NOBODY], Lane("mail", "async", "digest"), "no live worker runs job type digest"),
        ([NOBODY], Lane("mail", "command", None, labels=("gpu",)), "no live worker has the label gpu"),
        ([NOBODY], Lane("host:beta", "command", None), "no live worker is on host beta"),
    ],
)  # fmt: skip
def test_it_says_what_is_missing(takers: list[Taker], lane: Lane, said: str) -> None:
    assert not any(taker.takes(lane) for taker in takers)
    assert untaken.lacking(takers, lane) == said
