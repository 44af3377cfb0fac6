"""Two at once, each step in an order that we choose: random load finds none of these faults.

On SQLite writers follow one another, so there the order of whole transactions is all there is; it is tested beside
each noun.
"""

from __future__ import annotations

import pytest

from rota.store import due, jobs, results, schedules, unique, workers
from rota.store import firing as firing_store
from rota.store.database import Database, Tx
from rota.store.firing import Firing
from tests.store import builders, filling
from tests.store.builders import claim, claim_ids, get, get_schedule, insert, insert_one, ledger, new_job, put, run_one
from tests.store.interleaving import Other, after, both_ends, once


@pytest.fixture
def worker(pg: Database) -> str:
    return builders.register(pg)


class TestFire:
    @pytest.fixture(autouse=True)
    def schedule(self, pg: Database) -> None:
        put(pg)

    def fire(self, tx: Tx) -> list[str]:
        job = new_job(schedule_id="nightly", scheduled_for=1000)
        firing = Firing(id="nightly", version=1, seen_next=1000, next_at=2000, last_job_id=job.id, fired=1)
        row = builders.occurrence(1000, disposition="fired", job_id=job.id)
        return list(firing_store.fire(tx, [firing], [row], [job]))

    @both_ends
    def test_of_two_schedulers_the_second_waits_and_loses(self, pg: Database, other: Other, commit: bool) -> None:
        won = after(pg, other, self.fire, lambda: pg.run(self.fire), commit=commit)
        assert won == ([] if commit else ["nightly"])
        assert (ledger(pg), len(builders.column(pg, "id"))) == ([(1000, 1000, "fired")], 1)
        assert (get_schedule(pg).next_at, get_schedule(pg).runs) == (2000, 1)

    @both_ends
    def test_a_pause_comes_first(self, pg: Database, other: Other, commit: bool) -> None:
        def pause(tx: Tx) -> None:
            schedules.pause(tx, "nightly", by="ann", note=None, until=None)

        won = after(pg, other, pause, lambda: pg.run(self.fire), commit=commit)
        assert won == ([] if commit else ["nightly"])
        assert len(builders.column(pg, "id")) == (0 if commit else 1)

    def test_a_pause_comes_second(self, pg: Database, other: Other) -> None:
        def pause() -> bool:
            return pg.run(lambda tx: schedules.pause(tx, "nightly", by="ann", note=None, until=None))

        assert after(pg, other, self.fire, pause, commit=True)
        assert len(builders.column(pg, "id")) == 1
        assert get_schedule(pg).paused_by == "ann"


class TestLease:
    @both_ends
    def test_a_result_that_comes_while_the_job_is_taken_away(
        self, pg: Database, other: Other, worker: str, commit: bool
    ) -> None:
        claimed = run_one(pg, worker)
        builders.end_lease(pg, worker)
        pg.run(workers.expire)
        accepted = after(pg, other, results.lose, lambda: builders.end(pg, worker, claimed), commit=commit)
        assert bool(accepted) is not commit
        assert get(pg, claimed.call.job_id).status == ("pending" if commit else "completed")
        assert len(builders.attempts(pg, claimed.call.job_id)) == (1 if commit else 0)

    @both_ends
    def test_a_renewal_that_comes_while_the_loss_is_noticed(
        self, pg: Database, other: Other, worker: str, commit: bool
    ) -> None:
        builders.end_lease(pg, worker)

        def renew() -> bool:
            lease = builders.LEASE
            return pg.run(lambda tx: workers.renew(tx, worker, lease, running=0, state="running", detail=None))

        assert after(pg, other, workers.expire, renew, commit=commit) is not commit

    def test_a_renewal_that_comes_before(self, pg: Database, other: Other, worker: str) -> None:
        builders.end_lease(pg, worker)

        def renew(tx: Tx) -> None:
            workers.renew(tx, worker, builders.LEASE, running=0, state="running", detail=None)

        assert after(pg, other, renew, lambda: pg.run(workers.expire), commit=True) == []

    def test_what_is_claimed_while_the_loss_is_noticed_is_found_by_the_next_sweep(
        self, pg: Database, worker: str
    ) -> None:
        """The claim does not wait, and sees a worker that lives."""
        job_id = insert_one(pg)

        def notice(tx: Tx) -> None:
            tx.run("UPDATE rota_workers SET state = 'lost'")
            assert results.lose(tx) == []
            assert claim_ids(pg, worker) == [job_id]

        pg.run(notice)
        assert [one.id for one in pg.run(results.lose)] == [job_id]
        assert claim(pg, worker) == []


