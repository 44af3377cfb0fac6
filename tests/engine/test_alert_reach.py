"""Who is told of an incident: everybody whom it concerns, from its beginning to its end."""

from __future__ import annotations

import pytest

from rota.settings import Settings
from rota.store import channels, deliveries
from rota.store.database import Database, Tx
from tests.engine.monitoring import System
from tests.store import builders
from tests.support.clock import DAY, HOUR, SECOND, HandClock

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


# -- causes -----------------------------------------------------------------------------------------------------------

UNTAKEN = "No worker takes the jobs of queue mail"
LOST = "A worker was lost"


def without_worker(system: System) -> None:
    """A scheduler lives, and the only worker is lost."""
    system.start("scheduler")
    worker = system.start()
    system.look(40)
    system.kill(worker)


def test_a_cause_that_is_muted_tells_of_nothing_else(system: System) -> None:
    system.mute("lost:system:worker")
    without_worker(system)
    system.waits(3, queue="mail")
    system.look(120)
    assert heard(system, "room") == [UNTAKEN]
    system.unmute("lost:system:worker")
    system.look(60)
    assert heard(system, "room") == [UNTAKEN, LOST]


def test_a_cause_in_quiet_hours_tells_of_nothing_else(system: System) -> None:
    system.say("lost:system:*", quiet_hours='{"timezone":"Europe/Paris","from":"13:00","to":"14:00","days":["FRI"]}')
    without_worker(system)
    system.waits(3, queue="mail")
    system.look(120)
    assert heard(system, "room") == [UNTAKEN]


def test_a_named_cause_that_is_muted_tells_of_nothing_else(system: System) -> None:
    system.calm()
    system.say("backlog:queue:mail", depends_on='["backlog:queue:slow"]')
    system.mute("backlog:queue:slow")
    system.waits(queue="slow", ago=400)
    system.waits(queue="mail", ago=400)
    system.look(30)
    assert heard(system, "room") == [PILE]


def test_a_cause_is_told_as_badly_as_what_it_explains(system: System) -> None:
    """Who takes errors only is told of a lost worker when that is why jobs wait, and of the end."""
    without_worker(system)
    system.waits(3, queue="mail")
    system.look(120)
    system.start()
    system.empty()
    system.look(60)
    assert heard(system, "room") == heard(system, "pager") == [LOST, f"Over: {LOST}"]


def test_an_error_is_no_longer_explained_by_what_was_told_as_a_warning(system: System) -> None:
    """Jobs come a while after the only worker was lost: that is news for all."""
    without_worker(system)
    system.look(120)
    system.waits(3, queue="mail")
    system.look(120)
    assert (heard(system, "room"), heard(system, "pager")) == ([LOST, UNTAKEN], [UNTAKEN])


def test_a_grace_of_what_is_explained_holds_for_its_cause_too(system: System) -> None:
    system.say("no-worker:queue:mail", grace_us=300 * SECOND)
    without_worker(system)
    system.waits(3, queue="mail")
    system.look(240)
    assert (heard(system, "room"), heard(system, "pager")) == ([LOST], [])


def test_a_named_cause_is_told_again_as_an_error(system: System) -> None:
    """A person has said that nothing else is told while that is."""
    system.calm()
    system.say("no-worker:queue:gpu", depends_on='["backlog:queue:mail"]')
    system.waits(queue="mail", ago=400)
    system.look(30)
    system.waits(queue="gpu", lane="sync")
    system.look(60)
    assert (heard(system, "room"), heard(system, "pager")) == ([PILE, f"Still: {PILE}"], [f"Still: {PILE}"])
    assert "It explains 1 more" in system.texts()[-1]


def test_a_lost_worker_explains_nothing_while_another_works(system: System) -> None:
    system.calm()
    second = system.start(host="other")
    system.look(5)
    system.kill(second)
    system.look(60)
    system.waits(2, queue="gpu", lane="sync")
    system.waits(queue="slow", ago=400)
    system.look(60)
    assert heard(system, "room")[0] == LOST
    assert sorted(heard(system, "room")[1:]) == ["Jobs pile up in queue slow", "No worker takes the jobs of queue gpu"]


def test_a_lost_scheduler_explains_nothing_while_another_works(system: System) -> None:
    system.calm()
    second = system.start("scheduler", host="other")
    system.look(5)
    system.kill(second)
    system.look(60)
    system.schedule(next_at=system.clock.now)
    system.accounts = False
    system.look(80)
    assert heard(system, "room") == ["A scheduler was lost", "Schedule digest is late"]


def test_what_followed_from_a_cause_may_catch_up_for_a_moment(system: System) -> None:
    """The second time within an hour a scheduler must live for longer until that is over; a late schedule is news."""
    system.start()
    scheduler = system.start("scheduler")
    system.look(40)
    for wait in (60, 10):
        system.stop(scheduler)
        for name in ("slow", "stuck"):
            system.schedule(name, next_at=system.clock.now if wait == 10 else system.clock.now + HOUR)
        system.look(120)
        scheduler = system.start("scheduler")
        system.look(wait)
    first = ["No scheduler lives", "Over: No scheduler lives", "No scheduler lives"]
    assert heard(system, "room") == first
    system.schedule("slow", next_at=system.clock.now + HOUR)
    system.look(20)
    assert heard(system, "room") == [*first, "Schedule stuck is late"]
    system.look(20)
    assert heard(system, "room") == [*first, "Schedule stuck is late", "Over: No scheduler lives"]
