"""The clocks of a run that a worker holds: its time, its silence, and more of it for who asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from rota.store import awaiting
from tests.engine.working import APP, PATIENCE, HandTime, RunningWorker, Shop, working
from tests.support.waiting import wait_until

HOUR = 3_600_000_000
MINUTE_S = 60


def has_more(running: RunningWorker, job_id: str) -> bool:
    """Whether the worker knows that a run has got an hour, or it has ended."""
    one = running.worker.running.get((job_id, 1))
    return one is None or (one.deadline or 0.0) - one.started > 3000  # less what passed while its clock stood


def test_a_run_is_ended_when_it_is_silent_and_gets_more_time_when_it_asks(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = HandTime(monkeypatch, "attempt", "stops", "reports")
    talk, go = (f"until test -e {tmp_path}/{name}; do sleep 0.05; done" for name in ("talk", "go"))
    with working(shop, apps=[APP], executors="function,command", grace="200ms") as running:
        wait_until(lambda: "take_longer" in shop.types(), PATIENCE, "the types are declared")
        silent = shop.shell("echo a; sleep 600", silence="5m", maxAttempts=1)
        quiet = shop.shell("sleep 600", silence="5m", retry={"attempts": 2, "delays": ["1h"]})
        talks = shop.shell(f"echo 1; {talk}; echo 2; {go}", silence="15m")
        asks = shop.shell(f"echo ::rota extend 1h; {go}", timeout="15m")
        wrong = shop.shell("echo ::rota extend soon; sleep 600", timeout="10m")
        helped = shop.shell(f"echo on; {go}", timeout="15m", silence="2h")
        shop.wait_text(helped, "on")
        shop.db.run(lambda tx: awaiting.beat(tx, helped, value=0.5, note=None, extend_us=HOUR))
        told = shop.call("async_take_longer", {"seconds": 6, "time_more": "0s"}, timeout="15m")
        shop.wait(told, "running")
        shop.db.run(lambda tx: awaiting.beat(tx, told, value=None, note=None, extend_us=HOUR))
        longer = {"seconds": 3.5, "time_more": "1h"}
        functions = [shop.call(name, longer, timeout="15m") for name in ("take_longer", "async_take_longer")]
        for job_id in (silent, quiet, talks, wrong):
            shop.wait(job_id, "running")
        shop.wait_text(silent, "a")
        shop.wait_text(talks, "1")
        asking = [asks, *functions]
        wait_until(lambda: all(shop.get(each).answer_by is not None for each in asking), PATIENCE, "they have asked")
        wait_until(lambda: has_more(running, helped) and has_more(running, told), PATIENCE, "it was told")

        hand.turn(6 * MINUTE_S)
        job = shop.wait(silent, "failed")
        assert (job.reason, job.error, job.attempts_used) == ("silent", "silent for 5m", 1)
        assert '"code":"silent"' in (job.error_detail or "")
        job = shop.wait(quiet, "scheduled")
        assert (job.reason, shop.outcomes(quiet)) == ("silent", ["silent"])
        (tmp_path / "talk").touch()
        shop.wait_text(talks, "2")
        hand.turn(10 * MINUTE_S)
        job = shop.wait(wrong, "failed")
        assert (job.reason, job.error) == ("timeout", "timed out after 10m")
        assert any("::rota extend: " in text for text in shop.text(wrong))
        (tmp_path / "go").touch()
        for job_id in (talks, asks, helped, told, *functions):
            assert shop.wait(job_id).attempt == 1
        assert shop.text(asks, "stdout") == []
        for job_id in asking:
            job = shop.get(job_id)
            assert job.answer_by is not None and job.answer_by > (job.started_at or 0) + HOUR - 1_000_000