class TestClaim:
    def test_what_somebody_holds_is_left_out_for_now(self, pg: Database, worker: str) -> None:
        held, free = insert_one(pg, rank=-9), insert_one(pg)
        with pg.transaction() as tx:
            assert jobs.lock(tx, held) is not None
            assert claim_ids(pg, worker) == [free]
        assert claim_ids(pg, worker) == [held]

    def test_a_cancelled_job_never_starts(self, pg: Database, worker: str) -> None:
        job_id = insert_one(pg)
        with pg.transaction() as tx:
            jobs.lock(tx, job_id)
            assert claim(pg, worker) == []
            assert jobs.cancel_waiting(tx, job_id, None)
            assert claim(pg, worker) == []
        assert claim(pg, worker) == []
        assert get(pg, job_id).attempt == 0

    def test_two_movers_share_what_is_due(self, pg: Database) -> None:
        ids = insert(pg, *[new_job(delay_us=builders.HOUR) for _ in range(4)])
        builders.execute(pg, "UPDATE rota_jobs SET run_at = rota_now() - 1")
        with pg.transaction() as tx:
            due.move(tx, 3)
            pg.run(lambda again: due.move(again, 3))
            assert pg.read(lambda again: len(reads_pending(again))) == 1
        assert pg.read(reads_pending) == set(ids)


def reads_pending(tx: Tx) -> set[str]:
    return {row[0] for row in tx.rows("SELECT id FROM rota_jobs WHERE status = 'pending'")}


class TestBatches:
    """Whoever comes second waits at the first row that both want, and holds none that the first wants."""

    @pytest.fixture
    def worker(self, pg: Database) -> str:
        """As large as it takes for the rows of a batch to be locked one after another, by the primary key."""
        return filling.fill(pg, 20_000, "fresh", running=6)

    @pytest.mark.parametrize("order", [1, -1])
    def test_two_schedulers_do_not_deadlock(self, pg: Database, other: Other, worker: str, order: int) -> None:
        found = {one.schedule.id: one.schedule.next_at or 0 for one in pg.read(lambda tx: firing_store.due(tx, 3))}
        first, *rest = sorted(found)

        def fire(tx: Tx, *which: str) -> list[str]:
            firings = [Firing(id=name, version=1, seen_next=found[name], next_at=None) for name in which]
            return sorted(firing_store.fire(tx, firings, [], []))

        with pg.transaction() as tx:
            assert fire(tx, first) == [first]
            theirs = other.waits(lambda: once(pg, lambda again: fire(again, *[first, *rest][::order])))
            assert fire(tx, *rest) == rest
        assert theirs.result(10) == []

    @pytest.mark.parametrize("order", [1, -1])
    def test_results_and_progress_do_not_deadlock(self, pg: Database, other: Other, worker: str, order: int) -> None:
        first, *rest = sorted(job_id for job_id, _ in pg.read(lambda tx: results.held(tx, worker)))

        def progress(tx: Tx, *ids: str) -> None:
            results.progress(tx, worker, [{"id": one, "attempt": 1, "value": 0.5, "note": None} for one in ids])

        def finish(tx: Tx, *ids: str) -> set[str]:
            return results.finish(tx, worker, [results.Finished(id=one, attempt=1, status="completed") for one in ids])

        with pg.transaction() as tx:
            progress(tx, first)
            theirs = other.waits(lambda: once(pg, lambda again: finish(again, *[first, *rest][::order])))
            progress(tx, *rest)
        assert theirs.result(10) == {first, *rest}


class TestUniqueKeys:
    @both_ends
    def test_the_second_waits_for_the_first(self, pg: Database, other: Other, commit: bool) -> None:
        first, second = (new_job(unique_key="k", unique_scope="active") for _ in range(2))
        stored = after(pg, other, lambda tx: jobs.insert(tx, [first]), lambda: insert(pg, second), commit=commit)
        assert stored == ([] if commit else [second.id])
        assert pg.read(lambda tx: unique.holder(tx, "k")) == (first.id if commit else second.id)

    @both_ends
    def test_the_end_of_the_holder_lets_the_next_one_in(
        self, pg: Database, other: Other, worker: str, commit: bool
    ) -> None:
        holder = run_one(pg, worker, unique_key="k", unique_scope="active")
        ended = results.Finished(id=holder.call.job_id, attempt=1, status="completed")
        second = new_job(unique_key="k", unique_scope="active")
        stored = after(
            pg, other, lambda tx: results.finish(tx, worker, [ended]), lambda: insert(pg, second), commit=commit
        )
        assert stored == ([second.id] if commit else [])


class TestRetry:
    @both_ends
    def test_of_two_one_is_enough(self, pg: Database, other: Other, worker: str, commit: bool) -> None:
        claimed = run_one(pg, worker)
        job_id = claimed.call.job_id
        builders.end(pg, worker, claimed, status="failed")

        def again() -> bool:
            return pg.run(lambda tx: jobs.retry(tx, job_id))

        assert after(pg, other, lambda tx: jobs.retry(tx, job_id), again, commit=commit) is not commit
        assert get(pg, job_id).status == "pending"
        assert [one.outcome for one in builders.attempts(pg, job_id)] == ["failed"]

    @both_ends
    def test_a_job_deleted_meanwhile(self, pg: Database, other: Other, worker: str, commit: bool) -> None:
        claimed = run_one(pg, worker)
        job_id = claimed.call.job_id
        builders.end(pg, worker, claimed, status="failed")

        def again() -> bool:
            return pg.run(lambda tx: jobs.retry(tx, job_id))

        assert after(pg, other, lambda tx: jobs.delete(tx, [job_id]), again, commit=commit) is not commit
        assert len(builders.column(pg, "id")) == (0 if commit else 1)
        assert len(builders.column(pg, "job_id", "rota_attempts")) == (0 if commit else 1)
