"""How applications are loaded into runners, and how runners are kept, replaced and sent away."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

import pytest

from rota.executors.function import FunctionExecutor
from rota.executors.runner_care import Care
from tests.support import procs
from tests.support.function_calls import APP, Functions, function_call, make_call, running_functions
from tests.support.host import RecordingHost
from tests.support.waiting import wait_until_async

GOOD = """
from rota.job import JobFunction
class App:
    schedules = []
    def __init__(self, *functions): self.jobs = {each.__name__: JobFunction(each) for each in functions}
async def here(): return NUMBER
def sync_here(): return NUMBER
rota = App(here, sync_here)
"""
QUICK = Care(backoff_s=0.05, look_s=0.02)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, from which applications are imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # an edit within a second must be seen
    return tmp_path


def write_app(folder: Path, name: str, text: str = GOOD, number: int = 1) -> None:
    whole = folder / f"{name}.new"
    whole.write_text(text.replace("NUMBER", str(number)))
    whole.rename(folder / f"{name}.py")


@pytest.mark.usefixtures("from_root")
async def test_the_runner_declares_types_and_schedules() -> None:
    async with running_functions() as functions:
        await functions.host.wait_declared()
    add = functions.host.types["add"]
    assert (add.lane, add.function) == ("sync", "tests.support.function_app:add")
    assert json.loads(add.defaults) == {"queue": "test"}
    assert json.loads(add.args_schema)["required"] == ["a"]
    assert functions.host.types["answer"].lane == "async"
    assert json.loads(functions.host.schedules[0])["id"] == "nightly"


async def test_an_application_is_imported_from_the_current_directory(folder: Path) -> None:
    write_app(folder, "mine")
    async with running_functions(["mine:rota"]) as functions:
        assert await functions.result(make_call("here", "async")) == 1
        assert await functions.result(make_call("sync_here", "sync")) == 1


async def test_the_environment_lacks_what_is_secret(monkeypatch: pytest.MonkeyPatch, from_root: None) -> None:
    secrets = ("ROTA_AUTH_SECRET", "ROTA_SECRET_KEY", "ROTA_TOKEN", "SCHEDULER_SHARED_AUTH_SECRET", "ROTA_NOTIFY_URLS")
    for name in (*secrets, "ROTA_DATABASE_URL", "MY_OWN"):
        monkeypatch.setenv(name, "x")
    async with running_functions() as functions:
        found = await functions.result(function_call("where"))
    assert {"ROTA_DATABASE_URL", "MY_OWN"} <= set(found["env"])
    assert not set(secrets) & set(found["env"])
    assert found["main"] is True
    assert found["argv"] == ["rota-runner"]


@pytest.mark.usefixtures("from_root")
async def test_runners_are_small_and_load_nothing_heavy() -> None:
    async with running_functions() as functions:
        found = await functions.result(function_call("async_where"))
        assert found["heavy"] == []
        if sys.platform == "linux":
            rollup = Path(f"/proc/{found['pid']}/smaps_rollup").read_text()
            kilobytes = int(rollup.partition("\nPss:")[2].split()[0])
            assert kilobytes < 35 * 1024


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import nowhere_at_all", "cannot load mine:rota: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("rota = 3", "cannot load mine:rota: TypeError: rota is a int, not a Rota()"),
        ("app = 3", "cannot load mine:rota: AttributeError: module 'mine' has no attribute 'rota'"),
        ("import sys; sys.exit('usage: …')", "cannot load mine:rota: SystemExit: usage: …"),
        ("import os; os._exit(5)", "a runner ended before it was ready (exit code 5)"),
        ("import time; time.sleep(600)", "mine:rota did not load within 3 s"),
    ],
)
async def test_jobs_of_an_application_that_does_not_load_wait_until_it_is_mended(
    folder: Path, caplog: pytest.LogCaptureFixture, text: str, complaint: str
) -> None:
    write_app(folder, "mine", text)
    caplog.set_level(logging.INFO, "rota")
    async with running_functions(
        ["mine:rota"], care=Care(backoff_s=0.05, boot_s=3 if "sleep" in text else 60)
    ) as functions:
        for lane in ("async", "sync"):
            outcome = await functions.run(make_call("here", lane))
            assert (outcome.kind, outcome.error is None) == ("interrupted", False)
            assert (outcome.delay_us or 0) >= 50_000
        assert functions.host.types == {}
        write_app(folder, "mine")
        await functions.host.wait_declared(timeout=60)
        assert await functions.result(make_call("here", "async")) == 1
        await _until_completed(functions, "sync_here")
    told = [record.message for record in caplog.records if record.levelno > logging.INFO]
    assert sum(f"app/failed {complaint}" in message for message in told) == 1


async def _until_completed(functions: Functions, name: str) -> None:
    """Start a call again and again, as the engine does."""
    async with asyncio.timeout(20):
        while (outcome := await functions.run(make_call(name, "sync"))).kind != "completed":
            assert outcome.kind == "interrupted"


async def test_one_broken_application_does_not_stop_another(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_app(folder, "mine")
    write_app(folder, "broken", "1 / 0")
    async with running_functions(["broken:rota", "mine:rota"], care=QUICK) as functions:
        assert await functions.result(make_call("here", "async")) == 1
        assert await functions.result(make_call("sync_here", "sync")) == 1
        outcome = await functions.run(make_call("in_broken", "async"))
        assert outcome.kind == "interrupted" and "ZeroDivisionError" in (outcome.error or "")
    complaint = "cannot load broken:rota: ZeroDivisionError: division by zero"
    [told] = [record.message for record in caplog.records]
    assert told.startswith(f"app/failed {complaint}") and "1 / 0" in told


async def test_a_type_declared_twice_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_app(folder, "one", number=1)
    write_app(folder, "two", number=2)
    async with running_functions(["one:rota", "two:rota"], care=QUICK) as functions:
        assert await functions.result(make_call("here", "async")) == 1
    assert "declared twice, one:here and two:here" in caplog.text


@pytest.mark.parametrize(
    ("setup", "line"),
    [
        ("pass", "INFO lib: told"),
        ("logging.basicConfig(format='MINE %(message)s', level=logging.DEBUG)", "MINE told"),
        ("logging.basicConfig(format='MINE %(message)s')", "MINE loud"),
        ("logging.root.addHandler(logging.NullHandler())", "WARNING lib: loud"),
    ],
)
async def test_the_logging_that_an_application_sets_up_counts(folder: Path, setup: str, line: str) -> None:
    body = "    logging.getLogger('lib').info('told'); logging.getLogger('lib').warning('loud'); ctx.log.info('always')"
    text = GOOD.replace("async def here():", f"import logging\n{setup}\nasync def here(ctx: Context):\n{body}\n   ")
    write_app(folder, "mine", "from rota.context import Context\n" + text)
    async with running_functions(["mine:rota"]) as functions:
        call = make_call("here", "async")
        await functions.result(call)
    lines = functions.host.text(call).splitlines()
    assert lines[0] == line
    assert lines[-1].endswith("always")
    assert len(lines) == len(set(lines)) == (3 if line.endswith("told") else 2)


@pytest.mark.usefixtures("from_root")
async def test_a_runner_is_replaced_after_so_many_jobs_and_none_is_lost() -> None:
    async with running_functions(care=Care(recycle_jobs=100)) as functions:
        patient = function_call("wait")
        await functions.begin(patient)
        pids: set[int] = set()
        async with asyncio.timeout(20):
            while len(pids) < 4:
                calls = [function_call("async_where") for _ in range(50)]
                functions.executor.submit(calls)
                for call in calls:
                    outcome = await functions.outcome(call)
                    assert outcome.kind == "completed"
                    pids.add(json.loads(outcome.result or "")["pid"])
        assert (patient.job_id, 1) not in functions.host.outcomes
        functions.stop(patient)
        assert (await functions.outcome(patient)).kind == "stopped"
        await wait_until_async(lambda: sum(map(procs.alive, pids)) <= 1, what="the end of the old runners")


@pytest.mark.usefixtures("from_root")
async def test_sync_runners_are_replaced_after_so_many_jobs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "rota")
    async with running_functions(care=Care(recycle_jobs=3), sync_slots=1) as functions:
        pids = [(await functions.result(function_call("where")))["pid"] for _ in range(9)]
        assert [pids.index(pid) for pid in pids] == [0, 0, 0, 3, 3, 3, 6, 6, 6]
    told = [record.message for record in caplog.records]
    assert {line.rpartition("=")[2] for line in told if "runner/started" in line} > {str(pid) for pid in pids}
    replaced = "runner/recycled a runner for sync functions is replaced: it was given 3 calls "
    assert [line.rpartition("=")[2] for line in told if line.startswith(replaced)] == [str(pid) for pid in pids[::3]]
    assert not [line for line in told if "runner/died" in line or "runner/killed" in line]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is looked up in /proc")
@pytest.mark.usefixtures("from_root")
async def test_a_runner_that_grew_too_large_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rota")
    async with running_functions(care=Care(recycle_bytes=100 << 20, look_s=0.02)) as functions:
        pid = await functions.result(function_call("swell", megabytes=150))
        await wait_until_async(lambda: not procs.alive(pid), what="the end of the large runner")
        assert await functions.result(function_call("swell", megabytes=1)) != pid
    [told] = [record.message for record in caplog.records if "runner/recycled" in record.message]
    assert " MiB of memory" in told and f"runnerPid={pid}" in told


@pytest.mark.usefixtures("from_root")
async def test_sync_runners_without_work_go_but_one() -> None:
    others = procs.own_children()  # servers that other tests share
    async with running_functions(sync_slots=4, care=Care(idle_s=0.05, look_s=0.02)) as functions:
        calls = [function_call("sync_wait") for _ in range(4)]
        for call in calls:
            await functions.begin(call)
        for call in calls:
            functions.stop(call)
        await functions.host.wait_done(4)
        # One async runner and one sync runner stay.
        await wait_until_async(lambda: len(procs.own_children() - others) == 2, what="the end of idle runners")
        assert await functions.result(function_call("sync_answer", value=1)) == 1


@pytest.mark.usefixtures("from_root")
async def test_sync_calls_beyond_the_slots_wait_in_order() -> None:
    async with running_functions(sync_slots=1) as functions:
        calls = [function_call("sync_answer", value=number) for number in range(30)]
        functions.executor.submit(calls)
        await functions.host.wait_done(30)
        assert [job for job, _ in functions.host.order] == [call.job_id for call in calls]


async def test_without_applications_there_is_no_lane_and_no_process() -> None:
    others = procs.own_children()  # servers that other tests share
    executor = FunctionExecutor([])
    assert executor.lanes == {}
    await executor.start(RecordingHost())
    assert procs.own_children() - others == set()
    await executor.close()


@pytest.mark.usefixtures("from_root")
async def test_lanes_have_the_slots_that_were_asked_for() -> None:
    assert FunctionExecutor([APP]).lanes["async"] >= 200
    assert FunctionExecutor([APP]).lanes["sync"] >= 8
    assert FunctionExecutor([], ["tests.support"], async_slots=3, sync_slots=2).lanes == {"async": 3, "sync": 2}


@pytest.mark.usefixtures("from_root")
async def test_thousands_of_calls_of_both_lanes_end_once_each() -> None:
    async with running_functions() as functions:
        calls = [function_call(("answer", "sync_answer")[n % 10 == 0], value=n) for n in range(5000)]
        functions.executor.submit(calls)
        await functions.host.wait_done(len(calls), 60)
        assert [functions.host.outcome(call).result for call in calls] == [str(n) for n in range(5000)]


async def test_changed_files_are_loaded_anew_while_old_runs_go_on(folder: Path) -> None:
    text = GOOD + "async def slow():\n    import asyncio\n    await asyncio.sleep(0.5)\n    return NUMBER\n"
    text = text.replace("rota = App(here, sync_here)", "").rstrip() + "\nrota = App(here, sync_here, slow)\n"
    write_app(folder, "mine", text)
    async with running_functions(["mine:rota"], care=QUICK) as functions:
        assert await functions.result(make_call("sync_here", "sync")) == 1
        assert await functions.result(make_call("here", "async")) == 1
        slow = make_call("slow", "async")
        functions.executor.submit([slow])
        write_app(folder, "mine", text, number=2)
        functions.executor.reload()

        async def is_new(name: str, lane: str) -> bool:
            return bool(await functions.result(make_call(name, lane)) == 2)

        for name, lane in (("here", "async"), ("sync_here", "sync")):
            async with asyncio.timeout(20):
                while not await is_new(name, lane):
                    await asyncio.sleep(0.02)
        await functions.host.wait(lambda: (slow.job_id, 1) in functions.host.outcomes)
        assert functions.host.outcome(slow).result == "1"

        write_app(folder, "mine", "this is no Python")
        functions.executor.reload()
        for _ in range(3):
            assert await is_new("here", "async")
            assert await is_new("sync_here", "sync")
        write_app(folder, "mine", text, number=3)
        functions.executor.reload()
        for name, lane in (("here", "async"), ("sync_here", "sync")):
            async with asyncio.timeout(20):
                while await is_new(name, lane):
                    await asyncio.sleep(0.02)
