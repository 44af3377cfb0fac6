"""``python -m benchmarks`` measures, prints its table and writes its results; what it measures is not judged here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_quick_run_writes_every_figure_with_its_raw_reference(tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    done = run("--quick", "drain", "enqueue", "--database", "sqlite", "--output", str(output))
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = msgspec.json.decode(output.read_bytes())
    assert results["quick"] is True
    figures = {figure["name"]: figure for figure in results["figures"]}
    drained = figures["drain, one worker, no-op async jobs"]
    assert drained["database"] == "sqlite"
    assert drained["unit"] == "jobs/s"
    assert drained["raw_name"] == "claim and finish in one loop"
    assert drained["ratio"] * drained["raw"] == pytest.approx(drained["value"])
    enqueued = figures["enqueue, one durable job at a time"]
    assert len(enqueued["rounds"]) == 4
    assert all(each["value"] > 0 and each["raw"] > 0 for each in enqueued["rounds"])
    for name in figures:
        assert name in done.stdout


def test_an_unknown_benchmark_is_refused_with_those_that_there_are() -> None:
    done = run("drainage")
    assert done.returncode == 2
    assert "no benchmark is called drainage" in done.stderr
    assert "pickup" in done.stderr
