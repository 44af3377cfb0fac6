"""What an edit owes: every instant up to it belongs to the old rule, and none is lost or runs twice."""

from __future__ import annotations

from typing import Any

import pytest

from rota.actions import schedules as actions
from rota.actions import versions as version_actions
from rota.actions.specs import RollbackIn
from rota.engine.scheduler import Scheduler
from rota.model import ScheduleVersion
from rota.settings import Settings
from rota.store import calendars, versions
from rota.store.database import Database
from tests.engine.scheduling import ANN, ledger, occurrences, pause, put, runs, settings_of, settle
from tests.store.builders import get_schedule
from tests.support.clock import HOUR, MINUTE, SECOND, HandClock

NEW = {"kind": "http", "url": "http://127.0.0.1:9/new"}


@pytest.fixture
def scheduler(db: Database, settings: Settings) -> Scheduler:
    return Scheduler(db, settings)


def history(db: Database) -> list[tuple[int, str]]:
    """(number, action) of the versions of ``nightly``, the earliest first."""
    return [(one.version, one.action) for one in reversed(listed(db))]


def listed(db: Database) -> list[ScheduleVersion]:
    return db.read(lambda tx: versions.listed(tx, "nightly"))


def roll_back(db: Database, version: int) -> None:
    spec, settings = RollbackIn(version=version), settings_of("sqlite:///unused.db")
    db.run(lambda tx: version_actions.roll_back(tx, "nightly", spec, ANN, settings))


class TestRule:
    def test_an_instant_of_the_last_seconds_runs_by_the_new_definition(self, db: Database, clock: HandClock) -> None:
        put(db, every="1m")
        clock.turn(MINUTE + 10 * SECOND)
        put(db, every="5m", target=NEW)
        (row,) = occurrences(db)
        (job,) = runs(db)
        assert (row.disposition, row.job_id, row.version) == ("fired", job.id, 2)
        assert "edited by ann" in (row.reason or "")
        assert (job.target or "").endswith('/new"}')
        found = get_schedule(db)
        assert (found.runs, found.last_job_id, found.next_at) == (1, job.id, clock.now + 5 * MINUTE)

    def test_older_ones_are_missed_in_one_range(self, db: Database, clock: HandClock) -> None:
        start = clock.now
        put(db, every="1m", catchup="all")
        clock.turn(HOUR + 20 * SECOND)
        put(db, every="5m", catchup="all")
        assert ledger(db, since=start, unit=MINUTE) == [("missed", 1, 60)]
        (row,) = occurrences(db)
        assert row.reason == "edited by ann, before it ran"
        assert runs(db) == []

    def test_both_at_once_and_the_scheduler_finds_nothing_more(
        self, db: Database, clock: HandClock, scheduler: Scheduler
    ) -> None:
        start = clock.now
        put(db, every="10s")
        clock.turn(MINUTE)
        put(db, cron="0 3 * * *", overlap="allow")
        settle(scheduler)
        assert ledger(db, since=start, unit=10 * SECOND) == [("missed", 1, 4), ("fired", 5, 5), ("fired", 6, 6)]

    def test_the_overlap_policy_holds(self, db: Database, clock: HandClock) -> None:
        start = clock.now
        put(db, every="10s")
        clock.turn(20 * SECOND)
        put(db, every="7s")
        assert ledger(db, since=start, unit=10 * SECOND) == [("fired", 1, 1), ("skipped", 2, 2)]

    def test_another_zone_is_another_rule(self, db: Database, clock: HandClock) -> None:
        put(db, cron="1 12 * * *")
        clock.turn(MINUTE)
        put(db, cron="1 12 * * *", timezone="Europe/Paris")
        assert [row.disposition for row in occurrences(db)] == ["fired"]
        assert get_schedule(db).next_at == clock.now + 23 * HOUR

    def test_what_jobs_are_leaves_the_next_instant(self, db: Database, clock: HandClock) -> None:
        put(db, every="1m")
        due = get_schedule(db).next_at
        clock.turn(2 * MINUTE)
        put(db, every="1m", target=NEW, catchup="none")
        assert (get_schedule(db).next_at, occurrences(db)) == (due, [])

    def test_paused_in_the_same_edit_nothing_runs(self, db: Database, clock: HandClock) -> None:
        put(db, every="1m")
        clock.turn(MINUTE)
        put(db, every="5m", paused=True)
        assert [row.disposition for row in occurrences(db)] == ["missed"]

    def test_the_last_run_that_it_may_make_is_the_last(self, db: Database, clock: HandClock) -> None:
        put(db, every="1m", maxRuns=1)
        clock.turn(MINUTE)
        put(db, every="5m", maxRuns=1)
        found = get_schedule(db)
        assert (found.runs, found.next_at) == (1, None)

    def test_more_runs_go_on_after_the_last(self, db: Database, clock: HandClock, scheduler: Scheduler) -> None:
        put(db, every="1m", maxRuns=1)
        clock.turn(MINUTE)
        settle(scheduler)
        assert get_schedule(db).next_at is None
        put(db, every="1m", maxRuns=2)
        assert get_schedule(db).next_at == clock.now + MINUTE

    def test_a_time_that_has_passed_runs_once_but_not_again(
        self, db: Database, clock: HandClock, scheduler: Scheduler
    ) -> None:
        put(db, at="2027-01-15T12:01:00Z")
        clock.turn(MINUTE)
        settle(scheduler)
        put(db, every="1h")
        put(db, at="2027-01-15T12:01:00Z")
        settle(scheduler)
        assert len(runs(db)) == 1
        assert get_schedule(db).next_at is None

    def test_made_anew_with_a_start_in_the_past_covers_nothing_twice(
        self, db: Database, clock: HandClock, scheduler: Scheduler
    ) -> None:
        begin = {"startAt": "2027-01-15T11:00:00Z"}
        start = clock.now - HOUR
        put(db, cron="*/10 * * * *", catchup="all", overlap="allow", **begin)
        settle(scheduler)
        db.run(lambda tx: actions.delete(tx, "nightly", ANN))
        clock.turn(10 * MINUTE)
        put(db, cron="*/10 * * * *", catchup="all", overlap="allow", **begin)
        settle(scheduler)
        rows = ledger(db, since=start, unit=10 * MINUTE)
        assert [first for _, first, _ in rows] == list(range(8))
        assert len(runs(db)) == 8


