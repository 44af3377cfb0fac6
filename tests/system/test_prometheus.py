"""A real Prometheus collects a real Rota: every panel of the dashboard finds something, and alerts fire and clear."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from rota.engine.rollups import Rollups
from rota.store import rollups
from rota.store.database import Database
from tests.store import builders
from tests.support.processes import ROOT, KeptProcess, RotaProcesses
from tests.support.prometheus import Prometheus, running_prometheus
from tests.support.roles import SHORT
from tests.support.service import SECRET, is_ready
from tests.support.waiting import free_port, wait_until

DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "rota.json").read_text(encoding="utf-8"))
CONFIG = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
RULES = (DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8")
FILLED = {"$queue": ".*", "$type": ".*", "$__rate_interval": "10s", "$__range": "1m"}
FAILING = '{"kind":"command","command":["false"]}'
GOOD = '{"kind":"command","command":["true"]}'


def quick_rules() -> dict[str, Any]:
    """The rules as they are, but that look 8 seconds back and do not wait."""
    found: dict[str, Any] = yaml.safe_load(RULES.replace("15m", "8s"))
    for rule in found["groups"][0]["rules"]:
        rule.pop("for", None)
    return found


class System:
    """Rota's roles, what collects them, and their database."""

    def __init__(self, start: RotaProcesses, url: str, db: Database) -> None:
        self._start = start
        self.db = db
        self.ports = (free_port(), free_port())
        self.started: list[KeptProcess] = []
        self._env = {**SHORT, "ROTA_DATABASE_URL": url, "ROTA_AUTH_SECRET": SECRET, "ROTA_METRICS_PUBLIC": "true"}

    def start_apis(self) -> None:
        """Start the replicas of the API."""
        apis = [(port, self.start("api", ROTA_PORT=str(port))) for port in self.ports]
        for port, process in apis:
            wait_until(lambda port=port: is_ready(port), 60, lambda process=process: f"{process} is ready")  # type: ignore[misc]

    def start(self, role: str, **more: str) -> KeptProcess:
        """Start a process of Rota."""
        process = self._start(role, env={**self._env, **more})
        self.started.append(process)
        return process

    def stop(self) -> None:
        """Ask all to end, at the same time."""
        for process in self.started:
            if process.exit_code is None:
                process.send(signal.SIGTERM)

    def run_jobs(self, target: str, count: int) -> None:
        """Have the real worker run commands, and sum them up without the wait for those who commit late."""
        new = [
            builders.new_job(type=None, lane="command", queue="mail", target=target, max_attempts=1)
            for _ in range(count)
        ]
        ids = builders.insert(self.db, *new)
        wait_until(lambda: all(builders.get(self.db, one).completed_at for one in ids), 60, "the jobs have ended")
        self.sum_up()

    def sum_up(self) -> None:
        """Sum up what has ended."""
        while not Rollups(self.db).run_once():
            pass


