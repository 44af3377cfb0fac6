"""Lists of jobs: filters, pages, capped counts."""

from __future__ import annotations

from typing import Any

import pytest

from rota.errors import Invalid
from rota.ids import least_id
from rota.store import jobs, reads
from rota.store.database import Database
from rota.store.reads import JobFilter, JobPage
from tests.store import builders
from tests.store.builders import HOUR, SECOND, backdate, claim, end, insert, insert_one, new_job

BATCH = least_id(1)


def listed(db: Database, **given: Any) -> list[str]:
    page = db.read(lambda tx: reads.jobs(tx, JobFilter(**given), limit=100))
    ids = [job.id for job in page.jobs]
    assert (page.total, page.total_is_estimate, page.next_cursor) == (len(ids), False, None)
    assert db.read(lambda tx: reads.ids(tx, JobFilter(**given), limit=100)) == sorted(ids)
    assert db.read(lambda tx: reads.count(tx, JobFilter(**given))) == len(ids)
    return ids


def test_the_latest_come_first_and_whole(db: Database) -> None:
    ids = insert(db, *[new_job(args=f"[{number}]") for number in range(5)])
    assert listed(db) == ids[::-1]
    page = db.read(lambda tx: reads.jobs(tx, JobFilter(), limit=1))
    assert page.jobs == [builders.get(db, ids[-1])]


def test_of_a_type_are_those_that_run_and_those_at_rest(db: Database, worker: str) -> None:
    ids = insert(db, *[new_job(type=("mail", "other")[number % 2]) for number in range(8)])
    lane = builders.get(db, ids[0]).lane
    end(db, worker, *claim(db, worker, lanes={lane: 3}))
    claim(db, worker, lanes={lane: 3})
    states = [builders.get(db, one).status for one in ids[::2]]
    assert states == ["completed", "completed", "running", "pending"]
    assert listed(db, type="mail") == ids[-2::-2]
    assert listed(db, type="mail", statuses=("running", "completed")) == ids[-4::-2]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"type": "mail"}, "b"),
        ({"queue": "q"}, "c"),
        ({"schedule": "nightly"}, "d"),
        ({"tag": "it's"}, "e"),
        ({"started_by": "ann"}, "f"),
        ({"batch": BATCH}, "i"),
        ({"concurrency_key": "customer=42"}, "jh"),
        ({"concurrency_key": "customer=42", "statuses": ("pending",)}, "jh"),
        ({"label": "eu"}, "j"),
        ({"label": "e"}, ""),
        ({"statuses": ("scheduled",)}, "g"),
        ({"statuses": ("scheduled", "running", "failed")}, "g"),
        ({"statuses": ("pending",)}, "jihfedcba"),
        ({"type": "report", "queue": "q"}, "c"),
        ({"type": "mail", "queue": "q"}, ""),
        ({"type": "no such"}, ""),
    ],
)
def test_filters_narrow(db: Database, given: dict[str, Any], wanted: str) -> None:
    given_jobs = {
        "a": new_job(tags='["its"]'),
        "b": new_job(type="mail"),
        "c": new_job(queue="q"),
        "d": new_job(schedule_id="nightly"),
        "e": new_job(tags='["x", "it\'s"]'),
        "f": new_job(started_by="ann"),
        "g": new_job(delay_us=HOUR),
        "h": new_job(concurrency_key="customer=42"),
        "i": new_job(batch_id=BATCH),
        "j": new_job(concurrency_key="customer=42", run_on='["eu","gpu"]'),
    }
    insert(db, *given_jobs.values())
    names = {job.id: name for name, job in given_jobs.items()}
    assert "".join(names[job_id] for job_id in listed(db, **given)) == wanted


