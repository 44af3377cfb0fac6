"""A Prometheus of a test's own: it collects each second, and judges by the rules that it is given."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.processes import KeptProcess
from tests.support.waiting import free_port, wait_until


def program(name: str) -> str:
    """The path of a program of Debian's package; without it the test is skipped, or fails where all must be there."""
    found = shutil.which(name)
    if found is None:
        reason = f"{name} is not installed: sudo make ci-deps"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class Prometheus:
    """A running server and what it knows."""

    def __init__(self, directory: Path, config: dict[str, Any], targets: Sequence[str], rules: dict[str, Any]) -> None:
        path = program("prometheus")
        directory.mkdir(parents=True)
        (directory / "rules.yml").write_text(yaml.safe_dump(rules))
        every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        (scrape,) = config["scrape_configs"]
        scrape = {**scrape, "static_configs": [{"targets": list(targets)}]}
        (directory / "prometheus.yml").write_text(
            yaml.safe_dump({**config, "global": every, "scrape_configs": [scrape]})
        )
        port = free_port()
        self.process = KeptProcess(
            path,
            f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            directory=directory,
        )  # fmt: skip
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)

    def await_ready(self) -> None:
        """Return when it answers."""
        wait_until(self._is_ready, 30, lambda: f"{self.process} is ready")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an expression finds now."""
        answer = self._client.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def value(self, expression: str) -> float:
        """The one number of an expression; 0 where there is none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else 0.0

    def firing(self) -> set[str]:
        """The names of the alerts that fire now."""
        return {one["metric"]["alertname"] for one in self.query('ALERTS{alertstate="firing"}')}

    def fired(self) -> set[str]:
        """The names of the alerts that fire now, or did in the last minutes."""
        found = self.query('last_over_time(ALERTS{alertstate="firing"}[5m])')
        return {one["metric"]["alertname"] for one in found}

    def close(self) -> None:
        """End it."""
        self._client.close()
        self.process.close()

    def _is_ready(self) -> bool:
        assert self.process.exit_code is None, str(self.process)
        with contextlib.suppress(httpx.TransportError):
            return self._client.get("/-/ready").status_code == 200
        return False


@contextlib.contextmanager
def running_prometheus(
    directory: Path, config: dict[str, Any], targets: Sequence[str], rules: dict[str, Any]
) -> Iterator[Prometheus]:
    """A server while the block lasts."""
    server = Prometheus(directory, config, targets, rules)
    try:
        server.await_ready()
        yield server
    finally:
        server.close()
