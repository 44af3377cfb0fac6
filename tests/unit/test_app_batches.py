"""Batches, parents and keys from Python."""

from __future__ import annotations

from typing import Any

import pytest

from rota import Batch, Fail, Rota, testing
from rota.errors import Invalid, NotFound, UnknownJobType


def application() -> tuple[Rota, list[Any]]:
    app = Rota()
    ran: list[Any] = []

    @app.job
    def crawl(page: int, fail: bool = False) -> int:
        ran.append(page)
        if fail:
            raise Fail("gone")
        return page

    @app.job
    def build_index() -> str:
        ran.append("index")
        return "built"

    return app, ran


def test_a_batch_and_its_callback() -> None:
    app, ran = application()
    with testing.harness(app) as h:
        batch = app.enqueue_batch([("crawl", {"page": n}) for n in range(3)], callback="build_index", name="pages")
        assert isinstance(batch, Batch)
        assert (batch.name, batch.total, batch.done, batch.counts["pending"]) == ("pages", 3, False, 3)
        assert batch.callback is not None
        h.run_all()
        assert (ran[:3], ran[3:]) == ([0, 1, 2], ["index"])
        assert batch.wait(timeout=5).done
        assert (batch.counts["completed"], batch.callback.result) == (3, "built")
        assert [job.result for job in batch.jobs] == [0, 1, 2]
        again = app.get_batch(batch.id)
        assert (again.total, again.done, again.created_at) == (3, True, batch.created_at)


def test_a_batch_with_a_failure_cancels_its_callback_where_it_is_to() -> None:
    app, ran = application()
    with testing.harness(app) as h:
        batch = app.enqueue_batch(
            [("crawl", {"page": 1, "fail": True}), ("crawl", {"page": 2})],
            callback=("build_index",),
            if_failed="cancel",
        )
        h.run_all()
        assert batch.callback is not None
        assert (batch.callback.status, "index" in ran) == ("cancelled", False)


def test_a_batch_without_an_end_in_time() -> None:
    app, _ = application()
    with testing.harness(app):
        batch = app.enqueue_batch([("crawl", {"page": 1}, {"delay": "1h"})])
        assert batch.callback is None
        with pytest.raises(TimeoutError, match="1 jobs have not ended"):
            batch.wait(timeout=0.05)
        assert batch.cancel() == 1
        assert batch.refresh().done


def test_what_is_wrong_is_named() -> None:
    app, _ = application()
    with testing.harness(app):
        with pytest.raises(UnknownJobType, match="did you mean build_index") as refused:
            app.enqueue_batch([("crawl", {"page": 1})], callback="build_indx")
        assert refused.value.field == "callback.jobType"
        with pytest.raises(NotFound):
            app.get_batch("x")


async def test_where_an_event_loop_runs() -> None:
    app, ran = application()
    with testing.harness(app) as h:
        batch = await app.aenqueue_batch([("crawl", {"page": 1})], callback="build_index")
        h.run_all()
        assert (await batch.wait_async(timeout=5)).done
        assert ran == [1, "index"]


def test_a_job_that_waits_for_others() -> None:
    app, ran = application()
    with testing.harness(app) as h:
        first = app.enqueue("crawl", {"page": 1}, delay="1h")
        second = app.enqueue("build_index", depends_on=[first])
        third = app.enqueue("crawl", {"page": 3}, depends_on=[second.id], if_parent_failed="run")
        h.run_all()
        assert (ran, second.status, third.status) == ([], "pending", "pending")
        h.advance("2h")
        h.run_all()
        assert ran == [1, "index", 3]
        for wrong in ("x", first, [5]):
            with pytest.raises(Invalid) as refused:
                app.enqueue("build_index", depends_on=wrong)  # type: ignore[arg-type]
            assert refused.value.field.startswith("depends_on")


def test_jobs_of_one_call_that_wait_for_each_other() -> None:
    app, ran = application()
    with testing.harness(app) as h:
        app.enqueue_many([("crawl", {"page": 1}), ("build_index", None, {"depends_on": ["#0"]})])
        app.enqueue_many([("crawl", {"page": 2}), {"jobType": "build_index", "dependsOn": ["#0"]}])
        h.run_all()
        assert sorted(map(str, ran)) == ["1", "2", "index", "index"]
        assert ran.index(1) < ran.index("index")


def test_a_debounced_job_runs_once_with_the_last_arguments() -> None:
    app, ran = application()
    with testing.harness(app) as h:
        jobs = []
        for page in range(3):
            jobs.append(app.enqueue("crawl", {"page": page}, unique_key="k", if_exists="debounce", delay="5s"))
            h.advance("3s")
        assert [job.existing for job in jobs] == [False, True, True]
        assert [job.replaced for job in jobs] == [False, True, True]
        assert (len({job.id for job in jobs}), ran) == (1, [])
        h.advance("3s")
        h.run_all()
        assert ran == [2]


def test_a_window() -> None:
    app, ran = application()
    with testing.harness(app) as h:
        first = app.enqueue("crawl", {"page": 1}, unique_key="k", unique_scope="window:10m")
        h.run_all()
        assert app.enqueue("crawl", {"page": 2}, unique_key="k", unique_scope="window:10m").id == first.id
        h.advance("11m")
        later = app.enqueue("crawl", {"page": 3}, unique_key="k", unique_scope="window:10m")
        h.run_all()
        assert ((later.existing, later.id != first.id), ran) == ((False, True), [1, 3])
