"""``rota.testing``: the clock in the test's hand, the real store, scheduler and judge."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rota import Context, Fail, Retry, Rota, Snooze, testing
from rota.errors import Invalid, UnknownJobType
from rota.model import Pause
from rota.store import pauses, queues, schedules

DAY_US = 86_400_000_000
NIGHT = "2027-05-03T00:00:00Z"
"""A test that begins now would see the digest of nine o'clock on some hours of the day."""


def application() -> tuple[Rota, list[Any]]:
    app = Rota()
    seen: list[Any] = []

    @app.job(queue="mail", retry=Retry(attempts=3, backoff="fixed", jitter=False))
    async def digest(ctx: Context, limit: int = 100) -> dict[str, Any]:
        seen.append((ctx.scheduled_for, ctx.attempt, limit, ctx.previous))
        ctx.log.info("sending %d", limit)
        ctx.progress(0.5, "half")
        return {"success": True, "itemsProcessed": limit}

    @app.job(retry=Retry(attempts=3, delays=["10s"]))
    def flaky() -> str:
        seen.append("flaky")
        if len(seen) < 3:
            raise RuntimeError("not yet")
        return "done"

    @app.job
    def later() -> str:
        if not seen:
            seen.append("snoozed")
            raise Snooze("1h")
        return "awake"

    @app.job
    def hopeless() -> None:
        raise Fail("no such customer")

    app.schedule("digest", digest, cron="0 9 * * *", tz="Europe/Paris", args={"limit": 7})
    return app, seen


def test_a_job_runs_with_its_log_and_result() -> None:
    app, _ = application()
    with testing.harness(app, at=NIGHT) as h:
        job = app.enqueue("digest", {"limit": 10})
        assert h.run_all() == 1
        assert (job.refresh().status, job.result) == ("completed", {"success": True, "itemsProcessed": 10})
        assert h.log(job) == ["INFO sending 10"]


def test_every_instant_of_three_days_fires_at_its_time() -> None:
    app, seen = application()
    with testing.harness(app, at=NIGHT) as h:
        start = h.now_us
        h.advance("3 days")
        assert h.now_us == start + 3 * DAY_US
        assert len(seen) == 3
        assert [at.astimezone().timestamp() % 3600 for at, *_ in seen] == [0.0, 0.0, 0.0]
        assert seen[0][3] is None
        assert seen[1][3] == {"success": True, "itemsProcessed": 7}
        assert [job.status for job in h.jobs(schedule="digest")] == ["completed"] * 3


def test_the_clock_begins_where_the_test_says() -> None:
    app, seen = application()
    # In the night before, clocks in Paris go forward: nine o'clock is an hour earlier by UTC.
    for at in ("2027-03-27T07:30:00Z", datetime(2027, 3, 27, 8, 30, tzinfo=ZoneInfo("Europe/Paris"))):
        seen.clear()
        with testing.harness(app, at=at) as h:
            h.advance("1 day")
        assert [moment.isoformat() for moment, *_ in seen] == ["2027-03-27T08:00:00+00:00", "2027-03-28T07:00:00+00:00"]
    with pytest.raises(Invalid, match="add Z or an offset"), testing.harness(app, at="2027-03-27T07:30:00"):
        pass


def test_failures_are_tried_again_when_the_clock_is_turned() -> None:
    app, seen = application()
    with testing.harness(app, at=NIGHT) as h:
        job = app.enqueue("flaky")
        h.run_all()
        assert (job.refresh().status, seen) == ("scheduled", ["flaky"])
        h.advance("5s")
        assert seen == ["flaky"]
        h.advance("20s")
        assert (job.refresh().status, job.result, job.attempt) == ("completed", "done", 3)
        assert h.attempts(job) == ["failed", "failed"]


def test_a_snooze_uses_no_attempt_and_a_fail_ends_it() -> None:
    app, _ = application()
    with testing.harness(app, at=NIGHT) as h:
        snoozed, failed = app.enqueue("later"), app.enqueue("hopeless")
        h.run_all()
        assert (failed.refresh().status, failed.error) == ("failed", "no such customer")
        assert snoozed.refresh().record.attempts_used == 0
        h.advance("1h")
        assert snoozed.refresh().result == "awake"


