"""Who waits for a job hears each reason once, and how to end a wait that needs their help."""

from __future__ import annotations

from typing import Any

import pytest

from rota.cli import waiting
from rota.cli.waiting import Waiting


class Reasons:
    """Answers what a job waits for, one reason after the other; the last one stays."""

    def __init__(self, *texts: str) -> None:
        self.texts = [*texts]
        self.asked = 0

    def why(self, job_id: str) -> dict[str, str]:
        self.asked += 1
        return {"text": self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]}


def said(capsys: pytest.CaptureFixture[str], reasons: Any, looks: int) -> list[str]:
    found = Waiting(reasons, "j1")
    for _ in range(looks):
        found.note("pending")
    return capsys.readouterr().err.splitlines()


def test_each_reason_is_said_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SILENT_S", 0.0)
    reasons = Reasons("no worker lives", "no worker lives", "queue q is paused", "no worker lives")
    assert said(capsys, reasons, 50) == [
        "rota: job j1 waits: no worker lives (start one with `rota up` or `rota worker`; the job waits for it)",
        "rota: job j1 waits: queue q is paused",
    ]
    assert reasons.asked == 50


def test_at_first_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    reasons = Reasons("no worker lives")
    assert (said(capsys, reasons, 50), reasons.asked) == ([], 0)