def test_what_runs_every_minute_can_be_left_out(db: Database) -> None:
    minute, second = 60 * builders.SECOND, builders.SECOND
    for name, apart in (("each-minute", minute), ("often", second), ("seldom", minute + 1)):
        builders.put(db, name, next_at=10 * minute)
        builders.execute(db, f"UPDATE rota_schedules SET last_at = next_at - {apart} WHERE id = '{name}'")
    builders.put(db, "new")
    builders.insert_one(db)
    for of in ("each-minute", "often", "seldom", "new", "gone"):
        builders.insert_one(db, schedule_id=of, scheduled_for=1)
    found = db.read(lambda tx: reads.jobs(tx, JobFilter(hide_frequent=True), limit=10))
    assert {job.schedule_id for job in found.jobs} == {"seldom", "new", "gone", None}
    assert found.total == 4


@pytest.mark.parametrize("status", ["running", "completed", "failed", "cancelled"])
def test_filters_by_later_statuses(db: Database, worker: str, status: str) -> None:
    ids = insert(db, *[new_job() for _ in range(4)])
    for claimed, ended in zip(claim(db, worker), ("completed", "failed", "cancelled", None), strict=True):
        if ended:
            end(db, worker, claimed, status=ended)
    place = ["completed", "failed", "cancelled", "running"].index(status)
    assert listed(db, statuses=(status,)) == [ids[place]]


@pytest.mark.parametrize(
    ("text", "found"),
    [("boom", True), ("BOOM", True), ("needle", True), ("100%", True), ("a_b", True), ("axb", False), ("%", True),
     ("_", True), ("report", True), ("no such", False), ("\\", False), ("'", False)],
)  # fmt: skip
def test_the_search_takes_texts_as_they_are(db: Database, worker: str, text: str, found: bool) -> None:
    job_id = insert_one(db, args='{"x": "Needle 100% a_b"}')
    (claimed,) = claim(db, worker)
    end(db, worker, claimed, status="failed", error="Boom!")
    assert listed(db, q=text) == ([job_id] if found else [])
    assert listed(db, q=job_id[9:23].upper()) == [job_id]


@pytest.mark.parametrize(
    ("text", "found"),
    [("example.org/hook", True), ("crawl/batch", True), ("pg_dump", True), ("canary", False), ("headers", False)],
)
def test_the_search_finds_of_a_target_only_what_is_shown(db: Database, text: str, found: bool) -> None:
    targets = [
        '{"kind":"http","url":"https://example.org/hook?token=canary","headers":{"Authorization":"canary"}}',
        '{"kind":"http","service":"crawler","path":"/crawl/batch","auth":{"type":"bearer","token":"canary"}}',
        '{"kind":"command","command":["pg_dump"],"env":{"PGPASSWORD":"canary"}}',
    ]
    insert(db, *[new_job(target=target) for target in targets])
    assert len(listed(db, q=text)) == found


