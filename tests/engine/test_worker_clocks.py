"""The clocks of a run that a worker holds: its time, its silence, and more of it for who asks."""

from __future__ import annotations

from rota.store import awaiting
from tests.engine.working import APP, Shop, working
from tests.support.waiting import wait_until

MINUTE = 60_000_000


def test_a_run_is_ended_when_it_is_silent_and_gets_more_time_when_it_asks(shop: Shop) -> None:
    with working(shop, apps=[APP], executors="function,command", grace="200ms"):
        silent = shop.shell("echo a; sleep 60", silence="1s", maxAttempts=1)
        quiet = shop.shell("sleep 60", silence="1s", retry={"attempts": 2, "delays": ["1h"]})
        talks = shop.shell("for i in 1 2 3 4 5 6; do echo $i; sleep 0.4; done", silence="2s")
        asks = shop.shell("echo ::rota extend 1m; sleep 3.5", timeout="3s")
        wrong = shop.shell("echo ::rota extend soon; sleep 60", timeout="1s")
        helped = shop.shell("echo on; sleep 5.5", timeout="5s", silence="30s")
        shop.wait_text(helped, "on")
        shop.db.run(lambda tx: awaiting.beat(tx, helped, value=0.5, note=None, extend_us=MINUTE))
        wait_until(lambda: "take_longer" in shop.types(), what="the types are declared")
        longer = {"seconds": 3.5, "time_more": "1m"}
        told = shop.call("async_take_longer", {"seconds": 1.5, "time_more": "0s"}, timeout="1s")
        wait_until(lambda: shop.get(told).status == "running", what="it runs")
        shop.db.run(lambda tx: awaiting.beat(tx, told, value=None, note=None, extend_us=MINUTE))
        functions = [shop.call(name, longer, timeout="3s") for name in ("take_longer", "async_take_longer")]

        job = shop.wait(silent, "failed")
        assert (job.reason, job.error, job.attempts_used) == ("silent", "silent for 1s", 1)
        assert '"code":"silent"' in (job.error_detail or "")
        job = shop.wait(quiet, "scheduled")
        assert (job.reason, shop.outcomes(quiet)) == ("silent", ["silent"])
        job = shop.wait(wrong, "failed")
        assert (job.reason, job.error) == ("timeout", "timed out after 1s")
        assert any("::rota extend: " in text for text in shop.text(wrong))
        for job_id in (talks, asks, helped, told, *functions):
            shop.wait(job_id)
        assert shop.text(asks, "stdout") == []
        for job_id in (asks, *functions):
            job = shop.get(job_id)
            assert job.answer_by is not None and job.answer_by > (job.started_at or 0) + MINUTE - 1_000_000
