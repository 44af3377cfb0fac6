"""Every operation that changes something leaves an entry in the audit: who, from where, what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from rota.actions import operations as actions
from rota.actions.specs import ActionIn, Caller, FilterIn
from rota.ids import new_id
from rota.sealing import Keys, new_key
from rota.store import operations, secrets
from rota.store.database import Database, Tx
from tests.api.calls import COMMAND, Api, good, settings_of
from tests.api.test_answering import Taken
from tests.store import builders

READ_ONLY = ("GET", "HEAD")
NOT_THERE = {
    "previewSchedule": "it only computes",
    "compareSchedules": "the same",
    "logIn": "nothing stored changes; the log has auth/login",
    "logOut": "the same",
    "continueOperation": "the operation was audited when it began",
    "enqueueJob": "a million a day: each job says itself by whom, when and how it was made",
    "enqueueJobs": "the same",
    "createBatch": "the same",
    "testChannel": "tests/api/test_channels.py has it: it takes a channel",
    "testChannels": "the same",
    "postPing": "as enqueueJob: the history of its check has it",
    "postPingWith": "the same",
}
PAST = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T03:00:00Z"}
RULE = {"cron": "0 3 * * *", "target": COMMAND}


@pytest_asyncio.fixture
async def keyed(lite: Database, sqlite_url: str) -> AsyncIterator[Api]:
    """The API with two keys for secrets."""
    api = Api(lite, settings_of(sqlite_url, ROTA_SECRET_KEY=f"{new_key()},{new_key()}"))
    yield api
    api.close()


class World:
    """Things for the operations to change, new for each."""

    def __init__(self, api: Api, client: httpx.AsyncClient) -> None:
        self.api = api
        self.client = client

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.client.request(method, f"/api/{path}", json={} if body is None else body)
        assert answer.is_success, (method, path, answer.text)
        return msgspec.json.decode(answer.content) if answer.content else None

    async def type(self) -> str:
        await self.call("PUT", "job-types/tidy", {"target": COMMAND})
        return "tidy"

    async def job(self) -> str:
        await self.type()
        return str((await self.call("POST", "jobs", {"jobType": "tidy", "delayMs": 3_600_000}))["id"])

    async def cancelled(self) -> str:
        job_id = await self.job()
        await self.call("POST", f"jobs/{job_id}/cancel")
        return job_id

    async def taken(self) -> str:
        """A job whose target has taken it and answers later."""
        return Taken(self.api).id

    async def failed(self) -> str:
        """A queue with a failed job."""
        await self.queue()
        worker = builders.register(self.api.db)
        builders.insert_one(self.api.db, queue="mail")
        (claimed,) = builders.claim(self.api.db, worker)
        builders.end(self.api.db, worker, claimed, status="failed")
        return "mail"

    async def operation(self) -> str:
        """An operation that somebody began and left."""
        spec, operation_id = ActionIn(action="delete", filter=FilterIn(queue="mail")), new_id()

        def begin(tx: Tx) -> None:
            params = actions.params(spec, self.api.settings)
            actions.begin(tx, operation_id, spec, params, total=1, newest=None, caller=Caller("bob"))
            operations.leave(tx, operation_id)

        self.api.db.run(begin)
        return operation_id

    async def schedule(self) -> str:
        for cron in ("0 3 * * *", "0 4 * * *"):
            await self.call("PUT", "schedules/nightly", {**RULE, "cron": cron})
        return "nightly"

    async def paused_long_ago(self) -> str:
        """A schedule whose instants of long ago made no job."""
        said = {"every": "1h", "startAt": "2026-01-01T00:00:00Z", "paused": True, "target": COMMAND}
        await self.call("PUT", "schedules/hourly", said)
        builders.execute(self.api.db, "UPDATE rota_schedules SET next_at = 1767229200000000 + 86400000000")
        return "hourly"

    async def queue(self) -> str:
        await self.call("PATCH", "queues/mail", {"concurrency": 5})
        return "mail"

    async def calendar(self) -> str:
        await self.call("PUT", "calendars/off", {"weekdays": ["SUN"]})
        return "off"

    async def secret(self) -> str:
        await self.call("PUT", "secrets/stripe", {"value": "sk_live_1"})
        return "stripe"

    async def sealed_before(self) -> str:
        """A secret that was encrypted when the second key was the only one."""
        box = Keys(self.api.settings.secret_keys[1:]).seal("stripe", "sk_live_1")
        self.api.db.run(lambda tx: secrets.put(tx, "stripe", box.text, box.key_id, note=None, by="bob"))
        return "stripe"

    async def check(self) -> str:
        await self.call("PUT", "checks/backup", {"every": "1d"})
        return "backup"

    async def paused_check(self) -> str:
        await self.check()
        await self.call("POST", "checks/backup/pause")
        return "backup"

    async def monitor(self) -> str:
        await self.call("PUT", "monitors/backlog:queue:*", {"limit": "10m"})
        return "backlog:queue:*"

    async def muted(self) -> str:
        await self.call("POST", "monitors/backlog:queue:*/mute")
        return "backlog:queue:*"

    async def proposal(self) -> str:
        """A schedule whose runs say how long they take."""
        await self.schedule()
        for place in range(6):
            builders.insert_one(self.api.db, origin="schedule", schedule_id="nightly", scheduled_for=place)
        builders.execute(
            self.api.db,
            "UPDATE rota_jobs SET status = 'completed', started_at = run_at, completed_at = run_at + 40000000",
        )
        return "too-long:schedule:nightly"

    async def shadow(self) -> str:
        await self.call("PUT", "schedules/nightly", {**RULE, "shadow": True})
        return "nightly"

    async def status_page(self) -> str:
        await self.call("PUT", "status-pages/ops", {"page": True})
        return "ops"

    async def token(self) -> str:
        return str((await self.call("POST", "tokens", {"role": "viewer", "name": "app"}))["id"])

    async def batch(self) -> str:
        await self.type()
        jobs = [{"jobType": "tidy", "delayMs": 3_600_000}]
        return str((await self.call("POST", "batches", {"jobs": jobs}))["id"])


async def nothing(_: World) -> str:
    return ""


PAST_JOBS = {
    "jobs": [
        {
            "id": "a",
            "jobType": "tidy",
            "status": "completed",
            "createdAt": "2026-10-09T12:00:00Z",
            "completedAt": "2026-10-09T12:01:00Z",
        }
    ]
}
Before = Callable[[World], Awaitable[str]]
CHANGES: dict[str, tuple[Before, Any]] = {
    "applyFile": (nothing, {"source": "rota.toml", "queues": {"mail": {"concurrency": 3}}}),
    "cancelBatch": (World.batch, {}),
    "deleteCalendar": (World.calendar, None),
    "putCalendar": (World.calendar, {"weekdays": ["SAT"]}),
    "deleteJobType": (World.type, None),
    "putJobType": (nothing, {"target": COMMAND}),
    "pauseJobType": (World.type, {"note": "ill"}),
    "resumeJobType": (World.type, {}),
    "actOnJobs": (World.job, {"action": "cancel", "filter": {"type": "tidy"}}),
    "triggerJob": (World.type, {"jobType": "tidy"}),
    "deleteJob": (World.cancelled, None),
    "editJob": (World.job, {"priority": 7}),
    "cancelJob": (World.job, {}),
    "retryJob": (World.cancelled, {}),
    "completeJob": (World.taken, {"result": 1}),
    "beatJob": (World.taken, {"extend": "1h"}),
    "snoozeJob": (World.job, {"delay": "3h"}),
    "pauseKeyEverywhere": (World.queue, {}),
    "resumeKeyEverywhere": (World.queue, {}),
    "cancelOperation": (World.operation, {}),
    "changeQueue": (World.queue, {"concurrency": 6}),
    "retryFailed": (World.failed, {}),
    "deleteFailed": (World.failed, {}),
    "pauseKey": (World.queue, {}),
    "resumeKey": (World.queue, {}),
    "pauseQueue": (World.queue, {}),
    "resumeQueue": (World.queue, {}),
    "putSchedules": (nothing, {"schedules": [{"id": "nightly", **RULE}]}),
    "putSchedule": (World.schedule, {**RULE, "cron": "0 5 * * *"}),
    "deleteSchedule": (World.schedule, None),
    "pauseSchedule": (World.schedule, {}),
    "resumeSchedule": (World.schedule, {}),
    "goLive": (World.shadow, {}),
    "actOnSchedules": (World.shadow, {"action": "goLive", "ids": ["nightly"]}),
    "storePastJobs": (nothing, PAST_JOBS),
    "rollBackSchedule": (World.schedule, {"version": 1}),
    "triggerSchedule": (World.schedule, {}),
    "backfillSchedule": (World.paused_long_ago, PAST),
    "putSecret": (World.secret, {"value": "sk_live_2"}),
    "deleteSecret": (World.secret, None),
    "rotateSecrets": (World.sealed_before, {}),
    "putCheck": (World.check, {"every": "2d"}),
    "deleteCheck": (World.check, None),
    "pauseCheck": (World.check, {"note": "it moves"}),
    "resumeCheck": (World.paused_check, {}),
    "newCheckKey": (World.check, {}),
    "putMonitor": (World.monitor, {"limit": "20m"}),
    "resetMonitor": (World.monitor, None),
    "muteMonitor": (World.monitor, {"note": "it moves"}),
    "unmuteMonitor": (World.muted, {}),
    "acceptProposal": (World.proposal, {}),
    "putStatusPage": (World.status_page, {"badge": True}),
    "deleteStatusPage": (World.status_page, None),
    "createToken": (nothing, {"role": "viewer", "name": "another"}),
    "revokeToken": (World.token, None),
}
FIRST = {"resumeJobType", "resumeQueue", "resumeSchedule", "resumeKey", "resumeKeyEverywhere"}


async def test_every_operation_is_looked_at(keyed: Api) -> None:
    changing = {one.id for one in keyed.app.state.operations if one.method not in READ_ONLY}
    assert changing == CHANGES.keys() | NOT_THERE.keys()


@pytest.mark.parametrize("operation_id", sorted(CHANGES))
async def test_a_change_is_in_the_audit(keyed: Api, operation_id: str) -> None:
    (operation,) = [one for one in keyed.app.state.operations if one.id == operation_id]
    before, body = CHANGES[operation_id]
    async with keyed.client() as maker, keyed.as_role("admin") as ann:
        name = await before(World(keyed, maker))
        path = operation.path.replace(":path", "").replace("{key}", "customer=42")
        path = path.replace("{id}", name or "made").replace("{name}", name or "made")
        if operation_id in FIRST:
            assert (await maker.post(path.replace("/resume", "/pause"), json={})).is_success
        answer = await ann.request(operation.method, path, json=body)
        assert answer.is_success, answer.text
        entries = good(await maker.get("/api/audit", params={"actor": "ann"}))["entries"]
    assert entries, "nobody can tell who it was"
    entry = entries[-1]
    assert (entry["actor"], entry["role"], entry["client"]) == ("ann", "admin", "127.0.0.1")
    assert entry["origin"] == ("file" if operation_id == "applyFile" else "api")
    assert entry["text"].startswith("ann ") and "from 127.0.0.1)" in entry["text"]
    if operation_id in ("putSchedule", "putCalendar", "changeQueue", "editJob", "beatJob"):
        assert entry["before"] and entry["after"], "an edit has what it was and what it is"
        assert entry["before"].keys() == entry["after"].keys()
