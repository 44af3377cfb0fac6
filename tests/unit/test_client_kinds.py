"""``Client`` and ``AsyncClient`` are the same calls, with the same words and types."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any, assert_type

import pytest

from rota.client import AsyncClient, Client
from rota.client.answers import Enqueued, Job, JobDetail, LogLine, Queue, Schedule
from rota.client.event_stream import EventParser
from rota.errors import Invalid
from tests.support.target import Answer, TargetServer
from tools import client_answers

JOB = "019a9d2c-7c1e-7aa0-8f5e-0c3b2a190000"
OWN = {"transport"}
"""What differs: what an own transport must be."""


def public(kind: type) -> dict[str, Any]:
    return {
        name: getattr(kind, name)
        for name in dir(kind)
        if not name.startswith("_") and callable(getattr(kind, name)) and name not in ("run", "walk")
    }


def test_both_have_the_same_calls_with_the_same_arguments() -> None:
    ours, theirs = public(Client), public(AsyncClient)
    assert len(ours) > 60
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert inspect.signature(ours[name]).parameters == inspect.signature(theirs[name]).parameters, name
        assert ours[name].__doc__ == theirs[name].__doc__, name
    one, other = (inspect.signature(kind).parameters for kind in (Client, AsyncClient))
    assert [name for name in one if one[name] != other[name]] == list(OWN)


def test_the_types_of_answers_are_those_that_the_api_describes() -> None:
    fresh = client_answers.text()
    assert client_answers.FILE.read_text(encoding="utf-8") == fresh, "run python -m tools.client_answers"


async def test_the_types_tell_a_thread_from_an_event_loop(target_server: TargetServer) -> None:
    """Half of this test is what mypy says of it."""
    target_server.answer("/api/jobs", Answer(body={"id": JOB, "jobs": [{"id": JOB}], "nextCursor": None}))
    with Client(target_server.url()) as client:
        made = client.enqueue("mail", {"to": "ann"}, delay="5m")
        assert_type(made, Enqueued)
        listed = client.jobs()
        assert_type(listed, Iterator[Job])
        assert [job["id"] for job in listed] == [made["id"]]
    async with AsyncClient(target_server.url()) as other:
        assert_type(await other.enqueue("mail", {"to": "ann"}, delay="5m"), Enqueued)
        assert_type(other.jobs(), AsyncIterator[Job])
        assert [job["id"] async for job in other.jobs()] == [JOB]
    sent = [request.json() for request in target_server.requests_to("/api/jobs") if request.method == "POST"]
    assert sent == [{"jobType": "mail", "args": {"to": "ann"}, "delayMs": 300_000}] * 2


def types_of(client: Client) -> None:
    """Only mypy reads this."""
    assert_type(client.wait(JOB), JobDetail)
    assert_type(client.queues(), list[Queue])
    assert_type(client.schedule("nightly"), Schedule)
    assert_type(client.follow_logs(JOB), Iterator[LogLine])
    client.job(7)  # type: ignore[arg-type]  # an id is a text
    client.jobs(limits=3, limit="all")  # type: ignore[arg-type]  # a limit is a number


@pytest.mark.parametrize("status", [429, 503])
async def test_what_is_too_busy_is_asked_again_not_sooner_than_it_says(
    target_server: TargetServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("rota.client.wire.time.sleep", pauses.append)
    busy = Answer(status, {"detail": "busy"}, {"Retry-After": "2"})
    target_server.answer("/api/jobs", busy, Answer(201, {"id": JOB}))
    with Client(target_server.url(), patience_s=60) as client:
        assert client.enqueue({"jobType": "x"})["id"] == JOB
    assert len(pauses) == 1 and 2 <= pauses[0] <= 2.2
    first, second = target_server.requests_to("/api/jobs")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_a_service_that_is_busy_for_longer_than_one_waits_is_not_waited_for(target_server: TargetServer) -> None:
    target_server.answer("/api/me", Answer(429, {"detail": "busy"}, {"Retry-After": "3600"}))
    with Client(target_server.url()) as client, pytest.raises(Exception, match="busy"):
        client.me()
    assert len(target_server.requests) == 1


@pytest.mark.parametrize("name", ["run_at", "expires_in"])
def test_a_time_without_a_zone_is_not_sent(target_server: TargetServer, name: str) -> None:
    options: dict[str, Any] = {name: datetime(2026, 1, 1)}
    with Client(target_server.url()) as client, pytest.raises(Invalid, match=f"^{name}: has no time zone"):
        client.enqueue("mail", **options)


class TestEvents:
    TEXT = (
        'retry: 500\n\nid: 7\r\nevent: line\r\ndata: {"text":"a\u2028b\x85c"}\r\n\r\n'
        ": nothing new\n\ndata: 1\ndata: \n\n"
    )

    @pytest.mark.parametrize("size", [1, 3, 1000])
    def test_they_are_read_in_whatever_pieces_they_come(self, size: int) -> None:
        parser, raw = EventParser(), self.TEXT.encode()
        pieces = [raw[first : first + size] for first in range(0, len(raw), size)]
        found = [event for piece in pieces for event in parser.feed(piece)]
        assert [(event.name, event.data, event.id) for event in found] == [
            ("line", {"text": "a\u2028b\x85c"}, "7"),
            ("message", 1, "7"),
        ]
        assert parser.reconnect_s == 0.5

    def event(self, number: int) -> str:
        return f'id: {number}\nevent: line\ndata: {{"n": {number}}}\n\n'

    async def test_a_log_goes_on_behind_the_last_line_received(self, target_server: TargetServer) -> None:
        path = f"/api/jobs/{JOB}/logs/stream"
        stream = {"Content-Type": "text/event-stream"}

        def answers() -> list[Answer]:
            first = "retry: 1\n\n" + self.event(1) + self.event(2) + "id: 3\nevent: li"
            last = self.event(3) + 'event: end\ndata: {"status": "completed"}\n\n'
            return [Answer(200, first, stream), Answer(drop=True), Answer(503), Answer(200, last, stream)]

        target_server.answer(path, *answers())
        with Client(target_server.url()) as client:
            assert [line["n"] for line in client.follow_logs(JOB)] == [1, 2, 3]
        target_server.answer(path, *answers())
        async with AsyncClient(target_server.url()) as other:
            assert [line["n"] async for line in other.follow_logs(JOB)] == [1, 2, 3]
        asked = [request.headers.get("last-event-id") for request in target_server.requests_to(path)]
        assert asked == [None, "2", "2", "2"] * 2

    def test_a_log_that_was_read_to_its_end_has_no_more(self, target_server: TargetServer) -> None:
        target_server.answer(f"/api/jobs/{JOB}/logs/stream", Answer(204, ""))
        with Client(target_server.url()) as client:
            assert list(client.follow_logs(JOB, after=7)) == []
        assert target_server.requests[0].headers["last-event-id"] == "7"
