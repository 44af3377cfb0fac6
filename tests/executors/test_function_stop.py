"""How runs end that the engine wants to end, and what happens to those beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rota.executor import Stop
from tests.support import procs
from tests.support.function_calls import Functions, function_call, read_marks, running_functions
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.usefixtures("from_root")


@pytest.fixture
async def functions() -> AsyncIterator[Functions]:
    """For those that do not end by themselves."""
    async with running_functions(grace_s=0.3, sync_slots=2) as running:
        yield running


@pytest.fixture
async def patient() -> AsyncIterator[Functions]:
    """For those that do, however long that takes on a busy machine."""
    async with running_functions(grace_s=600, sync_slots=2) as running:
        yield running


@pytest.mark.parametrize("why", ["timeout", "cancel", "drain", "lease"])
async def test_an_async_function_is_cancelled(patient: Functions, why: Stop) -> None:
    call, other = function_call("wait"), function_call("wait")
    await patient.begin(call)
    await patient.begin(other)
    patient.stop(call, why)
    assert (await patient.outcome(call)).kind == "stopped"
    assert len(patient.host.outcomes) == 1
    patient.stop(other)
    await patient.outcome(other)


async def test_a_stop_that_comes_with_the_call_is_obeyed(functions: Functions) -> None:
    calls = [function_call("wait") for _ in range(20)] + [function_call("sync_wait")]
    functions.executor.submit(calls)
    for call in calls:
        functions.stop(call)
    outcomes = await functions.host.wait_done(len(calls))
    assert {outcome.kind for outcome in outcomes} == {"stopped"}


async def test_a_sync_function_sees_the_flag_and_its_runner_lives(patient: Functions) -> None:
    before = (await patient.result(function_call("where")))["pid"]
    call = function_call("sync_wait")
    await patient.begin(call)
    patient.stop(call)
    outcome = await patient.outcome(call)
    assert (outcome.kind, outcome.error) == ("stopped", "ended with InterruptedError: asked to end")
    assert (await patient.result(function_call("where")))["pid"] == before


async def test_a_sync_function_that_does_not_look_is_killed_with_what_it_started(
    functions: Functions, tmp_path: Path
) -> None:
    call = function_call("sync_sleep", path=str(tmp_path / "marks"))
    await functions.begin(call, "sleeping")
    pids = [int(text) for text in (await read_marks(tmp_path / "marks"))[0].split()]
    functions.stop(call, "timeout")
    functions.stop(call, "drain")
    assert (await functions.outcome(call)).kind == "stopped"
    await wait_until_async(lambda: not any(map(procs.alive, pids)), what="both processes gone")
    assert await functions.result(function_call("sync_answer", value=1)) == 1


async def test_an_answer_given_after_the_stop_counts(patient: Functions) -> None:
    call = function_call("wait_then_answer")
    await patient.begin(call)
    patient.stop(call)
    outcome = await patient.outcome(call)
    assert (outcome.kind, outcome.result) == ("completed", '"tidy"')


@pytest.mark.parametrize(
    ("name", "args", "said"), [("wait_stubbornly", {}, "waiting"), ("hold_loop", {"seconds": 600}, "holding")]
)
async def test_who_does_not_end_is_killed_and_the_others_start_again(
    functions: Functions, caplog: pytest.LogCaptureFixture, name: str, args: dict[str, int], said: str
) -> None:
    patient = [function_call("wait") for _ in range(3)]
    for call in patient:
        await functions.begin(call)
    stubborn = function_call(name, **args)
    await functions.begin(stubborn, said)
    assert await functions.result(function_call("sync_answer", value=1)) == 1
    functions.stop(stubborn, "timeout")
    assert (await functions.outcome(stubborn)).kind == "stopped"
    for call in patient:
        outcome = await functions.outcome(call)
        assert (outcome.kind, outcome.delay_us) == ("interrupted", None)
    assert await functions.result(function_call("answer", value=1)) == 1
    [told] = [record.message for record in caplog.records if "runner/" in record.message]
    assert told.startswith(f"runner/killed {name} did not end in its grace time")
    assert "reason=timeout" in told and f"jobId={stubborn.job_id}" in told


async def test_a_call_that_waits_for_a_slot_is_stopped_without_a_start(functions: Functions, tmp_path: Path) -> None:
    running = [function_call("sync_wait") for _ in range(2)]
    for call in running:
        await functions.begin(call)
    waiting = function_call("sync_wait", path=str(tmp_path / "marks"))
    after = function_call("sync_answer", value="after")
    functions.executor.submit([waiting, after])
    functions.stop(waiting)
    assert (await functions.outcome(waiting)).kind == "stopped"
    functions.stop(running[0])
    assert (await functions.outcome(after)).result == '"after"'
    assert not (tmp_path / "marks").exists()
    functions.stop(running[1])
    await functions.outcome(running[1])


async def test_stops_of_unknown_and_ended_runs_are_ignored(functions: Functions) -> None:
    functions.executor.stop("nobody", 1, "cancel")
    call = function_call("noop")
    await functions.run(call)
    functions.stop(call)
    assert await functions.result(function_call("answer", value=1)) == 1
    assert functions.host.outcome(call).kind == "completed"


async def test_closing_ends_everything_and_reports_it_once(tmp_path: Path) -> None:
    async with running_functions(sync_slots=1, grace_s=30) as functions:
        calls = {name: function_call(name) for name in ("wait", "wait_stubbornly", "sync_wait")}
        for call in calls.values():
            await functions.begin(call)
        waiting = function_call("sync_noop")
        functions.executor.submit([waiting])
        functions.stop(calls["wait_stubbornly"])
    outcomes = {name: functions.host.outcome(call).kind for name, call in calls.items()}
    assert outcomes == {"wait": "interrupted", "wait_stubbornly": "stopped", "sync_wait": "interrupted"}
    assert functions.host.outcome(waiting).kind == "interrupted"


@pytest.mark.parametrize("before", [None, "cancel"])
async def test_a_kill_waits_for_nothing_and_the_others_start_again(before: Stop | None) -> None:
    async with running_functions(grace_s=600, sync_slots=2) as functions:
        patient, sync = function_call("wait"), function_call("sync_wait")
        stubborn = [function_call("wait_stubbornly"), function_call("sync_sleep")]
        for call, said in zip((patient, sync, *stubborn), ("waiting", "waiting", "waiting", "sleeping"), strict=True):
            await functions.begin(call, said)
        for call in stubborn:
            if before is not None:
                functions.stop(call, before)
            functions.stop(call, "kill")
            assert (await functions.outcome(call)).kind == "stopped"
        outcome = await functions.outcome(patient)
        assert (outcome.kind, outcome.delay_us) == ("interrupted", None)
        assert await functions.result(function_call("answer", value=1)) == 1
        functions.stop(sync)
        assert (await functions.outcome(sync)).kind == "stopped"


async def test_a_kill_of_a_call_that_has_not_begun_hurts_nobody() -> None:
    async with running_functions(grace_s=600, sync_slots=2) as functions:
        holding, never = function_call("hold_loop", seconds=0.2), function_call("wait")
        await functions.begin(holding, "holding")
        functions.executor.submit([never])
        functions.stop(never, "kill")
        assert (await functions.outcome(never)).kind == "stopped"
        assert (await functions.outcome(holding)).kind == "completed"
