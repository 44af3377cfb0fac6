"""What functions print and log, and whose log it goes to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rota.executor import Call
from tests.support.function_calls import Functions, function_call, inline_call, running_functions

pytestmark = pytest.mark.usefixtures("from_root")


@pytest.fixture
async def functions() -> AsyncIterator[Functions]:
    async with running_functions() as running:
        yield running


def lines(functions: Functions, call: Call, stream: str) -> list[str]:
    return [line.text for line in functions.host.logs[call.job_id, call.attempt] if line.stream == stream]


async def test_everything_that_a_sync_function_says_is_in_its_log(functions: Functions) -> None:
    call = function_call("talk", words="é \0 \x1b[1mbold")
    await functions.result(call)
    assert sorted(lines(functions, call, "stdout")) == sorted(
        ["printed é � \x1b[1mbold", "as bytes", "from a program", "1", "no newline"]
    )
    assert sorted(lines(functions, call, "stderr")) == ["bad", "to stderr"]
    assert lines(functions, call, "log") == [
        "INFO tests.support.function_app: logged é \0 \x1b[1mbold".replace("\0", "�")
    ]


async def test_programs_that_a_sync_function_runs_lose_no_line(functions: Functions) -> None:
    call = function_call("talk", words="x", times=20_000)
    await functions.result(call)
    assert [text for text in lines(functions, call, "stdout") if text.isdigit()] == [str(n) for n in range(1, 20_001)]


async def test_lines_of_calls_side_by_side_stay_apart(functions: Functions) -> None:
    calls = {name: function_call("say_apart", name=name, times=50) for name in "abcdef"}
    functions.executor.submit([*calls.values()])
    await functions.host.wait_done(len(calls))
    for name, call in calls.items():
        assert lines(functions, call, "stdout") == [*(f"{name} {n}" for n in range(50)), f"{name} from a thread"]


async def test_lines_appear_while_the_function_runs(functions: Functions) -> None:
    for name in ("wait", "sync_wait"):
        call = function_call(name)
        await functions.begin(call)
        assert functions.host.outcomes == {}
        functions.stop(call)
        await functions.outcome(call)
        functions.host.outcomes.clear()


async def test_a_flood_of_lines_arrives_whole_and_long_lines_are_cut(functions: Functions) -> None:
    flood = function_call("print_much", lines=100_000, width=60)
    long = function_call("print_much", lines=2, width=100_000)
    functions.executor.submit([flood, long])
    await functions.host.wait_done(2, 60)
    assert lines(functions, flood, "stdout") == [f"{n:060d}" for n in range(100_000)]
    assert [text.endswith("… [34464 characters left out]") for text in lines(functions, long, "stdout")] == [True, True]


async def test_what_a_fork_says_does_not_disturb_its_parent(functions: Functions) -> None:
    for _ in range(2):
        call = function_call("fork_and_talk")
        assert await functions.result(call) == 0
        assert lines(functions, call, "stdout") == ["from the fork"]


@pytest.mark.parametrize("name", ["patches_stdout", "drops_stdout", "closes_streams"])
async def test_the_log_of_the_next_call_is_whole_whatever_became_of_the_streams(name: str) -> None:
    async with running_functions([], ["tests.support"], sync_slots=1) as functions:
        assert (await functions.run(inline_call(f"tests.support.bad_functions:{name}"))).kind == "completed"
        await functions.run(call := inline_call("tests.support.bad_functions:well"))
        assert functions.host.text(call) == "all is well"


async def test_a_function_that_closes_the_line_to_the_worker_fails_and_does_not_hang() -> None:
    async with running_functions([], ["tests.support"]) as functions:
        outcome = await functions.run(inline_call("tests.support.bad_functions:closes_everything"))
        assert (outcome.kind, outcome.error) == ("failed", "the runner process died: signal SIGKILL")


async def test_a_flood_is_held_back_while_nothing_more_can_be_stored(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = held_at = 0

    def full(call: Call) -> bool:
        nonlocal asked, held_at
        asked += 1
        seen = len(functions.host.logs[call.job_id, call.attempt])
        assert asked == 1 or asked > 5 or seen == held_at
        held_at = seen
        return asked <= 5

    monkeypatch.setattr(functions.host, "full", full)
    call = function_call("print_much", lines=20_000, width=100)
    assert await functions.result(call) == 20_000
    assert asked > 5
    assert len(lines(functions, call, "stdout")) == 20_000
