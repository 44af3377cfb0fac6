"""Schedules: versions, pauses, what is due, and who fires it."""

from __future__ import annotations

from typing import Any

import pytest

from rota.errors import Conflict
from rota.ids import new_id
from rota.model import NewJob, Occurrence
from rota.store import firing as firing_store
from rota.store import jobs, schedules
from rota.store import occurrences as occurrence_store
from rota.store.database import Database, Tx
from rota.store.firing import Firing
from tests.store import builders
from tests.store.builders import (
    claim,
    end,
    get,
    get_schedule,
    insert_one,
    ledger,
    new_job,
    new_schedule,
    occurrence,
    put,
)


def job_for(at: int, schedule_id: str = "nightly") -> NewJob:
    return new_job(schedule_id=schedule_id, scheduled_for=at, origin="schedule")


def firing(seen: int, following: int | None, schedule_id: str = "nightly", **given: Any) -> Firing:
    return Firing(id=schedule_id, **{"version": 1, "seen_next": seen, "next_at": following, **given})


def fire_once(db: Database, at: int, following: int | None, version: int = 1) -> NewJob | None:
    """Fire one instant of ``nightly``; the job when this was the one to do it."""
    job = job_for(at)
    decided = firing(at, following, version=version, last_at=at, last_job_id=job.id, fired=1)
    row = occurrence(at, disposition="fired", job_id=job.id, version=version)
    won = db.run(lambda tx: firing_store.fire(tx, [decided], [row], [job]))
    return job if won else None


class TestDefinition:
    def test_every_field_is_stored(self, db: Database) -> None:
        given = new_schedule(
            target='{"a": 1, "a": 2}', args='{ }', rule='{"every":5}', job='{"queue": "q"}', calendars='["x"]',
            overlap="queueAll", catchup="all", catchup_window_us=1, start_at=2, end_at=3, max_runs=4, jitter_us=5,
            anchor_at=6, paused_at=7, paused_by="ann", paused_note="n", resume_at=8, note="hello", owner="code",
            timezone="Europe/Berlin",
        )  # fmt: skip
        db.run(lambda tx: schedules.insert(tx, [given]))
        stored = get_schedule(db)
        for name in given.__struct_fields__:
            if name not in ("created_at", "updated_at"):
                assert getattr(stored, name) == getattr(given, name), name
        assert stored.created_at <= stored.updated_at <= db.read(lambda tx: tx.now())

    def test_an_edit_is_a_version_that_keeps_what_firing_noted(self, db: Database) -> None:
        first = put(db)
        job = fire_once(db, 1000, 2000)
        assert job is not None
        second = put(db, next_at=5000, note="new", last_at=1, runs=99, version=7)

        assert (second.version, second.next_at, second.note) == (2, 5000, "new")
        assert (second.last_at, second.last_job_id, second.runs) == (1000, job.id, 1)
        assert (second.created_at, second.updated_at > first.updated_at) == (first.created_at, True)

    def test_lists_are_ordered_filtered_and_paged(self, db: Database) -> None:
        for name, type_ in (("c-mail", None), ("a", "Mailing"), ("b", "other"), ("d", "x")):
            put(db, name, type=type_)

        put(db, "d", type="x", job='{"tags":["it\'s"]}', owner="code", paused_at=1)

        def ids(limit: int = 200, after: str = "", **given: Any) -> list[str]:
            wanted = schedules.ScheduleFilter(**given)
            found = [one.id for one in db.read(lambda tx: schedules.listed(tx, wanted, limit=limit, after=after))]
            assert limit < 200 or len(found) == db.read(lambda tx: schedules.count(tx, wanted))
            return found

        assert ids() == ["a", "b", "c-mail", "d"]
        assert ids(limit=2) == ["a", "b"]
        assert ids(limit=2, after="b") == ["c-mail", "d"]
        assert ids(q="MAIL") == ["a", "c-mail"]
        assert ids(q="%") == [] == ids(q="_")
        assert ids(owner="code") == ids(paused=True) == ids(tag="it's") == ids(tag="it's", q="D") == ["d"]
        assert ids(owner="api") == ids(paused=False) == ["a", "b", "c-mail"]
        assert ids(tag="its") == []
        assert db.read(schedules.count) == 4

    def test_a_deleted_schedule_leaves_its_history(self, db: Database) -> None:
        put(db)
        job = fire_once(db, 1000, 2000)
        assert db.run(lambda tx: schedules.delete(tx, "nightly"))
        assert not db.run(lambda tx: schedules.delete(tx, "nightly"))
        assert db.read(lambda tx: schedules.get(tx, "nightly")) is None
        assert ledger(db) == [(1000, 1000, "fired")]
        assert job is not None and get(db, job.id).status == "pending"