def test_limits_and_pauses_end_at_their_time() -> None:
    app, _ = application()
    minute_us = 60_000_000
    with testing.harness(app, at=NIGHT) as h:
        begun = h.now_us
        limits = {"rate_limits": '[{"limit": 1, "per": 60000000, "scope": "queue"}]'}
        h.db.run(lambda tx: queues.change(tx, "mail", limits))
        slow = app.enqueue_many([("digest", {"limit": 1})] * 3)
        pause = Pause(kind="type", name="hopeless", resume_at=begun + 5 * minute_us)
        h.db.run(lambda tx: pauses.put(tx, pause))
        paused = app.enqueue("hopeless")
        assert h.run_all() == 1
        h.advance("10m")
        ended = [job.refresh().record.completed_at for job in (*slow, paused)]
        # The window of a rate limit is a moment longer than it says, so that clocks may differ.
        late = [(at or 0) - begun - after * minute_us for at, after in zip(ended, (0, 1, 2, 5), strict=True)]
        assert all(0 <= by < minute_us / 10 for by in late), late


def test_a_unique_key_is_free_again_when_its_window_is_over() -> None:
    app, _ = application()
    with testing.harness(app, at=NIGHT) as h:
        given: dict[str, Any] = {"unique_key": "k", "unique_scope": "window:1h"}
        first = app.enqueue("later", **given)
        h.advance("59m")
        assert app.enqueue("later", **given).id == first.id
        h.advance("2m")
        assert app.enqueue("later", **given).id != first.id


def test_a_schedule_goes_after_its_only_run() -> None:
    app, seen = application()
    with testing.harness(app, at=NIGHT) as h:
        app.schedule_many([{"id": "once", "func": "flaky", "every": "1h", "max_runs": 1, "after_run": "delete"}])
        h.advance("3h")
        assert seen == ["flaky"] * 3
        assert h.db.read(lambda tx: schedules.get(tx, "once")) is None


def test_commands_wait_and_can_be_looked_at() -> None:
    app, _ = application()
    with testing.harness(app, at=NIGHT) as h:
        app.enqueue(app.command("echo hi"))
        assert h.run_all() == 0
        assert [job.status for job in h.jobs(statuses=("pending",))] == ["pending"]


def test_wrong_arguments_and_unknown_types_are_refused() -> None:
    app, _ = application()
    with testing.harness(app):
        with pytest.raises(Invalid) as wrong:
            app.enqueue("digest", {"limit": "many"})
        assert wrong.value.field == "args.limit"
        with pytest.raises(UnknownJobType):
            app.enqueue("nope")


def test_the_application_has_its_own_database_back_afterwards() -> None:
    app, _ = application()
    with testing.harness(app, at=NIGHT) as h:
        assert app.database() is h.db
    assert app.settings.database_url.display.endswith("rota.db")


def test_a_checkpoint_reaches_the_next_attempt() -> None:
    app = Rota()

    @app.job(retry=Retry(attempts=2, delays=["10s"]))
    def climb(ctx: Context) -> Any:
        if ctx.resumed_from is None:
            ctx.checkpoint({"height": 1})
            ctx.checkpoint({"height": 2})
            raise RuntimeError("half way")
        return ctx.resumed_from

    with testing.harness(app, at=NIGHT) as h:
        job = app.enqueue("climb")
        h.run_all()
        assert (job.refresh().checkpoint, job.status) == ({"height": 2}, "scheduled")
        h.advance("1m")
        assert job.refresh().result == {"height": 2}


def test_functions_get_the_secrets_that_they_ask_for() -> None:
    app = Rota()

    @app.job(secrets=["stripe"], max_attempts=1)
    def charge(ctx: Context, name: str = "stripe") -> str:
        return ctx.secret(name)[:4]

    with testing.harness(app, secrets={"stripe": "sk_test", "other": "x"}) as h:
        asked, another = charge.enqueue(), charge.enqueue(name="other")
        h.run_all()
        assert asked.refresh().result == "sk_t"
        assert "was not given a secret other" in (another.refresh().error or "")
    with pytest.raises(Invalid, match="secrets"):
        app.job(secrets=["not a name"], name="odd")(lambda: None)
