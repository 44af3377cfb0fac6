"""Logs of jobs: pages, plain text, and the live stream."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import msgspec
import pytest

from rota.api import log_stream
from rota.model import LogChunk
from rota.store.database import Database
from tests.api.calls import Api, bearer, good, problem, signed
from tests.api.live import Live
from tests.store import builders
from tests.support.waiting import wait_until

AT = 1_800_000_000_000_000


def write(db: Database, job_id: str, first: int, *texts: str, attempt: int = 1) -> None:
    body = msgspec.json.encode([[AT, "stdout", text] for text in texts]).decode()
    builders.log(db, LogChunk(job_id, attempt, first, len(texts), AT, body))


async def test_reads_lines(api: Api, client: httpx.AsyncClient) -> None:
    claimed = builders.run_one(api.db, worker := builders.register(api.db))
    job_id = claimed.call.job_id
    write(api.db, job_id, 1, "one", "two")
    found = good(await client.get(f"/api/jobs/{job_id}/logs"))
    assert found["lines"][0] == {
        "n": 1,
        "at": "2027-01-15T08:00:00.000Z",
        "stream": "stdout",
        "attempt": 1,
        "text": "one",
    }
    assert (found["status"], found["lastLine"], found["nextAfter"]) == ("running", 2, 2)
    builders.end(api.db, worker, claimed, log_lines=2)
    assert good(await client.get(f"/api/jobs/{job_id}/logs?after=1"))["nextAfter"] is None


async def test_reads_page_by_page(api: Api, client: httpx.AsyncClient) -> None:
    job_id = builders.run_one(api.db, builders.register(api.db)).call.job_id
    write(api.db, job_id, 1, *(f"line {n}" for n in range(1, 8)))
    seen: list[str] = []
    after = 0
    while True:
        found = good(await client.get(f"/api/jobs/{job_id}/logs?after={after}&limit=3"))
        seen += [line["text"] for line in found["lines"]]
        if not found["lines"]:
            break
        after = found["nextAfter"]
    assert seen == [f"line {n}" for n in range(1, 8)]


async def test_reads_one_attempt(api: Api, client: httpx.AsyncClient) -> None:
    claimed = builders.run_one(api.db, worker := builders.register(api.db))
    job_id = claimed.call.job_id
    write(api.db, job_id, 1, "first")
    builders.give_back(api.db, worker, claimed, log_lines=1)
    builders.claim(api.db, worker)
    write(api.db, job_id, 2, "second", attempt=2)
    found = good(await client.get(f"/api/jobs/{job_id}/logs?attempt=2"))
    assert [line["text"] for line in found["lines"]] == ["second"]


async def test_searches(api: Api, client: httpx.AsyncClient) -> None:
    claimed = builders.run_one(api.db, worker := builders.register(api.db))
    job_id = claimed.call.job_id
    write(api.db, job_id, 1, "one", "two", "Twenty")
    builders.end(api.db, worker, claimed, log_lines=3)
    for query, texts in (
        ("q=TW", ["two", "Twenty"]), ("q=tw&stream=stdout&attempt=1", ["two", "Twenty"]), ("q=x", []),
        ("stream=stderr", []), ("q=tw&limit=1", ["two"]), ("q=tw&after=2", ["Twenty"]),
    ):  # fmt: skip
        found = good(await client.get(f"/api/jobs/{job_id}/logs?{query}"))
        assert [line["text"] for line in found["lines"]] == texts, query
        assert (found["nextAfter"] is None) == ("limit" not in query)


async def test_finds_what_speaks_of_an_error_and_the_last_lines(api: Api, client: httpx.AsyncClient) -> None:
    job_id = builders.run_one(api.db, builders.register(api.db)).call.job_id
    write(api.db, job_id, 1, "fine", "Fatal: no disk", "fine again", "ValueError: x", "the end")
    for query, numbers in (
        ("errors=true", [2, 4]), ("errors=true&limit=1", [2]), ("errors=true&after=2", [4]),
        ("errors=true&q=disk", [2]),
        ("tail=2", [4, 5]), ("tail=9", [1, 2, 3, 4, 5]), ("tail=2&errors=true", [4]), ("tail=3&after=4", [5]),
    ):  # fmt: skip
        found = good(await client.get(f"/api/jobs/{job_id}/logs?{query}"))
        assert [line["n"] for line in found["lines"]] == numbers, query
        assert found["lastLine"] == 5


@pytest.mark.parametrize(
    "query",
    [
        *("after=-1", "stream=stdin", "q=", "after=x", "limit=0", "limit=1001", "attempt=0", "follow=1"),
        *("tail=0", "tail=1001", "errors=perhaps"),
    ],
)
async def test_refuses_with_the_field(small: Api, admin: httpx.AsyncClient, query: str) -> None:
    job_id = builders.insert_one(small.db)
    answer = await admin.get(f"/api/jobs/{job_id}/logs?{query}")
    assert problem(answer, 422)["field"] == query.partition("=")[0]


async def test_gives_plain_text(api: Api, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_stream, "PAGE_LINES", 2)
    job_id = builders.run_one(api.db, builders.register(api.db)).call.job_id
    write(api.db, job_id, 1, "<b>é</b>", "two", "three")
    answer = await client.get(f"/api/jobs/{job_id}/logs/raw")
    assert answer.text == "<b>é</b>\ntwo\nthree\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == f'attachment; filename="{job_id}.log"'
    of_one = await client.get(f"/api/jobs/{job_id}/logs/raw?attempt=2")
    assert (of_one.text, of_one.headers["content-disposition"]) == ("", f'attachment; filename="{job_id}-2.log"')


async def test_says_in_plain_text_where_lines_were_left_out(api: Api, client: httpx.AsyncClient) -> None:
    job_id = builders.run_one(api.db, builders.register(api.db)).call.job_id
    write(api.db, job_id, 1, "one", "two")
    write(api.db, job_id, 10, "ten")
    assert (await client.get(f"/api/jobs/{job_id}/logs/raw")).text == "one\ntwo\n… 7 lines left out\nten\n"


class Stream:
    """What an event stream sends, in a thread."""

    def __init__(self, live: Live, job_id: str, query: str = "", **headers: str) -> None:
        self.events: list[tuple[str | None, str, Any]] = []
        self.comments = 0
        self.status = 0
        self.type = ""
        self._changed = threading.Condition()
        self._client = live.client(**headers)
        self._path = f"/api/jobs/{job_id}/logs/stream{query}"
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with self._client, self._client.stream("GET", self._path) as answer:
            self.status, self.type = answer.status_code, answer.headers.get("content-type", "")
            event: dict[str, str] = {}
            for line in answer.iter_lines():
                name, colon, value = line.partition(": ")
                if line.startswith(":"):
                    self._note(comment=True)
                elif colon:
                    event[name] = value
                elif not line and "data" in event:
                    self._note((event.get("id"), event["event"], msgspec.json.decode(event["data"])))
                    event = {}
        self._note(comment=False)

    def _note(self, event: tuple[str | None, str, Any] | None = None, *, comment: bool = False) -> None:
        with self._changed:
            self.comments += comment
            if event:
                self.events.append(event)
            self._changed.notify_all()

    def wait(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.events) >= count, 10), self.events

    def opened(self) -> None:
        """Wait until the answer has begun: the job was found, and is being followed."""
        wait_until(lambda: self.status, what="the stream to be opened")

    def wait_comment(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.comments, 10)

    def wait_end(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()

    def texts(self) -> list[tuple[str | None, str]]:
        return [(number, data["text"]) for number, name, data in self.events if name == "line"]


@pytest.fixture
def running(live: Live) -> tuple[str, Any, str]:
    """A running job: its id, the claim, the worker."""
    worker = builders.register(live.db)
    claimed = builders.run_one(live.db, worker)
    return claimed.call.job_id, claimed, worker


def test_follows_a_running_job_to_its_end(live: Live, running: tuple[str, Any, str]) -> None:
    job_id, claimed, worker = running
    write(live.db, job_id, 1, "one", "two")
    stream = Stream(live, job_id)
    stream.wait(2)
    write(live.db, job_id, 3, "three")
    stream.wait(3)
    builders.end(live.db, worker, claimed, log_lines=3)
    stream.wait_end()
    assert stream.type.startswith("text/event-stream")
    assert stream.texts() == [("1", "one"), ("2", "two"), ("3", "three")]
    assert stream.events[-1] == (None, "end", {"status": "completed"})


def test_sends_long_logs_whole(live: Live, running: tuple[str, Any, str]) -> None:
    job_id, claimed, worker = running
    for part in range(5):
        write(live.db, job_id, part * 700 + 1, *(f"{n}" for n in range(part * 700 + 1, part * 700 + 701)))
    builders.end(live.db, worker, claimed, log_lines=3500)
    stream = Stream(live, job_id)
    stream.wait_end()
    assert stream.texts() == [(str(n), str(n)) for n in range(1, 3501)]
    assert stream.events[-1][1] == "end"


@pytest.mark.parametrize("way", ["header", "query"])
def test_goes_on_from_the_last_line(live: Live, running: tuple[str, Any, str], way: str) -> None:
    job_id, claimed, worker = running
    write(live.db, job_id, 1, "one", "two", "three")
    builders.end(live.db, worker, claimed, log_lines=3)
    stream = Stream(live, job_id, **{"Last-Event-ID": "2"}) if way == "header" else Stream(live, job_id, "?after=2")
    stream.wait_end()
    assert stream.texts() == [("3", "three")]


def test_tells_a_browser_not_to_come_back(live: Live, running: tuple[str, Any, str]) -> None:
    job_id, claimed, worker = running
    write(live.db, job_id, 1, "one")
    builders.end(live.db, worker, claimed, log_lines=1)
    with live.client() as client:
        answer = client.get(f"/api/jobs/{job_id}/logs/stream", headers={"Last-Event-ID": "1"})
        assert answer.status_code == 204
        for bad in ("-1", "x", "9" * 30):
            answer = client.get(f"/api/jobs/{job_id}/logs/stream", headers={"Last-Event-ID": bad})
            assert problem(answer, 422)["field"] == "Last-Event-ID"


def test_keeps_the_connection_open(live: Live, running: tuple[str, Any, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_stream, "KEEP_ALIVE_S", 0.05)
    job_id, claimed, worker = running
    stream = Stream(live, job_id)
    stream.wait_comment()
    builders.end(live.db, worker, claimed)
    stream.wait_end()


def test_ends_when_the_job_is_deleted(live: Live, running: tuple[str, Any, str]) -> None:
    job_id, claimed, worker = running
    stream = Stream(live, job_id)
    stream.opened()
    builders.give_back(live.db, worker, claimed)
    with live.client() as client:
        assert client.delete(f"/api/jobs/{job_id}").status_code == 204
    stream.wait_end()
    assert stream.events[-1] == (None, "end", {"status": None})


def test_ends_when_the_service_stops(live: Live, running: tuple[str, Any, str]) -> None:
    job_id, _, _ = running
    write(live.db, job_id, 1, "one")
    stream = Stream(live, job_id)
    stream.wait(1)
    live.begin_stop()
    stream.wait_end()
    assert live.join(10)
    assert [name for _, name, _ in stream.events] == ["line"]


def test_many_streams_and_waits_leave_health_quick(live: Live, running: tuple[str, Any, str]) -> None:
    job_id, claimed, worker = running
    streams = [Stream(live, job_id) for _ in range(20)]
    for stream in streams:
        stream.opened()
    with live.client() as client:
        assert client.get("/live").elapsed.total_seconds() < 1
    write(live.db, job_id, 1, "one")
    for stream in streams:
        stream.wait(1)
    builders.end(live.db, worker, claimed, log_lines=1)
    for stream in streams:
        stream.wait_end()


def test_a_viewer_may_follow(live: Live, running: tuple[str, Any, str]) -> None:
    job_id, claimed, worker = running
    builders.end(live.db, worker, claimed)
    stream = Stream(live, job_id, **bearer(signed("viewer")))
    stream.wait_end()
    assert stream.status == 200
