"""When it is told: once, again after a while, together, and not where somebody or something else says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from rota.engine.alerting import MOST_NOTICES, Book
from rota.engine.monitors import Monitors
from rota.insight.quiet import quiet_hours
from rota.settings import Settings
from rota.store import alerts, meta
from tests.engine.monitoring import System
from tests.engine.scheduling import settings_of
from tests.store import builders
from tests.support.clock import HOUR, MINUTE, SECOND, hand_clock

BACKLOG = "backlog:queue:mail"
OPENED, OVER = ("opened", "Jobs pile up in queue mail"), ("over", "Over: Jobs pile up in queue mail")
AGAIN = ("again", "Still: Jobs pile up in queue mail")


@pytest.fixture
def settings(sqlite_url: str) -> Settings:
    return settings_of(sqlite_url)


@pytest.fixture
def system(migrated: None, sqlite_url: str, settings: Settings) -> Iterator[System]:
    """On SQLite: what is proved here is decided outside of the database."""
    with hand_clock(sqlite_url) as clock:
        system = System(clock.open(), clock, settings)
        system.calm()
        yield system


def fill(system: System, queue: str = "mail") -> None:
    system.waits(queue=queue, ago=400)


def test_it_is_told_again_each_four_hours(system: System) -> None:
    system.waits(queue="mail", ago=4000)  # an error from the beginning: a warning is told again when it becomes one
    system.look(10)
    assert system.news() == [OPENED]
    for _ in range(9):
        system.clock.turn(HOUR)
        system.look(40)
    assert system.news() == [AGAIN, AGAIN]
    assert "It has been so for 5h" in system.texts()[1]
    system.say(BACKLOG, realert_us=0)
    system.clock.turn(9 * HOUR)
    system.look(40)
    assert system.news() == []
    (alert,) = system.alerts(kind="backlog")
    assert (alert.tellings, alert.closed_at) == (3, None)


def test_a_mute(system: System) -> None:
    system.mute(BACKLOG, 60)
    fill(system)
    system.look(50)
    assert system.news() == []
    assert [alert.held_by for alert in system.alerts()] == ["muted"]
    system.look(20)
    assert system.news() == [OPENED]
    system.mute(BACKLOG)
    system.empty()
    system.look(60)
    assert system.news() == []
    assert system.alerts(open=True) == []
    system.unmute(BACKLOG)
    system.look(60)
    assert system.news() == []


def test_a_mute_of_all(system: System) -> None:
    system.mute("*:*:*")
    system.mute("failing:schedule:*")
    fill(system)
    system.look(20)
    assert (system.news(), len(system.alerts())) == ([], 1)


def test_one_that_is_switched_off(system: System) -> None:
    system.say("backlog:queue:*", enabled=0)
    fill(system)
    system.look(20)
    assert system.alerts() == []
    system.say(BACKLOG, enabled=1)
    system.look(20)
    assert system.news() == [OPENED]
    system.say(BACKLOG, enabled=0)
    system.look(5)
    assert system.news() == [OVER]
    assert "the monitor was switched off" in system.texts()[-1]


def test_quiet_hours(system: System) -> None:
    """From 13:00 to 14:00 in Paris, where it is 13:00 now; what is over in them is told afterwards."""
    fill(system, "other")
    system.look(10)
    assert len(system.news()) == 1
    quiet = '{"timezone":"Europe/Paris","from":"13:00","to":"14:00","days":["FRI"]}'
    system.say("backlog:queue:*", quiet_hours=quiet)
    fill(system)
    system.look(40)
    assert system.news() == []
    builders.execute(system.db, "UPDATE rota_jobs SET status = 'cancelled' WHERE queue = 'other'")
    system.look(40)
    assert [alert.held_by for alert in system.alerts(open=True)] == ["quiet hours"]
    system.clock.turn(HOUR)
    system.look(40)
    assert sorted(system.news()) == [OPENED, ("over", "Over: Jobs pile up in queue other")]


def test_a_grace(system: System) -> None:
    system.say(BACKLOG, grace_us=3 * MINUTE)  # the oldest waits for 400 s, 100 s longer than it may
    fill(system)
    system.look(75)
    assert system.alerts() == []
    system.look(10)
    assert system.news() == [OPENED]


def test_one_that_depends_on_another(system: System) -> None:
    system.say(BACKLOG, depends_on='["backlog:queue:other"]')
    fill(system)
    fill(system, "other")
    system.look(40)
    assert system.news() == [("opened", "Jobs pile up in queue other")]
    assert "It explains 1 more" in system.texts()[0]
    builders.execute(system.db, "UPDATE rota_jobs SET status = 'cancelled' WHERE queue = 'other'")
    system.look(60)
    assert sorted(system.news()) == [OPENED, ("over", "Over: Jobs pile up in queue other")]


def test_two_that_depend_on_each_other(system: System) -> None:
    system.say(BACKLOG, depends_on='["backlog:queue:other"]')
    system.say("backlog:queue:other", depends_on=f'["{BACKLOG}"]')
    fill(system)
    fill(system, "other")
    system.look(60)
    assert len(system.news()) == 1


def test_many_at_once_are_one_notice(system: System) -> None:
    for number in range(30):
        system.schedule(f"s{number:02}", next_at=system.clock.now)
    system.accounts = False
    system.look(60)
    assert system.news() == [("opened", "30 schedules are late")]
    (text,) = system.texts()
    assert text.count("\n") == 10 and text.endswith("… and 20 more.")
    system.accounts = True
    for number in range(30):
        system.schedule(f"s{number:02}")
    system.look(60)
    assert system.news() == [("over", "Over: 30 schedules are late")]
    assert len(system.alerts(kind="late")) == 30


def test_what_comes_one_after_the_other_is_collected(system: System) -> None:
    for number in range(24):
        fill(system, f"q{number:02}")
        system.look(5)
    told = len(system.news())
    assert 2 <= told <= 120 // 30 + 1
    system.look(60)
    ids = [row[0] for row in system.db.read(lambda tx: tx.rows("SELECT alert_ids FROM rota_notices"))]
    assert sum(text.count("-") for text in map(str, ids)) == 24 * 4  # each alert is in one notice


def test_a_storm_is_bounded(system: System) -> None:
    """After twenty notices in ten minutes, what is found besides is told together once there is room."""
    book = Book(since=system.clock.now - HOUR, sent=[system.clock.now - MINUTE] * MOST_NOTICES)
    system.db.run(lambda tx: meta.put(tx, alerts.MEMORY, msgspec.json.encode(book).decode()))
    fill(system)
    system.schedule()
    for _ in range(3):
        system.ran("failed")
    system.look(60)
    assert (system.news(), len(system.alerts(open=True))) == ([], 2)
    book.sent.pop()
    system.db.run(lambda tx: meta.put(tx, alerts.MEMORY, msgspec.json.encode(book).decode()))
    system.look(30)
    assert system.news() == [("opened", "2 things need a look")]


def test_one_that_comes_and_goes(system: System) -> None:
    """A moment without it is no end; each time that it comes back it must be away for longer."""
    for _ in range(5):
        fill(system)
        system.look(10)
        system.empty()
        system.look(10)
    assert system.news() == [OPENED]
    system.look(30)
    assert system.news() == [OVER]
    fill(system)
    system.look(40)
    system.empty()
    system.look(35)
    assert system.news() == [OPENED]
    system.look(20)
    assert system.news() == [OVER]
    assert len(system.alerts()) == 2


def test_two_that_look_at_once(system: System, settings: Settings) -> None:
    """Of two looks at the same time the later one counts, and nothing is told twice."""
    fill(system)
    system.clock.turn(5 * SECOND)
    others = [Monitors(system.clock.open(), settings) for _ in range(4)]
    builders.at_once(*(other.run_once for other in others))
    assert len(system.alerts()) <= 1
    system.look(10, by_both=True)
    assert system.news() == [OPENED]


def test_a_look_that_was_overtaken_stores_nothing(system: System) -> None:
    db = system.db
    system.clock.turn(5 * SECOND)
    first = db.run(lambda tx: alerts.take_turn(tx, 5 * SECOND))
    assert first is not None and db.run(lambda tx: alerts.take_turn(tx, 5 * SECOND)) is None
    system.clock.turn(5 * SECOND)
    second = db.run(lambda tx: alerts.take_turn(tx, 5 * SECOND))
    assert second is not None and second.previous == first.now
    assert db.run(lambda tx: (alerts.keep_turn(tx, first), alerts.keep_turn(tx, second))) == (False, True)
    system.clock.turn(-HOUR)  # the clock was set back: looks go on
    assert db.run(lambda tx: alerts.take_turn(tx, 5 * SECOND)) is not None


def test_when_all_was_down_what_passes_is_not_told(system: System) -> None:
    """The machine was off for a day: processes are lost, schedules overdue; a moment later all is as it should be."""
    for number in range(20):
        system.schedule(f"s{number:02}", next_at=system.clock.now + HOUR)
    system.waits(5, queue="mail")
    system.living.clear()
    system.clock.turn(24 * HOUR)
    system.accounts = False
    system.look(5)
    system.start("scheduler")
    system.start()
    for number in range(20):
        system.schedule(f"s{number:02}")
    system.empty()
    system.accounts = True
    system.look(300)
    assert (system.news(), system.alerts()) == ([], [])


def test_when_all_was_down_what_stays_is_told(system: System) -> None:
    system.schedule(next_at=system.clock.now + HOUR)
    system.living.clear()
    system.clock.turn(24 * HOUR)
    system.accounts = False
    system.start("api")
    system.look(120)
    assert system.news() == [("opened", "No scheduler lives")]


def test_what_was_open_when_all_went_down_is_over_afterwards(system: System) -> None:
    fill(system)
    system.look(10)
    assert system.news() == [OPENED]
    system.empty()
    system.living.clear()
    system.clock.turn(24 * HOUR)
    system.start("scheduler")
    system.start()
    system.look(60)
    assert system.news() == [OVER]


def test_a_memory_that_cannot_be_read(system: System) -> None:
    system.db.run(lambda tx: meta.put(tx, alerts.MEMORY, "[1]"))
    fill(system)
    system.look(60)
    assert system.news() == [OPENED]


@pytest.mark.parametrize(
    ("at", "quiet"),
    [
        ("2026-03-28T21:59", True),  # 22:59 in Paris
        ("2026-03-28T20:59", False),
        ("2026-03-29T04:59", True),  # 6:59 after the clock went forward
        ("2026-03-29T05:00", False),
        ("2026-10-24T20:00", True),  # 22:00 in summer time
        ("2026-10-25T05:59", True),  # 6:59 after it went back
        ("2026-10-25T06:00", False),
    ],
)
def test_quiet_hours_go_by_the_wall_clock(at: str, quiet: bool) -> None:
    found = quiet_hours("Europe/Paris", "22:00", "07:00")
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert found.holds(round(moment.timestamp() * 1e6)) is quiet
