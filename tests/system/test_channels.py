"""Channels and the canary of a running service, as a user sets them up and tries them."""

from __future__ import annotations

import json

from rota.client import Client
from tests.support.processes import RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.target import TargetServer
from tests.support.waiting import free_port, wait_until

TOKEN = "token-of-the-hook-4711"


def test_a_service_tells_through_its_channels_and_proves_itself(
    sqlite_url: str, rota_process: RotaProcesses, target_server: TargetServer, dead_port: int
) -> None:
    port = free_port()
    ops = f"json://127.0.0.1:{target_server.port}/{TOKEN}?rota_name=ops"
    env = {
        "ROTA_NOTIFY_URLS": f"{ops} json://127.0.0.1:{dead_port}/{TOKEN}?rota_name=dead",
        "ROTA_CANARY_URL": target_server.url(f"/ping/{TOKEN}"),
        "ROTA_CANARY_EVERY": "10s",
    }
    service = start_up(rota_process, sqlite_url, port, env)
    here = {"ROTA_DATABASE_URL": sqlite_url}
    tested = rota_process.run("monitors", "test", env=here)
    dead, told = tested.stdout.splitlines()
    assert (tested.code, told) == (1, "✓ ops: told")
    assert dead.startswith("✗ dead: ") and dead.endswith("Connection refused")
    assert rota_process.run("monitors", "test", "--channel", "ops", env=here).code == 0
    assert len(target_server.requests_to(f"/{TOKEN}")) == 2
    with Client(f"http://127.0.0.1:{port}", SECRET) as client:
        assert [(one["name"], one["state"]) for one in client.channels()] == [("dead", "failing"), ("ops", "working")]
        assert [one["kind"] for one in client.notices()] == ["test", "test"]
    target_server.wait_for(1, f"/ping/{TOKEN}", timeout=60)

    def found() -> dict[str, bool]:
        text = rota_process.run("doctor", "--json", env={**here, **env, "ROTA_PORT": str(port)}).stdout
        assert TOKEN not in text
        return {one["name"]: one["ok"] for one in json.loads(text)}

    findings = wait_until(lambda: (now := found())["canary"] and now, 90, "the ping is written down")
    assert findings and (findings["channels"], findings["monitors"]) == (False, True)
    for text in (service.stderr, service.stdout, tested.stdout):
        assert TOKEN not in text