class TestPause:
    def test_pause_and_resume(self, db: Database) -> None:
        put(db)
        assert db.run(lambda tx: schedules.pause(tx, "nightly", by="ann", note="why", until=77))
        paused = get_schedule(db)
        assert (paused.paused_by, paused.paused_note, paused.resume_at) == ("ann", "why", 77)
        assert db.run(lambda tx: schedules.pause(tx, "nightly", by="bob", note=None, until=None))
        again = get_schedule(db)
        assert (again.paused_at, again.paused_by, again.resume_at) == (paused.paused_at, "bob", None)
        assert db.run(lambda tx: schedules.resume(tx, "nightly"))
        assert get_schedule(db).paused_at is None

    def test_what_is_not_there_is_not_paused(self, db: Database) -> None:
        assert not db.run(lambda tx: schedules.pause(tx, "none", by=None, note=None, until=None))
        assert not db.run(lambda tx: schedules.resume(tx, "none"))

    @pytest.mark.parametrize("change", ["pause", "resume", "edit", "delete"])
    def test_who_decided_before_a_change_fires_nothing_after_it(self, db: Database, change: str) -> None:
        put(db)
        (due,) = db.read(lambda tx: firing_store.due(tx, 10))
        if change == "pause":
            db.run(lambda tx: schedules.pause(tx, "nightly", by=None, note=None, until=None))
        elif change == "resume":
            db.run(lambda tx: schedules.resume(tx, "nightly"))
        elif change == "edit":
            put(db, note="the next instant is the same")
        else:
            db.run(lambda tx: schedules.delete(tx, "nightly"))

        assert fire_once(db, 1000, 2000, version=due.schedule.version) is None
        assert ledger(db) == []
        assert builders.column(db, "id") == []

    def test_a_pause_whose_end_has_come_ends_with_the_tick(self, db: Database) -> None:
        put(db, paused_at=1, paused_by="ann", paused_note="n", resume_at=900)
        db.run(lambda tx: firing_store.fire(tx, [firing(1000, 2000, resumed=True)], [occurrence(1000)], []))
        after = get_schedule(db)
        assert (after.paused_at, after.paused_by, after.paused_note, after.resume_at) == (None, None, None, None)
        assert (after.next_at, after.version, after.resumed_at) == (2000, 2, 900)

    def test_a_schedule_that_fails_is_paused_with_the_tick(self, db: Database) -> None:
        put(db, pause_after=2)
        decided = firing(1000, 2000, paused_at=1500, paused_note="it failed")
        db.run(lambda tx: firing_store.fire(tx, [decided], [occurrence(1000)], []))
        after = get_schedule(db)
        assert (after.paused_at, after.paused_by, after.paused_note) == (1500, "rota", "it failed")
        assert (after.next_at, after.version) == (2000, 2)


class TestDue:
    def test_the_longest_overdue_come_first(self, db: Database) -> None:
        now = db.read(lambda tx: tx.now())
        for name, at in (("b", 30), ("a", 10), ("c", 20), ("later", now + builders.HOUR), ("never", None)):
            put(db, name, next_at=at)
        found = db.read(lambda tx: firing_store.due(tx, 2))
        assert [(one.schedule.id, one.schedule.next_at) for one in found] == [("a", 10), ("c", 20)]
        assert db.read(firing_store.next_due)[1] == 10

    def test_nothing_is_due(self, db: Database) -> None:
        put(db, next_at=None)
        assert db.read(firing_store.next_due)[1] is None
        assert db.read(lambda tx: firing_store.due(tx, 10)) == []

    def test_what_still_runs_is_told(self, db: Database, worker: str) -> None:
        put(db)
        insert_one(db, schedule_id="other", delay_us=builders.HOUR)
        first, second = (insert_one(db, schedule_id="nightly", scheduled_for=at) for at in (1, 2))
        third = insert_one(db, schedule_id="nightly", scheduled_for=3, delay_us=builders.HOUR)

        def told() -> tuple[str | None, str | None]:
            (one,) = db.read(lambda tx: firing_store.due(tx, 10))
            return one.blocked_by, one.waiting

        assert told() == (first, third)
        (running,) = claim(db, worker, lanes={"async": 1})
        assert end(db, worker, running) == {first}
        assert told() == (second, third)
        assert db.run(lambda tx: jobs.cancel_waiting(tx, third, None))
        (running,) = claim(db, worker, lanes={"async": 1})
        assert told() == (second, None)
        assert end(db, worker, running) == {second}
        assert told() == (None, None)

    def test_where_overlap_is_allowed_nobody_asks(self, db: Database) -> None:
        put(db, overlap="allow")
        insert_one(db, schedule_id="nightly", scheduled_for=1)
        (one,) = db.read(lambda tx: firing_store.due(tx, 10))
        assert (one.blocked_by, one.waiting, one.held) == (None, None, 0)


