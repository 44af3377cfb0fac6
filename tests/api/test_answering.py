"""Answers that come later: who may give them, for which attempt, and what they do."""

from __future__ import annotations

from typing import Any

import httpx

from rota.store import answer_tokens, audit, awaiting, logs, results
from tests.api.calls import Api, good, problem
from tests.store import builders

KEY = "the key of a worker"
MINUTE = 60 * builders.SECOND


class Taken:
    """A job whose target has taken the work; the target's own client has its token and nothing else."""

    def __init__(self, api: Api, **given: Any) -> None:
        self.api = api
        self.worker = builders.register(api.db)
        self.id = builders.insert_one(api.db, lane="http", **{"target": "{}", "timeout_us": MINUTE, **given})
        self.take()

    def take(self, attempt: int = 1) -> None:
        """Claim it, and let its target answer 202."""
        (claimed,) = builders.claim(self.api.db, self.worker, answer_key=KEY)
        token = answer_tokens.token(KEY, self.id, attempt)
        assert claimed.call.answer_token == token
        self.headers = {"Rota-Answer-Token": token, "Rota-Attempt": str(attempt)}
        deferred = results.Deferred(id=self.id, attempt=attempt, limit_us=MINUTE)
        assert self.api.db.run(lambda tx: awaiting.defer(tx, self.worker, [deferred])) == {self.id}

    async def post(self, operation: str, body: Any = None, **headers: str) -> httpx.Response:
        """Say something as the target does."""
        async with self.api.client(None) as client:
            return await client.post(f"/api/jobs/{self.id}/{operation}", json=body, headers={**self.headers, **headers})


async def test_a_target_completes_its_job_with_its_token_alone(api: Api) -> None:
    job = Taken(api)
    found = good(await job.post("complete", {"result": {"items": 3}}))
    assert (found["status"], found["attempt"], found["error"]) == ("completed", 1, None)
    async with api.client() as admin:
        shown = good(await admin.get(f"/api/jobs/{job.id}"))
    assert (shown["result"], shown["workerId"], shown["awaitsAnswer"]) == ({"items": 3}, None, False)
    good(await job.post("complete", {"result": {"items": 3}}))  # an answer lost on the way back is sent again
    assert problem(await job.post("complete", {"result": 4}), 409)["code"] == "attempt-over"
    assert problem(await job.post("snooze", {"delay": "1m"}), 409)["code"] == "attempt-over"
    assert problem(await job.post("heartbeat"), 409)["code"] == "attempt-over"


async def test_a_failure_is_tried_again_and_the_old_attempt_is_over(api: Api) -> None:
    job = Taken(api)
    found = good(await job.post("complete", {"success": False, "errors": ["disk full"]}))
    assert (found["status"], found["reason"], found["error"]) == ("scheduled", "failed", "disk full")
    assert found["runAt"] is not None
    good(await job.post("complete", {"success": False, "errors": ["disk full"]}))
    old = job.headers
    api.db.run(lambda tx: tx.run("UPDATE rota_jobs SET status = 'pending', run_at = 0"))
    job.take(2)
    assert problem(await job.post("complete", {"result": 1}, **old), 409)["code"] == "attempt-over"
    assert problem(await job.post("complete", {"attempt": 1}), 409)["code"] == "attempt-over"
    assert problem(await job.post("complete", {"attempt": 3}), 409)["code"] == "attempt-over"
    assert good(await job.post("complete", {"status": "failed", "error": "no"}))["status"] == "failed"


async def test_another_token_is_none_and_it_is_looked_at_first(api: Api) -> None:
    job, other = Taken(api), Taken(api)
    for token in ("", "x", "é", other.headers["Rota-Answer-Token"], job.headers["Rota-Answer-Token"].upper()):
        headers = {b"Rota-Answer-Token": token.encode("latin-1"), b"Content-Type": b"application/json"}
        for operation in ("complete", "heartbeat", "snooze"):
            async with api.client(None) as client:
                answer = await client.post(f"/api/jobs/{job.id}/{operation}", content=b"{no json", headers=headers)
            assert problem(answer, 401)["detail"] == "Invalid token"
    async with api.client(None, **job.headers) as client:
        assert problem(await client.post("/api/jobs/none/complete", json={}), 401)["code"] == "unauthorized"
        for path in (f"/api/jobs/{job.id}/cancel", f"/api/jobs/{job.id}/retry", "/api/jobs"):
            problem(await client.post(path, json={}), 401)
        problem(await client.get(f"/api/jobs/{job.id}"), 401)
    assert builders.get(api.db, job.id).status == "running"


async def test_a_heartbeat_tells_of_the_deadline_and_of_a_cancel(api: Api) -> None:
    job = Taken(api, silence_us=MINUTE)
    before = good(await job.post("heartbeat"))
    assert before["cancelRequested"] is False
    after = good(await job.post("heartbeat", {"progress": 0.25, "message": "half of a half", "extend": "1h"}))
    good(await job.post("heartbeat", {"checkpoint": {"page": 3}}))
    assert problem(await job.post("heartbeat", {"checkpoint": "x" * 66_000}), 413)["field"] == "checkpoint"
    assert after["deadlineAt"] > before["deadlineAt"] and after["silentAt"] >= before["silentAt"]
    async with api.client() as admin:
        shown = good(await admin.get(f"/api/jobs/{job.id}"))
        assert shown["progress"] == {"value": 0.25, "message": "half of a half"}
        assert shown["checkpoint"] == {"page": 3}
        assert (shown["deadlineAt"], shown["silence"], shown["awaitsAnswer"]) == (after["deadlineAt"], "1m", True)
        assert "its target answers later" in shown["why"]["text"]
        assert good(await admin.post(f"/api/jobs/{job.id}/cancel", json={}))["status"] == "cancelled"
    told = good(await job.post("heartbeat"))
    assert (told["status"], told["cancelRequested"]) == ("cancelled", True)
    problem(await job.post("complete", {"result": 1}), 409)


