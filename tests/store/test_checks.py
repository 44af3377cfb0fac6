"""Checks and pings in the database: many at once in one write, found by their keys alone, looked at by indexes."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from rota.actions import checks as actions
from rota.actions import pings
from rota.actions.decoding import convert
from rota.actions.pings import Told
from rota.actions.specs import Caller, CheckIn, NoteIn
from rota.durations import DAY, HOUR, MINUTE
from rota.errors import Invalid, NotFound
from rota.store import checks
from rota.store import pings as store
from rota.store.checks import ANY, Check, CheckFilter, status
from rota.store.database import Database, Tx
from rota.store.pings import Kind, Ping
from tests.store.plans import recorded

ANN = Caller("ann", "admin")


def put(db: Database, check_id: str = "backup", **fields: object) -> Check:
    spec = convert(fields or {"every": "1h"}, CheckIn)
    return db.run(lambda tx: actions.put(tx, check_id, spec, ANN))[0]


def tell(db: Database, one: Check, kind: Kind = "success", **fields: object) -> Check:
    told = Told(key=one.key, kind=kind, **fields)  # type: ignore[arg-type]
    assert db.run(lambda tx: pings.receive(tx, [told])) == [True]
    return look(db, one.id)


def look(db: Database, check_id: str = "backup") -> Check:
    return db.read(lambda tx: actions.known(tx, check_id))


def now_of(db: Database) -> int:
    return db.read(lambda tx: tx.now())


def history(check_id: str, tx: Tx) -> list[Ping]:
    return store.listed(tx, check_id)


def receive(told: list[Told], tx: Tx) -> object:
    return pings.receive(tx, told)


def test_what_is_said_again_changes_nothing_and_other_times_count_from_now(db: Database) -> None:
    first = put(db, every="1h", tags=["a"])
    assert put(db, every="1h", tags=["a"]) == first
    failed = tell(db, first, "fail")
    renamed = put(db, every="1h", tags=["a"], name="Backup", grace="1m")
    assert (renamed.version, renamed.key, renamed.next_at) == (2, first.key, failed.next_at)
    assert renamed.late_at == (failed.next_at or 0) + MINUTE
    slower = put(db, every="1d", name="Backup")
    assert slower.next_at is not None and slower.next_at > now_of(db) + 23 * HOUR
    assert slower.failed_since == failed.failed_since, "that it failed is still so"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "cron"),
        ({"every": "1h", "cron": "* * * * *"}, "cron"),
        ({"every": "1s"}, "every"),
        ({"every": "soon"}, "every"),
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "@every 5m"}, "cron"),
        ({"cron": "0 0 * * *", "timezone": "Mars/Olympus"}, "timezone"),
        ({"every": "1h", "grace": "-1s"}, "grace"),
        ({"every": "1h", "longest": "0s"}, "longest"),
        ({"every": "1h", "name": " "}, "name"),
        ({"every": "1h", "name": "a\nb"}, "name"),
        ({"every": "1h", "tags": [""]}, "tags.0"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, object], field: str, lite: Database) -> None:
    with pytest.raises(Invalid) as caught:
        lite.run(lambda tx: actions.put(tx, "backup", convert(fields, CheckIn), ANN))
    assert caught.value.field == field


def test_many_pings_are_one_write(db: Database) -> None:
    made = [put(db, f"c{n:02}") for n in range(20)]
    told = [Told(key=one.key, kind="start", run_id="r") for one in made]
    told += [Told(key="f" * 32, kind="success")]
    told += [Told(key=one.key, kind="fail", run_id="r", exit_code=3, body=f"a\0b \ud800 {one.id}") for one in made]
    told += [Told(key=made[0].key, kind="fail", run_id="r", exit_code=3)]
    with recorded() as plans:
        answers = db.run(lambda tx: pings.receive(tx, told))
    assert len(plans) <= 5, [plan.sql for plan in plans]
    assert [isinstance(one, NotFound) for one in answers].count(True) == 1
    assert answers[-1] is False, "the same end again"
    for one in made:
        after = look(db, one.id)
        assert (after.outcome, after.exit_code, after.failures, after.started_at, after.pings) == (
            "fail",
            3,
            1,
            None,
            2,
        )
        last, first = db.read(partial(history, one.id))
        assert (last.n, last.kind, last.took_us, first.n, first.kind) == (2, "fail", 0, 1, "start")
        assert last.body == f"a\ufffdb \ufffd {one.id}"


def test_two_processes_at_once_lose_nothing(db: Database) -> None:
    made = [put(db, name) for name in "abc"]

    def many(order: int) -> None:
        for n in range(15):
            told = [Told(key=one.key, kind="fail", run_id=f"{order}-{n}") for one in made[::order]]
            db.run(partial(receive, told))

    others = [threading.Thread(target=many, args=(order,)) for order in (1, -1)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert [(look(db, one.id).pings, look(db, one.id).failures) for one in made] == [(30, 30)] * 3
    assert [one.n for one in db.read(lambda tx: store.listed(tx, "a", limit=100))] == list(range(30, 0, -1))


def test_a_key_is_what_it_is(db: Database) -> None:
    one = put(db)
    answers = db.run(lambda tx: pings.receive(tx, [Told(key=one.key.upper(), kind="success")]))
    assert isinstance(answers[0], NotFound)
    fresh = db.run(lambda tx: actions.give_new_key(tx, "backup", actions.new_key(), ANN))
    assert isinstance(db.run(lambda tx: pings.receive(tx, [Told(key=one.key, kind="success")]))[0], NotFound)
    assert tell(db, fresh).pings == 1
    db.run(lambda tx: actions.delete(tx, "backup", ANN))
    assert isinstance(db.run(lambda tx: pings.receive(tx, [Told(key=fresh.key, kind="success")]))[0], NotFound)
    assert db.read(lambda tx: store.listed(tx, "backup")) == []


def world(db: Database) -> dict[str, str]:
    """Checks in every state, and in which each is."""
    tell(db, put(db, "up"))
    put(db, "new", every="1d")
    tell(db, put(db, "started", every="1d", longest="3d", tags=["ops"]), "start")
    tell(db, put(db, "failed", every="1d"), "fail", exit_code=2)
    put(db, "late", every="10m", grace="1d")
    tell(db, put(db, "silent", every="10m", grace="0s", tags=["ops", "100%"]))
    tell(db, put(db, "overlong", every="1d", longest="10m"), "start")
    put(db, "never", cron="* * * * *", grace="1m", timezone="Europe/Paris")
    put(db, "resting", every="10m", grace="0s")
    db.run(lambda tx: actions.pause(tx, "resting", NoteIn(note="it moves"), ANN))
    states = {name: name for name in ("up", "new", "started", "failed", "late")}
    return states | {"silent": "down", "overlong": "down", "never": "down", "resting": "paused"}


def test_what_is_late_is_told_once_with_its_reason(db: Database) -> None:
    world(db)
    now = now_of(db)
    found = {one.id: one for one in db.read(lambda tx: checks.late(tx, now))}
    assert {name: one.kind for name, one in found.items()} == {"failed": "failing"}
    found = {one.id: one for one in db.read(lambda tx: checks.late(tx, now + 30 * MINUTE))}
    kinds = {name: one.kind for name, one in found.items()}
    assert kinds == {"failed": "failing", "silent": "late", "overlong": "overlong", "never": "never"}
    assert found["overlong"].text == "overlong has run for longer than 10m."
    assert found["failed"].text == "The last run of failed failed with exit code 2."
    assert found["never"].text == "never has never been heard of: it was due, and 1m of grace are over."
    assert found["silent"].text == "silent has not been heard of: it is overdue."
    assert len(db.read(lambda tx: checks.late(tx, now + 30 * DAY))) == 8
    with recorded() as plans:
        db.read(lambda tx: checks.late(tx, now))
    if db.dialect == "sqlite":
        assert plans[0].indexes == {"rota_checks_late", "rota_checks_failed"}, plans[0]


def filtered(wanted: CheckFilter, now: int, tx: Tx) -> tuple[list[str], int]:
    return [one.id for one in checks.listed(tx, wanted, now)], checks.count_up_to_cap(tx, wanted, now)


def test_the_database_filters_by_the_same_states(db: Database) -> None:
    expected = world(db)
    later = now_of(db) + 30 * MINUTE
    every = db.read(lambda tx: checks.listed(tx, ANY, later))
    assert {one.id: status(one, later) for one in every} == expected
    for state in set(expected.values()):
        wanted = CheckFilter(status=state)
        found, count = db.read(partial(filtered, wanted, later))
        assert found == sorted(name for name, each in expected.items() if each == state)
        assert count == len(found)
    tagged = db.read(lambda tx: checks.listed(tx, CheckFilter(tag="ops", q="I"), later))
    assert [one.id for one in tagged] == ["silent"]
    assert db.read(lambda tx: checks.listed(tx, CheckFilter(q="%"), later)) == []
    paged = db.read(lambda tx: checks.listed(tx, ANY, later, after="never", limit=2))
    assert [one.id for one in paged] == ["new", "overlong"]


def test_history_is_kept_by_age_and_by_count(db: Database) -> None:
    one, other = put(db), put(db, "other")
    for _ in range(6):
        tell(db, one)
    tell(db, other)
    assert db.run(lambda tx: store.forget(tx, before=None, keep=4, limit=1)) == 1
    assert db.run(lambda tx: store.forget(tx, before=None, keep=4, limit=100)) == 1
    assert [ping.n for ping in db.read(lambda tx: store.listed(tx, "backup"))] == [6, 5, 4, 3]
    assert [ping.n for ping in db.read(lambda tx: store.listed(tx, "backup", before=5, limit=1))] == [4]
    assert db.read(lambda tx: store.count(tx, "backup", "success")) == 4
    assert db.run(lambda tx: store.forget(tx, before=tx.now() + 1, keep=4, limit=100)) == 5
    assert look(db).pings == 6, "the numbers go on"
    assert tell(db, one).pings == 7