class TestFire:
    def test_occurrence_job_and_next_instant_together(self, db: Database) -> None:
        put(db, next_at=1000)
        job = fire_once(db, 1000, 2000)
        assert job is not None
        after = get_schedule(db)
        assert (after.next_at, after.last_at, after.last_job_id, after.runs) == (2000, 1000, job.id, 1)
        stored = get(db, job.id)
        assert (stored.schedule_id, stored.scheduled_for, stored.origin) == ("nightly", 1000, "schedule")
        (row,) = db.read(lambda tx: occurrence_store.listed(tx, "nightly"))
        assert (row.job_id, row.version, row.disposition) == (job.id, 1, "fired")

    def test_all_or_nothing(self, db: Database) -> None:
        put(db)
        job = job_for(1000)
        row = occurrence(1000, disposition="fired", job_id=job.id)

        def undone(tx: Tx) -> None:
            firing_store.fire(tx, [firing(1000, 2000)], [row], [job])
            raise Conflict

        with pytest.raises(Conflict):
            db.run(undone)
        assert (get_schedule(db).next_at, ledger(db), builders.column(db, "id")) == (1000, [], [])

    @pytest.mark.parametrize(("seen", "version"), [(999, 1), (1000, 2)])
    def test_the_compare_and_set_decides(self, db: Database, seen: int, version: int) -> None:
        put(db)
        job = job_for(1000)
        decided = firing(seen, 2000, version=version)
        row = occurrence(1000, disposition="fired", job_id=job.id)
        assert db.run(lambda tx: firing_store.fire(tx, [decided], [row], [job])) == {}
        assert (get_schedule(db).next_at, ledger(db), builders.column(db, "id")) == (1000, [], [])

    def test_the_same_firing_again_does_nothing(self, db: Database) -> None:
        """A scheduler whose connection was lost at commit decides anew and finds it done."""
        put(db)
        assert fire_once(db, 1000, 2000) is not None
        assert fire_once(db, 1000, 2000) is None
        assert len(builders.column(db, "id")) == 1

    def test_of_a_batch_only_what_was_won_is_written(self, db: Database) -> None:
        for name in ("a", "b", "c"):
            put(db, name)
        db.run(lambda tx: firing_store.fire(tx, [firing(1000, 1500, "b")], [], []))
        made = [job_for(1000, name) for name in ("a", "b", "c")]
        rows = [occurrence(1000, disposition="fired", job_id=job.id, schedule_id=job.schedule_id) for job in made]
        decided = [firing(1000, 2000, name) for name in ("c", "b", "a")]
        assert db.run(lambda tx: firing_store.fire(tx, decided, rows, made)) == {"a": {1000}, "c": {1000}}
        assert sorted(builders.column(db, "schedule_id")) == ["a", "c"]
        assert get_schedule(db, "b").next_at == 1500

    def test_an_instant_that_has_a_row_never_fires_again(self, db: Database) -> None:
        """The clock was set back, and the schedule edited to an instant that was decided before."""
        put(db)
        first = fire_once(db, 1000, 2000)
        put(db, next_at=1000)
        assert fire_once(db, 1000, 2000, version=2) is not None  # won, but nothing is made of it
        assert list(builders.column(db, "id")) == [first.id if first else None]

        after = get_schedule(db)
        assert (after.runs, after.last_job_id, after.next_at) == (1, first.id if first else None, 2000)
        assert ledger(db) == [(1000, 1000, "fired")]

    def test_an_instant_within_a_range_never_fires(self, db: Database) -> None:
        put(db, next_at=100)
        db.run(lambda tx: firing_store.fire(tx, [firing(100, 1000)], [occurrence(100, 900)], []))
        put(db, next_at=500)
        assert fire_once(db, 500, 1000, version=2) is not None
        assert (builders.column(db, "id"), ledger(db)) == ([], [(100, 900, "paused")])
        assert (get_schedule(db).runs, get_schedule(db).last_job_id) == (0, None)

    def test_two_schedulers_at_once_fire_each_instant_once(self, db: Database) -> None:
        names = [f"s{number}" for number in range(20)]
        for name in names:
            put(db, name, next_at=1)
        last = 30

        def run() -> int:
            fired = 0
            while due := db.read(lambda tx: firing_store.due(tx, 7)):
                due = [one for one in due if (one.schedule.next_at or 0) <= last]
                if not due:
                    break
                decided, rows, made = [], [], []
                for one in due:
                    at = one.schedule.next_at or 0
                    job = job_for(at, one.schedule.id)
                    made.append(job)
                    rows.append(occurrence(at, disposition="fired", job_id=job.id, schedule_id=one.schedule.id))
                    following = at + 1 if at < last else None
                    decided.append(firing(at, following, one.schedule.id, fired=1, last_job_id=job.id))
                with db.transaction() as tx:
                    fired += len(firing_store.fire(tx, decided, rows, made))
            return fired

        assert sum(builders.at_once(run, run, run)) == len(names) * last
        wanted = {(name, at) for name in names for at in range(1, last + 1)}
        found = db.read(lambda tx: tx.rows("SELECT schedule_id, scheduled_for FROM rota_occurrences"))
        made = db.read(lambda tx: tx.rows("SELECT schedule_id, scheduled_for FROM rota_jobs"))
        assert (sorted(found), sorted(made)) == (sorted(wanted), sorted(wanted))
        assert {get_schedule(db, name).runs for name in names} == {last}