@pytest.fixture
def system(
    migrated: None, rota_process: RotaProcesses, pg_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[System]:
    """A database with a past, and nothing that runs."""
    monkeypatch.setattr(rollups, "LATEST_US", -1)
    db = builders.opened(pg_database)
    worker = builders.register(db)
    builders.end(db, worker, builders.run_one(db, worker, queue="mail"))
    builders.give_back(db, worker, builders.run_one(db, worker, queue="mail"))
    system = System(rota_process, pg_database, db)
    system.sum_up()
    builders.stop(db, worker)
    builders.execute(db, "UPDATE rota_jobs SET type = 'old' WHERE status = 'pending'")
    yield system
    system.stop()
    db.close()


@contextmanager
def collected(system: System, directory: Path) -> Iterator[Prometheus]:
    """Both replicas of the API, and a Prometheus that collects them."""
    system.start_apis()
    targets = [f"127.0.0.1:{port}" for port in system.ports]
    with running_prometheus(directory / "prometheus", CONFIG, targets, quick_rules()) as server:
        yield server


def panels() -> Iterator[tuple[str, str]]:
    """Title and query of each line of each panel."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            if "expr" in target:
                text = target["expr"]
                for variable, value in FILLED.items():
                    text = text.replace(variable, value)
                assert "$" not in text, text
                yield panel["title"], text


def empty_panels(server: Prometheus) -> list[tuple[str, str]]:
    """The queries that find nothing."""
    return [(title, query) for title, query in panels() if not server.query(query)]


OLD_JOB = "UPDATE rota_jobs SET run_at = rota_now() - 1200000000 WHERE type = 'old'"
ALERT = """
INSERT INTO rota_alerts (id, monitor_id, kind, severity, subject_kind, subject_id, text, since_at, opened_at, seen_at,
  tellings) VALUES (gen_random_uuid(), 'test', 'test', 'error', 'system', 'test', '', 1, 1, 1, 0) ON CONFLICT DO NOTHING
"""
OPEN = 'ALERTS{alertname="RotaAlertOpen",kind="test",alertstate="firing"}'


def is_told_twice(server: Prometheus) -> bool:
    """Tell whether both replicas were asked since there is something new to tell."""
    counted = server.query("count by (__name__) ({__name__=~'rota_(jobs|occurrences|job)_.*'})")
    return bool(counted) and all(float(one["value"][1]) % 2 == 0 for one in counted)


@pytest.mark.timeout(400)
def test_every_panel_finds_something_and_alerts_fire_and_clear(system: System, tmp_path: Path) -> None:
    builders.execute(system.db, OLD_JOB)
    with collected(system, tmp_path) as server:
        early = {"RotaNoScheduler", "RotaNoWorker", "RotaBacklog"}
        wait_until(lambda: server.firing() >= early, 60, lambda: f"{early} and not {server.firing()}")
        wait_until(lambda: is_told_as_open(system, server), 60, "the alert fires")
        worker, _ = system.start("worker"), system.start("scheduler")
        builders.execute(system.db, "UPDATE rota_alerts SET closed_at = 2 WHERE kind = 'test'")
        builders.execute(system.db, "DELETE FROM rota_jobs WHERE type = 'old'")
        system.run_jobs(GOOD, 3)
        system.run_jobs(FAILING, 1)
        wait_until(lambda: server.value('rota_jobs_ended_total{outcome="failed",type=""}') == 1, 60, "a failure")
        system.run_jobs(FAILING, 8)
        wait_until(lambda: "RotaJobsFail" in server.fired(), 60, lambda: f"failures, not {server.fired()}")
        wait_until(lambda: not empty_panels(server), 60, lambda: f"numbers for {empty_panels(server)}")
        ended = "max by (queue, type, outcome) (rota_jobs_ended_total)"

        def told() -> dict[str, str]:
            return {one["metric"]["outcome"]: one["value"][1] for one in server.query(f"sum by (outcome) ({ended})")}

        # The scheduler sums up as well: the alert may have come of a part of them.
        expected = {"completed": "4", "failed": "9", "cancelled": "0"}
        wait_until(lambda: told() == expected, 60, lambda: f"{expected}, not {told()}")
        wait_until(lambda: is_told_twice(server), 60, "both replicas tell each number")
        worker.stop()
        wait_until(lambda: "RotaNoWorker" in server.firing(), 60, "the worker is missed")
        wait_until(lambda: not server.query(OPEN), 60, "the alert is over")
        others = {"RotaAlertOpen"}  # what Rota's own monitors found meanwhile may still be open
        wait_until(lambda: server.firing() - others == {"RotaNoWorker"}, 60, lambda: f"not {server.firing()}")
    check_the_table(system)


def is_told_as_open(system: System, server: Prometheus) -> bool:
    """Open an alert of no monitor, again where Rota's own look has closed it meanwhile; tell whether it fires."""
    builders.execute(system.db, ALERT)
    return bool(server.query(OPEN))


def check_the_table(system: System) -> None:
    """The panel of errors finds the failed jobs by SQL."""
    (table,) = (panel for panel in DASHBOARD["panels"] if panel["type"] == "table")
    between = r"\1 BETWEEN now() - interval '6 hours' AND now()"
    text = re.sub(r"\$__timeFilter\((\w+)\)", between, table["targets"][0]["rawSql"])
    with psycopg.connect(system.db.url.conninfo) as connection:
        rows = connection.execute(text.encode()).fetchall()
    assert len(rows) == 9
    assert {row[2] for row in rows} == {"exit code 1"}
