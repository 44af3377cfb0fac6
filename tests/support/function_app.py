"""An application whose functions do everything that functions do, good and bad.  Runners import it."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rota.context import Context
from rota.job import Fail, JobFunction, Retryable, Snooze, TypeOptions

_quiet = logging.getLogger("library")


class App:
    """The shape of a `Rota()`, without a database."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobFunction[..., Any]] = {}
        self.schedules = ['{"id": "nightly", "jobType": "add", "cron": "0 3 * * *"}']

    def job(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.jobs[function.__name__] = JobFunction(function, **TypeOptions(queue="test"))
        return function


rota = App()


@dataclass
class Sum:
    total: int
    at: datetime


def mark(path: str, text: str) -> None:
    with Path(path).open("a") as file:
        file.write(text + "\n")


@rota.job
async def noop() -> None: ...


@rota.job
async def passed_by() -> int:
    return gc.get_freeze_count()


@rota.job
def sync_passed_by() -> int:
    return gc.get_freeze_count()


@rota.job
def sync_noop() -> None: ...


@rota.job
def add(a: int, b: int = 2) -> Sum:
    return Sum(a + b, datetime(2030, 1, 1, tzinfo=UTC))


@rota.job
async def answer(value: Any) -> Any:
    return value


@rota.job
def sync_answer(value: Any) -> Any:
    return value


@rota.job
async def report(ctx: Context, limit: int = 100) -> dict[str, Any]:
    ctx.progress(0.4, "halfway")
    ctx.log.info("sending %d", limit)
    due = ctx.scheduled_for.isoformat() if ctx.scheduled_for else None
    return {"id": ctx.job.id, "attempt": ctx.attempt, "due": due, "previous": ctx.previous, "args": ctx.job.args}


@rota.job
def talk(words: str, times: int = 1) -> None:
    print("printed", words)
    print("to stderr", file=sys.stderr)
    logging.getLogger(__name__).info("logged %s", words)
    _quiet.debug("too quiet")
    sys.stdout.buffer.write(b"as bytes\n")
    script = f"echo from a program; for i in $(seq {times}); do echo $i; done; echo bad >&2"
    subprocess.run(["sh", "-c", script], check=True)
    print("no newline", end="")


@rota.job
async def say_apart(name: str, times: int) -> None:
    for number in range(times):
        print(name, number)
        await asyncio.sleep(0)
    await asyncio.to_thread(print, name, "from a thread")


@rota.job
async def print_much(lines: int, width: int) -> int:
    for number in range(lines):
        print(f"{number:0{width}d}")
    return lines


@rota.job
async def wrong() -> None:
    try:
        raise ValueError("inner\ncause")
    except ValueError as error:
        raise RuntimeError("first line\nsecond line") from error


@rota.job
def sync_wrong() -> None:
    raise KeyError("nothing here")


@rota.job
async def give_up() -> None:
    raise Fail("no such customer")


@rota.job
async def snooze(delay: str) -> None:
    raise Snooze(delay)


@rota.job
async def again_later() -> None:
    raise Retryable("busy", delay="90s")


@rota.job
async def leave(code: int) -> None:
    sys.exit(code)


@rota.job
def sync_leave(code: int) -> None:
    sys.exit(code)


@rota.job
async def leave_in_task() -> str:
    async def out() -> None:
        sys.exit(9)

    background = asyncio.ensure_future(out())
    while not background.done():
        await asyncio.sleep(0)
    return "still here"


@rota.job
async def unprintable() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    raise Odd


@rota.job
async def recurse() -> None:
    def down(n: int) -> int:
        return down(n + 1)

    down(0)


@rota.job
async def vanish(code: int = 7) -> None:
    await asyncio.sleep(0)
    os._exit(code)


@rota.job
def sync_vanish() -> None:
    print("last words")
    os._exit(7)


@rota.job
async def crash() -> None:
    await asyncio.sleep(0)
    ctypes.string_at(0)


@rota.job
async def crash_in_thread() -> None:
    suspended = threading.Event()
    asyncio.get_running_loop().call_soon(suspended.set)

    def crash_soon() -> None:
        suspended.wait()
        ctypes.string_at(0)

    await asyncio.to_thread(crash_soon)


@rota.job
async def wait(path: str = "") -> None:
    """Wait until stopped."""
    if path:
        mark(path, str(os.getpid()))
    print("waiting")
    await asyncio.Event().wait()


@rota.job
async def wait_stubbornly() -> None:
    print("waiting")
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            print("no")


@rota.job
async def wait_then_answer() -> str:
    print("waiting")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "tidy"
    return "never"


@rota.job
async def cancel_itself() -> None:
    raise asyncio.CancelledError


@rota.job
async def hold_loop(seconds: float) -> None:
    print("holding")
    time.sleep(seconds)  # noqa: ASYNC251 - what must not be done is what is tried


@rota.job
def hold_interpreter(path: str) -> bool:
    """Hold the interpreter inside of C code that never lets another thread run, as a bad extension does."""
    mark(path, str(os.getpid()))
    return re.match(r"(a+)+$", "a" * 60 + "b") is not None


@rota.job
def sync_wait(ctx: Context, path: str = "") -> str:
    """Wait until stopped, and look for it."""
    child = subprocess.Popen(["sleep", "600"])
    if path:
        mark(path, f"{os.getpid()} {child.pid}")
    print("waiting")
    stopped = threading.Event()
    while not ctx.cancelled:
        stopped.wait(0.01)
    child.kill()
    child.wait()
    raise InterruptedError("asked to end")


@rota.job
def sync_sleep(path: str = "", seconds: float = 600) -> None:
    """Sleep without looking."""
    child = subprocess.Popen(["sleep", "600"])
    if path:
        mark(path, f"{os.getpid()} {child.pid}")
    print("sleeping", flush=True)
    time.sleep(seconds)


@rota.job
def where() -> dict[str, Any]:
    main = threading.current_thread() is threading.main_thread()
    return {"pid": os.getpid(), "main": main, "cwd": os.getcwd(), "env": sorted(os.environ), "argv": sys.argv}


@rota.job
async def async_where() -> dict[str, Any]:
    heavy = [name for name in ("fastapi", "psycopg", "aiohttp", "httpx") if name in sys.modules]
    return {"pid": os.getpid(), "heavy": heavy}


@rota.job
def fork_and_talk() -> int:
    pid = os.fork()
    if pid == 0:
        print("from the fork")
        sys.stdout.flush()
        os._exit(0)
    return os.waitpid(pid, 0)[1]


@rota.job
def swell(megabytes: int) -> int:
    """Keep memory for ever."""
    _kept.append(b"\1" * (megabytes << 20))
    return os.getpid()


_kept: list[bytes] = []


def unregistered(a: int) -> int:
    return a * 2


async def unregistered_async(a: int) -> int:
    await asyncio.sleep(0)
    return a * 3


@rota.job
def steps(ctx: Context, until: int, fail_at: int, how: str = "raise") -> dict[str, Any]:
    return _steps(ctx, until, fail_at, how)


def _steps(ctx: Context, until: int, fail_at: int, how: str) -> dict[str, Any]:
    began = ctx.resumed_from or 0
    for step in range(began + 1, until + 1):
        ctx.checkpoint(step)
        if step == fail_at and ctx.attempt == 1:
            _end(how)
    return {"began": began, "ended": until}


@rota.job
async def async_steps(ctx: Context, until: int, fail_at: int, how: str = "raise") -> dict[str, Any]:
    return _steps(ctx, until, fail_at, how)


def _end(how: str) -> None:
    if how == "raise":
        raise RuntimeError("half done")
    time.sleep(0.2)  # longer than a checkpoint is on its way
    os._exit(3)


@rota.job
def keep(ctx: Context, value: Any = None, times: int = 1) -> None:
    ctx.checkpoint(value if times == 1 else value * times)


@rota.job
def keep_what_is_no_json(ctx: Context) -> None:
    ctx.checkpoint({"lock": threading.Lock()})


@rota.job
def keep_and_wait(ctx: Context, value: Any) -> Any:
    if ctx.resumed_from is not None:
        return ctx.resumed_from
    ctx.checkpoint(value)
    print("kept", flush=True)
    while True:
        time.sleep(0.02)


@rota.job
def take_longer(ctx: Context, seconds: float, time_more: str) -> float:
    ctx.extend(time_more)
    time.sleep(seconds)
    return seconds


@rota.job
async def async_take_longer(ctx: Context, seconds: float, time_more: str) -> float:
    ctx.extend(time_more)
    await asyncio.sleep(seconds)
    return seconds