def test_since_and_until_are_of_creation_by_the_databases_clock(db: Database) -> None:
    old, new = insert(db, new_job(), new_job())
    backdate(db, old, created_at=-HOUR // 2)
    now = db.read(lambda tx: tx.now())
    assert listed(db, since=now - 60 * SECOND) == [new]
    assert listed(db, until=now - 60 * SECOND) == [old]
    assert listed(db, since=now - 2 * HOUR, until=now + SECOND) == [new, old]
    at = builders.get(db, old).created_at
    assert (listed(db, since=at, until=at + 1), listed(db, since=at, until=at)) == ([old], [])
    assert len(listed(db, since=-(2**62), until=2**62)) == 2


def test_callers_clocks_may_be_wrong(db: Database) -> None:
    """The id says when by the caller's clock, ``created_at`` by the database's."""
    now = db.read(lambda tx: tx.now())
    slow, fast = least_id(now - 50 * 60 * SECOND), least_id(now + 50 * 60 * SECOND)
    insert(db, new_job(id=slow), new_job(id=fast))
    assert listed(db, since=now - SECOND, until=now + 60 * SECOND) == [fast, slow]


class TestPages:
    @pytest.mark.parametrize("wanted", [JobFilter(), JobFilter(type="a")])
    def test_cursors_are_stable_while_jobs_come_and_go(self, db: Database, wanted: JobFilter) -> None:
        ids = insert(db, *[new_job(type=("a", "b")[number % 2]) for number in range(20)])
        newest = ids[-1 if wanted.empty() else -2]

        def turn(cursor: str | None) -> JobPage:
            return db.read(lambda tx: reads.jobs(tx, wanted, limit=3, cursor=cursor))

        page = turn(None)
        seen = [job.id for job in page.jobs]
        db.run(lambda tx: jobs.delete(tx, [newest]))
        while page.next_cursor is not None:
            insert_one(db, type="a")
            page = turn(page.next_cursor)
            seen += [job.id for job in page.jobs]
        assert seen == (ids if wanted.empty() else ids[::2])[::-1]

    def test_by_number(self, db: Database) -> None:
        ids = insert(db, *[new_job() for _ in range(5)])[::-1]

        def page(number: int) -> tuple[list[str], int, str | None]:
            found = db.read(lambda tx: reads.jobs(tx, JobFilter(), limit=2, page=number))
            return [job.id for job in found.jobs], found.total, found.next_cursor

        pages = [page(number) for number in (1, 2, 3, 4)]
        assert pages == [(ids[:2], 5, ids[1]), (ids[2:4], 5, ids[3]), (ids[4:], 5, None), ([], 5, None)]

    def test_ids_go_forward(self, db: Database) -> None:
        ids = insert(db, *[new_job() for _ in range(5)])
        first = db.read(lambda tx: reads.ids(tx, JobFilter(), limit=3))
        assert first + db.read(lambda tx: reads.ids(tx, JobFilter(), limit=3, after=first[-1])) == ids

    def test_counts_are_capped(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reads, "COUNT_CAP", 4)
        insert(db, *[new_job() for _ in range(4)])
        page = db.read(lambda tx: reads.jobs(tx, JobFilter(), limit=2))
        assert (page.total, page.total_is_estimate) == (4, False)
        insert_one(db)
        page = db.read(lambda tx: reads.jobs(tx, JobFilter(), limit=2))
        assert (page.total, page.total_is_estimate) == (4, True)
        assert db.read(lambda tx: reads.count(tx, JobFilter())) == 5


class TestRefused:
    @pytest.mark.parametrize("status", ["", "Pending", "x'; DROP TABLE rota_jobs; --", "pending' OR '1'='1"])
    def test_unknown_statuses(self, db: Database, status: str) -> None:
        insert_one(db)
        with pytest.raises(Invalid, match="status"):
            db.read(lambda tx: reads.jobs(tx, JobFilter(statuses=("pending", status)), limit=5))

    @pytest.mark.parametrize("cursor", ["", "next", "0190f5b5-7d5e-7000-8000-0000000000000", "\0"])
    def test_cursors_that_are_none(self, db: Database, cursor: str) -> None:
        with pytest.raises(Invalid, match="cursor"):
            db.read(lambda tx: reads.jobs(tx, JobFilter(), limit=5, cursor=cursor))

    def test_only_the_empty_filter_is_empty(self) -> None:
        assert JobFilter().empty()
        assert not JobFilter(q="x").empty()
        assert not JobFilter(statuses=("failed",)).empty()


def test_what_no_index_finds_is_looked_for_in_parts(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "LOOKED_AT", 4)
    worker = builders.register(db)
    ids = [builders.insert_one(db, queue="rare" if n in (1, 8) else "mail", args=f'{{"n":{n}}}') for n in range(10)][
        ::-1
    ]
    builders.end(db, worker, *builders.claim(db, worker))
    for wanted in (JobFilter(queue="rare"), JobFilter(statuses=("completed", "failed"), queue="rare")):
        cursor, found, looks = None, [], 0
        while True:
            page = db.read(lambda tx, at=cursor, wanted=wanted: reads.jobs(tx, wanted, limit=5, cursor=at))  # type: ignore[misc]
            found += [job.id for job in page.jobs]
            looks += 1
            cursor = page.next_cursor
            if cursor is None:
                break
            assert page.total_is_estimate and page.total == len(page.jobs)
        assert (found, looks) == ([ids[1], ids[8]], 3)
    few = db.read(lambda tx: reads.jobs(tx, JobFilter(statuses=("pending",), queue="rare"), limit=5))
    assert (few.jobs, few.total_is_estimate, few.next_cursor) == ([], False, None), "those that wait are found at once"
