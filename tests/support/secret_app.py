"""Functions that are given a named secret, and tell it to everybody."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import subprocess
import sys
import threading
from functools import partial
from typing import Any

from rota import Context, Fail, Rota

rota = Rota()
ASKED = ("stripe",)
SAID, HEARD = threading.Event(), threading.Event()


def _everywhere(ctx: Context) -> str:
    value = ctx.secret("stripe")
    print("printed", value)
    print(json.dumps({"in json": value}), file=sys.stderr)
    print(base64.b64encode(f"user:{value}".encode()).decode())
    ctx.log.warning("logged %s", value)
    logging.getLogger("elsewhere").error("an error", exc_info=ValueError(value))
    ctx.progress(0.5, f"at {value}")
    ctx.checkpoint({"at": value})
    return value


@rota.job(secrets=ASKED)
async def leak(ctx: Context) -> dict[str, Any]:
    value = _everywhere(ctx)
    asyncio.get_running_loop().call_later(0.2, partial(print, "too late:", value, file=sys.__stderr__))
    return {"length": len(value), "value": value, value: [value]}


@rota.job(secrets=ASKED)
def leak_by_raising(ctx: Context, permanent: bool = False) -> None:
    value = _everywhere(ctx)
    if permanent:
        raise Fail(f"failed with {value!r}")
    try:
        raise KeyError(value)
    except KeyError as error:
        raise RuntimeError(f"raised with {value}") from error


@rota.job(secrets=ASKED)
def leave_behind(ctx: Context) -> None:
    """A thread goes on after the end, and writes until another job has heard it."""
    value = ctx.secret("stripe")

    def write() -> None:
        while not HEARD.wait(0.02):
            print("left behind:", value)
            SAID.set()

    HEARD.clear()
    threading.Thread(target=write, daemon=True).start()


@rota.job
def hear() -> int:
    SAID.clear()
    SAID.wait(10)
    HEARD.set()
    return os.getpid()


@rota.job
def undeclared(ctx: Context) -> str:
    return ctx.secret("stripe")


def named(ctx: Context) -> int:
    """Called by a target that names it; what it starts looks into its memory."""
    look = f"cat /proc/{os.getpid()}/environ /proc/{os.getpid()}/mem"
    if subprocess.run(["sh", "-c", look], capture_output=True, check=False).stdout and os.geteuid():
        raise RuntimeError("its memory is open")
    return len(ctx.secret("stripe"))