class TestLedger:
    def account(self, db: Database, *rows: Occurrence) -> None:
        db.run(lambda tx: occurrence_store.account(tx, rows))

    def test_a_range_that_follows_one_alike_makes_it_longer(self, db: Database) -> None:
        for at in range(10, 60, 10):
            self.account(db, occurrence(at))
        self.account(db, occurrence(60, 90))
        assert ledger(db) == [(10, 90, "paused")]

    @pytest.mark.parametrize(
        "other",
        [{"disposition": "missed"}, {"cause": "another"}, {"version": 2}, {"disposition": "fired", "job_id": new_id()}],
    )
    def test_another_disposition_cause_or_version_begins_a_row(self, db: Database, other: dict[str, Any]) -> None:
        self.account(db, occurrence(10, 19))
        self.account(db, occurrence(20, **other))
        self.account(db, occurrence(30))
        assert [(first, last) for first, last, _ in ledger(db)] == [(10, 19), (20, 20), (30, 30)]

    def test_neighbours_alike_in_one_batch_are_one_row(self, db: Database) -> None:
        self.account(db, occurrence(10), occurrence(20, 29), occurrence(30, disposition="missed"), occurrence(40))
        assert ledger(db) == [(10, 29, "paused"), (30, 30, "missed"), (40, 40, "paused")]
        self.account(db, occurrence(50), occurrence(60))
        assert ledger(db)[-1] == (40, 60, "paused")

    def test_a_range_is_not_drawn_over_a_run_of_the_same_batch(self, db: Database) -> None:
        self.account(db, occurrence(10, 19))
        job_id = insert_one(db)
        self.account(db, occurrence(20, disposition="fired", job_id=job_id), occurrence(30, 39))
        assert ledger(db) == [(10, 19, "paused"), (20, 20, "fired"), (30, 39, "paused")]

    def test_schedules_do_not_meet(self, db: Database) -> None:
        self.account(db, occurrence(10), occurrence(10, schedule_id="other"))
        self.account(db, occurrence(20), occurrence(30, schedule_id="other"))
        assert (ledger(db), ledger(db, "other")) == ([(10, 20, "paused")], [(10, 30, "paused")])

    def test_what_is_covered_stays_as_it_was_decided(self, db: Database) -> None:
        self.account(db, occurrence(10, 50, reason="first"))
        for row in (occurrence(10, disposition="missed"), occurrence(30, disposition="missed"), occurrence(30)):
            self.account(db, row)
        assert ledger(db) == [(10, 50, "paused")]

    def test_every_field_is_stored(self, db: Database) -> None:
        job_id = insert_one(db)
        row = occurrence(5, 5, "caughtUp", job_id=job_id, reason="late", cause="c", version=3)
        self.account(db, row)
        (stored,) = db.read(lambda tx: occurrence_store.listed(tx, "nightly"))
        assert stored.decided_at > 0
        row.decided_at = stored.decided_at
        assert stored == row

    def test_pages_go_backwards(self, db: Database) -> None:
        self.account(db, *[occurrence(at, cause=str(at)) for at in range(1, 8)])

        def page(before: int | None) -> list[int]:
            found = db.read(lambda tx: occurrence_store.listed(tx, "nightly", before=before, limit=3))
            return [one.scheduled_for for one in found]

        assert (page(None), page(5), page(2), page(1)) == ([7, 6, 5], [4, 3, 2], [1], [])
