"""Pages as those see them who may do less."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from playwright.sync_api import Browser, Page

from tests.e2e.browser import Watched
from tests.e2e.service import Service


@contextlib.contextmanager
def viewing(browser: Browser, service: Service, role: str = "viewer") -> Iterator[Page]:
    """A page of somebody who may only look, or has another role, watched like every other."""
    token = service.call("POST", "/api/tokens", {"name": f"a {role}", "role": role})["token"]
    watched = Watched(browser, service)
    page = watched.context.new_page()
    page.goto("login")
    page.get_by_label("Token").fill(token)
    page.get_by_label("Token").press("Enter")
    page.get_by_role("heading", level=1, name="Overview").wait_for()
    yield page
    watched.close()
