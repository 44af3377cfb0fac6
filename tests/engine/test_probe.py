"""The probe port: whether a process lives and can work, its numbers, and who may see them."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg import sql

from rota.engine.probe import MOST_CONNECTIONS, Probe, Process, listen
from rota.errors import SettingInvalid
from rota.settings import load_settings
from rota.store import migrate
from rota.store.database import Database
from rota.store.opening import open_database
from tests.engine.working import Shop
from tests.support.processes import ROOT, KeptProcess, RotaProcesses
from tests.support.roles import SHORT
from tests.support.waiting import wait_until

SECRET = "s" * 40


class Subject:
    """A process as a test wants it."""

    def __init__(self) -> None:
        self.still: list[str] = []
        self.problem: str | None = None

    def process(self) -> Process:
        return Process(
            "worker", standing=lambda _: self.still, unable=lambda: self.problem,
            numbers=lambda: {"rota_process_slots": [(("http",), 5)]},
        )  # fmt: skip


def database(url: str) -> Database:
    db = open_database(load_settings({}, database_url=url).database_url)
    migrate.migrate(db)
    return db


def probed(db: Database, url: str, subject: Subject, **given: str) -> httpx.Client:
    settings = load_settings({"ROTA_PROBE_PORT": "0", **given}, database_url=url)
    listener = listen(settings)
    assert listener is not None
    Probe(db, settings, subject.process(), listener).start()
    host, port = listener.getsockname()[:2]
    return httpx.Client(base_url=f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}", timeout=60)


def test_it_tells_whether_it_lives_and_can_work(sqlite_url: str) -> None:
    subject, db = Subject(), database(sqlite_url)
    with probed(db, sqlite_url, subject) as client:
        live, ready = client.get("/live"), client.get("/ready?x=1")
        assert (live.status_code, live.json()["status"], live.json()["role"]) == (200, "ok", "worker")
        assert (ready.status_code, ready.json()["accountedTo"]) == (200, None)
        assert client.head("/live").text == ""
        subject.still, subject.problem = ["claimer"], "it is draining"
        assert (client.get("/live").status_code, client.get("/live").json()["problem"]) == (
            503,
            "stands still: claimer",
        )
        assert (client.get("/ready").status_code, client.get("/ready").json()["problem"]) == (503, "it is draining")
        assert client.get("/api/jobs").status_code == 404
        assert client.post("/live").status_code == 405
    db.close()


@pytest.mark.usefixtures("migrated")
def test_without_its_database_it_lives_and_cannot_work(pg_database: str, postgres: str) -> None:
    db = database(pg_database)
    with probed(db, pg_database, Subject()) as client, psycopg.connect(postgres, autocommit=True) as connection:
        assert client.get("/ready").status_code == 200
        name = sql.Identifier(urlsplit(pg_database).path[1:])
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        assert client.get("/ready").status_code == 503
        assert client.get("/live").status_code == 200
        assert {"rota_database_up 0", 'rota_process_slots{kind="http"} 5'} <= set(
            client.get("/metrics").text.splitlines()
        )
    db.close()


@pytest.mark.parametrize(
    ("given", "headers", "status"),
    [
        ({}, {}, 200),
        ({}, {"Host": "localhost:1"}, 200),
        ({}, {"Host": "evil.example:7005"}, 401),
        ({"ROTA_HOST": "0.0.0.0", "ROTA_AUTH_SECRET": SECRET}, {}, 401),
        ({"ROTA_HOST": "0.0.0.0", "ROTA_AUTH_SECRET": SECRET}, {"Authorization": "Bearer x"}, 401),
        ({"ROTA_HOST": "0.0.0.0", "ROTA_AUTH_SECRET": SECRET}, {"Authorization": f"Bearer {SECRET}"}, 200),
        ({"ROTA_HOST": "0.0.0.0"}, {"Authorization": "Bearer None"}, 401),
        ({"ROTA_HOST": "0.0.0.0", "ROTA_METRICS_PUBLIC": "true"}, {}, 200),
    ],
)
def test_numbers_are_for_this_machine_or_who_has_the_secret(
    sqlite_url: str, given: dict[str, str], headers: dict[str, str], status: int
) -> None:
    db = database(sqlite_url)
    with probed(db, sqlite_url, Subject(), **given) as client:
        answer = client.get("/metrics", headers=headers)
        assert answer.status_code == status, answer.text
        if status == 200:
            assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert {"rota_database_up 1", 'rota_process_slots{kind="http"} 5', "rota_workers_alive 0"} <= set(
                answer.text.splitlines()
            )
    db.close()


def test_whoever_asks_badly_harms_nobody(sqlite_url: str) -> None:
    db = database(sqlite_url)
    with probed(db, sqlite_url, Subject()) as client:
        address = (client.base_url.host, client.base_url.port or 0)
        for request in (b"\r\n\r\n", b"GET\r\n\r\n", b"\xff\x00 /live\r\n\r\n", b"GET " + b"x" * 10_000):
            with socket.create_connection(address, timeout=10) as connection:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(100)
                assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer
        silent = [socket.create_connection(address, timeout=10) for _ in range(MOST_CONNECTIONS - 5)]
        assert client.get("/live").status_code == 200
        for connection in silent:
            connection.close()
    db.close()


def test_a_port_that_is_taken_is_named(sqlite_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = load_settings({"ROTA_PROBE_PORT": str(port)}, database_url=sqlite_url)
        with pytest.raises(SettingInvalid, match=f"ROTA_PROBE_PORT: port {port} of 127.0.0.1 cannot be listened on"):
            listen(settings)
    assert listen(load_settings({}, database_url=sqlite_url)) is None


def test_the_roles_answer(shop: Shop, rota_process: RotaProcesses) -> None:
    env = {**SHORT, "ROTA_LEASE": "10m", "ROTA_DATABASE_URL": shop.url, "PYTHONPATH": str(ROOT), "ROTA_PROBE_PORT": "0"}
    for role, number in (("worker", 'rota_process_slots{kind="http"} 500'), ("scheduler", "rota_schedulers_alive 1")):
        process = rota_process(role, env=env)
        process.wait_for_output('"event":"server/listening"')
        with httpx.Client(base_url=f"http://127.0.0.1:{_port(process)}", timeout=60) as client:
            wait_until(lambda: client.get("/ready").status_code == 200, 60, f"the {role} is ready")
            assert client.get("/live").json()["role"] == role
            assert number in client.get("/metrics").text.splitlines()
        process.stop()


def _port(process: KeptProcess) -> int:
    """Where it listens, as soon as that is told."""
    (told,) = wait_until(lambda: [one for one in _events(process.stderr) if one["event"] == "server/listening"])
    return int(told["port"])


def _events(text: str) -> list[dict[str, Any]]:
    whole = text.rpartition("\n")[0]  # the last line may be half written
    return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
