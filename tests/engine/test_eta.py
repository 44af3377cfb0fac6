"""When a run will have ended: by its progress, else by the last runs of its type or schedule."""

from __future__ import annotations

import pytest

from rota.actions.forecast import Expected
from rota.insight.eta import Eta, estimate, etas
from rota.model import Job
from tests.engine.working import Shop, working

S = 1_000_000
USUAL = Expected(p50=60 * S, p90=90 * S, runs=20)


def running(shop: Shop, **fields: object) -> Job:
    job = shop.get(shop.shell("true"))
    for name, value in {"status": "running", "started_at": 1000 * S, "updated_at": 1000 * S, **fields}.items():
        setattr(job, name, value)
    return job


class TestEstimate:
    @pytest.mark.parametrize(("after_s", "at_s"), [(0, 1060), (59, 1060), (60, 1090), (89, 1090), (90, None)], ids=str)
    def test_without_progress_it_is_as_long_as_the_others(self, shop: Shop, after_s: int, at_s: int | None) -> None:
        found = estimate(running(shop), USUAL, (1000 + after_s) * S)
        assert found == Eta(None if at_s is None else at_s * S, "history", USUAL)

    def test_with_progress_it_is_as_fast_as_up_to_its_last_report(self, shop: Shop) -> None:
        job = running(shop, progress=0.25, updated_at=1010 * S)
        assert estimate(job, USUAL, 1012 * S) == Eta(1040 * S, "progress", USUAL)
        assert estimate(job, None, 1050 * S) == Eta(1200 * S, "progress", None)
        at_once = running(shop, progress=0.25, updated_at=1000 * S + 1)
        assert estimate(at_once, USUAL, 1012 * S) == Eta(1048 * S, "progress", USUAL)

    def test_a_report_of_nothing_says_nothing(self, shop: Shop) -> None:
        assert estimate(running(shop, progress=0.0), USUAL, 1001 * S) == Eta(1060 * S, "history", USUAL)
        assert estimate(running(shop, progress=0.0), None, 1001 * S) is None


def test_the_history_of_its_type_is_looked_at(shop: Shop) -> None:
    with working(shop):
        done = [shop.shell("true") for _ in range(5)]
        for job_id in done:
            shop.wait(job_id)
        one = shop.shell("echo begun; sleep 600")
        shop.wait_text(one, "begun")
        with shop.db.transaction() as tx:  # as if they were of a type, and had taken some time
            tx.run("UPDATE rota_jobs SET type = 'tool'")
            for seconds, job_id in enumerate(done, 10):
                sql = "UPDATE rota_jobs SET started_at = completed_at - :us WHERE id = :id"
                tx.run(sql, {"us": seconds * S, "id": job_id})
        job, ended = shop.get(one), shop.get(done[0])
        found = shop.db.read(lambda tx: etas(tx, [job, ended]))
    assert found == {one: Eta((job.started_at or 0) + 12 * S, "history", Expected(12 * S, 14 * S, 5))}
