"""The supervisor with real children: signals, deaths, its own death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from rota.engine.signals import SAME_STOP_S, Bell, Stops
from tests.support import procs
from tests.support.processes import ROOT, KeptProcess
from tests.support.supervised import MODULE, PATIENCE_S
from tests.support.waiting import wait_until

Start = Callable[..., KeptProcess]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Start]:
    """Start a supervisor with these children; nothing of it may survive the test."""
    started: list[KeptProcess] = []

    def begin(*children: str) -> KeptProcess:
        env = {"PYTHONPATH": str(ROOT)}
        process = KeptProcess(sys.executable, "-m", MODULE, *children, directory=tmp_path, env=env)
        started.append(process)
        named = {child.split("=")[1] for child in children}
        for child in children:
            name, behaviour = child.split("=")
            if behaviour not in ("crash", "wrong") and "wrong" not in named:  # which ends the others, perhaps first
                process.wait_for_output(f"{name} ready True")
        return process

    yield begin
    for process in started:
        process.close()


def starts(process: KeptProcess, name: str) -> list[int]:
    """The process ids of a child, the first start first."""
    file = process.directory / "work" / f"{name}.starts"
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


def deaths(process: KeptProcess, name: str) -> list[float]:
    """When the supervisor saw a child dead, the first time first (s)."""
    whole = process.stderr.rpartition("\n")[0].splitlines()
    told = [json.loads(line) for line in whole if "supervisor/child-died" in line]
    return [datetime.fromisoformat(one["time"]).timestamp() for one in told if one["child"] == name]


def test_it_drains_its_children_and_ends_well(supervise: Start) -> None:
    process = supervise("a=serve", "b=serve")
    process.send(signal.SIGTERM)
    assert process.wait() == 0
    assert [f"{name} told 1" in process.stdout and f"{name} done" in process.stdout for name in "ab"] == [True, True]
    assert "supervisor/started" in process.stderr
    assert "supervisor/stopped" in process.stderr
    process.assert_nothing_left()


def test_ctrl_c_in_a_terminal_drains_once(supervise: Start) -> None:
    process = supervise("a=serve", "b=slow")
    process.send_group(signal.SIGINT)
    process.wait_for_output("a done")
    process.wait_for_output("b told 1")
    assert "told 2" not in process.stdout
    time.sleep(SAME_STOP_S)
    process.send_group(signal.SIGINT)
    assert process.wait() == 0
    assert "b told 2" in process.stdout
    assert "Traceback" not in process.stderr


def test_a_closed_terminal_drains_too(supervise: Start) -> None:
    process = supervise("a=serve")
    process.send_group(signal.SIGHUP)
    assert process.wait() == 0
    assert "a done" in process.stdout


def test_a_second_stop_ends_a_slow_drain(supervise: Start) -> None:
    process = supervise("a=slow")
    process.send(signal.SIGTERM)
    process.wait_for_output("a told 1")
    time.sleep(SAME_STOP_S)
    process.send(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    assert "a told 2" in process.stdout


def test_a_child_that_does_not_listen_is_killed_in_the_end(supervise: Start) -> None:
    process = supervise("a=deaf", "b=serve")
    began = time.monotonic()
    process.send(signal.SIGTERM)
    assert process.wait() == 1
    assert time.monotonic() - began < PATIENCE_S + 2
    process.assert_nothing_left()


def test_a_dead_child_is_started_again_with_growing_pauses(supervise: Start) -> None:
    process = supervise("a=serve", "b=crash")
    wait_until(lambda: len(starts(process, "b")) >= 3, 60, "three starts")
    assert len(starts(process, "a")) == 1
    assert '"exitCode":3' in process.stderr
    wait_until(lambda: len(deaths(process, "b")) >= 3, 60, "three deaths")
    before = len(starts(process, "b"))
    wait_until(lambda: len(starts(process, "b")) > before, 60, "another start")
    first, second = [after - at for at, after in pairwise(deaths(process, "b")[:3])]
    assert first > 0.5 and second > 1.0
    assert process.stop() == 0


def test_a_killed_child_is_started_again(supervise: Start) -> None:
    process = supervise("a=serve")
    os.kill(starts(process, "a")[0], signal.SIGKILL)
    wait_until(lambda: len(starts(process, "a")) == 2, 60, "another start")
    wait_until(lambda: process.stdout.count("a ready") == 2, 60, "it is ready")
    assert process.stop() == 0


def test_wrong_settings_end_it_all(supervise: Start) -> None:
    process = supervise("a=serve", "b=wrong")
    assert process.wait() == 2
    assert len(starts(process, "b")) == 1
    process.assert_nothing_left()


def test_settings_that_became_wrong_do_not_end_what_works(supervise: Start) -> None:
    process = supervise("a=serve", "b=once")
    os.kill(starts(process, "b")[0], signal.SIGKILL)
    wait_until(lambda: len(starts(process, "b")) >= 3, 60, "two more starts")
    assert process.exit_code is None
    assert len(starts(process, "a")) == 1


def test_its_death_ends_its_children(supervise: Start) -> None:
    process = supervise("a=serve", "b=deaf")
    family = process.family()
    assert len(family) == 3
    process.send(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not any(map(procs.alive, family)), 5, lambda: f"the end of {process.family()}")


def test_a_stop_between_two_deaths_is_not_lost(supervise: Start) -> None:
    process = supervise("a=serve", "b=crash", "c=crash", "d=crash")
    wait_until(lambda: all(starts(process, name) for name in "bcd"), what="each has died")
    process.send(signal.SIGTERM)
    assert process.wait(PATIENCE_S + 2) == 0


class TestSignals:
    def test_signals_close_together_are_one_stop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [100.0]
        monkeypatch.setattr("rota.engine.signals.time.monotonic", lambda: now[0])
        stops = Stops()
        assert stops.note() == 1
        now[0] += SAME_STOP_S / 2
        assert stops.note() == 1
        now[0] += SAME_STOP_S
        assert stops.note() == 2

    def test_a_bell_that_rang_before_ends_the_next_wait(self) -> None:
        bell = Bell()
        for _ in range(3):
            bell.ring()
        began = time.monotonic()
        bell.wait(30)
        assert time.monotonic() - began < 5
        began = time.monotonic()
        bell.wait(0.05)
        assert time.monotonic() - began >= 0.04

    def test_a_signal_that_another_thread_was_given_ends_the_wait(self) -> None:
        code = """
import signal, threading
from rota.engine.signals import Bell, on_stop
bell = Bell()
on_stop(bell.ring)
threading.Timer(0.3, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)).start()
bell.wait(3600)
print("rung")
"""
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
        assert ended.stdout == "rung\n"
