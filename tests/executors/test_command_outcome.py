"""How commands end, and what that means."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from rota.executor import ErrorDetail, Outcome
from tests.support.command_calls import command_call, python_call, running

pytestmark = pytest.mark.asyncio


async def test_exit_codes_mean_what_they_say() -> None:
    async with running() as rota:
        assert (await rota.shell("exit 0"))[0] == Outcome("completed", result='{"exitCode":0}')
        assert (await rota.shell("exit 75"))[0] == Outcome("snoozed", delay_us=30_000_000)
        failed, _ = await rota.shell("echo one >&2; echo two >&2; exit 3")
        detail = ErrorDetail("exit-code", message="3", trace="one\ntwo")
        assert failed == Outcome("failed", error="exit code 3", detail=detail)


@pytest.mark.parametrize(
    ("code", "action", "expected"),
    [
        (3, "complete", Outcome("completed", result='{"exitCode":3}')),
        (3, "snooze", Outcome("snoozed", delay_us=30_000_000)),
        (75, "retry", Outcome("failed", error="exit code 75", detail=ErrorDetail("exit-code", message="75"))),
        (
            0,
            "fail",
            Outcome("failed", error="exit code 0", detail=ErrorDetail("exit-code", message="0"), permanent=True),
        ),
    ],
)
async def test_a_target_may_give_exit_codes_other_meanings(code: int, action: str, expected: Outcome) -> None:
    async with running() as rota:
        assert (await rota.shell(f"exit {code}", exitCodes={str(code): action}))[0] == expected


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGTERM", "SIGABRT"])
async def test_a_command_killed_by_a_signal_fails_with_its_name(name: str) -> None:
    async with running() as rota:
        outcome, _ = await rota.shell(f"kill -{name.removeprefix('SIG')} $$; sleep 9")
        status = str(128 + signal.Signals[name])
        detail = ErrorDetail("signal", type=name, message=status)
        assert outcome == Outcome("failed", error=f"killed by {name}", detail=detail)


async def test_a_command_killed_from_outside_is_told_that_it_was_not_rota() -> None:
    async with running() as rota:
        outcome, _ = await rota.shell("kill -KILL $$")
        assert outcome.error == "killed by SIGKILL (not by Rota; out of memory?)"


async def test_what_cannot_be_started_fails_for_good_and_says_why(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo no first line\n")
    script.chmod(0o755)
    strange = tmp_path / "strange"
    strange.write_text("#!/no/such/interpreter\n")
    strange.chmod(0o755)
    plain = tmp_path / "plain"
    plain.write_text("x")
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"command": ["no-such-program", "x"]}, "command not found: no-such-program", "127"),
        ({"command": [str(tmp_path / "missing")]}, f"command not found: {tmp_path}/missing", "127"),
        ({"command": [str(plain)]}, f"permission denied: {plain}", "126"),
        ({"command": [str(tmp_path)]}, f"no program: {tmp_path} is a directory", "126"),
        ({"command": [str(strange)]}, f"{strange} needs an interpreter that is not there: see its first line", "127"),
        ({"command": [str(script)]}, f"no program: {script} (a script begins with a line such as #!/bin/sh)", "126"),
        ({"command": ["pwd"], "cwd": "/no/such"}, "working directory /no/such: No such file or directory", "126"),
        ({"command": ["pwd"], "cwd": str(plain)}, f"working directory {plain}: Not a directory", "126"),
        ({"command": ["id"], "user": "no-such-user"}, "there is no user no-such-user on this machine", "126"),
    ]
    async with running() as rota:
        for target, error, status in cases:
            call = command_call(**target)
            outcome = await rota.call(call)
            assert outcome.detail is not None
            facts = (outcome.kind, outcome.error, outcome.detail.message, outcome.permanent)
            assert facts == ("failed", error, status, True)
            assert error in rota.system(call)
        outcome = await rota.call(command_call("true", args=json.dumps("x" * 200_000)))
        assert outcome.permanent and "larger than a program can get" in str(outcome.error)
        assert (await rota.shell("echo still well"))[1] == ["still well"]


@pytest.mark.parametrize(
    "target",
    [None, "null", "[]", "{", '{"kind":"command"}', '{"kind":"http","url":"http://x"}', "[" * 100_000],
)
async def test_a_target_that_is_none_fails_for_good(target: str | None) -> None:
    async with running() as rota:
        outcome = await rota.call(command_call("true", target=target))
        assert (outcome.kind, outcome.permanent) == ("failed", True)
        assert "the target cannot be run" in str(outcome.error)


async def test_a_command_reports_progress_and_a_result(tmp_path: Path) -> None:
    async with running() as rota:
        call = command_call(
            shell=f"""
            echo before
            echo '::rota progress 0.25'
            echo '::rota progress 0.5 half way'
            until test -e {tmp_path}/seen; do sleep 0.01; done
            echo '::rota progress 1 all of it'
            echo '::rota result {{"rows": 12, "é": "😀"}}'
            echo after
            """
        )
        rota.executor.submit([call])
        # Of what is reported together the last word counts.
        await rota.host.wait(lambda: (0.5, "half way") in rota.host.progresses[call.job_id, 1], 60)
        (tmp_path / "seen").touch()
        outcome = await rota.outcome(call)
        assert outcome == Outcome("completed", result='{"rows": 12, "é": "😀"}')
        assert rota.output(call) == ["before", "after"]
        assert rota.host.progresses[call.job_id, 1][-1] == (1.0, "all of it")
        assert (0.5, "half way") in rota.host.progresses[call.job_id, 1]


@pytest.mark.parametrize(
    ("result", "kind", "error"),
    [
        ('{"success": false, "errors": ["bad row"]}', "failed", "bad row"),
        ('{"status": "failed", "error": "never again"}', "failed", "never again"),
        ("no json", "failed", "the result is not JSON"),
        ('{"status": "retry", "delayMs": 1500}', "snoozed", None),
    ],
)
async def test_a_result_is_judged_as_any_other(result: str, kind: str, error: str | None) -> None:
    async with running() as rota:
        outcome = await rota.call(python_call("import sys; print('::rota result', sys.argv[1])", result))
        assert outcome.kind == kind
        assert error is None or error in str(outcome.error)
        assert outcome.delay_us == (1_500_000 if kind == "snoozed" else None)


async def test_a_result_does_not_hide_a_failure() -> None:
    async with running() as rota:
        outcome, _ = await rota.shell("echo '::rota result {}'; exit 9")
        assert (outcome.kind, outcome.error) == ("failed", "exit code 9")


async def test_results_are_kept_whole_up_to_their_limit_and_then_cut() -> None:
    code = "import sys; n = int(sys.argv[1]); print('::rota result \"' + 'x' * (n - 2) + '\"'); print('done')"
    async with running() as rota:
        call = python_call(code, str(1 << 20))
        outcome = await rota.call(call)
        assert (outcome.kind, len(outcome.result or ""), outcome.truncated) == ("completed", 1 << 20, None)
        assert rota.output(call) == ["done"]
        for size in ((1 << 20) + 1, 5_000_000):
            call = python_call(code, str(size))
            outcome = await rota.call(call)
            kept = json.loads(outcome.result or "")
            assert (outcome.kind, outcome.truncated, kept["bytes"]) == ("completed", size, size)
            assert kept["head"].startswith('"xxx')
            assert rota.output(call) == ["done"]


async def test_a_wrong_directive_is_explained_in_the_log() -> None:
    async with running() as rota:
        call = command_call(shell="echo '::rota progress 40 percent'; echo '::rota dance'; echo ' ::rota result 1'")
        assert (await rota.call(call)).result == '{"exitCode":0}'
        assert "::rota progress 40 percent: progress is a number from 0 to 1" in rota.system(call)
        assert rota.output(call) == ["::rota dance", " ::rota result 1"]
        assert not rota.host.progresses[call.job_id, 1]


async def test_the_log_ends_with_what_the_run_took() -> None:
    async with running() as rota:
        call = python_call("b = bytearray(80_000_000); [x for x in range(3_000_000)]")
        await rota.call(call)
        words = rota.system(call).replace(",", "").split()
        assert words[:4] == ["exit", "code", "0", "after"]
        assert float(words[words.index("CPU") + 1]) > 0
        assert 80 < int(words[-2]) < 300 and words[-1] == "MB"


async def test_memory_files_and_processes_are_limited() -> None:
    limits = {"memory": "256M", "files": 40, "processes": 5000}
    async with running() as rota:
        outcome, lines = await rota.shell("ulimit -n; ulimit -d", limits=limits)
        assert (outcome.kind, lines) == ("completed", ["40", "262144"])
        call = python_call("import resource; print(resource.getrlimit(resource.RLIMIT_NPROC)[0])", limits=limits)
        await rota.call(call)
        assert rota.output(call) == ["5000"]
        outcome = await rota.call(python_call("bytearray(600_000_000)", limits=limits))
        assert outcome.error == "exit code 1" and "MemoryError" in str(outcome.detail)


async def test_cpu_time_is_limited() -> None:
    async with running() as rota:
        outcome, _ = await rota.shell("while :; do :; done", limits={"cpu": "1s"})
        assert outcome.error == "used up its 1s of CPU time"
        assert outcome.detail == ErrorDetail("cpu-limit", type="SIGXCPU", message="152")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
async def test_root_runs_commands_as_another_user() -> None:
    text = "id -un; id -Gn; echo $HOME $USER $LOGNAME; ulimit -n; cat /etc/shadow"
    async with running() as rota:
        outcome, lines = await rota.shell(text, user="nobody", env={"LOGNAME": "mine"}, limits={"files": 50})
        assert lines[:4] == ["nobody", "nogroup", "/nonexistent nobody mine", "50"]
        assert outcome.error == "exit code 1"
