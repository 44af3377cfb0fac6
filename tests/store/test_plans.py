"""Every statement that runs often goes by its index, whatever the statistics say.

They are taken, as in life, while nothing runs; or never.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import get_args

import pytest

from rota.model import Job, LogChunk, Pause
from rota.store import (
    ageing,
    awaiting,
    backfills,
    calendars,
    changes,
    due,
    history,
    jobs,
    limits,
    logs,
    measures,
    news,
    occurrences,
    operations,
    pauses,
    pulse,
    queues,
    reads,
    results,
    retention,
    rollups,
    schedules,
    turns,
    untaken,
    versions,
    vitals,
    waiting,
)
from rota.store import firing as firing_store
from rota.store import keys as key_store
from rota.store.database import Database, Tx
from rota.store.firing import Firing
from rota.store.reads import JobFilter
from rota.store.results import Deferred, Finished, Returned
from rota.store.retention import Which
from rota.store.sql import batch
from tests.store import builders, filling
from tests.store.filling import DUE_SCHEDULES, Statistics
from tests.store.plans import Plan, recorded

TOTAL = 50_000
RUNNING = 500
PRIMARY = {"rota_jobs_pkey", "sqlite_autoindex_rota_jobs_1"}
NEVER = 1 << 60

Act = Callable[[], object]


class Undo(Exception):
    """Ends a transaction that was only looked at."""


class Acts:
    """What is done often, with the indexes that must serve it; the first name is PostgreSQL's, where they differ."""

    def __init__(self, db: Database, worker: str) -> None:
        self.db = db
        self.worker = worker
        self.held = db.read(lambda tx: results.held(tx, worker))
        assert len(self.held) == RUNNING
        ended = "SELECT id FROM rota_jobs WHERE status = 'completed' ORDER BY id LIMIT 500"
        self.ended: list[str] = [row[0] for row in db.read(lambda tx: tx.rows(ended))]
        self.keys: list[str] = list(builders.column(db, "DISTINCT turn_key", "rota_jobs WHERE status = 'held'"))
        assert len(self.keys) == filling.HELD
        self.table: dict[str, tuple[Act, set[str]]] = {}
        self._hot()
        self._turns()
        self._periodic()
        self._queues()
        self._lists()
        self._waiting()
        self._news()
        self._history()
        self._changes()

    def add(self, name: str, work: Callable[[Tx], object], *indexes: str) -> None:
        def act() -> None:
            with pytest.raises(Undo), self.db.transaction() as tx:
                self._undone(tx, work)

        self.table[name] = (act, set(indexes))

    def _undone(self, tx: Tx, work: Callable[[Tx], object]) -> None:
        work(tx)
        raise Undo

    def _hot(self) -> None:
        ended = [Finished(id=job_id, attempt=attempt, status="completed") for job_id, attempt in self.held]
        returned = [Returned(id=job_id, attempt=attempt, outcome="failed", used=1) for job_id, attempt in self.held]
        reports = [{"id": job_id, "attempt": attempt, "value": 0.5, "note": ""} for job_id, attempt in self.held]
        chunks = [LogChunk(job_id, attempt, 1, 1, 0, "[]") for job_id, attempt in self.held]
        self.table["claim"] = (self._claim(), {"rota_jobs_ready", "primary"})
        self.table["claim listed"] = (self._claim(queues=("queue1", "queue3")), {"rota_jobs_ready", "primary"})
        self.table["claim beside others"] = (self._claim(foreign=("type1",)), {"rota_jobs_ready", "primary"})
        self.add("finish", lambda tx: results.finish(tx, self.worker, ended), "primary")
        self.add("give back", lambda tx: results.give_back(tx, self.worker, returned), "primary")
        self.add("progress", lambda tx: results.progress(tx, self.worker, reports), "primary")
        self.add("append", lambda tx: logs.append(tx, chunks), "primary")
        deferred = [Deferred(id=job_id, attempt=attempt, limit_us=1) for job_id, attempt in self.held]
        self.add("defer", lambda tx: awaiting.defer(tx, self.worker, deferred), "primary")
        answered = Finished(id=self.held[0][0], attempt=self.held[0][1], status="completed")
        self.add("answer", lambda tx: results.answer(tx, answered, self.worker), "primary")
        self.add("states", lambda tx: jobs.states(tx, self.ended), "primary")
        self.add("lock", lambda tx: jobs.lock(tx, self.ended[0]), "primary")

    def _turns(self) -> None:
        both = ("rota_jobs_turn", "rota_jobs_held")
        new = [builders.new_job(turn_key=key) for key in (*self.keys, *(f"new{n}" for n in range(100)))]
        ended = [Finished(id=job_id, attempt=attempt, status="completed") for job_id, attempt in self.held]
        self.add("insert in turn", lambda tx: jobs.insert(tx, new), *both)
        self.add("finish in turn", lambda tx: results.finish(tx, self.worker, ended), "primary", *both)
        self.add("settle", lambda tx: turns.settle(tx, self.keys), "rota_jobs_turn")
        self.add("idle", lambda tx: turns.idle(tx, 100), *both)
        self.add("clear", lambda tx: turns.clear(tx, self.keys, "kill", None), "primary", *both)
        self.add("ahead", lambda tx: turns.ahead(tx, self.keys[0], new[-1].id), *both)
        adopt = ("primary", "rota_jobs_turn", "rota_jobs_overlap")
        self.add("adopt", lambda tx: turns.adopt(tx, "schedule:s1", "s1"), *adopt)

    def _claim(self, **given: tuple[str, ...]) -> Act:
        return lambda: builders.claim(self.db, self.worker, lanes={"http": 1, "async": 1}, **given)

    def _queues(self) -> None:
        self.add("keys", lambda tx: key_store.concurrency(tx, "queue1", "", 50), "rota_jobs_ring")
        self.add("order keys", lambda tx: key_store.ordered(tx, "queue1", "", 50), "rota_jobs_turn", "rota_jobs_held")
        self.add("rank anew", self._rank, "primary")
        self.add("end of a pause", self._resume, "rota_jobs_ring", "primary")

    def _rank(self, tx: Tx) -> None:
        queues.change(tx, "queue1", {"ageing_us": 1_000_000})
        assert ageing.go_on(tx, "queue1")

    def _resume(self, tx: Tx) -> None:
        first = "SELECT id, type FROM rota_jobs WHERE status = 'pending' AND ring IS NULL AND queue = 'queue4' LIMIT 1"
        ((job_id, name),) = tx.rows(first)
        limits.park(tx, [job_id])
        assert pauses.go_on(tx, Pause(kind="type", name=name), 1)

    def _periodic(self) -> None:
        self.add("move", lambda tx: due.move(tx, 1000), "rota_jobs_due", "primary")
        self.add("expire", lambda tx: due.expire(tx, 1000), "rota_jobs_expiring", "primary")
        self.add("look", due.look, "rota_jobs_expiring", "rota_jobs_due", "rota_jobs_held")
        self.add("cancels", lambda tx: results.cancels(tx, self.worker), "rota_jobs_running")
        self.add("held", lambda tx: results.held(tx, self.worker), "rota_jobs_running")
        self.add("clocks", lambda tx: awaiting.clocks(tx, self.worker), "rota_jobs_running")
        # PostgreSQL goes by either of two, both of which are short.
        theirs = ["rota_jobs_awaiting"] if self.db.dialect == "sqlite" else []
        self.add("unanswered", lambda tx: awaiting.over(tx, 500), *theirs)
        self.add("next schedule", firing_store.next_due, "rota_schedules_due")
        self.add("pulse", pulse.look, "rota_schedules_due", "rota_jobs_due", "rota_jobs_expiring", "rota_jobs_held")
        self.add("due schedules", lambda tx: firing_store.due(tx, 100), "rota_schedules_due", "rota_jobs_overlap")
        self.add("fire", self._fire, "rota_occurrences_pkey", "rota_schedules_pkey")
        self.add("overdue", lambda tx: tx.value(vitals.OVERDUE), "rota_schedules_due")
        self.add("vitals", vitals.look, "rota_jobs_ready", "rota_jobs_ring")
        self.add("stranded", untaken.stranded, "rota_jobs_ready", "rota_jobs_ring")
        self.add("lose", self._lose, "rota_jobs_running", "primary")
        self.add("spent", retention.spent, "rota_schedules_spent", "rota_jobs_overlap")
        self.add(
            "delete spent", lambda tx: retention.delete_spent(tx, "", 10), "rota_schedules_spent", "rota_jobs_overlap"
        )

    def _fire(self, tx: Tx) -> None:
        found = firing_store.due(tx, 100)
        assert len(found) == DUE_SCHEDULES
        firings = [
            Firing(id=one.schedule.id, version=1, seen_next=one.schedule.next_at or 0, next_at=None) for one in found
        ]
        rows = [builders.occurrence(NEVER + at, schedule_id=one.id) for one in firings for at in (1, 2)]
        assert len(firing_store.fire(tx, firings, rows, [])) == DUE_SCHEDULES

    def _lose(self, tx: Tx) -> None:
        tx.run("UPDATE rota_workers SET state = 'lost'")
        assert len(results.lose(tx)) == RUNNING

    def _lists(self) -> None:
        for name, wanted, indexes in (
            ("all", JobFilter(), {"primary"}),
            ("type", JobFilter(type="type3"), {"rota_jobs_type"}),
            ("rare type", JobFilter(type="rare"), {"rota_jobs_type"}),
            ("unknown type", JobFilter(type="none"), {"rota_jobs_type"}),
            ("failed", JobFilter(statuses=("failed",)), {"rota_jobs_unsuccessful"}),
            ("cancelled", JobFilter(statuses=("cancelled",)), {"rota_jobs_unsuccessful"}),
            ("running", JobFilter(statuses=("running",)), {"rota_jobs_running"}),
            (
                "waiting",
                JobFilter(statuses=("pending", "scheduled", "held")),
                {"rota_jobs_ready", "rota_jobs_ring", "rota_jobs_due", "rota_jobs_held"},
            ),
            ("schedule", JobFilter(schedule="schedule4"), {"rota_jobs_schedule"}),
            ("batch", JobFilter(batch=self.ended[0]), {"rota_jobs_batch"}),
            ("waiting of a key", JobFilter(statuses=("pending",), concurrency_key="customer=1"), {"rota_jobs_ring"}),
        ):
            for where, cursor in (("first", None), ("next", self.ended[-1])):
                self.add(f"list {name}, {where}", self._list(wanted, cursor), *indexes)
        waiting = ("rota_jobs_ready", "rota_jobs_ring", "rota_jobs_due", "rota_jobs_held")
        self.add("statistics", queues.stats, *waiting, "rota_jobs_unsuccessful")

    def _list(self, wanted: JobFilter, cursor: str | None) -> Callable[[Tx], object]:
        return lambda tx: reads.jobs(tx, wanted, limit=50, cursor=cursor)

    def _one_pending(self, ring: str) -> Job:
        sql = f"SELECT id FROM rota_jobs WHERE status = 'pending' AND ring IS {ring} LIMIT 1"
        return builders.get(self.db, self.db.read(lambda tx: tx.value(sql)))

    def _waiting(self) -> None:
        plain, ringed = self._one_pending("NULL"), self._one_pending("NOT NULL")
        run = waiting.Run(self.held[-1][0], "type3", 0)
        self.add("before", lambda tx: waiting.before(tx, plain), "rota_jobs_ready")
        self.add("before in a ring", lambda tx: waiting.before(tx, ringed), "rota_jobs_ring")
        self.add("runs", lambda tx: waiting.runs(tx, "queue1"), "rota_jobs_running")
        self.add("busy", lambda tx: waiting.busy_in_lane(tx, "http"), "rota_jobs_running")
        self.add("durations of a type", lambda tx: waiting.durations(tx, run), "rota_jobs_type")
        self.add("open in batch", lambda tx: waiting.open_in_batch(tx, run.id), "rota_jobs_batch")

    def _news(self) -> None:
        everywhere = ("rota_jobs_running", "rota_jobs_finished", "rota_occurrences_age", "primary")
        self.add("news", lambda tx: news.look(tx, NEVER, self.ended), *everywhere)
        self.add("old news", lambda tx: news.look(tx, 5, self.ended[:5]), *everywhere)
        counted = ("rota_jobs_ready", "rota_jobs_ring", "rota_jobs_unsuccessful")
        self.add("measures", measures.measure, "rota_jobs_finished", *counted)
        self.add("sum up", self._sum_up, "rota_occurrences_age", "rota_jobs_finished", "rota_attempts_ended", "primary")
        self.add("series", lambda tx: rollups.between(tx, 60, 0, NEVER), "rota_rollups_pkey")
        self.add("shown news", lambda tx: news.shown(tx, self.ended[:200]), "primary")

    def _sum_up(self, tx: Tx) -> None:
        tx.run("INSERT INTO rota_meta (key, value) VALUES ('rolled_up_to', '0') ON CONFLICT DO NOTHING")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rollups, "MOST_AT_ONCE_US", 1_000_000)  # a small part of all that ended here
            found = rollups.ended(tx)
        assert found is not None and rollups.store(tx, found)
        assert rollups.between(tx, 60, 0, NEVER)

    def _history(self) -> None:
        for status in ("completed", "cancelled", "failed"):
            for queues_ in (None, frozenset(("queue3",))):
                which = Which(before=NEVER, status=status, queues=queues_)
                self.add(f"old jobs, {status} of {queues_}", self._old(which), "rota_jobs_finished")
            own = Which(before=NEVER, status=status, queue="queue3")
            for name, look in (("old", self._old(own)), ("bound", self._bound(own)), ("weight", self._weight(own))):
                self.add(f"{name} of a queue, {status}", look, "rota_jobs_kept")
        self.add("delete", lambda tx: jobs.delete(tx, self.ended), "primary")
        self.add("retry", lambda tx: jobs.retry(tx, self.ended[0]), "primary")
        self.add("old occurrences", lambda tx: retention.delete_occurrences(tx, 5, 500), "rota_occurrences_age")
        self.add("durations", self._durations, "rota_jobs_schedule")
        self.add("upcoming", lambda tx: history.upcoming(tx, 2000, 100), "rota_schedules_due")
        self.add("active run", lambda tx: history.active(tx, "schedule4"), "rota_jobs_overlap")
        self.add("failed lately", lambda tx: history.failed_since(tx, 5), "rota_jobs_finished")
        self.add("users of a calendar", lambda tx: calendars.naming(tx, "works", 10), "rota_schedules_calendars")
        self._definitions()
        self.add("old logs", lambda tx: retention.delete_logs(tx, 5, 500), "rota_logs_age")

    def _definitions(self) -> None:
        ids = [f"schedule{number}" for number in range(50, 150)]
        gone = [builders.new_schedule(f"new{number}") for number in range(100)]
        found = self.db.read(lambda tx: list(schedules.get_all(tx, ids).values()))
        asked = [versions.Repeat(schedule_id=one, action="paused") for one in ids]
        rows = [builders.occurrence(at, schedule_id="schedule4") for at in range(44, 444, 40)]
        mine, theirs = "rota_schedules_pkey", "rota_schedule_versions_pkey"
        self.add("get schedules", lambda tx: schedules.get_all(tx, ids), mine)
        self.add("lock schedules", lambda tx: schedules.lock_all(tx, ids), mine)
        self.add("insert schedules", lambda tx: schedules.insert(tx, gone), theirs)
        self.add("update schedules", lambda tx: schedules.update(tx, found), mine)
        self.add("repeat versions", lambda tx: versions.repeat(tx, asked), mine, theirs)
        self.add("versions", lambda tx: versions.listed(tx, "schedule4"), theirs)
        self.add("versions in force", lambda tx: versions.in_force(tx, "schedule4", 2, 3), theirs)
        self.add("numbered versions", lambda tx: versions.numbered(tx, "schedule4", [1, 2]), theirs)
        self.add("ends", lambda tx: occurrences.ends(tx, ids), "rota_occurrences_pkey")
        self.add("recent", lambda tx: occurrences.recent(tx, ids, 20), "rota_occurrences_pkey")
        made = [builders.occurrence(1, disposition="fired", job_id=one) for one, _ in self.held]
        self.add("runs of occurrences", lambda tx: occurrences.runs(tx, made), "primary")
        self.add("backfill", lambda tx: backfills.rows(tx, "schedule4", 500, 1000), "rota_occurrences_pkey")
        self.add("split", lambda tx: backfills.replace(tx, "schedule4", rows, rows), "rota_occurrences_pkey")
        self.add("owed", lambda tx: firing_store.due(tx, 100, now=NEVER, only=ids), mine, "rota_jobs_overlap")

    def _changes(self) -> None:
        running = [job_id for job_id, _ in self.held]
        waiting = self.db.read(
            lambda tx: [
                row[0] for row in tx.rows("SELECT id FROM rota_jobs WHERE status = 'pending' ORDER BY id LIMIT 500")
            ]
        )
        self.add("retry many", lambda tx: changes.retry(tx, self.ended), "primary")
        self.add("cancel many", lambda tx: changes.cancel(tx, [*waiting[:250], *running[:250]], "ann"), "primary")
        self.add("move many", lambda tx: changes.move(tx, waiting, "elsewhere"), "primary")
        self.add("reprioritise many", lambda tx: changes.reprioritise(tx, waiting, -77), "primary")
        self.add("rerank many", self._rerank(waiting), "primary")
        self.add("edit", lambda tx: changes.edit(tx, waiting[0], {"rank": -77}, due=(None, 0)), "primary")
        failed = JobFilter(statuses=("failed",), queue="queue3")
        self.add("look up", lambda tx: reads.ids(tx, failed, limit=5000), "rota_jobs_unsuccessful")
        self.add("look up further", lambda tx: reads.ids(tx, failed, limit=5000, after=self.ended[0]))
        self.add("newest", operations.newest, "primary")

    def _rerank(self, ids: list[str]) -> Callable[[Tx], object]:
        def work(tx: Tx) -> None:
            tx.run("UPDATE rota_queues SET ageing_us = 60000000")
            changes.rerank(tx, ids)

        return work

    def _durations(self, tx: Tx) -> None:
        history.durations(tx, [f"schedule{number}" for number in range(100)])

    def _old(self, which: Which) -> Callable[[Tx], object]:
        return lambda tx: retention.old_jobs(tx, which, keep_last=100, limit=500)

    def _bound(self, which: Which) -> Callable[[Tx], object]:
        return lambda tx: retention.bound(tx, which, 20)

    def _weight(self, which: Which) -> Callable[[Tx], object]:
        return lambda tx: retention.weight(tx, which)


