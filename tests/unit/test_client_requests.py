"""Requests of the client: what is repeated and what is not, and which error an answer becomes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rota.client import Client
from rota.errors import (
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    Invalid,
    NotFound,
    RotaError,
    ServiceUnavailable,
    TooLarge,
    Unauthorized,
)
from tests.support.target import Answer, TargetServer
from tests.support.waiting import free_port

JOB = "019a9d2c-7c1e-7aa0-8f5e-0c3b2a190000"
BROKEN = [Answer(503, {"detail": "the database is away"}), Answer(drop=True), Answer(half=True, body={"id": JOB})]


@pytest.fixture
def client(target_server: TargetServer) -> Iterator[Client]:
    """A client that has reached its service once."""
    target_server.answer("/api/me", Answer(body={"role": "admin"}))
    with Client(target_server.url(), "rota_token") as client:
        client.me()
        target_server.requests.clear()
        yield client


def problem(status: int, **fields: Any) -> Answer:
    return Answer(status, {"status": status, **fields}, {"Content-Type": "application/problem+json"})


@pytest.mark.parametrize("broken", BROKEN, ids=["503", "closed", "half"])
def test_what_may_be_repeated_is(client: Client, target_server: TargetServer, broken: Answer) -> None:
    target_server.answer("/api/jobs", broken, Answer(201, {"id": JOB}))
    assert dict(client.enqueue({"jobType": "x"})) == {"id": JOB}
    first, second = target_server.requests_to("/api/jobs")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.json() == second.json() == {"jobType": "x"}
    target_server.answer(f"/api/jobs/{JOB}", broken, Answer(body={"id": JOB}))
    assert dict(client.job(JOB)) == {"id": JOB}


@pytest.mark.parametrize("broken", BROKEN, ids=["503", "closed", "half"])
def test_what_may_not_be_repeated_is_sent_once(client: Client, target_server: TargetServer, broken: Answer) -> None:
    path = f"/api/jobs/{JOB}/cancel"
    target_server.answer(path, broken)
    with pytest.raises((DatabaseUnavailable, ServiceUnavailable)):
        client.cancel(JOB)
    assert len(target_server.requests_to(path)) == 1


def test_patience_ends(target_server: TargetServer) -> None:
    target_server.answer("/api/me", problem(503, detail="the database is away", code="database-unavailable"))
    refused = pytest.raises(DatabaseUnavailable, match="the database is away")
    with Client(target_server.url(), patience_s=2) as client, refused as caught:
        client.me()
    assert caught.value.code == "database-unavailable"
    assert len(target_server.requests) > 1


def test_a_service_that_was_never_there_is_not_waited_for() -> None:
    with Client(f"http://127.0.0.1:{free_port()}", patience_s=60) as client:
        with pytest.raises(ServiceUnavailable, match="cannot be reached: Connection refused") as caught:
            client.me()
        assert "rota up" in str(caught.value)
        with pytest.raises(ServiceUnavailable, match="cannot be reached"):
            client.health()


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (problem(401, detail="Invalid token"), Unauthorized, "Invalid token"),
        (problem(403, detail="Admin access required", hint="ask"), Forbidden, "Admin access required (ask)"),
        (problem(404, detail="there is no job x"), NotFound, "there is no job x"),
        (problem(409, detail="it has ended"), Conflict, "it has ended"),
        (problem(422, detail="cron: is wrong (so)", field="cron", hint="so"), Invalid, "cron: is wrong (so)"),
        (problem(413, detail="body: is too large", field="body"), TooLarge, "body: is too large"),
        (problem(415, detail="The body must be JSON"), RotaError, "The body must be JSON"),
        (problem(500, error="of an older service"), RotaError, "of an older service"),
        (problem(418), RotaError, "HTTP 418"),
        (Answer(500, "[1, 2]"), RotaError, "HTTP 500"),
        (Answer(502, "<html>Bad gateway</html>"), ServiceUnavailable, "HTTP 502 without JSON from http://"),
        (Answer(200, "<html>Welcome</html>"), ServiceUnavailable, "is this the address of a Rota?"),
        (Answer(200, b"\xff\xfe"), ServiceUnavailable, "HTTP 200 without JSON"),
        (Answer(200, "[" * 5000), ServiceUnavailable, "HTTP 200 without JSON"),
        (Answer(301, "", {"Location": "https://x"}), ServiceUnavailable, "HTTP 301 without JSON"),
    ],
)
def test_an_answer_that_refuses_is_an_error_of_ours(
    client: Client, target_server: TargetServer, answer: Answer, kind: type[RotaError], text: str
) -> None:
    path = f"/api/jobs/{JOB}/cancel"
    target_server.answer(path, answer)
    with pytest.raises(kind) as caught:
        client.cancel(JOB)
    assert type(caught.value) is kind
    assert text in str(caught.value)
    assert answer.status == 200 or kind is ServiceUnavailable or caught.value.status == answer.status


def test_the_token_goes_with_every_request_and_nowhere_else(client: Client, target_server: TargetServer) -> None:
    client.me()
    (request,) = target_server.requests
    assert request.headers["authorization"] == "Bearer rota_token"
    assert "rota_token" not in request.path + repr(request.query)


@pytest.mark.parametrize(
    "url", ["", "nonsense", "127.0.0.1:7005", "ftp://x", "http://", "http://x:port", "http://x:99999"]
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(Invalid, match="is no address"):
        Client(url)


@pytest.mark.parametrize("url", ["http://ada:canary@127.0.0.1:1", "http://canary@host/", "ftp://a:canary@host"])
def test_an_address_has_no_password_in_it(url: str) -> None:
    with pytest.raises(Invalid, match="has a user or a password in it") as raised:
        Client(url, "token")
    assert "canary" not in f"{raised.value} {raised.value.hint}"


@pytest.mark.parametrize("token", ["a b", "a\nb", "ä", "\udcff"])
def test_a_token_that_is_none(token: str) -> None:
    with pytest.raises(Invalid, match="characters that no token has"):
        Client("http://127.0.0.1:7005", token)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0b", "a\nb", "\udcff"])
def test_a_name_that_is_none_is_not_asked_for(client: Client, target_server: TargetServer, name: str) -> None:
    with pytest.raises(Invalid, match="^id: (.* is not a name|the schedule's id is empty)"):
        client.schedule(name)
    assert target_server.requests == []


@pytest.mark.parametrize("value", ["\udcff", object(), 1j])
def test_what_is_not_json_is_not_sent(client: Client, target_server: TargetServer, value: object) -> None:
    with pytest.raises(Invalid, match="body"):
        client.enqueue({"jobType": value})
    assert target_server.requests == []


def test_an_address_with_a_path_in_front(target_server: TargetServer) -> None:
    target_server.answer("/scheduler/api/me", Answer(body={"role": "viewer"}))
    with Client(target_server.url("/scheduler/")) as client:
        assert dict(client.me()) == {"role": "viewer"}


def test_health_is_told_healthy_or_not(client: Client, target_server: TargetServer) -> None:
    target_server.answer("/health", Answer(503, {"status": "unhealthy"}))
    assert dict(client.health()) == {"status": "unhealthy"}
    target_server.answer("/health", Answer(200, {"hello": "I am something else"}))
    with pytest.raises(ServiceUnavailable, match="not as a Rota"):
        client.health()


class TestLists:
    def pages(self, target_server: TargetServer, count: int) -> None:
        """Answer as a service with so many jobs."""

        def answer(request: Any) -> Answer:
            first, size = int(request.query.get("cursor", "0")), int(request.query["limit"])
            last = min(first + size, count)
            jobs = [{"id": str(number)} for number in range(first, last)]
            return Answer(body={"jobs": jobs, "nextCursor": str(last) if last < count else None})

        target_server.answer("/api/jobs", answer)

    def test_all_pages_are_walked_through(self, client: Client, target_server: TargetServer) -> None:
        self.pages(target_server, 450)
        assert [job["id"] for job in client.jobs(queue="mail", tag=None)] == [str(number) for number in range(450)]
        assert [request.query.get("queue") for request in target_server.requests] == ["mail"] * 3
        assert "tag" not in target_server.requests[0].query

    @pytest.mark.parametrize(
        ("limit", "sizes"), [(1, ["1"]), (200, ["200"]), (250, ["200", "50"]), (1000, ["200"] * 3)]
    )
    def test_no_more_is_asked_for_than_wanted(
        self, client: Client, target_server: TargetServer, limit: int, sizes: list[str]
    ) -> None:
        self.pages(target_server, 450)
        assert len(list(client.jobs(limit=limit))) == min(limit, 450)
        assert [request.query["limit"] for request in target_server.requests] == sizes


class TestFollowing:
    def page(self, first: int, count: int, *, ended: bool = False) -> Answer:
        lines = [{"n": number, "text": f"line {number}"} for number in range(first, first + count)]
        last = first + count - 1
        following = None if ended else last
        status = "completed" if ended else "running"
        return Answer(body={"lines": lines, "status": status, "lastLine": last, "nextAfter": following})

    def test_lines_come_in_order_until_the_end(self, client: Client, target_server: TargetServer) -> None:
        path = f"/api/jobs/{JOB}/logs"
        pages = [self.page(1, 0), self.page(1, 3), self.page(4, 0), Answer(drop=True), self.page(4, 2, ended=True)]
        target_server.answer(path, *pages)
        assert [line["n"] for page in client.follow(JOB) for line in page["lines"]] == [1, 2, 3, 4, 5]
        assert [request.query["after"] for request in target_server.requests_to(path)] == ["0", "0", "3", "3", "3"]

    def test_waiting_ends_with_the_job(self, client: Client, target_server: TargetServer) -> None:
        answers = [Answer(body={"status": status}) for status in ("pending", "running", "failed")]
        target_server.answer(f"/api/jobs/{JOB}", *answers)
        assert dict(client.wait(JOB)) == {"status": "failed"}
        assert len(target_server.requests) == 3

    def test_waiting_may_end_earlier(self, client: Client, target_server: TargetServer) -> None:
        target_server.answer(f"/api/jobs/{JOB}", Answer(body={"status": "running"}))
        with pytest.raises(TimeoutError, match=f"job {JOB} is still running after 0.05 s"):
            client.wait(JOB, timeout_s=0.05)

    def test_a_log_that_is_not_followed_is_read_to_its_end(self, client: Client, target_server: TargetServer) -> None:
        path = f"/api/jobs/{JOB}/logs"
        target_server.answer(path, self.page(8, 1000), self.page(1008, 2), self.page(1010, 0))
        assert [line["n"] for line in client.logs(JOB, after=7, attempt=2)] == [*range(8, 1010)]
        assert {request.query["attempt"] for request in target_server.requests_to(path)} == {"2"}
