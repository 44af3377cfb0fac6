"""What a command gets: arguments, environment, standard input, folder; and what it must not get."""

from __future__ import annotations

import ast
import asyncio
import os
import sys
from pathlib import Path

import pytest

from rota.ids import new_id
from tests.support.command_calls import command_call, python_call, running
from tests.support.command_tree import comm
from tests.support.command_worker import worker
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.asyncio

TRICKY = [
    "",
    " ",
    "it's",
    'say "hi"',
    "two\nlines\n",
    "tab\tand\rreturn",
    "$HOME `id` $(id) \\ \\n *?[a]{b,c} ~ # ! & | ; < >",
    "-rf",
    "%s %d %%",
    "é€😀\u202e\ufeff",
    "\x01\x7f\x1b[31m",
    "x" * 100_000,
]


async def test_arguments_arrive_byte_for_byte() -> None:
    async with running() as rota:
        call = python_call("import os, sys; print([os.fsencode(each) for each in sys.argv[1:]])", *TRICKY)
        assert (await rota.call(call)).kind == "completed"
        given = [each.encode() for each in TRICKY]
        # One line of the log is shorter than the longest argument: what it holds is compared.
        line = rota.output(call)[0]
        assert line[:5000] == str(given)[:5000]
        assert ast.literal_eval(line.partition(", b'xxx")[0] + "]") == given[:-1]


async def test_a_shell_command_arrives_byte_for_byte() -> None:
    text = "printf '%s|' \"it's\" 'a\"b' '$HOME' \\\n  'two\nlines' é😀 \"$(echo inner | tr a-z A-Z)\""
    async with running() as rota:
        outcome, lines = await rota.shell(text)
        assert (outcome.kind, lines) == ("completed", ["it's|a\"b|$HOME|two", "lines|é😀|INNER|"])


async def test_arguments_and_names_arrive_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.ISO-8859-1")
    monkeypatch.setenv("PYTHONWARNINGS", "error::nonsense")
    async with running() as rota:
        outcome, lines = await rota.shell("printf é | od -An -tx1; echo $LC_ALL $PYTHONWARNINGS", env={"É": "é"})
        assert (outcome.kind, lines) == ("completed", [" c3 a9", "en_US.ISO-8859-1 error::nonsense"])


async def test_standard_input_is_what_the_target_says_else_empty(tmp_path: Path) -> None:
    async with running() as rota:
        assert (await rota.shell("wc -c; cat"))[1] == ["0"]
        assert (await rota.shell("cat", stdin="one\nté\0"))[1] == ["one", "té\\x00"]
        assert (await rota.shell("wc -c; pwd", stdin="x" * 2_000_000, cwd=str(tmp_path)))[1] == [
            "2000000",
            str(tmp_path),
        ]


async def test_a_command_knows_its_job_and_the_environment_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app")
    monkeypatch.setenv("APP_COLOUR", "blue")
    async with running() as rota:
        call = command_call(
            "env",
            args='{"a": [1]}',
            attempt=3,
            scheduled_for=1_790_000_000_123_456,
            env={"APP_SIZE": "7", "PATH": "/bin"},
        )
        assert (await rota.call(call)).kind == "completed"
        found = dict(line.split("=", 1) for line in rota.output(call))
    expected = {"DATABASE_URL": "postgresql://app", "APP_COLOUR": "blue", "APP_SIZE": "7", "PATH": "/bin"}
    expected |= {"ROTA_JOB_ID": call.job_id, "ROTA_ATTEMPT": "3", "ROTA_ARGS": '{"a": [1]}'}
    expected |= {"ROTA_SCHEDULED_FOR": "2026-09-21T14:13:20.123Z"}
    assert {name: found.get(name) for name in expected} == expected
    version, trace, parent, flags = found["TRACEPARENT"].split("-")
    assert (version, trace, len(parent), flags) == ("00", call.job_id.replace("-", ""), 16, "01")


async def test_without_a_schedule_its_time_is_empty() -> None:
    async with running() as rota:
        assert (await rota.shell('set -u; echo "[$ROTA_SCHEDULED_FOR]"'))[1] == ["[]"]


async def test_no_secret_and_no_handle_reaches_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ["ROTA_AUTH_SECRET", "ROTA_DATABASE_URL", "ROTA_SECRET_KEY", "ROTA_TOKEN", "ROTA_NEW_THING"]
    secrets += ["SCHEDULER_SHARED_AUTH_SECRET", "CLERK_SECRET_KEY"]
    for name in secrets:
        monkeypatch.setenv(name, "canary")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        async with running() as rota:
            outcome, lines = await rota.shell("env; ls -l /proc/self/fd | grep -c '[0-9] -> '")
    finally:
        os.close(reading)
        os.close(writing)
    assert outcome.kind == "completed"
    assert not [line for line in lines if "canary" in line]
    assert lines[-1] == "4"  # its three streams, and the folder that ls reads


async def test_signals_umask_and_session_are_as_in_a_new_login() -> None:
    code = """
import os, signal
ignored = [each for each in signal.valid_signals() if signal.getsignal(each) == signal.SIG_IGN]
print(sorted(ignored), signal.pthread_sigmask(signal.SIG_BLOCK, ()), os.getsid(0) == os.getpid() == os.getpgid(0))
"""
    umask = os.umask(0o027)
    try:
        async with running() as rota:
            call = python_call(code)
            await rota.call(call)
            # Python itself ignores these two, in every one of its processes.
            assert rota.output(call) == ["[<Signals.SIGPIPE: 13>, <Signals.SIGXFSZ: 25>] set() True"]
            assert (await rota.shell("umask; kill -PIPE $$"))[0].error == "killed by SIGPIPE"
    finally:
        os.umask(umask)


@pytest.mark.skipif(sys.platform != "linux", reason="what is read here is Linux's")
async def test_commands_cannot_read_the_processes_that_hold_secrets() -> None:
    look = """
import glob, sys
for path in glob.glob('/proc/[0-9]*/environ'):
    try:
        with open(path, 'rb') as file:
            found = sys.argv[1].encode() in file.read()
    except OSError:
        continue
    if found:
        print('seen', path.split('/')[2])
"""
    # Root as it is in a container: without what would let it read every process.
    reduced = ["setpriv", "--bounding-set", "-sys_ptrace,-sys_admin,-cap_38"] if os.geteuid() == 0 else []
    canary = new_id()
    env = {"ROTA_SECRET_KEY": canary}
    readable = await asyncio.create_subprocess_exec(*reduced, "sleep", "60", env={**os.environ, **env})
    try:
        await wait_until_async(lambda: comm(readable.pid) == "sleep")
        async with worker([python_call(look, canary)], env=env, prefix=reduced) as started:
            lines = await started.lines_until("exit code")
    finally:
        readable.kill()
        await readable.wait()
    assert lines[:-1] == [f"seen {readable.pid}"]
