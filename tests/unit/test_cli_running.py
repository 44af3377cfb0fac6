"""What the command line says of a job that runs: how far it is, how long it takes, whether it was told to stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click import unstyle

from rota.cli import running

HISTORY = {"basis": "history", "p50": "3m", "p90": "5m", "runs": 20}


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def job(**given: Any) -> dict[str, Any]:
    fields = {"status": "running", "error": None, "progress": None, "eta": None, "cancelRequestedAt": None}
    return {**fields, "cancelRequestedBy": None, "completedAt": None, **given}


@pytest.mark.parametrize(
    ("eta", "left", "full"),
    [
        (
            {**HISTORY, "in": 180},
            "about 3 min left",
            r", of 20 earlier runs; half of them took up to 3m, nine of ten 5m)",
        ),
        ({**HISTORY, "in": 180, "basis": "progress", "runs": 0}, "about 3 min left", ", by its progress)"),
        (
            {**HISTORY, "in": 180, "basis": "progress", "runs": 1},
            "about 3 min left",
            ", by its progress; half of 1 earlier run took up to 3m, nine of ten 5m)",
        ),
        (
            {**HISTORY, "in": None},
            "runs longer than 5m, as nine of ten do not",
            "(of 20 earlier runs; half of them took up to 3m, nine of ten 5m)",
        ),
        ({**HISTORY, "in": 0.1}, "about to end", "earlier runs; half of them took up to 3m, nine of ten 5m)"),
    ],
)
def test_how_long_it_still_takes_and_how_that_is_known(eta: dict[str, Any], left: str, full: str) -> None:
    seconds = eta["in"]  # from the moment in which the test runs
    shown = job(eta={**eta, "at": None if seconds is None else at(seconds)})
    assert running.left(shown) == left
    told = running.eta(shown) or ""
    assert told.startswith(left), told
    assert told.endswith(full), told


def test_a_list_says_what_matters_of_each() -> None:
    asked = {"cancelRequestedAt": at(-12), "cancelRequestedBy": "ann"}
    progress = {"value": 0.4, "message": "halfway"}
    busy = job(**asked, progress=progress, eta={**HISTORY, "at": at(180)})
    assert running.note(busy) == "cancel requested 12 s ago by ann, 40 %  halfway, about 3 min left"
    assert unstyle(running.state(busy)) == "▶ running, cancel requested 12 s ago by ann"
    assert running.note(job()) is None
    stopped = job(**asked, status="cancelled", error="stopped by SIGTERM", completedAt=at(-1))
    assert running.note(stopped) == "stopped by SIGTERM"
    assert unstyle(running.state(stopped)) == "⊘ cancelled"
    assert running.ended(stopped) == "cancelled: stopped by SIGTERM"
    assert running.ended(job(status="completed", completedAt=at(0))).startswith("completed all the same, at ")
