"""Whatever bytes, JSON and addresses are sent: no 5xx, no hang."""

from __future__ import annotations

import asyncio
import json
import re
import string
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rota.api.operations import Operation
from rota.store import migrate
from tests.api.calls import Api, problem, settings_of
from tests.store import builders

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELD_NAMES = """
    jobType target args queue priority delayMs runAt expiresIn maxAttempts retry timeout uniqueKey uniqueScope
    concurrencyKey tags callbackUrl startedBy onLost origin jobs action filter dryRun cron every at seconds dayMatch
    timezone startAt endAt overlap catchup jitter note until role name concurrency defaults argsSchema count after id
    token next triggeredBy status type kind command url method headers body
"""
QUERY_NAMES = "type status queue since until q limit page cursor after attempt wait next code x"
FIELDS = st.sampled_from(FIELD_NAMES.split())
WITH_KNOWN_FIELDS = st.dictionaries(FIELDS, JSON_VALUES | st.dictionaries(FIELDS, JSON_VALUES, max_size=4), max_size=6)


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()


BODIES = st.binary(max_size=200) | JSON_VALUES.map(_encode) | WITH_KNOWN_FIELDS.map(_encode)
QUERIES = st.dictionaries(st.sampled_from(QUERY_NAMES.split()), st.text(max_size=30), max_size=4)
PARTS = st.text(max_size=40) | st.text(string.printable, max_size=40)


class Caller:
    """Sends requests one after the other, on one event loop."""

    def __init__(self, api: Api, runner: asyncio.Runner) -> None:
        # Whatever is accepted runs nothing: no worker is there.  Following a log would only take time.
        self.operations: list[Operation] = [
            one for one in api.app.state.operations if one.media_type != "text/event-stream"
        ]
        self._client = api.client()
        self._runner = runner

    def call(self, operation: Operation, path: str, query: dict[str, str], body: bytes | None) -> httpx.Response:
        params = {name: value.encode("utf-8", "replace") for name, value in query.items()}
        headers = {"Content-Type": "application/json"}
        return self._runner.run(
            self._client.request(operation.method, path, params=params, content=body, headers=headers)
        )


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    url = f"sqlite:///{tmp_path_factory.mktemp('malformed')}/rota.db"
    db = builders.opened(url)
    migrate.migrate(db)
    api = Api(db, settings_of(url))
    with asyncio.Runner() as runner:
        made = Caller(api, runner)
        described = next(one for one in made.operations if one.id == "getOpenApi")
        made.call(described, described.path, {}, None)  # the first to ask has it made, in a thread
        yield made
        api.close()
    db.close()


@settings(max_examples=700, deadline=2000, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nothing_malformed_is_an_error_of_ours(caller: Caller, data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(caller.operations))
    path = re.sub(r"\{[^}]*\}", _quoted(data.draw(PARTS)), operation.path)
    query = {name: value for name, value in data.draw(QUERIES).items() if name != "wait" or len(value) < 3}
    body = data.draw(BODIES) if operation.method in ("POST", "PUT", "PATCH") else None
    answer = caller.call(operation, path, query, body)
    if operation.path == "/health":
        return  # the system is not well: no scheduler lives
    assert answer.status_code < 500, (operation.id, answer.text)
    if answer.status_code >= 400 and "html" not in answer.headers["content-type"]:
        found = msgspec.json.decode(answer.content)
        assert found["detail"] and found["code"]
        assert answer.status_code != 422 or found["field"]


def _quoted(part: str) -> str:
    """A part of an address, whatever is in it; the backslashes of a replacement pattern aside."""
    return quote(part.encode("utf-8", "surrogatepass"), safe="") or "-"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/apply", '{"source":"x","schedules":{"a":{"cron":5}},"schedules":5}', "schedules"),
        ("/api/apply", '{"source":"x","schedules":{"a":{"cron":5}},"schedules":[]}', "schedules"),
        ("/api/apply", '{"source":"x","schedules":{"a":{"cron":5}},"schedules":{}}', "schedules"),
        ("/api/apply", '{"source":"x","schedules":{"a":{"cron":5}},"schedules":{"b":null}}', "schedules"),
        ("/api/apply", '{"source":"x","schedules":{"a":{"tags":[5]},"a":{"tags":"x"}}}', "schedules"),
        ("/api/jobs/actions", '{"action":"retry","filter":{"args":{"a":1}},"filter":{"args":5}}', "filter"),
    ],
)
async def test_a_key_that_is_given_twice(client: httpx.AsyncClient, path: str, body: str, field: str) -> None:
    answer = await client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert problem(answer, 422)["field"].startswith(field)
