"""A target that judges limits: it keeps the beginning and the end of every call, as only the one who is called can.

A call ends when its answer is about to be sent, or when its connection breaks: so a job of a killed worker has ended
when nobody is there any more who could see its answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass
class Call:
    """One call; times are those of ``time.monotonic()``, but ``at``: its beginning as ``time.time()`` tells it."""

    job: str
    queue: str
    attempt: int
    args: dict[str, Any]
    began: float
    ended: float = 0.0
    good: bool = False
    at: float = 0.0
    """Whether it was answered as a success."""


class Judge:
    """A server on a free port of the loopback interface, in a thread of its own.

    A call takes ``args.seconds``; the first ``args.fails`` attempts of a job are answered by 503.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        """Every call, in the order of arrival."""
        self.broken = 0
        """How many connections broke before the answer."""
        self._failed: dict[str, int] = {}
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="judge")
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    def start(self) -> None:
        """Serve until ``close``."""
        self._thread.start()
        assert self._started.wait(10), "the judge did not start"

    def close(self) -> None:
        """Close the listener and every connection."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """The address to call."""
        return f"http://127.0.0.1:{self._port}/job"

    def of(self, queue: str) -> list[Call]:
        """The calls of a queue that have ended."""
        return [call for call in list(self.calls) if call.queue == queue and call.ended]

    def good(self) -> int:
        """How many calls were answered as a success."""
        return sum(call.good for call in list(self.calls))

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1000)
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length:")[2].split("\r\n", 1)[0])
        body = json.loads(await reader.readexactly(length))
        call = Call(body["jobId"], body["queue"], body["attempt"], body["args"], time.monotonic(), at=time.time())
        self.calls.append(call)
        try:
            async with asyncio.timeout(call.args["seconds"]):
                await reader.read(1)  # there is nothing to come but the end
            self.broken += 1
            return False
        except TimeoutError:
            pass
        finally:
            call.ended = time.monotonic()
        failed = self._failed.get(call.job, 0)
        call.good = failed >= call.args.get("fails", 0)
        self._failed[call.job] = failed + 1
        status = "200 OK" if call.good else "503 Service Unavailable"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        await writer.drain()
        return True


@contextlib.contextmanager
def judging() -> Iterator[Judge]:
    """A judge that serves until the end of the block."""
    judge = Judge()
    judge.start()
    try:
        yield judge
    finally:
        judge.close()


def most_at_once(calls: Iterable[Call], of: Callable[[Call], Hashable] = lambda call: "") -> int:
    """The most calls that were open at any moment, of one group."""
    moments = sorted([(call.began, 1, of(call)) for call in calls] + [(call.ended, -1, of(call)) for call in calls])
    now: dict[Hashable, int] = {}
    most = 0
    for _, change, group in moments:
        now[group] = now.get(group, 0) + change
        most = max(most, now[group])
    return most


def most_within(times: Sequence[float], length: float) -> int:
    """The most of these times that lie within any window of this length, its end not included."""
    ordered, first, most = sorted(times), 0, 0
    for place, at in enumerate(ordered):
        while at - ordered[first] >= length:
            first += 1
        most = max(most, place - first + 1)
    return most


def out_of_order(calls: Iterable[Call], key: Callable[[Call], Hashable], number: Callable[[Call], int]) -> list[str]:
    """Each call that began before the one before it in its order was over for good, or after a later one; in words.

    One whose worker died may come again after it was answered.
    """
    faults = []
    done: dict[Hashable, int] = {}
    latest: dict[Hashable, int] = {}
    for call in sorted(calls, key=lambda call: call.began):
        group, place = key(call), number(call)
        if place > done.get(group, 0) or place < latest.get(group, 0):
            faults.append(f"{group}: number {place} began after {done.get(group, 0)} were done")
        latest[group] = max(place, latest.get(group, 0))
        if call.good:
            done[group] = max(place + 1, done.get(group, 0))
    return faults


def gaps(calls: Sequence[Call], slots: int) -> list[float]:
    """For each start after the first ones: how long the slot that it took had been free (s), the shortest first."""
    begins, ends = sorted(call.began for call in calls), sorted(call.ended for call in calls)
    return sorted(begin - end for begin, end in zip(begins[slots:], ends, strict=False))
