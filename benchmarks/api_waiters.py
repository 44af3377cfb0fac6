"""How quickly ``/health`` answers while hundreds wait for jobs and follow events at one API process."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

from benchmarks.api import SECRET, serving
from benchmarks.figure import Figure, Goals, percentile
from benchmarks.setting import Bench, Session

WAITING = 500
FOLLOWING = 100
ASKED = 1_000
PAUSE_S = 0.02
"""Between two looks at the health."""
EACH_S = 0.1
"""So often a job is stored meanwhile, of which all that follow are told."""
LATER = b'{"jobType":"note","args":{"user":1,"text":"hello"},"delayMs":3600000}'


def run(session: Session) -> Iterator[Figure]:
    """Measure it alone, then with all of them."""
    with session.fresh() as bench, serving(bench) as port:
        yield asyncio.run(measured(session, bench, port))


async def measured(session: Session, bench: Bench, port: int) -> Figure:
    """Return how long one look in a hundred takes at least."""
    asked = session.some(ASKED)
    async with enqueuing(port), contextlib.AsyncExitStack() as stack:
        session.say("/health alone")
        alone = await looks(port, asked)
        session.say(f"{FOLLOWING} follow events")
        for _ in range(FOLLOWING):
            await stack.enter_async_context(following(port))
        session.say(f"{WAITING} wait")
        for _ in range(WAITING):
            await stack.enter_async_context(waiting(port))
        await all_wait(bench)
        session.say("/health beside them")
        beside = await looks(port, asked)
    return Figure(
        name=f"/health beside {WAITING} ?wait and {FOLLOWING} SSE, p99", database=bench.kind,
        value=percentile(beside, 0.99), unit="ms", raw=percentile(alone, 0.99), raw_name="the same without them",
        goals=Goals(most=50.0),
    )  # fmt: skip


async def looks(port: int, count: int) -> list[float]:
    """Ask for the health again and again; return how long each answer took (ms)."""
    times = []
    async with Caller.connected(port) as caller:
        for _ in range(count):
            began = time.perf_counter()
            await caller.call("GET", "/health")
            times.append((time.perf_counter() - began) * 1e3)
            await asyncio.sleep(PAUSE_S)
    return times


async def all_wait(bench: Bench) -> None:
    """Return once the job of each that waits is stored."""
    sql = "SELECT count(*) FROM rota_jobs WHERE status = 'scheduled'"
    end = time.monotonic() + 60
    while await asyncio.to_thread(bench.db.read, lambda tx: int(tx.value(sql))) < WAITING:
        if time.monotonic() > end:
            raise TimeoutError("not all wait within a minute")
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def waiting(port: int) -> AsyncIterator[None]:
    """Enqueue a job that is due later, and wait for its end."""
    async with Caller.connected(port) as caller:
        caller.send("POST", "/api/jobs?wait=5m", LATER)
        yield


@contextlib.asynccontextmanager
async def following(port: int) -> AsyncIterator[None]:
    """Follow the events, and read them."""
    async with Caller.connected(port) as caller:
        caller.send("GET", "/api/events")
        head = await caller.head()
        if head[9:12] != b"200":
            raise RuntimeError(f"refused: {head.decode()}")
        reading = asyncio.create_task(caller.drain())
        try:
            yield
        finally:
            reading.cancel()


@contextlib.asynccontextmanager
async def enqueuing(port: int) -> AsyncIterator[None]:
    """Store a job now and then."""

    async def store() -> None:
        async with Caller.connected(port) as caller:
            while True:
                await caller.call("POST", "/api/jobs", b'{"jobType":"note","args":{"user":1,"text":"hello"}}')
                await asyncio.sleep(EACH_S)

    storing = asyncio.create_task(store())
    try:
        yield
    finally:
        storing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await storing


class Caller:
    """A connection that speaks just enough HTTP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        self._reader = reader
        self._writer = writer
        self._port = port

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, port: int) -> AsyncIterator[Caller]:
        """Connect; the connection is closed afterwards."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer, port)
        finally:
            writer.close()

    def send(self, method: str, path: str, body: bytes = b"") -> None:
        """Send a request."""
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nAuthorization: Bearer {SECRET}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )

    async def head(self) -> bytes:
        """Return the head of an answer."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def drain(self) -> None:
        """Read until the connection ends."""
        while await self._reader.read(65_536):
            pass

    async def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request; return the status and the body of its answer."""
        self.send(method, path, body)
        head = await self.head()
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(head[9:12]), await self._reader.readexactly(length)
