"""What a command writes: shown whatever it is, always drained, never more than memory and a log can take."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from rota.executor import Call, Line
from rota.executors.spillway import HEAD, TAIL
from tests.support.command_calls import command_call, python_call, running
from tests.support.host import RecordingHost
from tests.support.procs import children

pytestmark = pytest.mark.asyncio

MB = 1_000_000


async def test_both_streams_arrive_with_times_and_in_order(tmp_path: Path) -> None:
    # Each line comes a while after the one before has arrived: two that wait together may be read in either order.
    arrived = f"""until test -e "{tmp_path}/$1 $i"; do sleep 0.01; done; sleep 0.06"""
    text = "for i in 1 2 3; do echo out $i; arrived out; echo err $i >&2; arrived err; done"
    async with running() as rota:
        call = command_call(shell=f"arrived() {{ {arrived}; }}; {text}")
        began = time.time_ns() // 1000
        rota.executor.submit([call])
        for line in [f"{name} {i}" for i in (1, 2, 3) for name in ("out", "err")]:
            await rota.host.wait_text(call, line, 60)
            (tmp_path / line).touch()
        await rota.outcome(call)
        lines = rota.host.logs[call.job_id, 1]
        texts = [(line.stream, line.text) for line in lines[:-1]]
        assert texts == [(f"std{name}", f"{name} {i}") for i in (1, 2, 3) for name in ("out", "err")]
        times = [line.at for line in lines]
        assert times == sorted(times) and began <= times[0] and times[-1] <= time.time_ns() // 1000
        assert times[4] - times[0] > 200_000


async def test_the_first_line_arrives_while_the_command_runs() -> None:
    async with running(grace_s=0) as rota:
        call = command_call(shell="echo first; sleep 600")
        rota.executor.submit([call])
        await rota.host.wait_text(call, "first", timeout=60)
        assert not rota.host.outcomes
        rota.stop(call)
        await rota.outcome(call)


async def test_bad_text_is_shown() -> None:
    async with running() as rota:
        text = r"printf 'a\377\376b\n\000c\n\355\240\200\n<b>\033[31mred</b>\n\342\202\254 \342\202\nlast'"
        assert (await rota.shell(text))[1] == [
            "a\\xff\\xfeb",
            "\\x00c",
            "\\xed\\xa0\\x80",
            "<b>\x1b[31mred</b>",
            "€ \\xe2\\x82",
            "last",
        ]


async def test_carriage_returns_show_what_a_terminal_would_show() -> None:
    async with running() as rota:
        assert (await rota.shell(r"printf '10%%\r50%%\r100%%\nwindows\r\n\r\n\na\rb\r'"))[1] == [
            "100%",
            "windows",
            "",
            "",
            "b",
        ]


async def test_a_progress_bar_without_newlines_shows_its_end() -> None:
    code = "for i in range(40000): print(i, '.' * 70, end='\\r', flush=i % 1000 == 0)\nprint('end')"
    async with running() as rota:
        call = python_call(code)
        await rota.call(call)
        assert rota.output(call) == ["end"]


async def test_a_long_line_is_cut_and_counted() -> None:
    async with running() as rota:
        call = command_call(shell="head -c 20000000 /dev/zero | tr '\\0' x; echo; echo next")
        await rota.call(call)
        first, second = rota.output(call)
        assert first == "x" * 65536 + f"… [{20 * MB - 65536} bytes left out]"
        assert second == "next"


async def test_a_line_is_cut_between_characters() -> None:
    async with running() as rota:
        call = python_call("print('a' + '€' * 50000)")
        await rota.call(call)
        [line] = rota.output(call)
        whole, _, mark = line.partition("… ")
        assert whole == "a" + "€" * 21845
        assert mark == f"[{3 * (50000 - 21845)} bytes left out]"


async def test_a_long_line_of_bad_bytes_stays_bounded() -> None:
    async with running() as rota:
        call = command_call(shell="head -c 1000000 /dev/zero")
        await rota.call(call)
        [line] = rota.output(call)
        assert line.startswith("\\x00\\x00") and len(line) < 70_000


async def test_a_flood_keeps_head_and_tail_and_neither_time_nor_memory() -> None:
    async with running() as rota:
        call = command_call(shell="seq 1 25000000; echo $PPID")  # 214 MB
        began = time.monotonic()
        outcome = await rota.call(call, timeout=60)
        assert time.monotonic() - began < 30
        assert outcome.kind == "completed"
        lines = rota.host.logs[call.job_id, 1]
        gaps = [place for place, line in enumerate(lines) if "left out: more than a log can take" in line.text]
        head = [line.text for line in lines[: gaps[0]]]
        tail = [line.text for line in lines[gaps[-1] + 1 :] if line.stream == "stdout"]
        assert head == [str(number) for number in range(1, len(head) + 1)]
        assert tail[:-1] == [str(number) for number in range(25_000_001 - len(tail) + 1, 25_000_001)]
        left_out = sum(int(lines[place].text.split()[1].replace(",", "")) for place in gaps)
        assert len(rota.output(call)) + left_out == 25_000_001
        assert sum(map(len, rota.output(call))) < HEAD + TAIL + 40 * MB
        assert peak_memory(int(tail[-1])) < 60 * MB


async def test_a_flood_does_not_wait_for_a_busy_worker() -> None:
    async with running() as rota:
        call = command_call(shell="echo $PPID; seq 1 5000000; echo done >&2; sleep 600", stdin="")
        rota.executor.submit([call])
        [keeper] = await rota.pids(call, 1)
        [seq] = children(keeper)
        deadline = time.monotonic() + 60
        # The event loop stands still: nobody reads what the keeper sends.
        while "sleep" not in {comm(pid) for pid in children(seq)} and time.monotonic() < deadline:
            os.sched_yield()
        assert "sleep" in {comm(pid) for pid in children(seq)}
        assert peak_memory(keeper) < 60 * MB
        await rota.host.wait_text(call, "done")
        assert "left out" in rota.host.text(call)
        rota.stop(call)
        await rota.outcome(call)


async def test_output_goes_on_after_a_flood() -> None:
    async with running(grace_s=0) as rota:
        call = command_call(shell="seq 1 3000000; sleep 0.3; while :; do echo tick; sleep 0.05; done")
        rota.executor.submit([call])
        await rota.host.wait(lambda: rota.output(call, "stdout")[-3:] == ["tick"] * 3, timeout=60)
        rota.stop(call)
        await rota.outcome(call)


async def test_who_holds_the_pipe_does_not_hold_the_job(tmp_path: Path) -> None:
    async with running() as rota:
        go = tmp_path / "go"
        call = command_call(shell=f"echo $$; read line < /dev/null; until test -e {go}; do sleep 0.01; done; echo bye")
        rota.executor.submit([call])
        [pid] = await rota.pids(call, 1)
        held = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY)
        go.touch()
        try:
            assert (await rota.outcome(call, timeout=5)).kind == "completed"
            assert rota.output(call)[-1] == "bye"
        finally:
            os.close(held)


async def test_a_thousand_floods_of_progress_are_one_report() -> None:
    async with running() as rota:
        call = python_call("for i in range(100_000): print('::rota progress', i / 100_000, 'row', i)")
        await rota.call(call)
        reports = rota.host.progresses[call.job_id, 1]
        assert reports[-1] == (0.99999, "row 99999")
        assert len(reports) < 100
        assert rota.output(call) == []


async def test_output_is_handed_on_in_batches() -> None:
    host = CountingHost()
    async with running(host) as rota:
        call = python_call("import sys\nfor i in range(2000): print(i, flush=True)")
        await rota.call(call)
        assert len(rota.output(call)) == 2000
        assert host.batches < 100


class CountingHost(RecordingHost):
    def __init__(self) -> None:
        super().__init__()
        self.batches = 0

    def lines(self, call: Call, lines: Sequence[Line]) -> None:
        self.batches += 1
        super().lines(call, lines)


def comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def peak_memory(pid: int) -> int:
    """Return the most bytes that a living process had in memory."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


async def test_a_flood_is_held_back_while_nothing_more_can_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as rota:
        asked = held_at = 0

        def full(call: Call) -> bool:
            nonlocal asked, held_at
            asked += 1
            seen = len(rota.host.logs[call.job_id, call.attempt])
            assert asked == 1 or asked > 5 or seen == held_at
            held_at = seen
            return asked <= 5

        monkeypatch.setattr(rota.host, "full", full)
        outcome, output = await rota.shell("seq 20000")
        assert outcome.kind == "completed" and asked > 5
        assert output == [str(number) for number in range(1, 20_001)]
