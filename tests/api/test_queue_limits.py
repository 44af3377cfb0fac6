"""Limits, defaults and keys of queues over REST, and what jobs say of keys, order, labels and names of priorities."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.calls import COMMAND, Api, good, problem
from tests.store import builders

LIMITS = {
    "concurrency": 5,
    "workerConcurrency": 2,
    "keyConcurrency": 1,
    "rateLimits": [{"limit": 100, "per": "60s"}, {"limit": 5, "per": 1, "scope": "key"}],
    "ageing": "10m",
    "defaults": {"maxAttempts": 3, "tags": ["a"]},
    "retention": {"completed": "24h", "failed": "never"},
}
SHOWN = {
    **LIMITS,
    "rateLimits": [{"limit": 100, "per": "1m", "scope": "queue"}, {"limit": 5, "per": "1s", "scope": "key"}],
    "retention": {"completed": "1d", "failed": "never"},
}


async def test_every_limit_is_set_shown_and_removed(api: Api, client: httpx.AsyncClient) -> None:
    found = good(await client.patch("/api/queues/mail", json=LIMITS))
    assert {name: found[name] for name in SHOWN} == SHOWN
    assert good(await client.get("/api/queues/mail")) == found
    assert good(await client.get("/api/queues"))["queues"] == [found]
    (stored,) = builders.column(api.db, "CAST(rate_limits AS text)", "rota_queues")
    assert stored == '[{"limit":100,"per":60000000,"scope":"queue"},{"limit":5,"per":1000000,"scope":"key"}]'
    assert list(builders.column(api.db, "CAST(retention AS text)", "rota_queues")) == [
        '{"completed":86400000000,"failed":null}'
    ]
    left = good(await client.patch("/api/queues/mail", json=dict.fromkeys(LIMITS)))
    assert {name: left[name] for name in SHOWN} == {**dict.fromkeys(SHOWN), "rateLimits": []}


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"workerConcurrency": 0}, "workerConcurrency", "at least 1"),
        ({"keyConcurrency": -1}, "keyConcurrency", "at least 1"),
        ({"concurrency": 10**20}, "concurrency", "at most"),
        ({"rateLimits": [{"limit": 10**20, "per": "1s"}]}, "rateLimits.0.limit", "at most"),
        ({"rateLimits": [{"limit": 0, "per": "1s"}]}, "rateLimits.0.limit", "at least 1"),
        ({"rateLimits": [{"limit": 1, "per": "99ms"}]}, "rateLimits.0.per", "from 100ms to 31d"),
        ({"rateLimits": [{"limit": 1, "per": "32d"}]}, "rateLimits.0.per", "from 100ms to 31d"),
        ({"rateLimits": [{"limit": 1, "per": "soon"}]}, "rateLimits.0.per", "not a duration"),
        ({"rateLimits": [{"limit": 1, "per": n + 1} for n in range(11)]}, "rateLimits", "at most 10"),
        ({"rateLimits": [{"limit": n, "per": "1m"} for n in (1, 2)]}, "rateLimits.1", "two limits per 1m"),
        ({"rateLimits": [{"limit": 1, "per": 1, "scope": "all"}]}, "rateLimits.0.scope", "all"),
        ({"ageing": "999ms"}, "ageing", "from 1s to 30d"),
        ({"ageing": "31d"}, "ageing", "from 1s to 30d"),
        ({"retention": {"failed": "1ms"}}, "retention.failed", "1s"),
        ({"retention": {"pending": "1d"}}, "retention.pending", "unknown field"),
        ({"retention": {"mostFailed": -1}}, "retention.mostFailed", "from 0 to"),
        ({"retention": {"mostFailed": True}}, "retention.mostFailed", "int"),
        ({"retention": {"mostBytes": 999}}, "retention.mostBytes", "a size from 1kB"),
        ({"retention": {"mostBytes": "9" * 40}}, "retention.mostBytes", "a size from 1kB"),
        ({"defaults": {"queue": "a"}}, "defaults.queue", "cannot be said"),
        ({"defaults": {"maxAttempts": 0}}, "defaults.maxAttempts", "out of range"),
        ({"defaults": {"priority": "no"}}, "defaults.priority", "no priority is called"),
        ({"defaults": {"concurrencyKey": "{a"}}, "defaults.concurrencyKey", "single '{'"),
        ({"defaults": {"runOn": ["a|b"]}}, "defaults.runOn.0", "is not a name"),
    ],
)
async def test_what_is_wrong_is_named(client: httpx.AsyncClient, body: dict[str, Any], field: str, words: str) -> None:
    found = problem(await client.patch("/api/queues/mail", json=body), 422)
    assert found["field"] == field
    assert words in f"{found['detail']} {found.get('hint')}"
    problem(await client.get("/api/queues/mail"), 404)


async def job(client: httpx.AsyncClient, **given: Any) -> dict[str, Any]:
    made = good(await client.post("/api/jobs", json={"target": COMMAND, **given}), 201)
    found: dict[str, Any] = good(await client.get(f"/api/jobs/{made['id']}"))
    return found


class TestDefaults:
    @pytest.fixture(autouse=True)
    async def _set(self, client: httpx.AsyncClient) -> None:
        defaults = {
            "priority": 7, "maxAttempts": 9, "timeout": "2m", "concurrencyKey": "customer={customer.id}",
            "tags": ["mail"], "onLost": "fail", "expiresIn": "1h", "retry": {"delays": ["1s"]}, "runOn": ["gpu"],
        }  # fmt: skip
        good(await client.patch("/api/queues/mail", json={"defaults": defaults}))

    async def test_they_hold_where_nobody_says_otherwise(self, client: httpx.AsyncClient) -> None:
        found = await job(client, queue="mail", args={"customer": {"id": 42}})
        shown = ("priority", "maxAttempts", "timeout", "concurrencyKey", "tags", "onLost", "runOn")
        assert [found[name] for name in shown] == [7, 9, "2m", "customer=42", ["mail"], "fail", ["gpu"]]
        assert found["expiresAt"] is not None

    async def test_the_job_and_its_type_come_first(self, client: httpx.AsyncClient) -> None:
        of_type = {"queue": "mail", "maxAttempts": 3, "priority": 1, "concurrencyKey": "k"}
        good(await client.put("/api/job-types/t", json={"target": COMMAND, "defaults": of_type}))
        made = good(await client.post("/api/jobs", json={"jobType": "t", "priority": 2}), 201)
        found = good(await client.get(f"/api/jobs/{made['id']}"))
        assert [found[name] for name in ("priority", "maxAttempts", "timeout", "concurrencyKey")] == [2, 3, "2m", "k"]

    async def test_they_end_at_once_where_they_are_removed(self, client: httpx.AsyncClient) -> None:
        assert (await job(client, queue="mail", args={"customer": {"id": 1}}))["maxAttempts"] == 9
        good(await client.patch("/api/queues/mail", json={"defaults": None}))
        found = await job(client, queue="mail")
        assert (found["maxAttempts"], found["concurrencyKey"]) == (1, None)

    async def test_those_of_other_queues_do_not_hold(self, client: httpx.AsyncClient) -> None:
        assert (await job(client))["maxAttempts"] == 1


class TestKeys:
    @pytest.mark.parametrize(
        ("template", "key"),
        [
            ("plain key", "plain key"),
            ("customer={customer.id}", "customer=42"),
            ("{customer.name}/{list.1}", "Ann/b"),
            ("{flag}:{ratio}", "true:0.5"),
            ("{{customer.id}}", "{customer.id}"),
        ],
    )
    async def test_parts_come_from_the_arguments(self, client: httpx.AsyncClient, template: str, key: str) -> None:
        args = {"customer": {"id": 42, "name": "Ann"}, "list": ["a", "b"], "flag": True, "ratio": 0.5}
        assert (await job(client, args=args, concurrencyKey=template))["concurrencyKey"] == key
        assert (await job(client, args=args, orderKey=template))["orderKey"] == key

    @pytest.mark.parametrize(
        ("template", "words"),
        [
            ("{customer.nr}", "there is none"),
            ("{customer}", "is an object"),
            ("{none}", "is null"),
            ("{empty}", "is empty"),
            ("", "is empty"),
            ("{}", "names no argument"),
            ("{a b}", "names no argument"),
            ("a}", "a single '}'"),
            ("{line}", "a control character"),
            ("{long}", "longer than"),
        ],
    )
    async def test_what_is_wrong_is_named(self, client: httpx.AsyncClient, template: str, words: str) -> None:
        args = {"customer": {"id": 1}, "none": None, "empty": "", "line": "a\nb", "long": "ü" * 501}
        for field in ("concurrencyKey", "orderKey"):
            body = {"target": COMMAND, "args": args, field: template}
            found = problem(await client.post("/api/jobs", json=body), 422)
            assert found["field"] == field
            assert words in found["detail"]

    async def test_a_key_of_many_bytes_is_refused(self, client: httpx.AsyncClient) -> None:
        body = {"target": COMMAND, "concurrencyKey": "𝄞" * 300}
        assert "1000 bytes" in problem(await client.post("/api/jobs", json=body), 422)["detail"]

    async def test_a_type_may_have_a_template(self, client: httpx.AsyncClient) -> None:
        defaults = {"concurrencyKey": "c={id}", "orderKey": "o={id}"}
        good(await client.put("/api/job-types/t", json={"target": COMMAND, "defaults": defaults}))
        made = good(await client.post("/api/jobs", json={"jobType": "t", "args": {"id": 7}}), 201)
        found = good(await client.get(f"/api/jobs/{made['id']}"))
        assert (found["concurrencyKey"], found["orderKey"]) == ("c=7", "o=7")
        assert problem(await client.post("/api/jobs", json={"jobType": "t"}), 422)["field"] == "concurrencyKey"
        wrong = {"target": COMMAND, "defaults": {"orderKey": "{"}}
        assert problem(await client.put("/api/job-types/u", json=wrong), 422)["field"] == "orderKey"

    async def test_those_in_order_wait_for_each_other(self, api: Api, client: httpx.AsyncClient) -> None:
        found = [await job(client, orderKey="a") for _ in range(3)]
        assert builders.column(api.db, "status") == ["pending", "held", "held"]
        assert {one["status"] for one in found} == {"pending"}
        body = {"target": COMMAND, "orderKey": "b", "dependsOn": [found[0]["id"]]}
        assert problem(await client.post("/api/jobs", json=body), 422)["field"] == "dependsOn"


async def test_equal_labels_are_the_same_text(api: Api, client: httpx.AsyncClient) -> None:
    for labels in (["gpu", "eu"], ["eu", "gpu", "eu"]):
        assert (await job(client, runOn=labels))["runOn"] == ["eu", "gpu"]
    assert set(builders.column(api.db, "CAST(run_on AS text)")) == {'["eu","gpu"]'}
    assert set(builders.column(api.db, "ring")) == {'["eu","gpu"]|'}
    assert (await job(client, runOn=[]))["runOn"] == []
    for labels in (["a|b"], ["a\n"], [""], ["x" * 61], [f"l{n}" for n in range(11)]):
        found = problem(await client.post("/api/jobs", json={"target": COMMAND, "runOn": labels}), 422)
        assert found["field"].startswith("runOn")


class TestSchedules:
    async def put(self, client: httpx.AsyncClient, **given: Any) -> httpx.Response:
        return await client.put("/api/schedules/s", json={"cron": "0 9 * * *", "target": COMMAND, **given})

    async def test_keys_labels_and_names_of_priorities(self, client: httpx.AsyncClient) -> None:
        given = {"concurrencyKey": "c={id}", "runOn": ["gpu"], "priority": "HIGH", "args": {"id": 1}}
        good(await self.put(client, **given))
        found = good(await client.get("/api/schedules/s"))
        assert {name: found[name] for name in given} == given
        triggered = good(await client.post("/api/schedules/s/trigger"))
        made = good(await client.get(f"/api/jobs/{triggered['id']}"))
        assert (made["concurrencyKey"], made["runOn"], made["priority"]) == ("c=1", ["gpu"], 10)

    async def test_an_order_needs_runs_that_may_overlap(self, client: httpx.AsyncClient) -> None:
        assert problem(await self.put(client, orderKey="k"), 422)["field"] == "overlap"
        good(await self.put(client, orderKey="k", overlap="allow"))
        triggered = good(await client.post("/api/schedules/s/trigger"))
        assert good(await client.get(f"/api/jobs/{triggered['id']}"))["orderKey"] == "k"

    async def test_a_key_that_the_arguments_do_not_have(self, client: httpx.AsyncClient) -> None:
        assert problem(await self.put(client, concurrencyKey="{id}"), 422)["field"] == "concurrencyKey"


class TestPausesAndKeys:
    async def test_the_keys_of_a_queue_in_pages(self, api: Api, client: httpx.AsyncClient) -> None:
        names = ["a/b", "b?", "ü"]
        builders.insert(api.db, *(builders.new_job(queue="mail", concurrency_key=key) for key in names))
        builders.insert(api.db, *(builders.new_job(queue="mail", turn_key=f"order:o{n % 2}") for n in range(4)))
        found, query = [], ""
        while True:
            page = good(await client.get(f"/api/queues/mail/keys?limit=2{query}"))
            found += [(one["kind"], one["key"], one["waiting"]) for one in page["keys"]]
            if page["nextCursor"] is None:
                break
            query = f"&cursor={page['nextCursor']}"
        assert found == [("concurrency", name, 1) for name in names] + [("order", "o0", 1), ("order", "o1", 1)]
        problem(await client.get("/api/queues/nosuch/keys"), 404)
        assert problem(await client.get("/api/queues/mail/keys?cursor=eA"), 422)["field"] == "cursor"

    async def test_a_key_is_paused_with_a_slash_in_it(self, api: Api, client: httpx.AsyncClient) -> None:
        builders.insert(api.db, builders.new_job(queue="mail", concurrency_key="a/b"))
        until = "2100-01-01T00:00:00.000Z"
        path = "/api/queues/mail/keys/a%2Fb"
        found = good(await client.post(f"{path}/pause", json={"note": "asked", "until": until}))
        assert (found["queue"], found["key"], found["paused"]) == ("mail", "a/b", True)
        assert (found["pausedBy"], found["pausedNote"], found["resumeAt"]) == ("secret", "asked", until)
        (shown,) = good(await client.get("/api/queues/mail/keys"))["keys"]
        assert (shown["paused"], shown["resumeAt"]) == (True, until)
        assert good(await client.post(f"{path}/resume"))["paused"] is False
        assert good(await client.post("/api/keys/a%2Fb/pause"))["queue"] is None
        assert good(await client.get("/api/queues/mail/keys"))["keys"][0]["paused"] is True
        good(await client.post("/api/keys/a%2Fb/resume"))
        assert good(await client.get("/api/queues/mail/keys"))["keys"][0]["paused"] is False
        problem(await client.post("/api/queues/nosuch/keys/a/pause"), 404)

    @pytest.mark.parametrize(("key", "words"), [("", "empty"), ("%E2%82%AC" * 400, "longer than 1000 bytes")])
    async def test_a_key_that_no_job_can_have_is_not_paused(
        self, client: httpx.AsyncClient, key: str, words: str
    ) -> None:
        good(await client.patch("/api/queues/mail", json={}))
        for path in (f"/api/queues/mail/keys/{key}", f"/api/keys/{key}"):
            found = problem(await client.post(f"{path}/pause"), 422)
            assert found["field"] == "key"
            assert words in found["detail"]

    async def test_a_queue_of_no_host_is_refused(self, client: httpx.AsyncClient) -> None:
        asked = {"target": COMMAND, "queue": "host:"}
        assert problem(await client.post("/api/jobs", json=asked), 422)["field"] == "queue"
        problem(await client.patch("/api/queues/host:", json={}), 422)

    async def test_a_queue_is_paused_until_some_time(self, client: httpx.AsyncClient) -> None:
        good(await client.patch("/api/queues/mail", json={}))
        until = "2100-01-01T00:00:00.000Z"
        assert good(await client.post("/api/queues/mail/pause", json={"until": until}))["resumeAt"] == until
        past = {"until": "2000-01-01T00:00:00Z"}
        assert problem(await client.post("/api/queues/mail/pause", json=past), 422)["field"] == "until"
        assert good(await client.post("/api/queues/mail/resume"))["resumeAt"] is None

    async def test_a_type_is_paused(self, api: Api, client: httpx.AsyncClient) -> None:
        good(await client.put("/api/job-types/a/b", json={"target": COMMAND}))
        good(await client.post("/api/jobs", json={"jobType": "a/b"}), 201)
        found = good(await client.post("/api/job-types/a/b/pause", json={"note": "ill"}))
        assert (found["paused"], found["pausedNote"], found["pausedBy"]) == (True, "ill", "secret")
        assert good(await client.get("/api/job-types"))["jobTypes"][0] == found
        worker = builders.register(api.db)
        assert builders.claim_ids(api.db, worker) == []
        assert good(await client.post("/api/job-types/a/b/resume"))["paused"] is False
        assert len(builders.claim_ids(api.db, worker)) == 1
        assert builders.column(api.db, "name", "rota_pauses") == []
        for action in ("pause", "resume"):
            problem(await client.post(f"/api/job-types/nosuch/{action}"), 404)

    @pytest.mark.parametrize(
        "path",
        ["/api/queues/mail/pause", "/api/queues/mail/keys/k/pause", "/api/keys/k/resume", "/api/job-types/t/pause"],
    )
    async def test_a_viewer_pauses_nothing(self, api: Api, path: str) -> None:
        problem(await api.as_role("viewer").post(path, json={}), 403)
