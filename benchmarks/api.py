"""Enqueueing over REST: one API process, callers on many connections, each job durable when it is answered."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import tempfile
import time
from collections.abc import Iterator
from functools import partial

from benchmarks import bare_routes
from benchmarks.enqueue import rate
from benchmarks.figure import Figure, Goals, interleaved, of_rounds, percentile
from benchmarks.raw import raw_like
from benchmarks.setting import Bench, Session, process
from rota import Rota
from tests.support.waiting import free_port

CONNECTIONS = 32
LEAST = 2_500
"""Jobs a second of one process."""
RAW_NAMES = {
    "one": "FastAPI route with one committed insert",
    "grouped": "async FastAPI route that groups its inserts",
}
JOBS = 4_000
RAW_JOBS = 400
SECRET = "the shared secret of the benchmarks, long enough"
BODY = b'{"jobType":"note","args":{"user":1,"text":"hello"}}'


def run(session: Session) -> Iterator[Figure]:
    """Measure how many jobs a second are accepted, and how long a caller waits for the answer."""
    jobs, raw_jobs = session.some(JOBS), session.some(RAW_JOBS)
    times: list[float] = []
    with session.fresh() as bench, serving(bench) as port:
        rota = Rota(settings=bench.settings)
        first = rota.enqueue("note", {"user": 1, "text": "hello"}).id
        rota.close()
        with raw_like(bench, first) as raw:

            def raw_singles() -> float:
                session.say("raw inserts")
                return rate(raw_jobs, lambda: [raw.insert() for _ in range(raw_jobs)])

            def accepted() -> float:
                session.say(f"{CONNECTIONS} connections")
                load = Load(port, jobs)
                return rate(jobs, lambda: times.extend(asyncio.run(load.run())))

            def by_route(kind: str) -> float:
                session.say(f"a bare route ({kind})")
                with bare_routes.serving(bench, kind, first) as bare:
                    asyncio.run(Load(bare, 10 * CONNECTIONS).run())
                    load = Load(bare, raw_jobs * 2 if kind == "one" else jobs)
                    return rate(raw_jobs * 2 if kind == "one" else jobs, lambda: asyncio.run(load.run()))

            asyncio.run(Load(port, 10 * CONNECTIONS).run())
            rounds = interleaved(session.rounds, raw_singles, accepted)
            beside = {kind: interleaved(1, partial(by_route, kind), accepted) for kind in bare_routes.KINDS}
    yield of_rounds(
        rounds, name=f"enqueue over REST, {CONNECTIONS} connections", database=bench.kind, unit="jobs/s",
        raw_name="insert of the same row, committed one by one",
    )  # fmt: skip
    for kind, goals in (
        ("one", Goals(least=LEAST if bench.kind == "postgresql" else None)),
        ("grouped", Goals(ratio=0.6)),
    ):
        yield of_rounds(
            beside[kind], name=f"enqueue over REST beside a bare route ({kind})", database=bench.kind, unit="jobs/s",
            raw_name=RAW_NAMES[kind], goals=goals,
        )  # fmt: skip
    yield Figure(
        name="enqueue over REST, p99 of the answers", database=bench.kind, value=percentile(times, 0.99) * 1e3,
        unit="ms", goals=Goals(most=80),
    )  # fmt: skip


@contextlib.contextmanager
def serving(bench: Bench) -> Iterator[int]:
    """Run a real ``rota api`` process; yield its port when it answers."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="rota-bench-") as home,
        process(bench, "api", "--port", str(port), ROTA_AUTH_SECRET=SECRET, XDG_STATE_HOME=home),
    ):
        give_up = time.monotonic() + 60
        while not answers(port):
            if time.monotonic() > give_up:
                raise TimeoutError("the api does not answer")
            time.sleep(0.05)
        yield port


def answers(port: int) -> bool:
    """Tell whether the API answers."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/live")
            return connection.getresponse().status == 200
        except OSError:
            return False


class Load:
    """So many requests, spread over connections that each wait for their answer before they ask again."""

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self._left = count
        self._open = 0
        self.times: list[float] = []
        self.request = (
            f"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {SECRET}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
        ).encode() + BODY

    async def run(self) -> list[float]:
        """Send them all; return how long each took (s)."""
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._open = CONNECTIONS
        for _ in range(CONNECTIONS):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self._port)
        await self.ended
        return self.times

    def more(self) -> bool:
        """Tell whether there is another request to send."""
        self._left -= 1
        return self._left >= 0

    def closed(self, error: Exception | None) -> None:
        """Note that a connection has done its part."""
        self._open -= 1
        if not self.ended.done():
            if error is not None:
                self.ended.set_exception(error)
            elif self._open == 0:
                self.ended.set_result(None)


class Connection(asyncio.Protocol):
    """Speaks just enough HTTP; a client library would take more of the processor than the server does."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._got = b""
        self._sent = 0.0
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        if self._load.more():
            self._sent = time.perf_counter()
            self._transport.write(self._load.request)
        else:
            self._end(None)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, divider, body = self._got.partition(b"\r\n\r\n")
        if not divider:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._got = b""
        if head[9:12] != b"201":
            self._end(RuntimeError(f"refused: {head.decode()} {body.decode()}"))
            return
        self._load.times.append(time.perf_counter() - self._sent)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or ConnectionResetError("the api closed the connection"))

    def _end(self, error: Exception | None) -> None:
        if not self._ended:
            self._ended = True
            self._transport.close()
            self._load.closed(error)
