"""The server: how it begins, how it ends, and a database that goes away."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from rota.api.listen import bind, check_listen
from rota.api.server import address_of
from rota.errors import SettingInvalid
from rota.settings import Settings, load_settings
from rota.store import migrate
from rota.store.database import Database
from tests.api.calls import COMMAND, SECRET, good, problem, settings_of
from tests.api.live import Live
from tests.store import builders
from tests.support import procs
from tests.support.postgres import Cluster
from tests.support.processes import KeptProcess
from tests.support.waiting import wait_until

SERVE = """
import sys
from rota import logs
from rota.api.server import serve
from rota.settings import load_settings
from rota.store import migrate
from rota.store.opening import open_database
settings = load_settings()
logs.configure(settings, "api")
db = open_database(settings.database_url)
migrate.migrate(db)
code = serve(db, settings, greet=True)
db.close()
logs.close()
sys.exit(code)
"""


def listening(**given: str) -> Settings:
    return load_settings({"ROTA_DATABASE_URL": "sqlite:////nowhere/rota.db", **given})


# -- where it listens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_on_loopback_nothing_need_be_set_up(host: str) -> None:
    check_listen(listening(ROTA_HOST=host), insecure=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "example.org"])
def test_beyond_loopback_access_must_be_set_up(host: str) -> None:
    with pytest.raises(SettingInvalid) as refused:
        check_listen(listening(ROTA_HOST=host), insecure=False)
    assert refused.value.field == "ROTA_HOST"
    assert "ROTA_AUTH_SECRET" in str(refused.value.hint)
    check_listen(listening(ROTA_HOST=host), insecure=True)
    check_listen(listening(ROTA_HOST=host, ROTA_AUTH_SECRET=SECRET), insecure=False)


def test_a_short_secret_of_system_1_serves_this_machine_alone() -> None:
    given = {"SCHEDULER_SHARED_AUTH_SECRET": "whateveryouwant"}
    check_listen(listening(**given), insecure=False)
    check_listen(listening(ROTA_HOST="0.0.0.0", SCHEDULER_SHARED_AUTH_SECRET="x" * 32), insecure=False)
    check_listen(listening(ROTA_HOST="0.0.0.0", **given), insecure=True)
    with pytest.raises(SettingInvalid, match="less than 32 characters") as refused:
        check_listen(listening(ROTA_HOST="0.0.0.0", **given), insecure=False)
    assert refused.value.field == "SCHEDULER_SHARED_AUTH_SECRET"
    assert "openssl rand -hex 32" in str(refused.value.hint)


@pytest.mark.parametrize(
    "given", [{"ROTA_AUTH_JWKS_URL": "https://issuer/keys"}, {"ROTA_AUTH_ISSUER": "https://issuer"}]
)
def test_an_issuer_guards_what_listens_beyond_loopback(given: dict[str, str]) -> None:
    check_listen(listening(ROTA_HOST="0.0.0.0", **given), insecure=False)
    short = {"ROTA_HOST": "0.0.0.0", "SCHEDULER_SHARED_AUTH_SECRET": "whateveryouwant"}
    with pytest.raises(SettingInvalid, match="less than 32 characters"):
        check_listen(listening(**given, **short), insecure=False)


@pytest.mark.parametrize("given", [{"ROTA_AUTH_ISSUER": "issuer"}, {"ROTA_AUTH_AUDIENCE": "rota"}])
def test_the_name_of_an_issuer_alone_guards_nothing(given: dict[str, str]) -> None:
    with pytest.raises(SettingInvalid, match="without access control"):
        check_listen(listening(ROTA_HOST="0.0.0.0", **given), insecure=False)


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(SettingInvalid) as refused:
        bind(listening(ROTA_PORT=str(other.getsockname()[1])))
    assert "is in use" in str(refused.value)
    assert refused.value.hint


def test_an_address_of_another_machine_is_said_in_one_line() -> None:
    for host in ("203.0.113.7", "no-such-host.invalid"):
        with pytest.raises(SettingInvalid, match="ROTA_HOST"):
            bind(listening(ROTA_HOST=host, ROTA_PORT="0"))


def test_localhost_is_one_port_on_all_its_addresses() -> None:
    sockets = bind(listening(ROTA_HOST="localhost", ROTA_PORT="0"))
    assert len({bound.getsockname()[1] for bound in sockets}) == 1
    for bound in sockets:
        assert bound.proto == socket.IPPROTO_TCP
        bound.close()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:7005"),
        ("localhost", "http://localhost:7005"),
        ("0.0.0.0", "http://127.0.0.1:7005"),
        ("::", "http://127.0.0.1:7005"),
        ("::1", "http://[::1]:7005"),
        ("10.0.0.5", "http://10.0.0.5:7005"),
    ],
)
def test_says_where_it_is(host: str, url: str) -> None:
    assert address_of(host, 7005) == url


# -- as a process -----------------------------------------------------------------------------------------------------


@pytest.fixture
def process(tmp_path: Path, sqlite_url: str) -> Iterator[KeptProcess]:
    env = {"ROTA_DATABASE_URL": sqlite_url, "ROTA_PORT": "0", "ROTA_LOG_FORMAT": "json"}
    process = KeptProcess(sys.executable, "-c", SERVE, directory=tmp_path / "api", env=env)
    process.wait_for_output("Stop it with")
    yield process
    process.close()


def test_greets_with_a_link_that_logs_in(process: KeptProcess) -> None:
    found = re.search(r"Log in with (\S+)", process.stdout)
    assert found
    with httpx.Client(follow_redirects=True, trust_env=False) as client:
        page = client.get(found[1], headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert "Rota" in page.text
        me = good(client.get(str(page.url.join("/api/me"))))
        assert (me["subject"], me["role"]) == ("local", "admin")
    with httpx.Client(trust_env=False) as other:
        assert other.get(found[1]).status_code == 401
    assert re.search(r'"event":"server/listening","msg":"Server listening on 127.0.0.1:\d+"', process.stderr)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(process: KeptProcess, number: signal.Signals) -> None:
    found = re.search(r"Rota is running at (\S+)", process.stdout)
    assert found
    with httpx.Client(base_url=found[1], trust_env=False) as client:
        good(client.get("/live"))  # a connection that is kept alive must not hold it up
        process.send(number)
        assert process.wait(10) == 0
    assert '"event":"server/stopped"' in process.stderr
    assert "Traceback" not in process.stderr


# -- a database that goes away ----------------------------------------------------------------------------------------


@pytest.fixture
def on_own_cluster(own_cluster: Cluster) -> Iterator[Live]:
    settings = settings_of(own_cluster.url(), ROTA_PORT="0")
    db: Database = builders.opened(own_cluster.url())
    migrate.migrate(db)
    with Live(db, settings) as live:
        yield live
    db.close()


def _answers_503_in_time(live: Live) -> None:
    """Each of several requests at once is answered within 5 s, and the process lives."""

    def ask(method: str, path: str, body: object, token: str) -> tuple[httpx.Response, float]:
        with live.client(token) as client:
            started = time.monotonic()
            return client.request(method, path, json=body), time.monotonic() - started

    unknown = "rota_" + "x" * 43
    asked = (
        ("POST", "/api/jobs", {"target": COMMAND}, SECRET),
        ("GET", "/api/jobs", None, SECRET),
        ("GET", "/api/jobs", None, unknown),
        ("GET", "/ready", None, SECRET),
        ("GET", "/health", None, unknown),
    )
    live.db.last_contact = 0.0
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda one: ask(*one), asked))
    assert [answer.status_code for answer, _ in answers] == [503] * len(asked)
    assert max(took for _, took in answers) < 5
    for answer, _ in answers[:-1]:
        assert problem(answer, 503)["code"].startswith("database-")
        assert answer.headers["retry-after"]
    with live.client(None) as client:
        good(client.get("/live"))


def test_a_stopped_database_is_a_503_and_comes_back(on_own_cluster: Live, own_cluster: Cluster) -> None:
    with on_own_cluster.client() as client:
        good(client.post("/api/jobs", json={"target": COMMAND}), 201)
        own_cluster.stop("immediate")
        _answers_503_in_time(on_own_cluster)
        own_cluster.start()
        wait_until(lambda: client.post("/api/jobs", json={"target": COMMAND}).status_code == 201, timeout=15)
        assert good(client.get("/api/jobs"))["total"] == 2


def test_a_frozen_database_is_a_503(on_own_cluster: Live, own_cluster: Cluster) -> None:
    with on_own_cluster.client() as client:
        good(client.post("/api/jobs", json={"target": COMMAND}), 201)
        assert own_cluster.pid is not None
        family = [own_cluster.pid, *procs.descendants(own_cluster.pid)]
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        try:
            _answers_503_in_time(on_own_cluster)
        finally:
            for pid in family:
                os.kill(pid, signal.SIGCONT)
        wait_until(lambda: client.post("/api/jobs", json={"target": COMMAND}).status_code == 201, timeout=30)
