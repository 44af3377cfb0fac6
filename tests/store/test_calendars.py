"""Calendars: kept in versions, read again only when they change, and not deleted from below a schedule."""

from __future__ import annotations

import threading

import msgspec
import pytest

from rota.actions import calendars
from rota.actions.decoding import convert
from rota.actions.specs import CalendarIn, Caller
from rota.errors import Conflict, Invalid, NotFound
from rota.store import calendars as store
from rota.store import schedules
from rota.store.database import Database
from rota.timetable import parse_instant
from tests.store import builders
from tests.support.waiting import wait_until

ANN = Caller("ann", "operator")
CHRISTMAS = parse_instant("2026-12-25T12:00:00Z", "christmas")


def put(db: Database, name: str = "holidays", **fields: object) -> int:
    spec = convert(fields or {"dates": ["2026-12-25"]}, CalendarIn)
    return db.run(lambda tx: calendars.put(tx, name, spec, ANN)).version


def schedule_with(db: Database, schedule_id: str, *names: str) -> None:
    builders.put(db, schedule_id, calendars=msgspec.json.encode(names).decode() if names else None)


def test_each_change_is_a_version_and_the_same_again_is_none(db: Database) -> None:
    assert put(db) == 1
    assert put(db) == 1
    assert put(db, dates=["2026-12-25"], note="Christmas") == 2
    assert put(db, dates=["2026-12-26"], ranges=[{"from": "2026-08-01", "to": "2026-08-31"}]) == 3
    record = db.read(lambda tx: calendars.known(tx, "holidays"))
    assert (record.author, record.note) == ("ann", None)
    assert msgspec.json.decode(record.document) == {
        "dates": ["2026-12-26"],
        "ranges": [{"from": "2026-08-01", "to": "2026-08-31"}],
    }


def test_named_calendars_are_those_of_now(db: Database) -> None:
    put(db)
    put(db, "weekends", weekdays=["SAT", "SUN"])
    first = db.read(lambda tx: calendars.named(tx, ["holidays", "weekends", "nothing"]))
    assert first.keys() == {"holidays", "weekends"} and first["holidays"].covers(CHRISTMAS, "UTC")

    put(db, dates=["2026-12-26"])
    second = db.read(lambda tx: calendars.named(tx, ["weekends", "holidays"]))
    assert not second["holidays"].covers(CHRISTMAS, "UTC")
    assert second["weekends"] is first["weekends"], "what has not changed is not read again"

    db.run(lambda tx: calendars.delete(tx, "holidays", ANN))
    assert db.read(lambda tx: calendars.named(tx, ["holidays"])) == {}
    assert put(db) == 1
    again = db.read(lambda tx: calendars.named(tx, ["holidays"]))
    assert again["holidays"].covers(CHRISTMAS, "UTC"), "the same name and version, and another calendar"


def test_what_cannot_be_understood_any_more_says_so_and_covers_nothing(db: Database) -> None:
    put(db)
    put(db, "broken")
    db.run(lambda tx: store.put(tx, "broken", '{"country":"Atlantis"}', note=None, author=None))
    found = db.read(lambda tx: calendars.named(tx, ["broken", "holidays"]))
    assert found["holidays"].problem is None
    assert "calendar broken: country: no holidays are known of 'Atlantis'" in (found["broken"].problem or "")
    assert not found["broken"].covers(CHRISTMAS, "UTC")
    with pytest.raises(Conflict, match="Atlantis"):
        db.read(lambda tx: calendars.dates(tx, "broken", first=None, until=None, timezone="UTC"))


def test_a_calendar_that_a_schedule_names_stays(db: Database) -> None:
    put(db)
    put(db, "holidays.2")
    for number in range(12):
        schedule_with(db, f"s{number:02}", "other", "holidays")
    schedule_with(db, "without")
    schedule_with(db, "another", "Holidays", "holidays.20")
    with pytest.raises(Conflict) as refusal:
        db.run(lambda tx: calendars.delete(tx, "holidays", ANN))
    assert refusal.value.message == ("schedules name it: s00, s01, s02, s03, s04, s05, s06, s07, s08, s09 and others")
    db.run(lambda tx: calendars.delete(tx, "holidays.2", ANN))
    with pytest.raises(NotFound, match="there is no calendar holidays.2"):
        db.run(lambda tx: calendars.delete(tx, "holidays.2", ANN))


def test_unknown_names_are_refused_with_the_one_that_was_meant(db: Database) -> None:
    put(db)
    right, none = builders.new_schedule(calendars='["holidays"]'), builders.new_schedule()
    db.run(lambda tx: calendars.check(tx, [right, none]))
    for wrong, hint in (("holiday", "did you mean holidays?"), ("works", "make it first: rota calendars set")):
        typo = builders.new_schedule("weekly", calendars=f'["{wrong}","holidays"]')
        with pytest.raises(Invalid, match=f"no calendar {wrong}, which weekly names") as refusal, db.statement() as tx:
            calendars.check(tx, [right, typo])
        assert (refusal.value.field, refusal.value.hint) == ("calendars", hint)


def test_a_calendar_is_not_deleted_while_a_schedule_that_names_it_is_saved(pg: Database) -> None:
    put(pg)
    outcome: list[str] = []

    def delete() -> None:
        try:
            pg.run(lambda tx: calendars.delete(tx, "holidays", ANN))
        except Conflict as error:
            outcome.append(error.message)

    thread = threading.Thread(target=delete)
    with pg.transaction() as tx:
        schedule = builders.new_schedule(calendars='["holidays"]')
        calendars.check(tx, [schedule])
        thread.start()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        wait_until(lambda: pg.read(lambda other: other.row(waiting)) == (1,))
        schedules.insert(tx, [schedule])
    thread.join()
    assert outcome == ["1 schedule names it: nightly"]


def test_dates_are_those_of_a_stretch(db: Database) -> None:
    put(db, yearly=["12-25"])
    found = db.read(lambda tx: calendars.dates(tx, "holidays", first=None, until=None, timezone="Europe/Paris"))
    assert 1 <= len(found.spans) <= 2 and found.until - found.first == 366 * 86_400_000_000
    with pytest.raises(Invalid, match="ten years"):
        db.read(lambda tx: calendars.dates(tx, "holidays", first=None, until="9999-01-01T00:00Z", timezone="UTC"))
    with pytest.raises(Invalid, match="no time zone"):
        db.read(lambda tx: calendars.dates(tx, "holidays", first=None, until=None, timezone="Mars"))
