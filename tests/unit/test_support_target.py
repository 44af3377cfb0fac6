"""The HTTP target of the tests does what it was told, and remembers what came."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.support.target import Answer, TargetServer


def test_it_remembers_every_request(target_server: TargetServer) -> None:
    before = time.time()
    answer = httpx.post(target_server.url("/a?x=1&y=two"), json={"n": 1}, headers={"Rota-Attempt": "2"})
    assert (answer.status_code, answer.json()) == (200, {})
    (request,) = target_server.wait_for(1, "/a")
    assert (request.method, request.query, request.json()) == ("POST", {"x": "1", "y": "two"}, {"n": 1})
    assert request.headers["rota-attempt"] == "2"
    assert before <= request.at <= time.time()
    assert target_server.requests_to("/b") == []


def test_answers_come_in_turn_and_the_last_stays(target_server: TargetServer) -> None:
    target_server.answer(
        "/a", Answer(503, headers={"Retry-After": "1"}), lambda request: Answer(body=request.method), Answer(204, b"")
    )
    with httpx.Client() as client:
        answers = [client.get(target_server.url("/a")) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [503, 200, 204, 204]
    assert answers[0].headers["Retry-After"] == "1"
    assert answers[1].text == "GET"


@pytest.mark.parametrize(
    ("answer", "error", "timeout"),
    [
        (Answer(hang=True), httpx.ReadTimeout, 0.2),
        (Answer(delay=10), httpx.ReadTimeout, 0.2),
        (Answer(drop=True), httpx.RemoteProtocolError, 30),
        (Answer(half=True, body="abcdef"), httpx.RemoteProtocolError, 30),
    ],
)
def test_it_misbehaves_as_told(
    target_server: TargetServer, answer: Answer, error: type[Exception], timeout: float
) -> None:
    target_server.answer("/a", answer)
    with pytest.raises(error):
        httpx.get(target_server.url("/a"), timeout=timeout)
    assert len(target_server.wait_for(1)) == 1


def test_a_body_can_drip(target_server: TargetServer) -> None:
    target_server.answer("/a", Answer(body="abc", drip=0.02))
    began = time.monotonic()
    assert httpx.get(target_server.url("/a")).text == "abc"
    assert time.monotonic() - began >= 0.06


def test_it_counts_how_many_are_there_at_once(target_server: TargetServer) -> None:
    target_server.answer("/a", Answer(hang=True))
    with httpx.Client(timeout=0.1) as client:
        for _ in range(2):
            with pytest.raises(httpx.ReadTimeout):
                client.get(target_server.url("/a"))
    target_server.wait_for(2)
    assert target_server.most_in_flight == 2
