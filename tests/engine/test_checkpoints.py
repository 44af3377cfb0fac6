"""What an attempt stores for the next: it is there after failures, crashes, drains and a person's retry."""

from __future__ import annotations

import json

import pytest

from rota.actions import jobs as actions
from rota.store import results
from tests.engine.working import ANN, APP, Shop, working
from tests.support.waiting import wait_until

AGAIN = {"attempts": 2, "delays": ["20ms"]}
TOO_LARGE = 'echo "::rota checkpoint \\"$(head -c 66000 /dev/zero | tr \'\\0\' x)\\""; '


def checkpoint(shop: Shop, job_id: str) -> object:
    return json.loads(shop.get(job_id).checkpoint or "null")


class TestFunctions:
    def test_the_next_attempt_goes_on_where_the_last_one_was(self, shop: Shop) -> None:
        with working(shop, apps=[APP], executors="function"):
            wait_until(lambda: "steps" in shop.types(), what="the types are declared")
            for name in ("steps", "async_steps"):
                for how in ("raise", "exit"):
                    job_id = shop.call(name, {"until": 5, "fail_at": 3, "how": how}, retry=AGAIN)
                    assert shop.result(job_id) == {"began": 3, "ended": 5}, (name, how)
                    assert checkpoint(shop, job_id) == 5

    def test_what_cannot_be_kept_is_said_at_once(self, shop: Shop) -> None:
        with working(shop, apps=[APP], executors="function"):
            wait_until(lambda: "keep" in shop.types(), what="the types are declared")
            too_large = shop.call("keep", {"value": "x", "times": 66_000}, maxAttempts=1)
            no_json = shop.call("keep_what_is_no_json", maxAttempts=1)
            assert "checkpoint: is larger than 65536 bytes" in (shop.wait(too_large, "failed").error or "")
            assert "checkpoint: is not JSON: " in (shop.wait(no_json, "failed").error or "")
            assert shop.get(too_large).checkpoint is None

    def test_a_drain_keeps_the_last_one(self, shop: Shop) -> None:
        value = {"page": 12, "text": "grün"}
        with working(shop, apps=[APP], executors="function", grace="0s"):
            wait_until(lambda: "keep_and_wait" in shop.types(), what="the types are declared")
            job_id = shop.call("keep_and_wait", {"value": value})
            shop.wait_text(job_id, "kept")
        assert shop.get(job_id).status in ("pending", "scheduled")
        assert checkpoint(shop, job_id) == value
        with working(shop, apps=[APP], executors="function"):
            assert shop.result(job_id) == value


class TestCommands:
    def test_a_command_reads_what_it_wrote(self, shop: Shop) -> None:
        with working(shop):
            job_id = shop.shell(
                'echo "was ${ROTA_CHECKPOINT:-nothing}"; echo \'::rota checkpoint {"row": 1}\';'
                'echo \'::rota checkpoint {"row": 2}\'; test -n "$ROTA_CHECKPOINT"',
                retry=AGAIN,
            )
            shop.wait(job_id)
        assert shop.text(job_id, "stdout") == ["was nothing", 'was {"row": 2}']
        assert checkpoint(shop, job_id) == {"row": 2}

    def test_what_cannot_be_kept_is_told_in_the_log(self, shop: Shop) -> None:
        with working(shop):
            ids = [shop.shell("echo '::rota checkpoint [1,'"), shop.shell(TOO_LARGE)]
            for job_id in ids:
                shop.wait(job_id)
        texts = ["\n".join(shop.text(job_id, "system")) for job_id in ids]
        assert "::rota checkpoint was not kept: checkpoint: is not JSON" in texts[0]
        assert "::rota checkpoint was not kept: checkpoint: is larger than 65536 bytes" in texts[1]
        assert [shop.get(job_id).checkpoint for job_id in ids] == [None, None]


class TestRetries:
    @pytest.mark.parametrize(("fresh", "began"), [(False, "was 7"), (True, "was nothing")])
    def test_a_person_decides_where_it_begins(self, shop: Shop, fresh: bool, began: str) -> None:
        script = 'echo "was ${ROTA_CHECKPOINT:-nothing}"; echo "::rota checkpoint 7"; test "$ROTA_ATTEMPT" -gt 1'
        with working(shop):
            job_id = shop.shell(script, maxAttempts=1)
            shop.wait(job_id, "failed")
            shop.db.run(lambda tx: actions.retry(tx, job_id, ANN, fresh=fresh))
            shop.wait(job_id)
        assert shop.text(job_id, "stdout") == ["was nothing", began]

    def test_completed_work_begins_anew(self, shop: Shop) -> None:
        with working(shop):
            job_id = shop.shell('echo "was ${ROTA_CHECKPOINT:-nothing}"; echo "::rota checkpoint 7"')
            shop.wait(job_id)
            shop.db.run(lambda tx: actions.retry(tx, job_id, ANN))
            wait_until(lambda: shop.get(job_id).attempt == 2 and shop.get(job_id).status == "completed", 60, "again")
        assert shop.text(job_id, "stdout") == ["was nothing", "was nothing"]

    def test_only_the_attempt_that_runs_may_store_one(self, shop: Shop) -> None:
        with working(shop):
            job_id = shop.shell("echo begun; sleep 600")
            shop.wait_text(job_id, "begun")
            worker = shop.get(job_id).worker_id or ""
            with shop.db.transaction() as tx:
                results.checkpoint(tx, worker, {(job_id, 2): "2"})
                results.checkpoint(tx, job_id, {(job_id, 1): "3"})
                assert tx.value("SELECT checkpoint FROM rota_jobs WHERE id = :id", {"id": job_id}) is None
                results.checkpoint(tx, worker, {(job_id, 1): "4"})
            assert checkpoint(shop, job_id) == 4
