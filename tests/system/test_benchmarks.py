"""``python -m benchmarks`` measures, prints its table and writes its results; what it measures is not judged here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).parents[2]


pytestmark = pytest.mark.timeout(400)


def run(*arguments: str, timeout_s: float = 380, postgres: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env={**os.environ, **({"ROTA_TEST_POSTGRES_URL": postgres} if postgres else {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def figures_of(output: Path) -> dict[str, Any]:
    return {figure["name"]: figure for figure in msgspec.json.decode(output.read_bytes())["figures"]}


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


def test_what_an_idle_service_costs(tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    done = run("--quick", "idle", "pickup", "logs", "--database", "sqlite", "--output", str(output))
    assert done.returncode == 0, done.stderr
    figures = figures_of(output)
    assert 10 < figures["memory of the worker (PSS)"]["value"] < 500
    assert figures["FastAPI or pydantic in the worker"]["value"] == 0
    assert "idle rota up, CPU of all its processes" in figures
    assert figures["pick-up by an idle worker, p99"]["value"] > 0
    for who in ("a command", "a function"):
        assert figures[f"log, {who} of 10,000 lines/s, CPU of the worker"]["raw"] > 0


def test_an_idle_service_and_a_large_table_on_postgresql(tmp_path: Path, pg_database: str) -> None:
    output = tmp_path / "results.json"
    names = ("idle", "large", "--database", "postgresql")
    done = run("--quick", *names, "--output", str(output), postgres=pg_database)
    assert done.returncode == 0, done.stderr
    figures = figures_of(output)
    assert figures["idle rota up, transactions"]["value"] > 0
    assert figures["large table, drain, a transaction open"]["ratio"] > 0
    assert figures["large table, claim of 200, p99"]["value"] >= figures["large table, claim of 200, p99"]["raw"]


@pytest.mark.timeout(600)
def test_every_peer_is_measured_or_says_why_not(tmp_path: Path, pg_database: str) -> None:
    output = tmp_path / "results.json"
    done = run("--quick", "peers", "--output", str(output), timeout_s=580, postgres=pg_database)
    assert done.returncode == 0, done.stderr
    peers = [figure for name, figure in figures_of(output).items() if name.startswith("drain, beside ")]
    assert len(peers) == 8
    for peer in peers:
        assert peer["note"] if peer["ratio"] is None else peer["value"] > 0
        assert peer["name"] in done.stdout


def test_the_large_table_is_left_out_unless_it_is_asked_for() -> None:
    done = run("--help")
    assert "--full" in done.stdout
    assert "all but metrics, pages and large" in " ".join(done.stdout.split())