class TestPause:
    def test_resumed_nothing_that_was_due_meanwhile_runs(
        self, db: Database, clock: HandClock, scheduler: Scheduler
    ) -> None:
        start = clock.now
        put(db, every="1m", catchup="all")
        clock.turn(10 * SECOND)
        pause(db)
        clock.turn(HOUR)
        db.run(lambda tx: actions.resume(tx, "nightly", ANN))
        settle(scheduler)
        assert ledger(db, since=start, unit=MINUTE) == [("paused", 1, 60)]
        assert get_schedule(db).next_at == start + 61 * MINUTE
        assert get_schedule(db).resumed_at == clock.now

    def test_so_it_is_when_an_edit_ends_the_pause(self, db: Database, clock: HandClock, scheduler: Scheduler) -> None:
        start = clock.now
        put(db, every="1m", paused=True, catchup="all")
        clock.turn(HOUR)
        put(db, every="1m", paused=False, catchup="all")
        settle(scheduler)
        assert ledger(db, since=start, unit=MINUTE) == [("paused", 1, 60)]
        assert history(db) == [(1, "created"), (2, "resumed")]

    def test_what_is_not_paused_is_not_resumed(self, db: Database) -> None:
        put(db, every="1m")
        db.run(lambda tx: actions.resume(tx, "nightly", ANN))
        assert history(db) == [(1, "created")]


class TestDelete:
    def test_what_was_owed_is_missed(self, db: Database, clock: HandClock, scheduler: Scheduler) -> None:
        start = clock.now
        put(db, every="1m", catchup="all")
        clock.turn(5 * MINUTE)
        db.run(lambda tx: actions.delete(tx, "nightly", ANN))
        settle(scheduler)
        assert ledger(db, since=start, unit=MINUTE) == [("missed", 1, 5)]
        assert runs(db) == []

    def test_the_same_id_goes_on_counting(self, db: Database) -> None:
        put(db, every="1m")
        db.run(lambda tx: actions.delete(tx, "nightly", ANN))
        assert put(db, every="1m").version == 3
        assert history(db) == [(1, "created"), (2, "deleted"), (3, "created")]
        assert listed(db)[1].definition is None


