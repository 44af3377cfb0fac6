"""What an outcome means for a job."""

from __future__ import annotations

import msgspec
import pytest

from rota.engine.attempt import Running, begin, judge
from rota.executor import Call, ErrorDetail, Outcome, Stop
from rota.retry import ErrorRule, RetryPolicy
from rota.store.claims import Claimed
from rota.store.results import Ended, Finished, Returned

NOW = 1_800_000_000_000_000
FIXED = msgspec.json.encode(RetryPolicy(backoff="fixed", base=7_000_000, jitter=False)).decode()


BY_ERROR = msgspec.json.encode(
    RetryPolicy(
        backoff="fixed",
        base=7_000_000,
        jitter=False,
        by_error=(
            ErrorRule("http-404", "retry", delays=(60_000_000,)),
            ErrorRule("SoldOut", "fail"),
            ErrorRule("timeout", attempts=2),
            ErrorRule("*", "fail"),
        ),
    )
).decode()


def running(*, max_attempts: int = 4, used: int = 0, stop: Stop | None = None, retry: str | None = FIXED) -> Running:
    call = Call(
        job_id="01a1fc3a-04a8-719a-8819-e984f26c46d7", attempt=used + 1, lane="http", queue="q", type=None, target="{}",
        args="{}", timeout_us=5_000_000, created_at=NOW - 1_000_000, max_attempts=max_attempts, attempts_used=used,
    )  # fmt: skip
    one = begin(Claimed(call, NOW, NOW, retry, 0, "retry"), "worker")
    one.stop = stop
    return one


def returned(ended: Ended) -> Returned:
    assert isinstance(ended, Returned)
    return ended


def finished(ended: Ended) -> Finished:
    assert isinstance(ended, Finished)
    return ended


def test_completed_keeps_the_result_byte_for_byte() -> None:
    ended = finished(judge(running(), Outcome("completed", result='{"b":1, "a":2}'), NOW))
    assert (ended.status, ended.result, ended.used) == ("completed", '{"b":1, "a":2}', 1)


def test_a_failure_is_tried_again_after_the_back_off() -> None:
    ended = returned(judge(running(), Outcome("failed", error="boom"), NOW))
    assert (ended.outcome, ended.delay_us, ended.used, ended.error) == ("failed", 7_000_000, 1, "boom")


def test_a_longer_delay_that_the_target_asks_for_is_kept() -> None:
    ended = returned(judge(running(), Outcome("failed", error="429", delay_us=60_000_000), NOW))
    assert ended.delay_us == 60_000_000


def test_the_last_attempt_fails_the_job() -> None:
    ended = finished(judge(running(used=3), Outcome("failed", error="boom", detail=ErrorDetail("x")), NOW))
    assert (ended.status, ended.error, ended.used) == ("failed", "boom", 1)
    assert msgspec.json.decode(ended.error_detail or "") == {"code": "x"}


def test_a_permanent_failure_is_not_tried_again() -> None:
    assert finished(judge(running(), Outcome("failed", error="no", permanent=True), NOW)).status == "failed"


def test_a_snooze_uses_no_attempt_even_at_the_last() -> None:
    ended = returned(judge(running(used=3), Outcome("snoozed", delay_us=5), NOW))
    assert (ended.outcome, ended.delay_us, ended.used) == ("snoozed", 5, 0)


def test_a_policy_may_say_for_some_errors_what_becomes_of_them() -> None:
    gone = Outcome("failed", error="404", detail=ErrorDetail("http-404"), permanent=True)
    assert returned(judge(running(retry=BY_ERROR), gone, NOW)).delay_us == 60_000_000
    assert finished(judge(running(retry=BY_ERROR, used=3), gone, NOW)).status == "failed"
    sold = Outcome("failed", error="none left", detail=ErrorDetail("exception", type="shop.SoldOut"))
    assert finished(judge(running(retry=BY_ERROR), sold, NOW)).status == "failed"
    assert returned(judge(running(retry=BY_ERROR, stop="timeout"), Outcome("stopped"), NOW)).outcome == "timeout"
    assert finished(judge(running(retry=BY_ERROR, stop="timeout", used=1), Outcome("stopped"), NOW)).reason == "timeout"


def test_a_snooze_is_no_error_whatever_the_policy_says_of_errors() -> None:
    asked = judge(running(retry=BY_ERROR, max_attempts=1), Outcome("snoozed", delay_us=9), NOW)
    assert (returned(asked).outcome, returned(asked).delay_us, returned(asked).used) == ("snoozed", 9, 0)


def test_an_interruption_uses_no_attempt_and_waits_for_nothing() -> None:
    ended = returned(judge(running(used=3, stop="drain"), Outcome("stopped"), NOW))
    assert (ended.outcome, ended.delay_us, ended.used) == ("interrupted", 0, 0)


def test_a_time_out_uses_an_attempt() -> None:
    ended = returned(judge(running(stop="timeout"), Outcome("stopped"), NOW))
    assert (ended.outcome, ended.used, ended.error) == ("timeout", 1, "timed out after 5s")
    last = finished(judge(running(used=3, stop="timeout"), Outcome("stopped"), NOW))
    assert (last.status, last.reason) == ("failed", "timeout")


asked_to_end = pytest.mark.parametrize("stop", ["cancel", "kill"])


@asked_to_end
def test_a_cancelled_run_ends_the_job(stop: Stop) -> None:
    assert finished(judge(running(stop=stop), Outcome("stopped"), NOW)).status == "cancelled"


@asked_to_end
def test_a_cancelled_run_that_fails_on_the_way_out_is_cancelled(stop: Stop) -> None:
    ended = finished(judge(running(stop=stop), Outcome("failed", error="killed"), NOW))
    assert (ended.status, ended.used) == ("cancelled", 0)


def test_a_run_that_completes_in_spite_of_the_cancel_has_completed() -> None:
    assert finished(judge(running(stop="cancel"), Outcome("completed", result="1"), NOW)).status == "completed"


@pytest.mark.parametrize("text", ["two\nlines", "nul\0here", "lone \ud800 surrogate", "x" * 100_000])
def test_an_error_becomes_one_storable_line(text: str) -> None:
    error = judge(running(), Outcome("failed", error=text, permanent=True), NOW).error
    assert error is not None
    assert "\n" not in error
    assert "\0" not in error
    assert len(error.encode()) <= 8000
