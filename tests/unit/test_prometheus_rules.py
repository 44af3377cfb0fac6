"""The rules for alerts: each fires, after its time and not before, and clears; the numbers they name exist."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rota.insight.metrics import METRICS
from tests.support.processes import ROOT
from tests.support.prometheus import program

FOLDER = ROOT / "deploy" / "prometheus"
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "rules.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
JOB, MAIL = 'job="rota",instance="a"', 'queue="mail",type="report"'
ENDED, LOST = f"rota_jobs_ended_total{{{MAIL},outcome=", f'rota_attempts_ended_total{{{MAIL},outcome="lost"}}'
BAD_M, LATER_M = 10, 130
"""All is well for ten minutes, then for an hour it is not, then again it is."""
CASES: list[tuple[str, dict[str, str], int]] = [
    ("RotaDown", {f"up{{{JOB}}}": "1x10 0x60 1x60"}, 1),
    ("RotaDown", {f"up{{{JOB}}}": "1x10 _x61 1x60"}, 6),  # a sample is believed for 5 minutes
    ("RotaProcessDown", {f"up{{{JOB}}}": "1x10 0x60 1x60", 'up{job="rota",instance="b"}': "1x130"}, 5),
    ("RotaDatabaseDown", {f"rota_database_up{{{JOB}}}": "1x10 0x60 1x60"}, 1),
    ("RotaStandstill", {f"rota_accounted_to_lag_seconds{{{JOB}}}": "2x10 90+60x60 2x60"}, 1),
    ("RotaNoScheduler", {f"rota_schedulers_alive{{{JOB}}}": "1x10 0x60 1x60"}, 1),
    ("RotaNoWorker", {f"rota_workers_alive{{{JOB}}}": "3x10 0x60 1x60"}, 1),
    ("RotaInstantsMissed", {'rota_occurrences_total{disposition="missed"}': "7x10 8+1x60 68x60"}, 0),
    ("RotaBacklog", {'rota_jobs_oldest_age_seconds{status="pending",queue="a"}': "5x10 601x60 0x60"}, 5),
    ("RotaJobsFail", {f'{ENDED}"failed"}}': "0x10 5+5x60 310x60", f'{ENDED}"completed"}}': "0+1x130"}, 1),
    ("RotaAttemptsLost", {LOST: "0x10 1+1x60 61x60"}, 0),
    ("RotaAttemptsLost", {LOST: "_x11 1+1x60 61x60"}, 0),  # the first of a queue and a type
    ("RotaSlotsFull", {'rota_slots_used{kind="http"}': "4x10 5x60 1x60", 'rota_slots{kind="http"}': "5x130"}, 15),
    ("RotaLoopLag", {'rota_worker_loop_lag_seconds{worker="a:1"}': "0x10 2x60 0x60"}, 5),
    ("RotaRetentionStopped", {"rota_retention_last_run_timestamp_seconds": "0+60x10 -3540+60x60 4200+60x60"}, 10),
    ("RotaAlertOpen", {'rota_alerts_open{kind="late",severity="error"}': "_x11 1x60 0x60"}, 0),
    ("RotaChannelFails", {'rota_channel_failing{channel="slack"}': "0x10 1x60 0x60"}, 5),
]


def expected(name: str, minute: int, *, fires: bool) -> dict[str, Any]:
    """That an alert fires, or none does, at a minute."""
    samples = [{"labels": "{}", "value": 1}] if fires else []
    expr = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
    return {"expr": expr, "eval_time": f"{minute}m", "exp_samples": samples}


def test_each_fires_after_its_time_and_clears(tmp_path: Path) -> None:
    assert {name for name, _, _ in CASES} == {rule["alert"] for rule in RULES}
    tests = []
    for name, series, after in CASES:
        checks = [expected(name, BAD_M, fires=False), expected(name, BAD_M + 1 + after, fires=True)]
        if after:
            checks.append(expected(name, BAD_M + after, fires=False))
        checks += [expected(name, BAD_M + 60, fires=True), expected(name, LATER_M, fires=False)]
        given = [{"series": one, "values": values} for one, values in series.items()]
        tests.append({"interval": "1m", "input_series": given, "promql_expr_test": checks})
    document = {"rule_files": [str(FOLDER / "rules.yml")], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yml").write_text(json.dumps(document))
    told = subprocess.run(
        [program("promtool"), "test", "rules", str(tmp_path / "tests.yml")], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_files_are_as_prometheus_wants_them() -> None:
    told = subprocess.run(
        [program("promtool"), "check", "config", str(FOLDER / "prometheus.yml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"{len(RULES)} rules found" in told.stdout


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_rules_name_numbers_that_exist_and_say_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert all(rule["annotations"][part] for part in ("summary", "description"))
    for name in re.findall(r"\brota_\w+", rule["expr"]):
        assert name in METRICS, name
