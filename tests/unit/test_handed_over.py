"""Targets of RQ and Celery, what their results and tracebacks mean, and who takes such jobs."""

from __future__ import annotations

import datetime as dt
import json
import pickle
import subprocess
import sys
import uuid
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from rota import CeleryJob, Rota, RqJob
from rota.actions import building, present, targets
from rota.actions.specs import JobDefaults
from rota.engine import loading
from rota.errors import Invalid, SettingInvalid
from rota.executors import handoff_plain
from rota.executors.handoff_broker import show, without_secrets
from rota.executors.handoff_error import error_of
from rota.executors.handoff_plain import NotPlainError, PlainPickle
from rota.settings import Settings, load_settings

RQ: dict[str, Any] = {"kind": "rq", "function": "reports.daily.build"}
CELERY: dict[str, Any] = {"kind": "celery", "task": "reports.build"}
SECRET = "redis://me:hidden-word@redis:6379/0"
SET = {
    "ROTA_RQ_URL": SECRET,
    "ROTA_CELERY_BROKER_URL": SECRET,
    "ROTA_CELERY_BACKEND_URL": SECRET,
    "ROTA_REDIS_URLS": f"billing={SECRET}",
}


@pytest.fixture
def settings() -> Settings:
    return load_settings(SET)


def raw(target: dict[str, Any]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(target))


@pytest.mark.parametrize(
    "target",
    [
        RQ,
        RQ | {"queue": "a:b", "connection": "billing", "serializer": "json", "resultTtl": "10s", "wait": "accepted"},
        RQ | {"url": "rediss://redis:6380/1", "description": "nightly", "timeout": "5m"},
        CELERY,
        CELERY | {"queue": "mail", "connection": "billing", "serializer": "json", "wait": "finished"},
        CELERY | {"brokerUrl": "redis://a/0", "backendUrl": "unix:///run/redis.sock?db=1"},
    ],
)
def test_targets_that_are_taken(target: dict[str, Any], settings: Settings) -> None:
    assert targets.check_target(raw(target), settings).lane == target["kind"]


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ({"kind": "rq"}, "target.function"),
        (RQ | {"function": "build"}, "target.function"),
        (RQ | {"function": "a:b"}, "target.function"),
        (RQ | {"task": "x"}, "target.task"),
        (RQ | {"url": "http://redis"}, "target.url"),
        (RQ | {"url": "redis://***@redis/0"}, "target.url"),
        (RQ | {"url": "redis://redis/0", "connection": "billing"}, "target.connection"),
        (RQ | {"connection": "nobody"}, "target.connection"),
        (RQ | {"queue": "a b"}, "target.queue"),
        (RQ | {"serializer": "yaml"}, "target.serializer"),
        (RQ | {"resultTtl": "1s"}, "target.resultTtl"),
        (RQ | {"description": "two\nlines"}, "target.description"),
        (RQ | {"wait": "never"}, "target.wait"),
        ({"kind": "celery"}, "target.task"),
        (CELERY | {"function": "x"}, "target.function"),
        (CELERY | {"brokerUrl": "amqp://rabbit"}, "target.brokerUrl"),
        (CELERY | {"connection": "billing", "backendUrl": "redis://a/0"}, "target.connection"),
        (CELERY | {"serializer": "pickle"}, "target.serializer"),
    ],
)
def test_mistakes_are_named(target: dict[str, Any], field: str, settings: Settings) -> None:
    with pytest.raises(Invalid) as caught:
        targets.check_target(raw(target), settings)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("target", "setting"),
    [
        (RQ, "ROTA_RQ_URL"),
        (CELERY, "ROTA_CELERY_BROKER_URL"),
        (CELERY | {"brokerUrl": "redis://a/0"}, "ROTA_CELERY_BACKEND_URL"),
        (RQ | {"connection": "mail"}, "ROTA_REDIS_URLS"),
    ],
)
def test_without_an_address_the_setting_is_named(target: dict[str, Any], setting: str) -> None:
    with pytest.raises(Invalid) as caught:
        targets.check_target(raw(target), load_settings({}))
    assert setting in str(caught.value)


def test_passwords_are_never_shown_and_come_back_where_they_went_before() -> None:
    known = json.dumps(RQ | {"url": SECRET})
    shown = present.target(known)
    assert shown["url"] == "redis://***@redis:6379/0"
    assert json.loads(bytes(targets.with_secrets_of(known, raw(shown | {"queue": "other"}))))["url"] == SECRET
    elsewhere = targets.with_secrets_of(known, raw(shown | {"url": "redis://***@elsewhere:6379/0"}))
    with pytest.raises(Invalid, match="in place of a secret"):
        targets.check_target(elsewhere, load_settings({}))
    assert "hidden-word" in load_settings(SET).secrets
    assert "hidden" not in show(SECRET) + without_secrets(f"bad {SECRET}: hidden-word", SECRET)


