"""What the API is compared with: FastAPI routes that insert the same row, and nothing of Rota around them.

``one`` inserts and commits for each request, in the threads that FastAPI gives to plain functions.  ``grouped`` is what
somebody writes who knows how dear a commit is: an async route whose requests wait together, stored by one statement.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.raw import Raw, raw_like
from benchmarks.setting import ROOT, Bench
from rota.settings import load_settings
from rota.store.opening import open_database
from tests.support.waiting import free_port

KINDS = ("one", "grouped")


class JobBody(BaseModel):
    """What is sent."""

    jobType: str
    args: dict[str, Any]


def one_by_one(connect: Callable[[], Raw]) -> FastAPI:
    """Return an application whose route inserts for itself, on a connection of its thread."""
    app, own = FastAPI(), threading.local()

    @app.post("/api/jobs", status_code=201)
    def enqueue(job: JobBody) -> dict[str, str]:
        if not hasattr(own, "raw"):
            own.raw = connect()
        return {"id": own.raw.insert(), "jobType": job.jobType}

    return app


def grouped(connect: Callable[[], Raw]) -> FastAPI:
    """Return an application whose requests wait for a thread that stores what has come meanwhile."""
    app = FastAPI()
    waiting: list[asyncio.Future[None]] = []
    working = False
    state: dict[str, Raw] = {}

    def store(count: int) -> None:
        if "raw" not in state:
            state["raw"] = connect()
        state["raw"].insert_many(count)

    async def work() -> None:
        nonlocal working, waiting
        loop = asyncio.get_running_loop()
        while waiting:
            some, waiting = waiting, []
            await loop.run_in_executor(writer, store, len(some))
            for future in some:
                future.set_result(None)
        working = False

    writer = ThreadPoolExecutor(1)
    tasks: set[asyncio.Task[None]] = set()

    @app.post("/api/jobs", status_code=201)
    async def enqueue(job: JobBody) -> dict[str, str]:
        nonlocal working
        future = asyncio.get_running_loop().create_future()
        waiting.append(future)
        if not working:
            working = True
            task = asyncio.create_task(work())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await future
        return {"id": "stored", "jobType": job.jobType}

    return app


@contextlib.contextmanager
def serving(bench: Bench, kind: str, job_id: str) -> Iterator[int]:
    """Run the routes in a process of their own; yield its port when it answers."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare_routes", kind, bench.environment["ROTA_DATABASE_URL"], job_id]
    child = subprocess.Popen([*command, str(port)], cwd=ROOT, env=bench.environment, stderr=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + 30
        while not _answers(port):
            if time.monotonic() > give_up or child.poll() is not None:
                raise TimeoutError(f"the bare route ({kind}) does not answer")
            time.sleep(0.05)
        yield port
    finally:
        child.terminate()
        child.wait(20)


def _answers(port: int) -> bool:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/docs")
            return connection.getresponse().status == 200
        except OSError:
            return False


def main(kind: str, url: str, job_id: str, port: str) -> None:
    """Serve until the end of the process."""
    settings = load_settings({}, database_url=url)
    bench = Bench(url.partition(":")[0], open_database(settings.database_url), settings, {})
    kept = ExitStack()

    def connect() -> Raw:
        return kept.enter_context(raw_like(bench, job_id))

    app = one_by_one(connect) if kind == "one" else grouped(connect)
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
