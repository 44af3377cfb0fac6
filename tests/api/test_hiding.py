"""Payloads that viewers do not see: a word that is in all of them is found by operators, and nowhere by viewers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from rota.api.hiding import masked
from rota.api.operations import Operation
from rota.model import LogChunk
from rota.store.database import Database
from tests.api.calls import Api, good, problem, settings_of, signed
from tests.api.listening import Listener
from tests.api.live import Live
from tests.store import builders

WORD = "kanarienvogel"
AT = 1_800_000_000_000_000
ENDLESS = {"streamEvents"}
"""Tested with a real server below."""
SEEN = {
    "listJobs", "getJob", "explainJob", "getJobLogs", "streamJobLogs", "getRawJobLogs", "listSchedules", "getSchedule",
    "listVersions", "getVersion", "listJobTypes", "getJobType", "getOperation", "listOperations", "listAudit",
}  # fmt: skip
HIDE = {"ROTA_VIEWER_PAYLOADS": "hide", "ROTA_PERMISSIONS": "listAudit=viewer"}
HTTP = {
    "kind": "http", "url": f"http://127.0.0.1:1/{WORD}", "method": "POST",
    "headers": {"X-Note": WORD}, "body": {"note": WORD, "deep": [{"er": WORD}]},
}  # fmt: skip
COMMAND = {"kind": "command", "command": ["echo", WORD], "env": {"NOTE": WORD}, "stdin": WORD}


def fill(db: Database) -> str:
    """Give a job every kind of payload, as if it had run and failed; its id."""
    claimed = builders.run_one(db, worker := builders.register(db))
    job_id = claimed.call.job_id
    builders.log(db, LogChunk(job_id, 1, 1, 1, AT, f'[[{AT},"stdout","{WORD}"]]'))
    builders.give_back(db, worker, claimed, log_lines=1, error=f"it broke: {WORD}", error_detail=_detail())
    (again,) = (one for one in builders.claim(db, worker) if one.call.job_id == job_id)
    builders.end(db, worker, again, status="failed", error=f"it broke: {WORD}", log_lines=1)
    exchange = (
        f'{{"request":{{"method":"POST","url":"http://x/{WORD}","headers":{{"X":"{WORD}"}},"body":"{WORD}","bodyBytes":1,'
        f'"truncated":false}},"answer":{{"status":500,"reason":"{WORD}","headers":{{"X":"{WORD}"}},"body":"{WORD}",'
        '"bodyBytes":1,"truncated":false,"durationMs":3}}'
    )
    said = f'{{"note":"{WORD}"}}'
    builders.execute(
        db,
        f"UPDATE rota_jobs SET args = '{said}', result = '{said}', checkpoint = '{said}', exchange = '{exchange}',"
        f" error_detail = '{_detail()}', progress = 0.5, progress_note = '{WORD}',"
        f" callback_url = 'http://127.0.0.1/{WORD}'",
    )
    return job_id


def _detail() -> str:
    return f'{{"code":"exception","type":"ValueError","message":"{WORD}","trace":"at {WORD}"}}'


@pytest_asyncio.fixture
async def api(lite: Database, sqlite_url: str) -> AsyncIterator[Api]:
    api = Api(lite, settings_of(sqlite_url, **HIDE))
    yield api
    api.close()


async def places(api: Api, db: Database) -> dict[str, str]:
    """Fill the service with the word; return by kind of thing what to look at."""
    job_id = fill(db)
    async with api.client() as admin:
        good(await admin.put("/api/job-types/call", json={"target": HTTP}))
        good(await admin.put("/api/job-types/call", json={"target": {**HTTP, "url": f"http://127.0.0.1:2/{WORD}"}}))
        nightly = {"every": "1h", "target": COMMAND}
        good(await admin.put("/api/schedules/nightly", json=nightly))
        good(await admin.put("/api/schedules/nightly", json={**nightly, "args": {"note": WORD}}))
        good(await admin.put("/api/calendars/off", json={"weekdays": ["SUN"]}))
        batch = good(await admin.post("/api/batches", json={"jobs": [{"jobType": "call", "args": {"a": WORD}}]}), 201)
        spec = {"action": "reprioritise", "priority": 3, "filter": {"q": WORD}}
        done = good(await admin.post("/api/jobs/actions", json=spec))
    names = {"jobs": job_id, "schedules": "nightly", "batches": batch["id"], "operations": done["operation"]}
    return {**names, "calendars": "off", "queues": "default", "job-types": "call"}


async def look(client: httpx.AsyncClient, operation: Operation, names: dict[str, str]) -> httpx.Response:
    kind = operation.path.removeprefix("/api/").partition("/")[0]
    path = operation.path.replace("{name:path}", "{name}").replace("{version}", "2")
    for field in ("{id}", "{name}"):
        path = path.replace(field, names.get(kind, "none"))
    return await client.get(path)


async def test_a_viewer_finds_no_payload_and_an_operator_does(api: Api, lite: Database) -> None:
    names = await places(api, lite)
    reading = [one for one in api.app.state.operations if one.method == "GET" and one.id not in ENDLESS]
    found: dict[str, set[str]] = {"viewer": set(), "operator": set()}
    for role, seen in found.items():
        async with api.as_role(role) as client:
            for operation in reading:
                answer = await look(client, operation, names)
                assert answer.status_code < 500 or operation.id == "getHealth", operation.id
                if answer.status_code == 200 and (WORD in answer.text or WORD in str(answer.headers)):
                    seen.add(operation.id)
    assert found["viewer"] == set()
    assert found["operator"] >= SEEN


async def test_what_is_left_can_be_understood(api: Api, lite: Database) -> None:
    names = await places(api, lite)
    async with api.as_role("viewer") as viewer:
        job = good(await viewer.get(f"/api/jobs/{names['jobs']}"))
        assert (job["args"], job["result"], job["error"], job["checkpoint"]) == ("hidden",) * 4
        assert job["errorDetail"] == {"code": "exception", "type": "hidden", "message": "hidden", "trace": "hidden"}
        assert (job["progress"], job["status"]) == ({"value": 0.5, "message": "hidden"}, "failed")
        assert job["exchange"]["request"]["method"] == "POST"
        assert job["exchange"]["answer"]["status"] == 500
        assert job["why"]["text"].endswith(": hidden")
        assert job["why"]["text"].startswith("it failed at ")
        (line,) = good(await viewer.get(f"/api/jobs/{names['jobs']}/logs"))["lines"]
        assert (line["n"], line["text"]) == (1, "hidden")
        assert good(await viewer.get("/api/schedules/nightly"))["target"] == {"kind": "command", "hidden": True}
        stream = await viewer.get(f"/api/jobs/{names['jobs']}/logs/stream")
        assert '"text":"hidden"' in stream.text
        assert "event: end" in stream.text
        assert (await viewer.get(f"/api/jobs/{names['jobs']}/logs/raw")).text == "hidden\n"
        description = good(await viewer.get("/api/openapi.json"))
        assert description["components"]["schemas"]["JobDetail"]["properties"]["args"] != "hidden"


async def test_a_viewer_cannot_search_in_payloads(api: Api, lite: Database) -> None:
    names = await places(api, lite)
    async with api.as_role("viewer") as viewer, api.as_role("operator") as operator:
        for path in ("/api/jobs", f"/api/jobs/{names['jobs']}/logs"):
            assert problem(await viewer.get(path, params={"q": WORD}), 403)["detail"] == "Payloads are hidden"
            good(await operator.get(path, params={"q": WORD}))


async def test_viewers_see_all_unless_the_settings_hide_it(small: Api) -> None:
    builders.insert_one(small.db, args=f'{{"note":"{WORD}"}}')
    async with small.as_role("viewer") as viewer:
        assert WORD in (await viewer.get("/api/jobs", params={"q": WORD})).text


def test_events_are_masked_as_they_come(lite: Database, sqlite_url: str) -> None:
    viewer = {"Authorization": f"Bearer {signed('viewer')}"}
    with Live(lite, settings_of(sqlite_url, ROTA_PORT="0", **HIDE)) as live, Listener(live, **viewer) as listener:
        job_id = builders.insert_one(lite, args=f'{{"note":"{WORD}"}}')
        assert listener.one("job", id=job_id).data["args"] == "hidden"
        assert WORD not in str(listener.events)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (None, None),
        ({"args": None, "result": 0, "error": ""}, {"args": None, "result": "hidden", "error": "hidden"}),
        ({"a": [{"args": [1]}]}, {"a": [{"args": "hidden"}]}),
        ({"target": "x", "progress": None}, {"target": "hidden", "progress": None}),
        ({"field": "args", "from": None, "to": {"a": 1}}, {"field": "args", "from": None, "to": "hidden"}),
        ({"exchange": {"answer": None}}, {"exchange": {"answer": None}}),
        ({"errorDetail": "odd", "exchange": 1}, {"errorDetail": "hidden", "exchange": "hidden"}),
    ],
)
def test_masks_by_the_names_of_fields(given: Any, left: Any) -> None:
    assert masked(given) == left
