"""A real service, and a real browser that looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from rota.api import web
from rota.sealing import new_key
from tests.e2e.browser import Watched, running_browser
from tests.e2e.service import Service, fill
from tests.support.processes import ROOT


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for the tests of this process: look at it, add to it, but do not stop it."""
    assert web.is_there(), web.MISSING
    running = Service(tmp_path_factory.mktemp("pages"), "--demo", env={"ROTA_SECRET_KEY": new_key()})
    try:
        fill(running)
        yield running
    finally:
        running.stop()


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Service]:
    """A service of this test's own, empty: it may be stopped and started again."""
    running = Service(tmp_path)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; not longer than a module, since no event loop can run beside it."""
    with running_browser() as running:
        yield running


@pytest.fixture
def watched(browser: Browser, service: Service) -> Iterator[Watched]:
    """A watched context, wide and light."""
    made = Watched(browser, service)
    yield made
    made.close()


@pytest.fixture
def page(watched: Watched) -> Page:
    """A page that is logged in, and shows nothing yet; whatever goes wrong on it fails the test."""
    return watched.log_in()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures are kept: build output, not part of the repository."""
    folder = ROOT / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
