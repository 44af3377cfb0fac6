"""The API over a migrated database of either kind, in this process or as a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from rota import logs
from rota.settings import Settings
from rota.store import migrate
from rota.store.database import Database
from tests.api.calls import Api, settings_of
from tests.api.live import Live
from tests.store import builders
from tests.support.issuer import IssuerServer, running_issuer


@pytest.fixture(autouse=True)
def strict_events() -> Iterator[None]:
    """Every event that is written is one of the listed."""
    before = logs.strict(True)
    yield
    logs.strict(before)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine makes no issuer late, which runs on it too; a test of one that is late says how late."""
    for name in ("jwks", "oidc", "clerk"):
        monkeypatch.setattr(f"rota.api.{name}.WITHIN_S", 60.0)


@pytest.fixture
def db(migrated: None, database_url: str) -> Iterator[Database]:
    """A migrated database; a test that asks for it runs on both kinds."""
    database = builders.opened(database_url)
    migrate.migrate(database)
    yield database
    database.close()


@pytest.fixture
def lite(migrated: None, sqlite_url: str) -> Iterator[Database]:
    """A migrated SQLite database."""
    database = builders.opened(sqlite_url)
    migrate.migrate(database)
    yield database
    database.close()


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings of a service on that database."""
    return settings_of(database_url)


@pytest_asyncio.fixture
async def api(db: Database, settings: Settings) -> AsyncIterator[Api]:
    """The API in this process, on both kinds of database."""
    api = Api(db, settings)
    yield api
    api.close()


@pytest_asyncio.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """An admin, on both kinds of database."""
    async with api.client() as client:
        yield client


@pytest_asyncio.fixture
async def small(lite: Database, sqlite_url: str) -> AsyncIterator[Api]:
    """The API in this process on SQLite, where the kind of database does not matter."""
    api = Api(lite, settings_of(sqlite_url))
    yield api
    api.close()


@pytest_asyncio.fixture
async def admin(small: Api) -> AsyncIterator[httpx.AsyncClient]:
    """An admin, on SQLite."""
    async with small.client() as client:
        yield client


@pytest.fixture
def live(lite: Database, sqlite_url: str) -> Iterator[Live]:
    """A real server on SQLite with the shared secret."""
    with Live(lite, settings_of(sqlite_url, ROTA_PORT="0")) as live:
        yield live


@pytest.fixture
def issuer() -> Iterator[IssuerServer]:
    """An issuer of tokens that serves on loopback."""
    with running_issuer() as issuer:
        yield issuer