def missing(indexes: set[str], plans: list[Plan]) -> set[str]:
    used = {index for plan in plans for index in plan.indexes}
    if used & PRIMARY:
        used.add("primary")
    own = "sqlite_autoindex_"
    used |= {f"{name.removeprefix(own).removesuffix('_1')}_pkey" for name in used if name.startswith(own)}
    return indexes - used


def faults(acts: Acts, *, generic: bool, may_read_whole: Callable[[Plan], bool]) -> Iterator[str]:
    for name, (act, indexes) in acts.table.items():
        with recorded(generic=generic) as plans:
            act()
        assert plans, name
        if without := missing(indexes, plans):
            yield f"{name} goes without {without}:\n" + "\n".join(map(str, plans))
        for plan in plans:
            if "rota_jobs" in plan.whole and not may_read_whole(plan):
                yield f"{name} reads the whole table:\n{plan}"


@pytest.mark.parametrize("statistics", get_args(Statistics))
def test_on_sqlite(lite: Database, statistics: Statistics) -> None:
    acts = Acts(lite, filling.fill(lite, TOTAL, statistics, RUNNING))
    found = list(faults(acts, generic=False, may_read_whole=lambda plan: False))
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("statistics", get_args(Statistics))
def test_on_postgresql(pg: Database, statistics: Statistics) -> None:
    """Planned for the values, and as a prepared statement is planned for any."""
    acts = Acts(pg, filling.fill(pg, TOTAL, statistics, RUNNING))

    def may_read_whole(plan: Plan) -> bool:
        # Without statistics a table of this size is counted faster from end to end; a large one is not.
        return statistics == "none" and plan.sql.startswith("SELECT count(*)") and "status" not in plan.sql

    for generic in (False, True):
        found = list(faults(acts, generic=generic, may_read_whole=may_read_whole))
        assert not found, "\n\n".join(found)


