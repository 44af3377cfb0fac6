"""What every executor keeps, whatever it runs: the contract of `rota.executor`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from rota.executor import Call
from tests.support.subjects import SUBJECTS, Subject

pytestmark = pytest.mark.usefixtures("from_root")


@pytest.fixture(params=SUBJECTS)
async def subject(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Subject]:
    if request.param == "function-async":  # one runner for all: who is late takes the others along
        monkeypatch.setattr(Subject, "grace_s", 5.0)
    async with SUBJECTS[request.param]() as started:
        yield started


async def run(subject: Subject, *calls: Call) -> None:
    subject.executor.submit(calls)
    await ended(subject, *calls)


async def ended(subject: Subject, *calls: Call) -> None:
    keys = {(call.job_id, call.attempt) for call in calls}
    await subject.host.wait(lambda: keys <= subject.host.outcomes.keys(), 30)


async def test_calls_name_a_lane_that_takes_some_at_once(subject: Subject) -> None:
    assert subject.executor.lanes[subject.answering(1).lane] > 1
    assert all(name and slots > 0 for name, slots in subject.executor.lanes.items())


@pytest.mark.parametrize("result", [{"n": 1, "text": "é\n"}, [1, None], "words", 0, {"success": True, "errors": ["x"]}])
async def test_a_result_arrives_as_json(subject: Subject, result: Any) -> None:
    call = subject.answering(result)
    await run(subject, call)
    outcome = subject.host.outcome(call)
    assert (outcome.kind, outcome.error, outcome.truncated) == ("completed", None, None)
    assert json.loads(outcome.result or "") == result


async def test_an_unsuccessful_result_fails_the_attempt(subject: Subject) -> None:
    call = subject.answering({"success": False, "errors": ["one", "two"]})
    await run(subject, call)
    outcome = subject.host.outcome(call)
    assert (outcome.kind, outcome.permanent) == ("failed", False)
    assert "one" in (outcome.error or "") and "two" in (outcome.error or "")


async def test_a_result_may_ask_for_another_time(subject: Subject) -> None:
    call = subject.answering({"status": "retry", "delayMs": 2500})
    await run(subject, call)
    outcome = subject.host.outcome(call)
    assert (outcome.kind, outcome.delay_us) == ("snoozed", 2_500_000)


async def test_a_result_may_fail_the_job_for_good(subject: Subject) -> None:
    call = subject.answering({"status": "failed", "error": "no such customer"})
    await run(subject, call)
    outcome = subject.host.outcome(call)
    assert (outcome.kind, outcome.permanent) == ("failed", True)
    assert "no such customer" in (outcome.error or "")


async def test_a_result_too_large_completes_and_is_cut(subject: Subject) -> None:
    call = subject.answering("x" * 60_000)
    await run(subject, call)
    assert subject.host.outcome(call).truncated is None
    if call.lane in ("async", "sync"):  # the arguments of the others cannot carry so much
        call = subject.answering("x" * (2 << 20))
        await run(subject, call)
        outcome = subject.host.outcome(call)
        assert (outcome.kind, outcome.truncated) == ("completed", (2 << 20) + 2)
        assert json.loads(outcome.result or "")["bytes"] == outcome.truncated


async def test_a_failure_has_one_line_and_a_code(subject: Subject) -> None:
    call = subject.failing()
    await run(subject, call)
    outcome = subject.host.outcome(call)
    assert (outcome.kind, outcome.permanent) == ("failed", False)
    assert outcome.error and "\n" not in outcome.error
    assert outcome.detail is not None and outcome.detail.code


async def test_a_malformed_target_fails_for_good_and_harms_nobody(subject: Subject) -> None:
    malformed, sound = subject.malformed(), subject.answering(1)
    broken = msgspec.structs.replace(subject.malformed(), target="{")
    await run(subject, malformed, broken, sound)
    for call in (malformed, broken):
        outcome = subject.host.outcome(call)
        assert (outcome.kind, outcome.permanent) == ("failed", True)
        assert outcome.error
    assert subject.host.outcome(sound).kind == "completed"


async def test_each_call_of_a_batch_ends_once(subject: Subject) -> None:
    calls = [subject.answering(n) if n % 3 else subject.failing() for n in range(24)]
    await run(subject, *calls)
    for number, call in enumerate(calls):
        outcome = subject.host.outcome(call)
        if number % 3:
            assert json.loads(outcome.result or "") == number
        else:
            assert outcome.kind == "failed"


async def test_submit_returns_before_anything_ends(subject: Subject) -> None:
    calls = [subject.malformed(), subject.answering(1)]
    subject.executor.submit(calls)
    assert subject.host.order == []
    await ended(subject, *calls)


async def test_a_stopped_call_ends_within_the_grace_time_and_others_go_on(subject: Subject) -> None:
    stopped, other = subject.hanging(), subject.hanging()
    subject.executor.submit([stopped, other])
    await subject.begun(stopped)
    await subject.begun(other)
    subject.executor.stop(stopped.job_id, stopped.attempt, "timeout")
    subject.executor.stop(stopped.job_id, stopped.attempt, "cancel")
    async with asyncio.timeout(Subject.grace_s + 10):
        await ended(subject, stopped)
    outcome = subject.host.outcome(stopped)  # which may say itself what the time was not enough for
    assert outcome.kind == "stopped" or (outcome.detail is not None and outcome.detail.code == "timeout")
    assert (other.job_id, other.attempt) not in subject.host.outcomes
    subject.executor.stop(other.job_id, other.attempt, "drain")
    await ended(subject, other)
    assert subject.host.outcome(other).kind == "stopped"


async def test_a_stop_meets_one_attempt_and_no_other(subject: Subject) -> None:
    call = subject.hanging()
    again = msgspec.structs.replace(call, attempt=2)
    subject.executor.submit([again])
    await subject.begun(call if call.lane == "http" else again)
    subject.executor.stop(call.job_id, 1, "cancel")
    subject.executor.stop("nobody", 2, "cancel")
    answering = subject.answering(1)
    await run(subject, answering)
    assert (again.job_id, 2) not in subject.host.outcomes
    subject.executor.stop(again.job_id, 2, "cancel")
    await ended(subject, again)
    assert subject.host.outcome(again).kind == "stopped"


async def test_a_stop_after_the_end_changes_nothing(subject: Subject) -> None:
    call = subject.answering(1)
    await run(subject, call)
    subject.executor.stop(call.job_id, call.attempt, "cancel")
    await run(subject, subject.answering(2))
    assert subject.host.outcome(call).kind == "completed"


async def test_closing_ends_what_runs_and_later_calls_are_given_back(subject: Subject) -> None:
    calls = [subject.hanging(), subject.hanging()]
    subject.executor.submit(calls)
    for call in calls:
        await subject.begun(call)
    async with asyncio.timeout(20):
        await subject.executor.close()
    for call in calls:
        assert subject.host.outcome(call).kind in ("stopped", "interrupted")
    late = subject.answering(1)
    await run(subject, late)
    assert subject.host.outcome(late).kind == "interrupted"
