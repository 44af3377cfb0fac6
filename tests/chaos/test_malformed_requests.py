"""Malformed requests of every kind at a real server: no 5xx, no hang, and each refusal names its field."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from rota.api.app import create_app
from rota.store import migrate
from tests.api.calls import SECRET, settings_of
from tests.api.live import Live
from tests.chaos.conftest import Figures
from tests.store import builders
from tests.support.malformed import Maker, Malformed

FULL, SMALL = 10_000, 150
AT_ONCE = 8
LONGEST_S = 2.0
HANG_S = 30.0
UNWELL = "getHealth"
"""The system is not well here, and says so by 503."""


@pytest.fixture
def served(migrated: None, database_url: str) -> Iterator[Live]:
    """A server on a database of either kind."""
    db = builders.opened(database_url)
    migrate.migrate(db)
    with Live(db, settings_of(database_url, ROTA_PORT="0")) as live:
        yield live
    db.close()


class Caller:
    """Sends requests as they are, byte by byte, and looks at what comes back."""

    def __init__(self, live: Live) -> None:
        self._port = live.port
        self.statuses: Counter[int] = Counter()
        self.slowest = 0.0
        self.slowest_was = ""
        self.faults: list[str] = []

    async def send(self, request: Malformed) -> None:
        """Send one, and note what is wrong with its answer; on a busy machine only no answer at all is a hang."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(HANG_S):
                answer = await self._exchange(request)
        except TimeoutError:
            self._fault(request, "no answer")
            return
        if (took := time.monotonic() - started) > self.slowest:
            self.slowest, self.slowest_was = took, request.operation
        if answer:  # what is no HTTP at all may be hung up on
            self._look(request, answer)

    async def _exchange(self, request: Malformed) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = [
            b"%s %s HTTP/1.1" % (request.method.encode(), request.target), b"Host: localhost", b"Connection: close",
            b"Authorization: Bearer " + SECRET.encode(), *request.headers,
        ]  # fmt: skip
        if not any(header.lower().startswith(b"content-type") for header in request.headers):
            head.append(b"Content-Type: application/json")
        head.append(b"Content-Length: %d" % len(request.body))
        try:
            writer.write(b"\r\n".join(head) + b"\r\n\r\n" + request.body)
            return await reader.read(-1)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    def _look(self, request: Malformed, answer: bytes) -> None:
        status = int(answer[9:12])
        self.statuses[status] += 1
        head, _, body = answer.partition(b"\r\n\r\n")
        if status >= 500 and request.operation != UNWELL:
            self._fault(request, f"{status} {body[:300]!r}")
        if status == 422 and request.method != "HEAD" and b"problem+json" in head and b"content-encoding" not in head:
            found = json.loads(body)
            if not (found.get("field") and found["detail"]):
                self._fault(request, f"names no field: {body[:300]!r}")

    def _fault(self, request: Malformed, what: str) -> None:
        self.faults.append(f"{what} to {request}"[:1500])


@pytest.mark.chaos("API")
@pytest.mark.at_rest
@pytest.mark.timeout(1800)
def test_no_request_is_an_error_of_ours(served: Live, full_size: bool, dice: random.Random, figures: Figures) -> None:
    app = create_app(served.db, served.settings)
    maker, caller = Maker(app.state.operations, dice), Caller(served)
    app.state.service.close()
    requests = iter([maker.make() for _ in range(FULL if full_size else SMALL)])

    with served.client() as client:  # who asks first waits until it is made, in a thread: that has its own figure
        description = client.get("/api/openapi.json").elapsed.total_seconds()

    async def work() -> None:
        for request in requests:
            await caller.send(request)

    async def run() -> None:
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    started = time.monotonic()
    asyncio.run(run())
    figures.update(
        description=description, requests=sum(caller.statuses.values()), seconds=time.monotonic() - started,
        slowest=caller.slowest, slowest_was=caller.slowest_was,
        **{str(status): count for status, count in sorted(caller.statuses.items())},
    )  # fmt: skip
    assert caller.faults == []
    assert not full_size or description < LONGEST_S
    assert not full_size or caller.slowest < LONGEST_S, caller.slowest_was
    assert caller.statuses[422] > 0 and caller.statuses[200] > 0
    with served.client() as client:
        assert client.get("/api/me").status_code == 200