def test_the_recorder_sees_what_is_wrong(db: Database) -> None:
    """Else the tests above could not fail."""
    builders.insert_one(db)
    with recorded() as plans, db.statement() as tx:
        tx.rows("SELECT * FROM rota_jobs WHERE started_by = 'ann'")
        tx.rows("SELECT id FROM rota_jobs j WHERE j.unique_hold = 'k'")
    whole, by_index = plans
    assert (set(whole.whole), set(whole.indexes)) == ({"rota_jobs"}, set())
    assert (set(by_index.whole), set(by_index.indexes)) == (set(), {"rota_jobs_unique"})


def test_an_idle_look_goes_by_its_index_also_where_nearly_all_waits(lite: Database) -> None:
    """SQLite then expects a waiting job at once from the whole table, in which all that has ended lies first."""
    worker = builders.register(lite)
    with lite.transaction() as tx:
        jobs.insert(tx, [builders.new_job() for _ in range(3000)])
    with lite.statement() as tx:
        tx.run("ANALYZE")
    with recorded() as plans:
        builders.claim(lite, worker)
    assert plans
    for plan in plans:
        assert "rota_jobs" not in plan.whole, plan


def test_results_are_found_once_each_in_a_small_table_of_which_nothing_is_known(pg: Database) -> None:
    # Else the server may look at it by itself meanwhile, and know it.
    builders.execute(pg, "ALTER TABLE rota_jobs SET (autovacuum_enabled = false)")
    worker = builders.register(pg)
    builders.insert(pg, *[builders.new_job() for _ in range(2000)])
    for _ in range(4):
        taken = builders.claim(pg, worker, lanes={"async": 400})
        ended = [Finished(id=one.call.job_id, attempt=1, status="completed") for one in taken]
        with pg.transaction() as tx:
            rows = tx.rows(f"EXPLAIN ANALYZE {results.FINISH}", {"worker": worker, "batch": batch(ended)})
        plan = "\n".join(str(row[0]) for row in rows)
        assert "Removed by Join Filter" not in plan, plan


@pytest.mark.parametrize("generic", [False, True])
def test_one_result_is_looked_up_also_in_a_small_table(pg: Database, generic: bool) -> None:
    worker = builders.register(pg)
    builders.insert(pg, *[builders.new_job() for _ in range(3000)])
    with pg.statement() as tx:
        tx.run("ANALYZE rota_jobs")
    [one] = builders.claim(pg, worker, lanes={"async": 1})
    with recorded(generic=generic) as plans:
        builders.end(pg, worker, one)
    assert "rota_jobs" not in plans[0].whole, plans[0]
    assert "rota_jobs_pkey" in plans[0].indexes
