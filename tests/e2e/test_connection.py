"""The service goes away and comes back: the pages say so, and heal by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.e2e.browser import Watched
from tests.e2e.places import visit
from tests.e2e.service import Service

LOST = "[role=alert][data-connection=broken]"
LIVE = "header [data-connection=live]"


@pytest.fixture
def own(browser: Browser, own_service: Service) -> Iterator[Watched]:
    """A watched context at a service that may be stopped."""
    made = Watched(browser, own_service)
    yield made
    made.close()


def _add(service: Service, name: str, every: str = "1h") -> None:
    service.call("PUT", f"/api/schedules/{name}", {"target": {"kind": "command", "command": ["true"]}, "every": every})


def test_a_lost_connection_is_told_and_heals(own: Watched, own_service: Service) -> None:
    _add(own_service, "before")
    page = own.log_in()
    visit(page, "schedules")
    page.locator(LIVE).wait_for()
    with own.forgiving():
        own_service.stop()
        page.locator(LOST).wait_for()
        expect(page.locator("header [data-health=unreachable]")).to_have_text("Out of reach· No connection")
        expect(page.get_by_role("link", name="before")).to_be_visible()
        own_service.start()
        page.locator(LIVE).wait_for()
    expect(page.locator(LOST)).to_have_count(0)
    _add(own_service, "after")
    page.get_by_role("link", name="after").wait_for()


def test_what_happened_meanwhile_is_asked_when_it_is_back(own: Watched, own_service: Service) -> None:
    page = own.log_in()
    visit(page, "schedules")
    page.locator(LIVE).wait_for()
    _add(own_service, "speaks", every="1s")  # a stream that is open goes on: what it says is no sign of a connection
    page.get_by_role("link", name="speaks").wait_for()
    own.context.set_offline(True)
    with own.forgiving():
        page.locator(LOST).wait_for()
        _add(own_service, "meanwhile")
        own.context.set_offline(False)
        page.get_by_role("link", name="meanwhile").wait_for()
    page.locator(LIVE).wait_for()


def test_tabs_share_one_stream(own: Watched, own_service: Service) -> None:
    streams: list[str] = []

    def note(request: Request) -> None:
        if urlsplit(request.url).path.endswith("/api/events"):
            streams.append(request.url)

    own.context.on("request", note)
    first = own.log_in()
    visit(first, "")
    first.locator(LIVE).wait_for()
    pages: list[Page] = []
    for _ in range(7):  # a browser opens six connections to one host
        page = own.context.new_page()
        visit(page, "schedules")
        page.locator(LIVE).wait_for()
        pages.append(page)
    _add(own_service, "seen-by-all")
    for page in pages:
        page.get_by_role("link", name="seen-by-all").wait_for()
    assert len(streams) == 1
    first.close()
    _add(own_service, "after-the-leader")
    for page in pages:
        page.get_by_role("link", name="after-the-leader").wait_for()
