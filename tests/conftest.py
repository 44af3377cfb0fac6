"""Fixtures for all tests: databases of both kinds, and an environment free of the caller's settings."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import pytest

from rota import logs
from rota.settings import parse_database_url
from rota.store import migrate
from rota.store.opening import open_database
from tests.support.leftovers import Leftovers
from tests.support.needs import cannot_be_had
from tests.support.postgres import Cluster, PostgresMissing, Stock, fresh_database, shared_url
from tests.support.processes import RotaProcesses
from tests.support.run_directory import RunDirectory, memory
from tests.support.target import TargetServer, running_target

# An example takes longer when the machine is busy; the time-out of the test is the bound.
hypothesis.settings.register_profile("rota", deadline=None)
hypothesis.settings.load_profile("rota")

# What Rota or a database driver would read from the environment.
ALIASES = {"SCHEDULER_SHARED_AUTH_SECRET", "DATABASE_URL", "POSTGRES_PRISMA_URL", "CLERK_SECRET_KEY", "HOST", "PORT"}
PREFIXES = ("ROTA_", "PG")
POSTGRES_URL = "ROTA_TEST_POSTGRES_URL"

run_key = pytest.StashKey[RunDirectory]()
postgres_url_key = pytest.StashKey[str | None]()
leftovers_key = pytest.StashKey[Leftovers]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full-size", action="store_true", help="run the reliability tests at their full size")


def pytest_configure(config: pytest.Config) -> None:
    given = os.environ.get(POSTGRES_URL)
    # A shell's background job ignores SIGINT, one of nohup SIGHUP: so would everything that the tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for name in list(os.environ):
        if name.startswith(PREFIXES) or name in ALIASES:
            del os.environ[name]
    config.addinivalue_line("markers", "chaos(id): a line of docs/explanation/reliability.md that this test proves")
    os.environ["ROTA_TEST_STRICT_EVENTS"] = "1"  # for the processes that tests start
    logs.strict(True)
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    if workerinput is None:
        # At full size there may be more than fits into memory.
        run = RunDirectory.create(None if config.getoption("--full-size") else memory())
        # pytest's own place for the folders of tests is a long path, and those of sockets are short.
        config.option.basetemp = config.option.basetemp or run.path / "t"
        config.stash[run_key] = run
        config.stash[postgres_url_key] = given
    else:
        config.stash[run_key] = RunDirectory(Path(workerinput["run_directory"]))
        config.stash[postgres_url_key] = workerinput["postgres_url"]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected stays until the end: the collector of garbage need not go through it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three for two cores: tests wait for processes and servers as long as they compute."""
    return (3 * (os.cpu_count() or 1) + 1) // 2


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["run_directory"] = str(node.config.stash[run_key].path)
    node.workerinput["postgres_url"] = node.config.stash[postgres_url_key]


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and run_key in config.stash:
        config.stash[run_key].close()


@pytest.fixture(autouse=True)
def _watch_leftovers(request: pytest.FixtureRequest) -> None:
    """Remember the threads and processes there are; fixtures of wider scopes have made theirs by now."""
    request.node.stash[leftovers_key] = Leftovers()
    logs.forget_repeated()  # what one test has told, the next one tells too


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    # After all fixtures of the test, its event loop among them, have been torn down.
    yield
    if leftovers_key in item.stash and (left := item.stash[leftovers_key].wait()):
        pytest.fail(f"left behind by the test: {'; '.join(left)}", pytrace=False)


@pytest.fixture(scope="session")
def full_size(pytestconfig: pytest.Config) -> bool:
    """Whether reliability tests run at their full size, not at the small one of every day."""
    return bool(pytestconfig.getoption("--full-size"))


@pytest.fixture(scope="session")
def run_directory(pytestconfig: pytest.Config) -> RunDirectory:
    """The directory that all processes of this run share; removed at its end."""
    return pytestconfig.stash[run_key]


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config, run_directory: RunDirectory) -> str:
    """The address of a PostgreSQL server on which a test may create databases; never stop this one."""
    given = pytestconfig.stash[postgres_url_key]
    if given:
        return given
    try:
        return shared_url(run_directory)
    except PostgresMissing as missing:
        cannot_be_had(str(missing))


@pytest.fixture
def migrated() -> None:
    """A test or a fixture that asks for this too gets its database with Rota's schema, as a copy of one that has it."""


@pytest.fixture(scope="session")
def pg_template(postgres: str) -> Iterator[str]:
    """The name of a migrated PostgreSQL database that nobody is connected to."""
    with fresh_database(postgres) as url:
        _migrate(url)
        yield urlsplit(url).path.removeprefix("/")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database that nobody has open."""
    path = tmp_path_factory.mktemp("template") / "rota.db"
    _migrate(f"sqlite:///{path}")
    return path


def _migrate(url: str) -> None:
    database = open_database(parse_database_url(url))
    migrate.migrate(database)
    database.close()


@pytest.fixture(scope="session")
def pg_stocks(postgres: str) -> Iterator[dict[str, Stock]]:
    """What makes and drops the databases of tests on the shared server, by their templates."""
    stocks: dict[str, Stock] = {}
    yield stocks
    for stock in stocks.values():
        stock.close()


@pytest.fixture
def pg_database(request: pytest.FixtureRequest, postgres: str, pg_stocks: dict[str, Stock]) -> Iterator[str]:
    """The address of a fresh PostgreSQL database, empty unless the test asks for ``migrated`` too."""
    template = request.getfixturevalue("pg_template") if "migrated" in request.fixturenames else "template0"
    if template not in pg_stocks:
        pg_stocks[template] = Stock(postgres, template)
    with pg_stocks[template].taken() as url:
        yield url


@pytest.fixture
def own_cluster(run_directory: RunDirectory) -> Iterator[Cluster]:
    """A durable PostgreSQL server of this test's own, running; it may be stopped, killed and restarted."""
    try:
        cluster = Cluster(run_directory, name=f"own-{os.urandom(4).hex()}", durable=True)
    except PostgresMissing as missing:
        cannot_be_had(str(missing))
    try:
        cluster.start_first()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """Where this test's SQLite database will be; nothing is there yet."""
    return tmp_path / "rota.db"


@pytest.fixture
def sqlite_url(request: pytest.FixtureRequest, sqlite_path: Path) -> str:
    """The address of this test's SQLite database; it is there already when the test asks for ``migrated`` too."""
    if "migrated" in request.fixturenames:
        shutil.copy(request.getfixturevalue("sqlite_template"), sqlite_path)
    return f"sqlite:///{sqlite_path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a fresh database; a test that asks for it runs on both kinds.  Empty unless ``migrated``."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "pg_database"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url


@pytest.fixture
def target_server() -> Iterator[TargetServer]:
    """An HTTP server that answers as the test says and remembers every request."""
    with running_target() as server:
        yield server


@pytest.fixture
def rota_process(tmp_path: Path) -> Iterator[RotaProcesses]:
    """Starts ``rota …`` processes; at the end all are stopped, and nothing they started may be alive."""
    processes = RotaProcesses(tmp_path)
    try:
        yield processes
    finally:
        processes.finish()
