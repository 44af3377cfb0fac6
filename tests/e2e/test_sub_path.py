"""The same pages under a path of a larger site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import Watched
from tests.e2e.places import visit
from tests.e2e.service import Service


@pytest.fixture
def under(tmp_path: Path) -> Iterator[Service]:
    """A service under a path."""
    running = Service(tmp_path, env={"ROTA_ROOT_PATH": "/tools/scheduler"})
    try:
        yield running
    finally:
        running.stop()


def test_pages_work_under_a_path(browser: Browser, under: Service) -> None:
    watched = Watched(browser, under)
    asked: list[str] = []
    watched.context.on("request", lambda request: asked.append(request.url))
    page = watched.enter()
    page.locator("header [data-connection=live]").wait_for()
    page.locator("aside").get_by_role("link", name="Queues").click()
    expect(page).to_have_url(f"{under.url}/queues")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")
    visit(page, "workers")
    page.get_by_role("button", name="local, admin").click()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{under.url}/login")
    watched.close()
    assert [url for url in asked if not url.startswith(f"{under.url}/")] == []
