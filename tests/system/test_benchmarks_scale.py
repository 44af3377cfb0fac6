"""The benchmark of very many schedules, a little of it; what it measures is not judged here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.statements import Answers, Messages
from tests.system.test_benchmarks import run

STARTUP = (8 + 1).to_bytes(4) + (3 << 16).to_bytes(4) + b"\0"


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


@pytest.mark.timeout(400)
def test_a_quick_run_on_sqlite(tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    done = run("--quick", "schedules", "--database", "sqlite", "--output", str(output))
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = msgspec.json.decode(output.read_bytes())
    figures = {figure["name"]: figure for figure in results["figures"]}
    assert figures["start, overdue schedules that ran once"]["value"] == 200
    late = figures["one due, of 2,000, job created, p99"]
    assert 0 <= late["value"] < 5_000
    assert late["ratio"] > 0


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_statements_are_counted_whatever_the_pieces_they_come_in(step: int) -> None:
    encryption = (8).to_bytes(4) + (1234 << 16 | 5679).to_bytes(4)
    data = encryption + STARTUP + message(b"Q", b"SELECT 1\0") + message(b"P", b"Q") + message(b"B", b"E" * 30)
    data += message(b"E", b"\0" * 5) + message(b"S") + message(b"X")
    messages = Messages()
    assert sum(messages.statements(data[at : at + step]) for at in range(0, len(data), step)) == 2


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_ends_of_transactions_are_seen_however_they_arrive(step: int) -> None:
    ready = [message(b"Z", state) for state in (b"I", b"T", b"E", b"I")]
    data = message(b"R", b"Z" * 8) + ready[0] + message(b"D", b"ZI" * 9) + b"".join(ready[1:]) + message(b"Z")[:3]
    answers = Answers()
    found = [idle for at in range(0, len(data), step) for idle in answers.states(data[at : at + step])]
    assert found == [True, False, False, True]
