"""A target that answers ``Retry-After`` slows its queue: HTTP jobs wait, others go on."""

from __future__ import annotations

from rota.model import Queue
from rota.store import queues
from tests.engine.working import Shop, working
from tests.store import builders
from tests.support.target import Answer, TargetServer


def queue(shop: Shop, name: str) -> Queue:
    found = shop.db.read(lambda tx: queues.get(tx, name))
    assert found is not None
    return found


def test_a_second_call_waits_until_the_pause_ends_and_a_command_does_not(
    shop: Shop, target_server: TargetServer
) -> None:
    target_server.answer("/busy", Answer(429, headers={"Retry-After": "300"}))
    with working(shop):
        busy = shop.enqueue({"kind": "http", "url": target_server.url("/busy")}, queue="mail", maxAttempts=1)
        shop.wait(busy, "failed")
        slowed = queue(shop, "mail")
        assert slowed.slowed_by == f"{target_server.url('/busy')} answered 429"
        call = shop.enqueue({"kind": "http", "url": target_server.url("/ok")}, queue="mail")
        command = shop.shell("true", queue="mail")
        assert (shop.wait(command).started_at or 0) < (slowed.slowed_until or 0)
        assert shop.get(call).status == "pending"
        end = shop.db.read(lambda tx: tx.now()) + builders.SECOND
        builders.execute(shop.db, f"UPDATE rota_queues SET slowed_until = {end} WHERE name = 'mail'")
        assert (shop.wait(call).started_at or 0) >= end
        elsewhere = shop.enqueue({"kind": "http", "url": target_server.url("/ok")}, queue="other")
        shop.wait(elsewhere)
        assert queue(shop, "other").slowed_until is None
