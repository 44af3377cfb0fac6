"""Schedules that code makes: at every start of every process, and the same ones each time."""

from __future__ import annotations

import json
import logging
import multiprocessing
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from rota import Rota
from rota.actions import schedules as actions
from rota.actions.decoding import convert
from rota.actions.specs import Caller, PauseIn, ScheduleIn
from rota.app.declaring import type_of
from rota.engine.leases import Lease
from rota.engine.registry import Registry
from rota.errors import Invalid, UnknownJobType
from rota.ids import new_id
from rota.model import ScheduleVersion, Worker
from rota.settings import load_settings
from rota.store import schedules, types, versions
from rota.store.database import Database
from tests.engine.scheduling import ANN
from tests.store.builders import at_once, get_schedule

WORKER = Worker(id=new_id(), role="worker", host="test", pid=1, version="0", state="running")
ID = UUID("cc1dface-9213-4eed-8cb2-0edba6b2159c")


def application(url: str) -> Rota:
    app = Rota(url)

    @app.job
    def digest(limit: int = 1) -> None: ...

    return app


@pytest.fixture
def app(database_url: str) -> Iterator[Rota]:
    app = application(database_url)
    yield app
    app.close()


def history(db: Database, schedule_id: str) -> list[str]:
    found: list[ScheduleVersion] = db.read(lambda tx: versions.listed(tx, schedule_id))
    return [one.action for one in reversed(found)]


def say(app: Rota, seconds: float = 60, **options: Any) -> None:
    app.schedule_periodic(id=ID, every_seconds=seconds, func=app.jobs["digest"], args=[10], **options)


class TestPeriodic:
    def test_it_is_one_schedule_however_often_it_is_said(self, app: Rota) -> None:
        for _ in range(3):
            say(app)
        found = get_schedule(app.database(), str(ID))
        assert (found.version, found.owner, found.type, json.loads(found.args)) == (1, "code", "digest", {"limit": 10})
        assert json.loads(found.rule) == {"every": "1m"}

    def test_an_interval_of_zero_switches_it_off_and_a_positive_one_on(self, app: Rota) -> None:
        say(app, 0)
        assert app.database().read(schedules.count) == 0
        say(app)
        say(app, 0)
        say(app, -1)
        assert get_schedule(app.database(), str(ID)).paused_at is not None
        say(app)
        say(app)
        assert get_schedule(app.database(), str(ID)).paused_at is None
        assert history(app.database(), str(ID)) == ["created", "paused", "resumed"]

    def test_the_pause_of_a_person_stays(self, app: Rota) -> None:
        say(app)
        app.database().run(lambda tx: actions.pause(tx, str(ID), PauseIn(note="holiday"), ANN))
        say(app, 0)
        say(app)
        found = get_schedule(app.database(), str(ID))
        assert (found.paused_by, found.paused_note) == ("ann", "holiday")

    def test_what_somebody_took_over_is_left_with_a_warning(self, app: Rota, caplog: pytest.LogCaptureFixture) -> None:
        say(app)
        spec = convert({"every": "5m", "jobType": "digest", "takeOver": True}, ScheduleIn)
        app.database().run(lambda tx: actions.put(tx, str(ID), spec, ANN, app.settings))
        with caplog.at_level(logging.WARNING):
            say(app)
            say(app, 0)
        found = get_schedule(app.database(), str(ID))
        assert (found.rule, found.owner, found.paused_at) == ('{"every":"5m"}', "api", None)
        assert caplog.text.count("belongs to the people who edit it by hand now") == 2

    def test_many_threads_of_many_applications_make_one_version(self, database_url: str) -> None:
        apps = [application(database_url) for _ in range(4)]
        apps[0].database()
        at_once(*(lambda app=app: say(app) for app in apps * 2))
        assert history(apps[0].database(), str(ID)) == ["created"]
        for app in apps:
            app.close()

    @pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
    def test_processes_that_start_together_make_one_version(self, database_url: str) -> None:
        app = application(database_url)
        app.database()
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=start, args=(database_url,)) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0, 0, 0]
        for number in range(20):
            assert history(app.database(), f"s{number}") == ["created"]
        app.close()

    @pytest.mark.parametrize(("fields", "field"), [
        ({"seconds": float("nan")}, "every_seconds"), ({"seconds": 0.5}, "every"),
        ({"jitter": "soon"}, "jitter"), ({"overlap": "never"}, "overlap"),
    ])  # fmt: skip
    def test_refuses_by_the_names_of_python(self, app: Rota, fields: dict[str, Any], field: str) -> None:
        with pytest.raises(Invalid) as caught:
            say(app, **fields)
        assert caught.value.field == field


def start(url: str) -> None:
    """What a process of the program does first."""
    app = application(url)
    app.schedule_many([{"id": f"s{n}", "func": "digest", "every_seconds": 60} for n in range(20)])
    app.close()


