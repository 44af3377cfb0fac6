"""A browser that is watched: whatever goes wrong on a page fails the test."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

from tests.e2e.service import Service

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
PATIENCE_MS = 45_000
"""For what a page shows by itself; the machine may be busy."""


def chromium() -> str:
    """Return where Chromium is; skips the test without one, and fails it where everything must be there."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        reason = "Chromium is not installed: sudo make ci-deps"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    """Run a browser; no event loop may run in this thread meanwhile, so tests with one belong in other modules."""
    program = chromium()
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


class Watched:
    """A context whose pages are watched for console errors, broken scripts, failed and foreign requests."""

    def __init__(self, browser: Browser, service: Service, *, width: int = 1440, height: int = 900, **options: object):
        self.service = service
        self.wrong: list[str] = []
        self._forgiving = False
        self.context: BrowserContext = browser.new_context(
            base_url=f"{service.url}/",
            viewport={"width": width, "height": height},
            reduced_motion="reduce",
            **options,  # type: ignore[arg-type]
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.on("console", self._console)
        self.context.on("weberror", lambda error: self._note(f"script broke: {error.error}"))
        self.context.on("request", self._request)
        self.context.on("requestfailed", self._failed)
        self.context.on("response", self._response)

    def log_in(self) -> Page:
        """Return a page of a browser that is logged in, which shows nothing yet; the form has tests of its own."""
        answer = self.context.request.post("login", data={"token": self.service.token})
        assert answer.ok, answer.text()
        return self.context.new_page()

    def enter(self) -> Page:
        """Return a page that was logged in as people do it, at the overview."""
        page = self.context.new_page()
        page.goto("login")
        page.get_by_label("Token").fill(self.service.token)
        page.get_by_label("Token").press("Enter")
        page.get_by_role("heading", level=1, name="Overview").wait_for()
        return page

    @contextlib.contextmanager
    def forgiving(self) -> Iterator[None]:
        """What goes wrong meanwhile is meant to: the server is away, or refuses."""
        self._forgiving = True
        yield
        self._forgiving = False

    def close(self) -> None:
        """Close the pages, and fail the test if anything was wrong."""
        self._forgiving = True
        self.context.close()
        assert self.wrong == [], self.wrong

    def _note(self, what: str) -> None:
        if not self._forgiving:
            self.wrong.append(what)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"console {message.type} at {message.page.url if message.page else '?'}: {message.text}")

    def _request(self, request: Request) -> None:
        origin = self.service.url.removesuffix(self.service.root_path)
        if not request.url.startswith((f"{origin}/", "data:", "blob:")):
            self._note(f"request to another host: {request.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a page that is left ends its requests
            self._note(f"request failed: {request.method} {request.url} {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self._note(f"{response.request.method} {response.url} answered {response.status}")
