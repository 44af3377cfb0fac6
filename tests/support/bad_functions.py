"""Functions that misbehave.  Runners import them."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import io
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from rota.context import Context


def well() -> str:
    print("all is well")
    return "well"


async def well_async() -> str:
    print("all is well")
    await asyncio.sleep(0)
    return "well"


def raises() -> None:
    raise ValueError("no such customer")


def leaves(code: int) -> None:
    sys.exit(code)


def vanishes() -> None:
    os._exit(7)


def raises_interrupt() -> None:
    raise KeyboardInterrupt


async def raises_interrupt_async() -> None:
    raise KeyboardInterrupt


def recurses() -> Any:
    return recurses()


def recurses_beyond() -> Any:
    sys.setrecursionlimit(1 << 30)
    return repr(_nested(1 << 20))


def _nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


def crashes() -> None:
    ctypes.string_at(0)


def aborts() -> None:
    os.abort()


def kills_its_group() -> None:
    os.killpg(0, signal.SIGKILL)


def stops_itself() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def holds_the_interpreter(seconds: int) -> str:
    ctypes.PyDLL(None).sleep(seconds)
    return "held"


async def holds_the_loop(seconds: float) -> str:
    time.sleep(seconds)  # noqa: ASYNC251 - that is what is wrong with it
    return "held"


def returns_much(size: int) -> str:
    return "x" * size


def returns_no_json() -> object:
    return object()


def returns_itself() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def returns_nan() -> float:
    return float("nan")


def returns_deep() -> list[Any]:
    return _nested(5000)


def says_much(lines: int) -> None:
    for number in range(lines):
        print(number, "x" * 100)


def says_a_long_line(size: int) -> None:
    print("x" * size)


def says_bad_bytes() -> None:
    sys.stdout.buffer.write(b"\xff\xfe\0 <script>\x1b[2J\n")


def leaves_threads() -> str:
    threading.Thread(target=lambda: time.sleep(600)).start()
    return "left"


async def leaves_tasks() -> str:
    leaves_tasks.kept = asyncio.ensure_future(asyncio.sleep(600))  # type: ignore[attr-defined]
    return "left"


def leaves_a_process() -> str:
    subprocess.Popen(["sleep", "600"])
    return "left"


def forks() -> str:
    return "child" if os.fork() == 0 else "parent"


def patches_stdout() -> str:
    sys.stdout = sys.stderr = io.StringIO()
    print("lost")
    return "patched"


def drops_stdout() -> str:
    sys.stdout = None
    return "dropped"


def closes_streams() -> str:
    for number in (0, 1, 2):
        os.close(number)
    return "closed"


def closes_everything() -> str:
    os.closerange(3, 1024)
    return "closed"


def ignores_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(0.05)


def swallows_everything() -> None:
    while True:
        try:
            time.sleep(0.05)
        except BaseException:  # noqa: BLE001
            continue


async def swallows_cancelling() -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.05)


async def cancels_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def stops_the_loop() -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(1)


def spoils_its_process() -> str:
    os.chdir("/")
    os.umask(0o777)
    gc.disable()
    time.time = lambda: 0.0
    return "spoilt"


def bombs() -> None:
    script = "bomb() { [ $1 = 0 ] || { bomb $(($1-1)) & bomb $(($1-1)) & }; sleep 600; }; bomb 4"
    subprocess.run(["sh", "-c", script], check=False)


def again_is_quick(ctx: Context, marks: str) -> int:
    _mark(ctx, marks)
    while ctx.attempt == 1:
        time.sleep(0.05)
    return ctx.attempt


async def again_is_quick_async(ctx: Context, marks: str) -> int:
    _mark(ctx, marks)
    while ctx.attempt == 1:
        await asyncio.sleep(0.05)
    return ctx.attempt


def again_is_quick_with_a_child(ctx: Context, marks: str) -> int:
    _mark(ctx, marks)
    if ctx.attempt == 1:
        subprocess.run(["sleep", "600"], check=False)
    return ctx.attempt


def _mark(ctx: Context, marks: str) -> None:
    with open(marks, "a") as file:
        file.write(f"{ctx.job.id} {ctx.attempt}\n")