class TestMany:
    def test_tells_what_became_of_each(self, app: Rota) -> None:
        items: list[dict[str, Any]] = [
            {"id": "a", "func": app.jobs["digest"], "every_seconds": 60, "args": {"limit": 2}},
            {"id": "b", "func": "digest", "cron": "0 3 * * *", "tz": "Europe/Paris", "overlap": "queueAll"},
            {"id": "c", "func": app.command("true"), "rules": [{"every": 5}, {"cron": "0 9 * * *", "tz": "UTC"}]},
            {"id": "d", "func": "digest", "every_seconds": 0},
        ]
        assert app.schedule_many(items) == {"d": None, "a": "created", "b": "created", "c": "created"}
        items[0]["args"] = [3]
        assert app.schedule_many(items) == {"d": None, "a": "edited", "b": None, "c": None}
        items[1] = {"id": "b", "func": "digest", "every_seconds": -1}
        assert app.schedule_many(items) == {"d": None, "a": None, "b": "paused", "c": None}

    def test_all_or_none(self, app: Rota) -> None:
        items = [{"id": "a", "func": "digest", "every_seconds": 60}, {"id": "b", "func": "never", "every_seconds": 60}]
        with pytest.raises(UnknownJobType) as caught:
            app.schedule_many(items)
        assert caught.value.field == "schedules.1.jobType"
        assert app.database().read(schedules.count) == 0

    @pytest.mark.parametrize(("item", "field"), [
        ({"func": "digest", "every_seconds": 60}, "schedules.1.id"),
        ({"id": "b", "every_seconds": 60}, "schedules.1.func"),
        ({"id": "b", "func": "digest", "cron": "61 * * * *"}, "schedules.1.cron"),
        ({"id": "b", "func": "digest", "every": 60, "speed": 1}, "schedules.1.speed"),
        ({"id": "a", "func": "digest", "every": 60}, "schedules.1.id"),
    ])  # fmt: skip
    def test_names_the_one_that_is_wrong(self, app: Rota, item: dict[str, Any], field: str) -> None:
        with pytest.raises(Invalid) as caught:
            app.schedule_many([{"id": "a", "func": "digest", "every": "1m"}, item])
        assert caught.value.field == field


class TestLoaded:
    """What a worker writes of the application that it loads."""

    def test_a_wrong_one_keeps_no_other_from_being_written(
        self, real_db: Database, database_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings = load_settings({}, database_url=database_url, app="shop.jobs:rota")
        registry = Registry(real_db, settings, Lease(real_db, settings, WORKER, state=lambda: ("running", 0, None)))
        target = {"kind": "command", "command": ["true"]}
        documents = [
            {"id": "a", "every": "1m", "target": target}, {"id": "b", "cron": "61 * * * *", "target": target},
            {"id": "c", "every": "1m", "target": target}, {"nonsense": 1},
        ]  # fmt: skip
        taken = convert({"every": "1h", "target": target}, ScheduleIn)
        real_db.run(lambda tx: actions.put(tx, "c", taken, Caller("ann"), settings))
        with caplog.at_level(logging.WARNING):
            registry.declare([], [json.dumps(one) for one in documents])
            registry.run_once()
        found = get_schedule(real_db, "a")
        assert (found.owner, found.source) == ("code", "shop.jobs:rota")
        assert get_schedule(real_db, "c").owner == "api"
        assert real_db.read(schedules.count) == 2
        assert "minute '61'" in caplog.text and "nonsense" in caplog.text and "schedule c belongs to" in caplog.text
        registry.declare([], [json.dumps(documents[0])])
        registry.run_once()
        assert get_schedule(real_db, "a").version == 1


def test_a_declared_one_may_say_all_of_it(app: Rota) -> None:
    app.schedule(
        "all", "digest", rules=[{"every": 90}, {"cron": "0 9 * * *", "tz": "Europe/Paris"}], on_start=True,
        overlap="queueAll", pause_after=3, after_run="delete", expires_in="1h", catchup_window="6h", source="shop",
        run_on=["gpu"],
    )  # fmt: skip
    spec = json.loads(app.schedules[0])
    assert [sorted(rule.items()) for rule in spec["rules"]] == [
        [("every", "1m30s")], [("cron", "0 9 * * *"), ("timezone", "Europe/Paris")],
    ]  # fmt: skip
    app.database().run(lambda tx: types.put(tx, [type_of(app.jobs["digest"])]))
    decoded = convert(spec, ScheduleIn)
    assert decoded.run_on == ["gpu"]
    app.database().run(lambda tx: actions.put(tx, "all", decoded, Caller("code"), app.settings))
    found = get_schedule(app.database(), "all")
    assert (found.overlap, found.pause_after, found.after_run, found.source) == ("queueAll", 3, "delete", "shop")