async def test_a_person_answers_in_its_place(api: Api) -> None:
    one, two, three = Taken(api), Taken(api), Taken(api)
    async with api.as_role("viewer") as viewer:
        problem(await viewer.post(f"/api/jobs/{one.id}/complete", json={}), 403)
    async with api.as_role("operator") as ann:
        assert good(await ann.post(f"/api/jobs/{one.id}/complete", json={"attempt": 1}))["status"] == "completed"
        assert good(await ann.post(f"/api/jobs/{two.id}/snooze", json={"delay": "5m"}))["reason"] == "snoozed"
        assert good(await ann.post(f"/api/jobs/{two.id}/snooze", json={"delay": "2h"}))["status"] == "scheduled"
        assert problem(await ann.post(f"/api/jobs/{three.id}/complete", json={"attempt": 2}), 409)["code"] == (
            "attempt-over"
        )
        command = builders.insert_one(api.db, lane="command", timeout_us=MINUTE)
        builders.claim(api.db, three.worker)
        assert "runs on a worker" in problem(await ann.post(f"/api/jobs/{command}/complete", json={}), 409)["detail"]
        good(await ann.post(f"/api/jobs/{command}/heartbeat", json={"extend": "2h"}))
    (clock,) = api.db.read(lambda tx: awaiting.clocks(tx, three.worker))
    assert clock.id == command and (clock.left_us or 0) > MINUTE  # so its worker learns it
    entries = api.db.read(lambda tx: audit.listed(tx, audit.AuditFilter(noun="job"), limit=10))
    assert {"answered", "edited"} <= {entry.action for entry in entries}


async def test_a_sign_of_life_of_a_person_is_in_the_audit(api: Api) -> None:
    job = Taken(api)
    good(await job.post("heartbeat", {"progress": 0.2, "checkpoint": {"page": 3}}))
    async with api.as_role("operator") as ann, api.client() as admin:
        path = f"/api/jobs/{job.id}"
        good(await ann.post(f"{path}/heartbeat", json={"progress": 0.4, "message": "on", "checkpoint": {"page": 9}}))
        good(await ann.post(f"{path}/heartbeat", json={"checkpoint": ["x" * 20_000]}))
        good(await ann.post(f"{path}/cancel", json={}))
        good(await ann.post(f"{path}/heartbeat", json={"progress": 0.5}))  # it is over: nothing changes
        found = good(await admin.get("/api/audit", params={"action": "beaten"}))["entries"]
    long, one = found
    assert (one["actor"], one["noun"], one["name"]) == ("ann", "job", job.id)
    assert one["before"] == {"progress": 0.2, "message": None, "checkpoint": {"page": 3}}
    assert one["after"] == {"progress": 0.4, "message": "on", "checkpoint": {"page": 9}}
    told = f"ann gave a sign of life of the job {job.id}: progress 0.2 → 0.4, message none → on, checkpoint ("
    assert one["text"].startswith(told)
    assert long["before"] == {"checkpoint": {"page": 9}}
    assert long["after"]["checkpoint"].keys() == {"bytes", "head"} and long["after"]["checkpoint"]["bytes"] == 20_004


async def test_what_a_target_echoes_is_stored_without_its_secrets(api: Api) -> None:
    target = '{"kind":"http","url":"http://127.0.0.1:9/","auth":{"type":"bearer","token":"tell-nobody"}}'
    job = Taken(api, target=target)
    token = job.headers["Rota-Answer-Token"]
    good(await job.post("heartbeat", {"message": f"I have {token}"}))
    good(await job.post("complete", {"result": {"got": ["Bearer tell-nobody", token]}}))
    found = builders.get(api.db, job.id)
    assert (found.progress_note, found.result) == ("I have ***", '{"got":["Bearer ***","***"]}')
    (line,) = api.db.read(lambda tx: logs.lines(tx, job.id))
    assert (line["text"], line["stream"], line["n"]) == ("the target answers: completed", "system", 1)


async def test_what_contradicts_itself_is_refused(api: Api) -> None:
    job = Taken(api)
    for body, field in (
        ({"status": "retry"}, "delayMs"),
        ({"status": "completed", "error": "x"}, "error"),
        ({"permanent": True}, "permanent"),
        ({"delayMs": -1, "error": "x"}, "delayMs"),
        ({"state": "done"}, "state"),
    ):
        assert problem(await job.post("complete", body), 422)["field"] == field
    assert problem(await job.post("heartbeat", {"progress": 2}), 422)["field"] == "progress"
    assert problem(await job.post("heartbeat", {"extend": "soon"}), 422)["field"] == "extend"
    assert problem(await job.post("complete", {}, **{"Rota-Attempt": "one"}), 422)["field"] == "Rota-Attempt"
