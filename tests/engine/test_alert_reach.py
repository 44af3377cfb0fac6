"""Who is told of an incident: everybody whom it concerns, from its beginning to its end."""

from __future__ import annotations

import pytest

from rota.settings import Settings
from rota.store import channels, deliveries
from rota.store.database import Database, Tx
from tests.engine.monitoring import System
from tests.store import builders
from tests.support.clock import DAY, SECOND, HandClock

HEARD = """
SELECT n.title FROM rota_deliveries d JOIN rota_notices n ON n.id = d.notice_id WHERE d.channel = :channel
ORDER BY n.created_at, n.id
"""


@pytest.fixture
def system(db: Database, clock: HandClock, settings: Settings) -> System:
    return System(db, clock, settings)


def heard(system: System, channel: str) -> list[str]:
    """The titles of what goes to a channel: the room takes all, the pager errors only."""

    def spread(tx: Tx) -> None:
        channels.announce(tx, [("pager", "pagerduty", "error"), ("room", "slack", "warning")], tx.now())
        deliveries.spread(tx, tx.now())

    system.db.run(spread)
    return [row[0] for row in system.db.read(lambda tx: tx.rows(HEARD, {"channel": channel}))]


# -- what has passed before it is told --------------------------------------------------------------------------------

WORKER = [("opened", "A worker was lost"), ("over", "Over: A worker was lost")]
SCHEDULER = [("opened", "A scheduler was lost"), ("over", "Over: A scheduler was lost")]


def test_two_processes_are_lost_shortly_after_each_other_and_replaced(system: System) -> None:
    """The second is found while further losses are collected, and has passed when that is over."""
    worker, scheduler = system.start(), system.start("scheduler")
    system.look(40)
    system.kill(worker)
    system.look(10)
    system.kill(scheduler)
    system.look(5)
    system.start()
    system.start("scheduler")
    system.look(300, by_both=True)
    assert sorted(system.news()) == sorted([*WORKER, *SCHEDULER])
    assert [(alert.tellings, alert.closed_at is not None) for alert in system.alerts()] == [(1, True)] * 2


def test_two_workers_are_lost_shortly_after_each_other_and_replaced(system: System) -> None:
    """The second has given its last sign of life before it was known that the first is lost."""
    system.calm()
    first, second = system.start(host="one"), system.start(host="two")
    system.look(5)
    system.kill(first)
    system.look(10)
    system.kill(second)
    system.look(5)
    system.start()
    system.start()
    system.look(300, by_both=True)
    assert system.news() == WORKER * 2
    assert [text.split(" was lost")[0] for text in system.texts()[::2]] == ["The worker on one", "The worker on two"]
    system.look(600)
    assert system.news() == []


def test_a_loss_that_passed_in_a_mute_is_not_told_afterwards(system: System) -> None:
    system.calm()
    worker = system.start()
    system.look(5)
    system.mute("lost:system:worker", 120)
    system.kill(worker)
    system.look(10)
    system.start()
    system.look(300)
    assert (system.news(), system.alerts(open=True)) == ([], [])


# -- what becomes worse, or better ------------------------------------------------------------------------------------

PILE = "Jobs pile up in queue mail"


def test_what_becomes_an_error_is_told_again_at_once(system: System) -> None:
    system.calm()
    system.waits(5, queue="mail", ago=310)
    system.look(60)
    assert (heard(system, "room"), heard(system, "pager")) == ([PILE], [])
    system.look(3300)
    assert (heard(system, "room"), heard(system, "pager")) == ([PILE, f"Still: {PILE}"], [f"Still: {PILE}"])
    assert system.texts()[-1].endswith("\nWhat was told as a warning is an error now.")
    system.look(300)
    system.empty()
    system.look(60)
    assert heard(system, "room") == [PILE, f"Still: {PILE}", f"Over: {PILE}"]
    assert heard(system, "pager") == [f"Still: {PILE}", f"Over: {PILE}"]


def test_what_became_an_error_in_a_mute_ends_for_those_who_were_told(system: System) -> None:
    system.calm()
    system.waits(5, queue="mail", ago=3500)
    system.look(60)
    system.mute("backlog:queue:mail", 300)
    system.look(240)
    system.empty()
    system.look(20)
    system.unmute("backlog:queue:mail")
    system.look(60)
    assert (heard(system, "room"), heard(system, "pager")) == ([PILE, f"Over: {PILE}"], [])


def test_what_was_an_error_is_over_for_those_who_were_told(system: System) -> None:
    """Late is an error while nobody has decided, and a warning while its run waits."""
    system.calm()
    due = system.clock.now - 60 * SECOND
    system.schedule(next_at=due, runs=3)
    system.ran("completed", ago=3600)
    system.look(10)
    builders.execute(system.db, f"UPDATE rota_schedules SET next_at = {system.clock.now + DAY}")
    system.waits(origin="schedule", schedule_id="digest", scheduled_for=due, ago=70)
    system.look(10)
    assert [alert.severity for alert in system.alerts(open=True)] == ["warning"]
    system.empty()
    system.look(60)
    assert heard(system, "pager") == ["Schedule digest is late", "Over: Schedule digest is late"]


def test_a_warning_that_was_told_with_an_error_is_over_for_those_who_were_told(system: System) -> None:
    system.calm()
    system.waits(queue="slow", ago=3700)
    system.waits(queue="mail", ago=310)
    system.look(5)
    builders.execute(system.db, "UPDATE rota_jobs SET status = 'cancelled' WHERE queue = 'mail'")
    system.look(60)
    assert heard(system, "pager") == ["Jobs pile up in 2 queues", f"Over: {PILE}"]
