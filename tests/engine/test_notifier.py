"""Notices reach every channel once and in order, whatever the channels do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rota.engine.delivering import GIVE_UP_US, LEASE_US, MOST_A_MINUTE, POISON, Round
from rota.engine.notifier import Notifier
from rota.ids import new_id
from rota.model import Notice
from rota.notify.courier import Courier
from rota.notify.message import message_of
from rota.settings.notify_url import channels_of
from rota.store import channels, deliveries, notices
from rota.store.channels import GONE_US
from rota.store.database import Database, Tx
from rota.store.notices import Which
from tests.engine.scheduling import settings_of
from tests.support.clock import HOUR, MINUTE, SECOND, HandClock
from tests.support.target import Answer, TargetServer
from tests.support.waiting import wait_until

SECRET = "hook-secret-0123456789"


@pytest.fixture(scope="module")
def courier() -> Iterator[Courier]:
    """What sends, for all tests here: it takes a while to start."""
    found = Courier("rota")
    assert found.send(channels_of(["json://127.0.0.1:1"])[0], None).ok
    yield found
    found.close()


Make = Callable[..., Notifier]


@pytest.fixture
def make(db: Database, database_url: str, courier: Courier, target_server: TargetServer) -> Make:
    """Make a notifier that turns by hand, as a process has it; its channels are paths of the target server."""

    def make(*paths: str, tail: str = "", anew: bool = False) -> Notifier:
        urls = [f"json://127.0.0.1:{target_server.port}{path}{tail}" for path in paths]
        settings = settings_of(database_url, notify_urls=" ".join(urls), public_url="https://rota.example.org/r/")
        notifier = Notifier(db, settings, new_courier=None if anew else lambda: courier)
        db.run(lambda tx: channels.announce(tx, [(c.name, c.kind, c.least) for c in settings.channels], tx.now()))
        return notifier

    return make


def tell(db: Database, title: str, severity: Any = "error", kind: Any = "opened") -> str:
    one = Notice(new_id(), kind, severity, title, "It should have run at 9.", "/schedules/digest")
    db.run(lambda tx: notices.add(tx, one))
    db.run(lambda tx: deliveries.spread(tx, tx.now()))
    return one.id


def tell_test(db: Database) -> str:
    one = Notice(new_id(), "test", "warning", "A test", "Sent by ann.", "/monitors")

    def add(tx: Tx) -> None:
        notices.add(tx, one)
        deliveries.add_test(tx, one.id, ["webhook #1"], tx.now())

    db.run(add)
    return one.id


def titles(server: TargetServer, path: str) -> list[str]:
    return [request.json()["title"] for request in server.requests_to(path)]


def state(db: Database, name: str = "webhook #1") -> channels.ChannelState:
    return next(one for one in db.read(lambda tx: channels.listed(tx, tx.now())) if one.name == name)


def of(db: Database, notice_id: str) -> list[tuple[Any, ...]]:
    found = db.read(lambda tx: notices.deliveries(tx, notice_id))
    return [(one["channel"], one["state"], one["folded"], one["attempts"]) for one in found]


def test_each_channel_is_told_once_and_in_order(db: Database, make: Make, target_server: TargetServer) -> None:
    notifier = make("/a", "/b")
    first, _ = tell(db, "First"), tell(db, "Second", "warning")
    for name in ("webhook #1", "webhook #2", "webhook #1"):
        notifier.deliver(name)
    assert titles(target_server, "/a") == titles(target_server, "/b") == ["First", "Second"]
    sent = [request.json() for request in target_server.requests_to("/a")]
    assert [one["type"] for one in sent] == ["failure", "warning"]
    assert sent[0]["message"] == "It should have run at 9.\nhttps://rota.example.org/r/schedules/digest"
    assert of(db, first) == [("webhook #1", "sent", 0, 1), ("webhook #2", "sent", 0, 1)]
    assert state(db).sent_at is not None


def test_a_channel_for_errors_gets_no_warnings(db: Database, make: Make, target_server: TargetServer) -> None:
    notifier = make("/a", tail="?rota_min=error")
    tell(db, "Small", "warning"), tell(db, "Big")
    notifier.deliver("webhook #1")
    assert titles(target_server, "/a") == ["Big"]


def test_what_fails_is_sent_again_later_and_before_what_came_after_it(
    db: Database, clock: HandClock, make: Make, target_server: TargetServer
) -> None:
    target_server.answer(f"/{SECRET}", Answer(500), Answer(429), Answer(drop=True), Answer())
    notifier = make(f"/{SECRET}")
    tell(db, "First"), tell(db, "Second")
    for failures in (1, 2, 3):
        notifier.deliver("webhook #1")
        notifier.deliver("webhook #1")  # too early: nothing happens
        found = state(db)
        assert (found.failures, found.failing_since) == (failures, found.failing_since)
        assert found.error is not None and SECRET not in found.error
        clock.turn(MINUTE)
    assert "error=500" not in (state(db).error or "")
    notifier.deliver("webhook #1")
    assert titles(target_server, f"/{SECRET}") == ["First"] * 4 + ["Second"]
    assert (state(db).failures, state(db).failing_since, state(db).error) == (0, None, None)


def test_after_hours_a_notice_is_given_up(
    db: Database, clock: HandClock, make: Make, target_server: TargetServer
) -> None:
    target_server.answer("/a", Answer(500), Answer())
    notifier = make("/a")
    lost = tell(db, "Lost")
    clock.turn(GIVE_UP_US + SECOND)
    make("/a")
    notifier.deliver("webhook #1")
    assert of(db, lost) == [("webhook #1", "failed", 0, 1)]


def test_a_message_that_is_always_refused_does_not_stop_the_others(
    db: Database, clock: HandClock, make: Make, target_server: TargetServer
) -> None:
    target_server.answer("/a", lambda request: Answer(400 if request.json()["title"] == "Bad" else 200))
    notifier = make("/a")
    bad = tell(db, "Bad")
    tell(db, "Good")
    for _ in range(POISON):
        notifier.deliver("webhook #1")
        clock.turn(5 * MINUTE // 2)
        make("/a")
    assert titles(target_server, "/a") == ["Bad"] * POISON + ["Good", "Bad"]
    assert of(db, bad) == [("webhook #1", "failed", 0, POISON)]


def test_a_message_is_not_given_up_since_the_channel_came_back_after_it(
    db: Database, clock: HandClock, make: Make, target_server: TargetServer
) -> None:
    target_server.answer("/a", *[Answer(500)] * POISON, Answer())
    notifier = make("/a")
    first, second = tell(db, "First"), tell(db, "Second")
    for _ in range(POISON):
        notifier.deliver("webhook #1")
        clock.turn(5 * MINUTE // 2)
        make("/a")
    assert titles(target_server, "/a") == ["First"] * POISON + ["Second", "First"]
    assert [of(db, one)[0][1] for one in (first, second)] == ["sent", "sent"]


def test_a_storm_is_folded_into_one_summary(
    db: Database, clock: HandClock, make: Make, target_server: TargetServer
) -> None:
    notifier = make("/a")
    ids = [tell(db, f"Notice {number}") for number in range(60)]
    notifier.deliver("webhook #1")
    sent = titles(target_server, "/a")
    assert len(sent) == MOST_A_MINUTE
    assert sent[-1] == f"{61 - MOST_A_MINUTE} notices in one ({61 - MOST_A_MINUTE} with errors)"
    summary = target_server.requests_to("/a")[-1].json()["message"]
    assert summary.startswith("- Notice 9\n") and "… and 31 more" in summary
    assert of(db, ids[-1]) == [("webhook #1", "sent", 1, 1)]
    tell(db, "Later")
    notifier.deliver("webhook #1")
    assert len(titles(target_server, "/a")) == MOST_A_MINUTE
    clock.turn(MINUTE + SECOND)
    notifier.deliver("webhook #1")
    assert titles(target_server, "/a")[-1] == "Later"


def test_a_clock_set_back_silences_no_channel_that_pauses(
    db: Database, clock: HandClock, make: Make, target_server: TargetServer
) -> None:
    target_server.answer("/a", Answer(500), Answer())
    notifier = make("/a")
    tell(db, "First")
    notifier.deliver("webhook #1")
    assert db.read(lambda tx: channels.due(tx, ["webhook #1"], tx.now())) == []
    clock.turn(-3 * HOUR)
    assert db.read(lambda tx: channels.due(tx, ["webhook #1"], tx.now())) == ["webhook #1"]
    notifier.deliver("webhook #1")
    assert titles(target_server, "/a") == ["First", "First"]


def test_a_clock_set_back_frees_a_channel_whose_sender_died(db: Database, clock: HandClock, make: Make) -> None:
    make("/a")
    tell(db, "First")
    assert db.run(lambda tx: channels.take(tx, "webhook #1", "another", tx.now(), LEASE_US))
    assert db.read(lambda tx: channels.due(tx, ["webhook #1"], tx.now())) == []
    clock.turn(-3 * HOUR)
    assert db.read(lambda tx: channels.due(tx, ["webhook #1"], tx.now())) == ["webhook #1"]
    assert db.run(lambda tx: channels.take(tx, "webhook #1", "a third", tx.now(), LEASE_US))


def test_what_was_sent_before_the_clock_was_set_back_is_not_of_the_last_minute(
    db: Database, clock: HandClock, make: Make, target_server: TargetServer
) -> None:
    notifier = make("/a")
    for number in range(MOST_A_MINUTE):
        tell(db, f"Notice {number}")
        notifier.deliver("webhook #1")
        clock.turn(10 * SECOND)
    clock.turn(-3 * HOUR)
    tell(db, "Later"), tell(db, "Last")
    notifier.deliver("webhook #1")
    assert titles(target_server, "/a")[MOST_A_MINUTE:] == ["Later", "Last"]


def test_a_test_goes_first_once_and_not_again(
    db: Database, clock: HandClock, make: Make, target_server: TargetServer
) -> None:
    target_server.answer("/a", Answer(500), Answer(500), Answer())
    notifier = make("/a")
    tell(db, "First")
    notifier.deliver("webhook #1")
    ids = []
    for _ in range(2):
        ids.append(tell_test(db))
        notifier.deliver("webhook #1")
    assert [of(db, one) for one in ids] == [[("webhook #1", "failed", 0, 1)], [("webhook #1", "sent", 0, 1)]]
    assert titles(target_server, "/a") == ["First", "A test", "A test", "First"]


def test_two_processes_send_once(db: Database, make: Make, target_server: TargetServer) -> None:
    target_server.answer("/a", Answer(delay=0.2))
    one, other = make("/a", anew=True), make("/a", anew=True)
    tell(db, "First"), tell(db, "Second")
    threads = [threading.Thread(target=each.deliver, args=("webhook #1",)) for each in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert titles(target_server, "/a") == ["First", "Second"]
    for each in (one, other):
        each.stop()


def test_one_that_dies_before_it_wrote_it_down_is_repeated_once(
    db: Database, clock: HandClock, make: Make, courier: Courier, target_server: TargetServer
) -> None:
    notifier = make("/a")
    tell(db, "First")
    (channel,) = channels_of([f"json://127.0.0.1:{target_server.port}/a"])
    dying = Round(db, channel, courier, "another", None)
    plan = db.run(dying._plan)  # noqa: SLF001 - as far as a process comes that is killed while it sends
    assert plan is not None and courier.send(channel, plan.message).ok
    notifier.deliver("webhook #1")
    assert titles(target_server, "/a") == ["First"]
    clock.turn(LEASE_US)
    assert db.read(lambda tx: channels.due(tx, ["webhook #1"], tx.now())) == ["webhook #1"]
    notifier.deliver("webhook #1")
    notifier.deliver("webhook #1")
    assert titles(target_server, "/a") == ["First", "First"]


def test_a_channel_that_hangs_holds_up_neither_the_others_nor_the_end(
    db: Database, make: Make, target_server: TargetServer
) -> None:
    target_server.answer("/a", Answer(hang=True))
    notifier = make("/a", "/b", anew=True)
    hanging = tell(db, "First")
    notifier.start()
    target_server.wait_for(1, "/b", timeout=60)
    target_server.wait_for(1, "/a", timeout=60)
    assert notifier.stop()
    assert of(db, hanging)[0] == ("webhook #1", "pending", 0, 0)
    assert state(db).failures == 0  # that it was cut short says nothing about the channel
    assert db.read(lambda tx: channels.due(tx, ["webhook #1"], tx.now())) == ["webhook #1"]


def test_a_message_that_takes_too_long_has_failed(target_server: TargetServer) -> None:
    target_server.answer("/a", Answer(hang=True))
    (channel,) = channels_of([f"json://127.0.0.1:{target_server.port}/a"])
    one = Courier("rota")
    assert one.send(channel, None).ok
    notice = Notice(new_id(), "test", "warning", "A test", "", "/")
    done = one.send(channel, message_of(notice, None), timeout_s=0.3)
    assert done.error == "it did not answer within 0.3 s"
    one.close()


def test_an_address_that_nobody_understands_is_told_at_the_start(db: Database, database_url: str) -> None:
    notifier = Notifier(db, settings_of(database_url, notify_urls=f"nosuch://{SECRET}"))
    notifier.run_once()
    wait_until(lambda: state(db, "nosuch #1").error, what="the check")
    found = state(db, "nosuch #1")
    assert found.error == "Apprise does not know such an address"
    assert found.failing_since is not None
    notifier.stop()


def test_what_waits_for_a_channel_that_is_gone_is_dropped(db: Database, clock: HandClock, make: Make) -> None:
    make("/a", "/b")
    waiting = tell(db, "First")
    clock.turn(GONE_US)
    make("/a")
    assert db.run(lambda tx: channels.drop_gone(tx, tx.now())) == [("webhook #2", 1)]
    assert [one[:2] for one in of(db, waiting)] == [("webhook #1", "pending"), ("webhook #2", "dropped")]
    assert [one.name for one in db.read(lambda tx: channels.listed(tx, tx.now()))] == ["webhook #1"]


def test_a_notice_that_is_old_when_the_first_channel_comes_is_not_sent(
    db: Database, clock: HandClock, make: Make
) -> None:
    one = Notice(new_id(), "opened", "error", "Old", "", "/")
    db.run(lambda tx: notices.add(tx, one))
    clock.turn(2 * HOUR)
    make("/a")
    assert db.run(lambda tx: deliveries.spread(tx, tx.now())) == 1
    assert of(db, one.id) == []


def test_the_history_can_be_searched_and_ends(db: Database, make: Make) -> None:
    notifier = make("/a")
    first = tell(db, "First")
    notifier.deliver("webhook #1")
    tell(db, "Second", "warning")

    def found(**given: Any) -> list[str]:
        which = Which(**given)
        rows = db.read(lambda tx: notices.listed(tx, which, limit=10))
        assert db.read(lambda tx: notices.count(tx, which)) == len(rows)
        return [row["title"] for row in rows]

    assert found() == ["Second", "First"]
    assert found(state="sent") == ["First"]
    assert found(channel="webhook #1", severity="warning", kind="opened") == ["Second"]
    assert found(until=0) == found(channel="other") == []
    assert db.run(lambda tx: notices.forget(tx, before=2**52, limit=1)) == 1
    assert found() == ["Second"] and of(db, first) == []
