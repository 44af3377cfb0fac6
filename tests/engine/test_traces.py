"""Without OpenTelemetry set up for Rota, a caller's trace context still goes on to every kind of target."""

from __future__ import annotations

import pytest
from opentelemetry import trace

from rota import Rota, traces
from rota.actions import jobs
from rota.actions.decoding import convert
from rota.actions.specs import Caller, JobIn
from rota.traces.here import as_context
from tests.engine.scheduling import settings_of
from tests.engine.working import Shop, working
from tests.store import builders
from tests.support.target import TargetServer
from tests.support.waiting import wait_until

APP = "tests.support.traced_app:rota"
PLACE = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
PARENT = f"00-{PLACE}-01"


def enqueue(shop: Shop, **spec: object) -> str:
    caller, settings = Caller("ann", trace=PARENT), settings_of("sqlite:///unused.db")
    return shop.db.run(lambda tx: jobs.enqueue(tx, [convert(spec, JobIn)], caller, settings))[0].id


def test_what_the_caller_sent_reaches_the_target(
    shop: Shop, target_server: TargetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTA_DATABASE_URL", shop.url)  # where a function enqueues
    with working(shop, apps=[APP], executors="function,http,command"):
        call = enqueue(shop, target={"kind": "http", "url": target_server.url("/hook")})
        command = enqueue(shop, target={"kind": "command", "shell": "echo $TRACEPARENT"})
        own = shop.shell("echo $TRACEPARENT")
        wait_until(lambda: "look" in shop.types(), what="the types are declared")
        looks = [enqueue(shop, jobType="look"), shop.call("look")]
        relay = enqueue(shop, jobType="relay", args={"url": target_server.url("/again")})
        shop.wait(call)
        shop.wait(command)
        shop.wait(own)
        traced, untraced = [shop.result(job_id) for job_id in looks]
        again = shop.result(relay)
        called = target_server.wait_for(2)
    assert [one.headers["traceparent"] for one in called] == [PARENT, PARENT]
    assert shop.text(command, "stdout") == [PARENT]
    assert shop.text(own, "stdout")[0].startswith(f"00-{own.replace('-', '')}-")
    assert traced == {"span": PLACE, "current": PARENT}
    assert untraced == {"span": f"{0:032x}-{0:016x}", "current": None}  # nothing of the call before is left
    assert shop.get(again["job"]).trace == PARENT  # what a function enqueues carries on


def test_an_application_gives_its_open_span(shop: Shop) -> None:
    app = Rota(settings=shop.settings())
    with trace.use_span(trace.get_current_span(as_context(PARENT))):
        single = app.enqueue(app.command("true"))
        many = app.enqueue_many([app.command("true"), app.command("true")])
        batch = app.enqueue_batch([app.command("true")])
    without = app.enqueue(app.command("true"))
    stored = [single, *many, *batch.jobs]
    app.close()
    assert traces.current() is None
    assert [builders.get(shop.db, job.id).trace for job in stored] == [PARENT] * 4
    assert builders.get(shop.db, without.id).trace is None
