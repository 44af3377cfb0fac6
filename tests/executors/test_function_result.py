"""What functions return and raise, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rota.executors.runner_call import Limits
from tests.support.function_calls import Functions, function_call, inline_call, make_call, running_functions

pytestmark = pytest.mark.usefixtures("from_root")


@pytest.fixture
async def functions() -> AsyncIterator[Functions]:
    async with running_functions(modules=["tests.support"]) as running:
        yield running


async def test_a_result_is_written_as_json(functions: Functions) -> None:
    assert await functions.result(function_call("add", a=40)) == {"total": 42, "at": "2030-01-01T00:00:00Z"}
    assert await functions.result(function_call("noop")) is None
    assert await functions.result(function_call("answer", value=[1, {"a": None}])) == [1, {"a": None}]


async def test_the_context_tells_of_the_job_and_reports(functions: Functions) -> None:
    call = make_call(
        "report", "async", '{"limit": 7}', attempt=3, scheduled_for=1_500_000, previous='{"n": 1}', schedule_id="s"
    )
    assert await functions.result(call) == {
        "id": call.job_id,
        "attempt": 3,
        "due": "1970-01-01T00:00:01.500000+00:00",
        "previous": {"n": 1},
        "args": {"limit": 7},
    }
    assert functions.host.progresses[call.job_id, 3] == [(0.4, "halfway")]
    assert functions.host.text(call) == "INFO sending 7"


@pytest.mark.parametrize("name", ["answer", "sync_answer"])
async def test_what_a_result_says_is_judged(functions: Functions, name: str) -> None:
    outcome = await functions.run(function_call(name, value={"success": False, "errors": ["a", "b"]}))
    assert (outcome.kind, outcome.permanent, outcome.error) == ("failed", False, "a; b")
    outcome = await functions.run(function_call(name, value={"status": "retry", "delayMs": 1500}))
    assert (outcome.kind, outcome.delay_us) == ("snoozed", 1_500_000)
    outcome = await functions.run(function_call(name, value={"status": "failed", "error": "gone"}))
    assert (outcome.kind, outcome.permanent, outcome.error) == ("failed", True, "gone")


@pytest.mark.parametrize("name", ["an_object", "itself"])
async def test_a_result_that_is_no_json_fails_for_good(functions: Functions, name: str) -> None:
    outcome = await functions.run(inline_call(f"tests.support.odd_results:{name}"))
    assert outcome.kind == "failed" and outcome.permanent
    assert outcome.detail is not None and outcome.detail.code == "result-not-json"


async def test_a_large_result_completes_cut_to_its_head(functions: Functions) -> None:
    outcome = await functions.run(inline_call("tests.support.odd_results:much", megabytes=100))
    assert (outcome.kind, outcome.truncated) == ("completed", (100 << 20) + 2)
    cut = json.loads(outcome.result or "")
    assert cut["bytes"] == outcome.truncated and cut["head"].startswith('"xxx')
    assert len(outcome.result or "") < 10_000


async def test_limits_are_those_that_were_set() -> None:
    async with running_functions(limits=Limits(result_bytes=100, depth=2, line_chars=10)) as functions:
        outcome = await functions.run(function_call("answer", value="x" * 200))
        assert outcome.truncated == 202
        outcome = await functions.run(function_call("answer", value=[[[1]]]))
        assert outcome.permanent and "deeper than 2" in (outcome.error or "")
        call = function_call("print_much", lines=1, width=25)
        await functions.run(call)
        assert functions.host.text(call) == "0" * 10 + "… [15 characters left out]"


async def test_an_exception_fails_the_attempt_with_its_trace(functions: Functions) -> None:
    outcome = await functions.run(function_call("wrong"))
    assert (outcome.kind, outcome.permanent) == ("failed", False)
    assert outcome.error == "RuntimeError: first line second line"
    detail = outcome.detail
    assert detail is not None and detail.trace is not None
    assert (detail.code, detail.type, detail.message) == ("exception", "RuntimeError", "first line\nsecond line")
    assert "inner\ncause" in detail.trace and "function_app.py" in detail.trace
    assert "runner_async.py" not in detail.trace


async def test_exceptions_of_every_kind(functions: Functions) -> None:
    outcome = await functions.run(function_call("sync_wrong"))
    assert (outcome.kind, outcome.error) == ("failed", "KeyError: 'nothing here'")
    outcome = await functions.run(function_call("give_up"))
    assert (outcome.kind, outcome.permanent, outcome.error) == ("failed", True, "no such customer")
    outcome = await functions.run(function_call("snooze", delay="90s"))
    assert (outcome.kind, outcome.delay_us) == ("snoozed", 90_000_000)
    outcome = await functions.run(function_call("again_later"))
    assert (outcome.kind, outcome.permanent, outcome.error, outcome.delay_us) == ("failed", False, "busy", 90_000_000)
    outcome = await functions.run(function_call("cancel_itself"))
    assert (outcome.kind, outcome.error) == ("failed", "CancelledError")
    outcome = await functions.run(function_call("unprintable"))
    assert outcome.kind == "failed" and "cannot be shown" in (outcome.error or "")


@pytest.mark.parametrize("name", ["leave", "sync_leave"])
async def test_sys_exit_fails_the_attempt_and_the_runner_lives(functions: Functions, name: str) -> None:
    home = "where" if name.startswith("sync") else "async_where"
    before = (await functions.result(function_call(home)))["pid"]
    for code in (0, 3):
        outcome = await functions.run(function_call(name, code=code))
        assert outcome.error == f"the function called sys.exit({code})"
        assert (outcome.kind, outcome.permanent) == ("failed", False)
    assert (await functions.result(function_call(home)))["pid"] == before


async def test_sys_exit_in_a_background_task_spares_the_runner(functions: Functions) -> None:
    assert await functions.result(function_call("leave_in_task")) == "still here"


async def test_a_deep_recursion_is_a_failure_with_a_bounded_trace(functions: Functions) -> None:
    outcome = await functions.run(function_call("recurse"))
    assert (outcome.error or "").startswith("RecursionError: maximum recursion depth exceeded")
    assert outcome.detail is not None and 100 < len(outcome.detail.trace or "") < 20_000


@pytest.mark.parametrize("name", ["add", "report"])
async def test_arguments_that_do_not_fit_fail_for_good(functions: Functions, name: str) -> None:
    lane = "sync" if name == "add" else "async"
    for args in ('{"nonsense": 1}', '{"limit": "x", "a": "x"}', "[]"):
        outcome = await functions.run(make_call(name, lane, args))
        assert outcome.kind == "failed" and outcome.permanent
        assert outcome.detail is not None and outcome.detail.code == "args-invalid"
        assert (outcome.error or "").startswith("args")


async def test_a_function_named_by_a_target(functions: Functions) -> None:
    assert await functions.result(inline_call("tests.support.function_app:unregistered", a=4)) == 8
    assert await functions.result(inline_call("tests.support.function_app:unregistered_async", a=4)) == 12
    assert await functions.result(inline_call("tests.support.function_app:unregistered_async", "async", a=4)) == 12
    assert await functions.result(inline_call("tests.support.function_app:add", a=4)) == {
        "total": 6,
        "at": "2030-01-01T00:00:00Z",
    }


async def test_a_sync_function_on_the_async_lane_moves_to_a_runner_of_its_own(functions: Functions) -> None:
    assert await functions.result(inline_call("tests.support.function_app:unregistered", "async", a=4)) == 8
    assert (await functions.result(make_call("where", "async")))["main"] is True


@pytest.mark.parametrize(
    ("function", "code", "permanent"),
    [
        ("os:getcwd", "function-forbidden", True),
        ("tests.supporting:x", "function-forbidden", True),
        ("tests.support", "function-forbidden", True),
        ("tests.support.function_app:nothing", "function-not-found", True),
        ("tests.support.function_app:APP.x", "function-not-found", True),
        ("tests.support.function_app:_kept", "function-not-found", True),
        ("tests.support.no_such_module:x", "import-error", False),
    ],
)
async def test_a_target_that_names_no_open_function(
    functions: Functions, function: str, code: str, permanent: bool
) -> None:
    outcome = await functions.run(inline_call(function))
    assert (outcome.kind, outcome.permanent) == ("failed", permanent)
    assert outcome.detail is not None and outcome.detail.code == code
    assert function.partition(":")[0] in (outcome.error or "")


async def test_a_type_that_is_not_loaded_is_given_back(functions: Functions) -> None:
    for lane in ("async", "sync"):
        outcome = await functions.run(make_call("elsewhere", lane))
        assert outcome.kind == "interrupted"
        assert (outcome.delay_us or 0) >= 1_000_000
        assert "elsewhere" in (outcome.error or "")


@pytest.mark.parametrize("name", ["passed_by", "sync_passed_by"])
async def test_collections_pass_by_what_was_loaded_before_the_call(functions: Functions, name: str) -> None:
    assert int(str(await functions.result(function_call(name)))) > 0


async def test_an_attempt_ends_with_the_tasks_that_its_function_left(functions: Functions, tmp_path: Path) -> None:
    path = tmp_path / "note"
    for _ in range(2):
        assert await functions.result(inline_call("tests.support.odd_results:leaves_a_task", path=str(path))) == "left"
        assert path.read_text() == "done"
        path.unlink()
    outcome = await functions.run(inline_call("tests.support.odd_results:leaves_a_failing_task"))
    assert (outcome.kind, outcome.error) == ("failed", "ValueError: in the task")
