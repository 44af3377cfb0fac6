"""What happens, as server-sent events: from every process, resumed, narrowed, bounded."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from rota.api import feed as feeds
from rota.store import news, occurrences, queues, schedules, workers
from rota.store.database import Database
from tests.api.calls import COMMAND, bearer, problem, settings_of, signed
from tests.api.listening import Listener
from tests.api.live import Live
from tests.store import builders


@pytest.fixture
def live_both(db: Database, database_url: str) -> Iterator[Live]:
    """A real server on a database of either kind."""
    with Live(db, settings_of(database_url, ROTA_PORT="0")) as live:
        yield live


def enqueue(live: Live, **given: Any) -> str:
    with live.client() as client:
        answer = client.post("/api/jobs", json={"target": COMMAND, **given})
    assert answer.status_code == 201, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def test_tells_of_a_job_from_its_beginning_to_its_end(live_both: Live) -> None:
    worker = builders.register(live_both.db)
    with Listener(live_both) as listener:
        job_id = enqueue(live_both, queue="mail")
        first = listener.one("job", id=job_id, status="pending")
        (claimed,) = builders.claim(live_both.db, worker)
        listener.one("job", id=job_id, status="running", workerId=worker)
        builders.end(live_both.db, worker, claimed, result='{"ok":true}')
        last = listener.one("job", id=job_id, status="completed")
        with live_both.client() as client:
            (listed,) = client.get("/api/jobs").json()["jobs"]
        assert last.data == listed
        assert first.data.keys() == listed.keys()
        listener.one("queue", name="mail")


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_tells_of_an_end_whose_beginning_it_has_not_seen(live_both: Live, status: str) -> None:
    worker = builders.register(live_both.db)
    claimed = builders.run_one(live_both.db, worker, id=builders.new_job(id="01900000-0000-7000-8000-000000000001").id)
    with Listener(live_both) as listener:
        builders.end(live_both.db, worker, claimed, status=status)
        listener.one("job", id=claimed.call.job_id, status=status)


def test_tells_of_a_run_that_is_to_start_again(live_both: Live) -> None:
    worker = builders.register(live_both.db)
    claimed = builders.run_one(live_both.db, worker)
    with Listener(live_both) as listener:
        builders.give_back(live_both.db, worker, claimed, delay_us=builders.HOUR)
        listener.one("job", id=claimed.call.job_id, status="scheduled")


def test_tells_of_what_another_process_does(live_both: Live, database_url: str) -> None:
    code = "import rota, sys; app = rota.Rota(database_url=sys.argv[1]);print(app.enqueue('report').id)"
    with live_both.client() as client:
        assert client.put("/api/job-types/report", json={"target": COMMAND}).status_code == 200
    with Listener(live_both) as listener:
        done = subprocess.run([sys.executable, "-c", code, database_url], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        listener.one("job", id=done.stdout.strip())


def test_tells_of_schedules_queues_and_workers(live_both: Live) -> None:
    db = live_both.db
    with Listener(live_both) as listener, live_both.client() as client:
        made = client.put("/api/schedules/nightly", json={"target": COMMAND, "cron": "0 3 * * *"})
        assert made.status_code == 200, made.text
        listener.one("schedule", id="nightly")
        db.run(lambda tx: queues.change(tx, "mail", {}))
        listener.one("queue", name="mail")
        worker = builders.register(db)
        listener.one("worker", id=worker)
        seen = len(listener.told("worker", id=worker))
        db.run(lambda tx: workers.stop(tx, worker))
        listener.until(lambda: len(listener.told("worker", id=worker)) > seen)


def test_tells_of_what_a_scheduler_decided(live_both: Live) -> None:
    live_both.db.run(lambda tx: schedules.insert(tx, [builders.new_schedule("hourly", next_at=1 << 60)]))
    with Listener(live_both) as listener:
        decided = builders.occurrence(5, schedule_id="hourly")
        live_both.db.run(lambda tx: occurrences.account(tx, [decided]))
        listener.one("schedule", id="hourly")


def test_tells_of_jobs_that_are_gone_or_that_people_changed(live_both: Live) -> None:
    old = builders.insert_one(live_both.db, id="01900000-0000-7000-8000-000000000002")
    with Listener(live_both) as listener, live_both.client() as client:
        assert client.patch(f"/api/jobs/{old}", json={"priority": 7}).status_code == 200
        assert listener.one("job", id=old).data["priority"] == 7
        assert client.delete(f"/api/jobs/{old}").status_code == 204
        assert listener.one("gone", id=old).data == {"kind": "job", "id": old}


def test_leaves_long_documents_out(live_both: Live) -> None:
    with Listener(live_both) as listener:
        job_id = enqueue(live_both, args={"text": "x" * 20_000})
        short = enqueue(live_both, args={"text": "x"})
        found = listener.one("job", id=job_id).data
        assert (found["partial"], found["args"]) == (True, None)
        assert "partial" not in listener.one("job", id=short).data


def test_tells_numbers_and_status(live_both: Live) -> None:
    with Listener(live_both) as listener:
        enqueue(live_both)
        listener.until(lambda: any(event.data["jobs"]["pending"] == 1 for event in listener.told("stats")))
        with live_both.client() as client:
            numbers = client.get("/api/stats").json()
        found = listener.told("stats")[-1].data
        assert found == {**numbers, "status": "unhealthy"}  # no scheduler lives


def test_asks_to_look_anew_where_too_much_happens(live_both: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rota.api.tracker.MOST_JOBS", 5)
    with Listener(live_both) as listener:
        builders.insert(live_both.db, *(builders.new_job() for _ in range(50)))
        listener.one("resync")
        job_id = enqueue(live_both)
        listener.one("job", id=job_id)
        assert len(listener.told("job")) < 40


def test_asks_to_look_anew_where_an_operation_changed_many(live_both: Live) -> None:
    job_id = builders.insert_one(live_both.db, id="01900000-0000-7000-8000-000000000003", queue="mail")
    with Listener(live_both) as listener, live_both.client() as client:
        body = {"action": "cancel", "filter": {"queue": "mail"}}
        assert client.post("/api/jobs/actions", json=body).status_code in (200, 201, 202)
        listener.one("resync")
        listener.one("job", id=job_id, status="cancelled")


def test_resumes_where_it_was(live: Live) -> None:
    with Listener(live) as listener:
        first = enqueue(live)
        listener.one("job", id=first)
        last_id = listener.last_id
    missed = enqueue(live)
    with Listener(live, **{"Last-Event-ID": last_id}) as again:
        again.one("job", id=missed)
        assert again.told("job", id=first) == again.told("resync") == []
    with Listener(live, **{"Last-Event-ID": again.last_id}) as third:
        third.one("stats")
        assert third.told("job", id=missed) == third.told("resync") == []


def test_goes_on_from_the_event_that_a_page_was_told(live: Live) -> None:
    with live.client(Accept="text/html") as client:
        found = re.search(r'<meta name="rota-events-after" content="([\w-]+)">', client.get("/").text)
    assert found
    missed = enqueue(live)
    with Listener(live, f"/api/events?after={found[1]}") as listener:
        listener.one("job", id=missed)
        assert listener.told("resync") == []
    with Listener(live, "/api/events?after=00000000-7") as stranger:
        stranger.one("resync")
    header = {"Last-Event-ID": listener.last_id}
    with Listener(live, "/api/events?after=00000000-7", **header) as again:  # as browsers come back to an address
        again.one("stats")
        assert again.told("resync") == []


@pytest.mark.parametrize("last_id", ["00000000-1", "x", "1", "{epoch}-99999", "{epoch}-x", "{epoch}--1"])
def test_asks_to_look_anew_who_cannot_resume(live: Live, last_id: str) -> None:
    with Listener(live) as listener:
        epoch = listener.last_id.partition("-")[0]
    with Listener(live, **{"Last-Event-ID": last_id.format(epoch=epoch)}) as again:
        again.one("resync")
        job_id = enqueue(live)
        again.one("job", id=job_id)
        assert [event.name for event in again.events].index("resync") == 0


def test_narrows(live: Live) -> None:
    with Listener(live, "/api/events?kinds=job,queue") as narrow, Listener(live) as wide:
        worker = builders.register(live.db)
        job_id = enqueue(live)
        wide.one("worker", id=worker)
        wide.one("stats")
        narrow.one("job", id=job_id)
        narrow.one("queue", name="default")
        assert {event.name for event in narrow.events} == {"job", "queue"}


@pytest.mark.parametrize("kinds", ["jobs", "job,", "", "job;stats"])
def test_refuses_unknown_kinds(live: Live, kinds: str) -> None:
    with live.client() as client:
        assert problem(client.get(f"/api/events?kinds={kinds}"), 422)["field"] == "kinds"


def test_needs_a_viewer(live: Live) -> None:
    with Listener(live, **bearer(signed("viewer"))) as viewer:
        assert viewer.status == 200
    with live.client(None) as nobody:
        problem(nobody.get("/api/events"), 401)
    with live.client(signed("nobody")) as stranger:
        problem(stranger.get("/api/events"), 403)
    with live.client() as client:
        assert client.head("/api/events").status_code == 405


def test_passes_through_proxies(live: Live) -> None:
    with Listener(live) as listener:
        assert listener.headers["content-type"].startswith("text/event-stream")
        assert listener.headers["cache-control"] == "no-store, no-transform"
        assert listener.headers["x-accel-buffering"] == "no"


def test_keeps_the_connection_open_with_the_place(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "KEEP_ALIVE_S", 0.05)
    with Listener(live, "/api/events?kinds=schedule") as listener:
        first = listener.last_id
        enqueue(live)
        # What it does not want moves its place all the same.
        listener.until(lambda: listener.comments and listener.last_id != first)
        assert listener.events == []


def test_ends_in_time_so_that_its_client_shows_again_who_it_is(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "LONGEST_S", 0.2)
    monkeypatch.setattr(feeds, "KEEP_ALIVE_S", 0.1)
    Listener(live).opened().ended()


def test_ends_when_the_server_stops(live: Live) -> None:
    listener = Listener(live).opened()
    live.begin_stop()
    listener.ended()
    assert live.join(10)


def test_a_hundred_listeners_are_told_by_the_same_looks(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    look = news.look

    def counted(*given: Any) -> Any:
        looks.append(given)
        return look(*given)

    monkeypatch.setattr(news, "look", counted)
    listeners = [Listener(live) for _ in range(100)]
    for listener in listeners:
        listener.opened()
    before = len(looks)
    job_id = enqueue(live)
    for listener in listeners:
        listener.one("job", id=job_id)
    assert len(looks) - before < 50
    with live.client() as client:
        assert client.get("/live").status_code == 200
    for listener in listeners:
        listener.close()