def test_arguments_are_an_object_or_a_list(settings: Settings) -> None:
    def build(args: str) -> str:
        given = JobDefaults()
        found = building.build(
            "1", type_name=None, target=raw(RQ), args=args, job_type=None, given=given, settings=settings
        )
        return found.args

    assert [build("[1]"), build(' {"a": 1}')] == ["[1]", ' {"a": 1}']
    with pytest.raises(Invalid, match="by name or in order"):
        build("7")


def test_from_python() -> None:
    rota = Rota()
    work = rota.rq("reports.daily.build", queue="q", result_ttl="2h", timeout=90)
    assert work.document() == RQ | {"queue": "q", "resultTtl": "2h", "timeout": "1m30s"}
    assert rota.celery("reports.build", broker_url="redis://a/0").document() == CELERY | {"brokerUrl": "redis://a/0"}
    with pytest.raises(Invalid) as caught:
        RqJob(function="build")
    assert caught.value.field == "function"
    with pytest.raises(Invalid):
        CeleryJob(task="")


class Evil:
    def __reduce__(self) -> Any:
        return print, ("this must not run",)


def test_results_are_read_as_plain_data_only(capsys: pytest.CaptureFixture[str]) -> None:
    now = dt.datetime(2026, 11, 21, 9, tzinfo=dt.UTC)
    plain = {"a": [1, None, 2.5, "é"], "t": (now, now.date()), "d": Decimal("1.5"), "u": uuid.UUID(int=7), "s": {1}}
    for protocol in range(3, pickle.HIGHEST_PROTOCOL + 1):
        assert PlainPickle.loads(pickle.dumps(plain, protocol)) == plain
    for thing in (Evil(), len, subprocess.run):
        with pytest.raises(NotPlainError):
            PlainPickle.loads(pickle.dumps(thing))
    assert capsys.readouterr().out == ""
    outcome, note = handoff_plain.judge(plain, max_bytes=1 << 20, max_depth=64)
    assert note is None and json.loads(outcome.result or "")["t"] == ["2026-11-21T09:00:00Z", "2026-11-21"]
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    outcome, note = handoff_plain.judge(deep, max_bytes=1 << 20, max_depth=64)
    assert (outcome.kind, outcome.result) == ("completed", "null") and note


@pytest.mark.parametrize(
    ("trace", "error", "code", "type_"),
    [
        ("Traceback …\n  File x\nValueError: no\nluck\n", "ValueError: no luck", "exception", "ValueError"),
        ("Traceback …\n  File x\nshop.errors.SoldOut\n", "SoldOut", "exception", "shop.errors.SoldOut"),
        ("T\n  x\nrq.timeouts.JobTimeoutException: late", "JobTimeoutException: late", "timeout", None),
        ("Work-horse terminated unexpectedly; ", "Work-horse terminated unexpectedly;", "remote", None),
        ("T\n  x\n??? no name", "??? no name", "remote", None),
        ("", "", "remote", None),
    ],
)
def test_a_traceback_has_one_line_and_a_type(trace: str, error: str, code: str, type_: str | None) -> None:
    outcome = error_of(trace)
    assert outcome.detail is not None
    assert (outcome.error, outcome.detail.code) == (error, code)
    assert type_ is None or outcome.detail.type == type_


def test_a_worker_without_the_library_leaves_such_jobs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = {lane for executor in loading.load_executors(load_settings({}), ()) for lane in executor.lanes}
    assert lanes >= {"rq", "celery"}
    monkeypatch.setattr(loading, "LIBRARIES", {"rq": ("no_such_library",), "celery": ("no_such_library",)})
    lanes = {lane for executor in loading.load_executors(load_settings({}), ()) for lane in executor.lanes}
    assert lanes == {"http", "command"}
    with pytest.raises(SettingInvalid, match=r"pip install 'rota\[rq\]'"):
        loading.load_executors(load_settings({"ROTA_EXECUTORS": "http,rq"}), ())


def test_libraries_are_loaded_with_the_first_job_only() -> None:
    code = (
        "import sys; from rota.engine.loading import load_executors; from rota.settings import load_settings\n"
        "load_executors(load_settings({}), ())\n"
        "print([m for m in ('rq', 'redis', 'celery', 'kombu') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