class TestVersions:
    def test_each_change_is_one(self, db: Database, clock: HandClock) -> None:
        put(db, every="1m")
        put(db, every="2m")
        put(db, every="2m")
        pause(db, note="holiday", until="2027-02-01T00:00:00Z")
        db.run(lambda tx: actions.resume(tx, "nightly", ANN))
        put(db, every="2m", owner="file", source="crons.toml", takeOver=True)
        assert history(db) == [(1, "created"), (2, "edited"), (3, "paused"), (4, "resumed"), (5, "takenOver")]
        paused = listed(db)[2]
        assert (paused.author, paused.note, paused.at) == ("ann", "until 2027-02-01T00:00:00Z holiday", clock.now)
        assert get_schedule(db).version == 5

    def test_going_back_makes_the_next_version(self, db: Database, clock: HandClock) -> None:
        put(db, every="1m", note="first", tags=["a"])
        put(db, cron="0 3 * * *", target=NEW)
        clock.turn(30 * SECOND)
        roll_back(db, 1)
        found = get_schedule(db)
        assert (found.version, found.rule, found.note) == (3, '{"every":"1m"}', "first")
        assert found.next_at == clock.now + 30 * SECOND  # on the old grid
        assert history(db)[-1] == (3, "rolledBack")
        roll_back(db, 3)
        assert get_schedule(db).version == 3

    def test_one_that_was_deleted_comes_back(self, db: Database, clock: HandClock, scheduler: Scheduler) -> None:
        put(db, every="1m")
        db.run(lambda tx: actions.delete(tx, "nightly", ANN))
        clock.turn(HOUR)
        roll_back(db, 1)
        settle(scheduler)
        assert get_schedule(db).next_at == clock.now + MINUTE
        assert (occurrences(db), history(db)[-1]) == ([], (3, "rolledBack"))

    def test_going_back_leaves_a_pause(self, db: Database) -> None:
        put(db, every="1m")
        put(db, every="2m")
        pause(db)
        roll_back(db, 1)
        assert get_schedule(db).paused_at is not None

    def test_what_ran_does_not_run_again(self, db: Database, clock: HandClock, scheduler: Scheduler) -> None:
        put(db, cron="* * * * *", overlap="allow")
        clock.turn(MINUTE)
        settle(scheduler)
        put(db, cron="*/2 * * * *", overlap="allow")
        roll_back(db, 1)
        settle(scheduler)
        assert len(runs(db)) == 1

    @pytest.mark.parametrize("fields", [
        {"rules": [{"every": "1m"}, {"cron": "0 3 * * *", "timezone": "Europe/Paris"}], "onStart": True},
        {"cron": "H H * * *", "dayMatch": "and", "jitter": "5m", "calendars": ["b", "a"], "pauseAfter": 3},
        {"at": "2030-01-01T00:00:00Z", "afterRun": "delete", "tags": ["x"], "retry": {"delays": ["1s"]}},
        {"every": "1m", "args": {"odd": "\u2028 \\u0000"}, "overlap": "queueOne", "catchupWindow": "6h",
         "endAt": "2031-01-01T00:00:00Z", "maxRuns": 7, "expiresIn": "1h", "note": "n", "priority": 5},
    ])  # fmt: skip
    def test_a_version_is_all_of_it(self, db: Database, fields: dict[str, Any]) -> None:
        with db.transaction() as tx:
            for name in fields.get("calendars", ()):
                calendars.put(tx, name, "{}", note=None, author=None)
        first = put(db, **fields)
        put(db, every="3h")
        roll_back(db, 1)
        again = get_schedule(db)
        changed = {name for name in first.__struct_fields__ if getattr(first, name) != getattr(again, name)}
        assert changed <= {"version", "updated_at", "next_at", "runs", "last_at", "last_job_id"}
