"""The demo application: jobs of every kind that do real work on this machine, and on nothing else.

``rota up --demo`` loads it beside the user's own application.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from rota import Context, Retry, Rota
from rota.settings import load_settings

QUEUE = "demo"

rota = Rota()


@rota.job(name="demo-disk-use", queue=QUEUE, timeout="30s", tags=["demo"])
def disk_use(ctx: Context, path: str = "/") -> dict[str, Any]:
    """Measure how full the disk is, and say how that changed since the last run."""
    usage = shutil.disk_usage(path)
    percent = round(100 * usage.used / usage.total, 2)
    before = (ctx.previous or {}).get("details", {}).get("percent")
    ctx.log.info("%s is %.2f %% full (before: %s)", path, percent, before)
    return {
        "success": True,
        "itemsProcessed": 1,
        "errors": [],
        "details": {"percent": percent, "freeBytes": usage.free},
    }


@rota.job(name="demo-checksum", queue=QUEUE, timeout="1m", tags=["demo"])
def checksum(ctx: Context, folder: str | None = None) -> dict[str, Any]:
    """Compute one checksum over all files of a folder (Rota's own code by default)."""
    top = Path(folder) if folder else Path(__file__).parent
    files = sorted(path for path in top.rglob("*.py") if path.is_file())
    digest = hashlib.sha256()
    for place, path in enumerate(files, 1):
        digest.update(path.relative_to(top).as_posix().encode())
        digest.update(path.read_bytes())
        if place % 20 == 0 or place == len(files):
            ctx.progress(place / len(files), f"{place} of {len(files)} files")
    ctx.log.info("sha256 of %d files in %s: %s", len(files), top, digest.hexdigest())
    return {"success": True, "itemsProcessed": len(files), "errors": [], "details": {"sha256": digest.hexdigest()}}


@rota.job(name="demo-slow-report", queue=QUEUE, timeout="2m", tags=["demo"])
async def slow_report(ctx: Context, samples: int = 15) -> dict[str, Any]:
    """Sample the load of this machine once a second, with progress, and report on it."""
    loads: list[float] = []
    for number in range(1, samples + 1):
        loads.append(os.getloadavg()[0])
        ctx.progress(number / samples, f"sample {number} of {samples}")
        ctx.log.info("load %.2f", loads[-1])
        await asyncio.sleep(1)
    mean = round(statistics.fmean(loads), 3)
    return {
        "success": True,
        "itemsProcessed": samples,
        "errors": [],
        "details": {"meanLoad": mean, "maxLoad": max(loads)},
    }


@rota.job(name="demo-primes", queue=QUEUE, timeout="30s", retry=Retry(attempts=3, backoff="5s"), tags=["demo"])
def primes(limit: int = 200_000) -> dict[str, Any]:
    """Count the primes below a limit with a sieve: a job that needs the processor."""
    began = time.perf_counter()
    sieve = bytearray([1]) * (limit + 1)
    sieve[:2] = b"\0\0"
    for number in range(2, int(limit**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, limit + 1, number)))
    found = sum(sieve)
    print(f"{found} primes below {limit} in {time.perf_counter() - began:.3f} s")
    return {"success": True, "itemsProcessed": found, "errors": []}


def _own_address() -> str:
    settings = load_settings()
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104 - compared, not bound
    return f"http://{host}:{settings.port}"


_COUNT_FILES = "import pathlib; print(sum(1 for p in pathlib.Path('.').iterdir()), 'entries here')"

rota.schedule("demo-disk-use", disk_use, every="1m", note="How full is the disk?")
rota.schedule(
    "demo-checksum", checksum, cron="*/2 * * * *", tz="Europe/Paris", note="One checksum over Rota's own code"
)
rota.schedule("demo-slow-report", slow_report, cron="*/5 * * * *", note="A slow report with progress")
rota.schedule("demo-primes", primes, every="30s", args={"limit": 300_000}, note="Needs the processor for a moment")
rota.schedule(
    "demo-flaky-call",
    rota.job_request(f"{_own_address()}/demo/flaky"),
    every="45s",
    retry=Retry(attempts=4, backoff="3s"),
    queue=QUEUE,
    note="Calls an endpoint that fails now and then, and is tried again",
)
rota.schedule(
    "demo-uptime", rota.command("uptime && df -h . | tail -1"), every="1m", queue=QUEUE, note="A shell command"
)
rota.schedule(
    "demo-count-files",
    rota.command([sys.executable, "-c", _COUNT_FILES]),
    cron="* * * * *",
    queue=QUEUE,
    note="Another, in Python",
)
rota.schedule(
    "demo-sometimes-fails",
    rota.command('n=$(date +%M); echo "minute $n"; test $((${n#0} % 3)) -ne 0'),
    cron="* * * * *",
    queue=QUEUE,
    note="Fails in every third minute, so that there is a failure to look at",
)
