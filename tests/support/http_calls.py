"""Calls of HTTP targets, and an executor with a recording host around it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from rota.executor import Call, Outcome
from rota.executors.http import HttpExecutor, HttpOptions
from rota.executors.http_connect import Lookup, system_lookup
from rota.ids import new_id
from tests.support.host import RecordingHost


def http_call(url: str | None, args: str = "{}", **fields: Any) -> Call:
    """Return a call of a target; names of a call's own fields go to the call, the others to the target."""
    own: dict[str, Any] = {"job_id": new_id(), "attempt": 1, "type": "crawl", "queue": "default"}
    own |= {"timeout_us": 10_000_000, "created_at": 0}
    own |= {name: fields.pop(name) for name in list(fields) if name in Call.__struct_fields__}
    target = {"kind": "http", **({} if url is None else {"url": url}), **fields}
    return Call(**own, lane="http", target=msgspec.json.encode(target).decode(), args=args)


class Running:
    """A started executor and what it reports."""

    def __init__(self, executor: HttpExecutor, host: RecordingHost) -> None:
        self.executor = executor
        self.host = host

    async def call(self, call: Call, timeout: float = 10) -> Outcome:
        """Run one call and return its outcome, reported exactly once."""
        self.executor.submit([call])
        key = (call.job_id, call.attempt)
        await self.host.wait(lambda: key in self.host.outcomes, timeout)
        return self.host.outcome(call)


@contextlib.asynccontextmanager
async def running(lookup: Lookup = system_lookup, **options: Any) -> AsyncIterator[Running]:
    """Start an executor with ``options``; close it at the end."""
    executor = HttpExecutor(HttpOptions(**options), lookup=lookup)
    host = RecordingHost()
    await executor.start(host)
    try:
        yield Running(executor, host)
    finally:
        await executor.close()
