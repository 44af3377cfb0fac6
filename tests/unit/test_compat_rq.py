"""The SchedulerService of rq-scheduler's users: their documented calls, as they stand."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from rota import Rota
from rota.compat import rq
from rota.compat.rq import SchedulerService, job_request
from rota.errors import Invalid
from rota.job import JobFunction
from rota.model import Schedule
from rota.store import schedules

ID = UUID("cc1dface-9213-4eed-8cb2-0edba6b2159c")


def my_function(arg1: str, arg2: int) -> None:
    """What a user's module has."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[SchedulerService]]:
    rota = Rota(f"sqlite:///{tmp_path}/rota.db")
    monkeypatch.setattr(SchedulerService, "rota", rota)
    monkeypatch.setattr(SchedulerService, "_warned", False)
    yield SchedulerService
    rota.close()


def stored(service: type[SchedulerService]) -> Schedule | None:
    return service.rota.database().read(lambda tx: schedules.get(tx, str(ID)))


@pytest.mark.parametrize("args", [["a", 2], ("a", 2)])
def test_a_periodic_job_is_the_same_at_every_start(service: type[SchedulerService], args: list[object]) -> None:
    for _ in range(2):
        service.schedule_periodic(id=ID, interval=60, func=my_function, args=args)
    service().schedule_periodic(id=ID, every_seconds=60, func=my_function, args=args)
    one = stored(service)
    assert one is not None
    assert (one.type, one.args, one.version) == (f"{__name__}:my_function", '{"arg1":"a","arg2":2}', 1)
    assert list(service.jobs) == [f"{__name__}:my_function"]


def test_an_interval_of_zero_or_less_switches_it_off(service: type[SchedulerService]) -> None:
    service.schedule_periodic(id=ID, interval=-1, func=my_function, args=("a", 2))
    assert stored(service) is None
    service.schedule_periodic(id=ID, interval=60, func=my_function, args=("a", 2))
    service.schedule_periodic(id=ID, interval=0, func=my_function, args=("a", 2))
    one = stored(service)
    assert one is not None and one.paused_at is not None


def test_an_address_is_called(service: type[SchedulerService]) -> None:
    service.schedule_periodic(id=ID, every_seconds=10, func=job_request, args=["http://127.0.0.1:8000/v1/jobs/news"])
    one = stored(service)
    assert one is not None and one.target is not None
    assert (one.lane, "http://127.0.0.1:8000/v1/jobs/news" in one.target) == ("http", True)


def test_naive_times_are_utc_with_one_warning(service: type[SchedulerService]) -> None:
    due = datetime(2033, 10, 1, 12, 0, 0)
    with pytest.warns(UserWarning, match="taken for UTC"):
        job = service.schedule_at(execution_time=due, func=my_function, args=("a", 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        service.schedule_at(execution_time=due, func=my_function, args=("a", 2))
        service.schedule_at(execution_time=due.replace(tzinfo=UTC), func=my_function, args=("a", 2))
    assert job.run_at == due.replace(tzinfo=UTC)


def test_what_cannot_be_right_is_refused(service: type[SchedulerService]) -> None:
    with pytest.raises(Invalid, match="exactly one of interval and every_seconds"):
        service.schedule_periodic(id=ID, func=my_function, args=("a", 2))
    with pytest.raises(Invalid, match="cannot be found by a worker"):
        service.schedule_job(func=lambda: None)
    with pytest.raises(Invalid, match=r"args\.arg2"):
        service.schedule_job(func=my_function, args=("a",))
    with pytest.raises(Invalid, match="no list of arguments"):
        service.schedule_job(func=my_function, args="ab")


def test_modules_are_registered(service: type[SchedulerService]) -> None:
    service.register(my_function, rq)
    assert f"{__name__}:my_function" in service.jobs and "rota.compat.rq:job_request" in service.jobs
    assert all(isinstance(one, JobFunction) for one in service.jobs.values())
    assert service.schedules == []
