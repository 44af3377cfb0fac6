"""``rota mcp`` as an assistant starts it: a real process, asked by the client of the official SDK."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client as Assistant
from mcp.client.stdio import StdioServerParameters

from rota.model import LogChunk
from rota.store import migrate
from rota.store.database import Database
from tests.api.calls import COMMAND, settings_of, signed
from tests.api.live import Live
from tests.store import builders
from tests.support.cli import Cli, assert_one_line
from tests.support.processes import ROTA

CHANGES = {
    "enqueue_job",
    "trigger_schedule",
    "retry_job",
    "cancel_job",
    "pause_schedule",
    "resume_schedule",
    "pause_queue",
    "resume_queue",
}


@pytest.fixture
def db(sqlite_url: str) -> Iterator[Database]:
    database = builders.opened(sqlite_url)
    migrate.migrate(database)
    yield database
    database.close()


@pytest.fixture
def live(db: Database, sqlite_url: str) -> Iterator[Live]:
    with Live(db, settings_of(sqlite_url, ROTA_PORT="0")) as live:
        with live.client() as http:
            http.put("/api/job-types/hello", json={"target": COMMAND})
            http.put("/api/schedules/nightly", json={"jobType": "hello", "cron": "0 0 * * *"})
        yield live


@asynccontextmanager
async def assistant(tmp_path: Path, *arguments: str, **env: str) -> AsyncIterator[Assistant]:
    """An assistant that has started ``rota mcp`` with these arguments."""
    inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    server = StdioServerParameters(command=ROTA, args=["mcp", *arguments], env={**inherited, **env}, cwd=tmp_path)
    async with Assistant(server, read_timeout_seconds=60) as client:
        yield client


async def answered(client: Assistant, tool: str, **arguments: Any) -> Any:
    found = await client.call_tool(tool, arguments)
    assert not found.is_error, found
    return found.structured_content


async def refused(client: Assistant, tool: str, **arguments: Any) -> str:
    found = await client.call_tool(tool, arguments)
    assert found.is_error, found
    (content,) = found.content
    return str(getattr(content, "text", content))


async def test_it_looks_and_changes_nothing(live: Live, db: Database, tmp_path: Path) -> None:
    claimed = builders.run_one(db, builders.register(db))
    job_id = claimed.call.job_id
    builders.log(db, LogChunk(job_id, 1, 1, 1, 1_800_000_000_000_000, '[[1800000000000000,"stdout","hello there"]]'))
    url, token = live.url, signed("viewer")
    async with assistant(tmp_path, "--url", url, ROTA_TOKEN=token) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert not CHANGES & tools.keys()
        assert all(tool.description and tool.annotations and tool.annotations.read_only_hint for tool in tools.values())
        assert [one["id"] for one in (await answered(client, "list_jobs"))["items"]] == [job_id]
        assert (await answered(client, "list_jobs", status="failed"))["items"] == []
        assert (await answered(client, "show_job", job_id=job_id))["status"] == "running"
        assert "runs" in (await answered(client, "why_job", job_id=job_id))["text"]
        (line,) = (await answered(client, "job_logs", job_id=job_id))["lines"]
        assert line.endswith("stdout: hello there")
        (schedule,) = (await answered(client, "list_schedules"))["items"]
        assert schedule["id"] == "nightly" and schedule["nextAt"]
        assert (await answered(client, "show_schedule", schedule_id="nightly"))["cron"] == "0 0 * * *"
        assert (await answered(client, "why_schedule", schedule_id="nightly"))["text"]
        (runs,) = (await answered(client, "next_runs", hours=24))["items"]
        assert runs["id"] == "nightly" and len(runs["next"]) == 1
        assert (await answered(client, "forecast", hours=24))["starts"] == 1
        assert [one["name"] for one in (await answered(client, "list_queues"))["items"]] == ["default"]
        assert (await answered(client, "list_workers"))["items"][0]["role"] == "worker"
        assert [one["name"] for one in (await answered(client, "list_job_types"))["items"]] == ["hello"]
        assert (await answered(client, "stats"))["numbers"]["schedules"] == 1
        assert {"system"} <= {one["subject"]["kind"] for one in (await answered(client, "problems"))["items"]}
        assert "there is no job" in await refused(client, "show_job", job_id="01a1fc70-8b47-7aad-a034-000000000000")
        assert "nonsense" in await refused(client, "list_jobs", status="nonsense")
        assert "limit" in await refused(client, "list_jobs", limit=100_000)
        assert "enqueue_job" in await refused(client, "enqueue_job", job_type="hello")


async def test_it_changes_what_it_is_allowed_to(live: Live, db: Database, tmp_path: Path) -> None:
    url, token = live.url, signed("operator")
    async with assistant(tmp_path, "--allow-changes", "--url", url, "--token", token) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert tools >= CHANGES
        made = await answered(client, "enqueue_job", job_type="hello", args={"n": 1}, delay="1h", unique_key="k")
        assert (await answered(client, "enqueue_job", job_type="hello", unique_key="k"))["existing"] is True
        assert builders.get(db, made["id"]).args == '{"n":1}'
        assert (await answered(client, "cancel_job", job_id=made["id"]))["status"] == "cancelled"
        assert (await answered(client, "retry_job", job_id=made["id"]))["status"] == "pending"
        assert (await answered(client, "trigger_schedule", schedule_id="nightly"))["status"] == "pending"
        assert (await answered(client, "pause_schedule", schedule_id="nightly", note="why"))["paused"] is True
        assert (await answered(client, "resume_schedule", schedule_id="nightly"))["paused"] is False
        assert (await answered(client, "pause_queue", name="default"))["paused"] is True
        assert (await answered(client, "resume_queue", name="default"))["paused"] is False
        assert "unheard" in await refused(client, "enqueue_job", job_type="unheard")


async def test_a_viewer_changes_nothing_whatever_the_assistant_may(live: Live, tmp_path: Path) -> None:
    async with assistant(tmp_path, "--allow-changes", ROTA_URL=live.url, ROTA_TOKEN=signed("viewer")) as client:
        assert "access required" in await refused(client, "pause_queue", name="default")


async def test_it_asks_the_database_of_the_settings(db: Database, sqlite_url: str, tmp_path: Path) -> None:
    (job_id,) = builders.insert(db, builders.new_job(type="mail", args=f'{{"text":"{"x" * 9000}"}}'))
    async with assistant(tmp_path, "--allow-changes", ROTA_DATABASE_URL=sqlite_url) as client:
        assert "7,000 more characters" in (await answered(client, "show_job", job_id=job_id))["args"]["text"]
        assert (await answered(client, "cancel_job", job_id=job_id))["status"] == "cancelled"
    assert builders.get(db, job_id).status == "cancelled"


def test_a_service_that_is_not_there_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dead_port: int
) -> None:
    done = Cli(monkeypatch, capsys)("mcp", "--url", f"http://127.0.0.1:{dead_port}")
    assert_one_line(done, 1, "cannot be reached")


def test_without_the_sdk_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [*sys_modules("mcp"), *sys_modules("mcp_types"), *sys_modules("rota.mcp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    done = Cli(monkeypatch, capsys)("mcp")
    assert_one_line(done, 1, "pip install 'rota[mcp]'")


def sys_modules(package: str) -> list[str]:
    return [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
