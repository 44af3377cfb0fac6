"""In and out: the one field, the way back to the page asked for, the end of a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import Watched
from tests.e2e.places import visit
from tests.e2e.service import Service


@pytest.fixture
def outside(browser: Browser, service: Service) -> Iterator[Watched]:
    """A context that is not logged in."""
    made = Watched(browser, service, color_scheme="dark")
    yield made
    made.close()


def test_enter_logs_in_and_comes_back_to_the_page_asked_for(outside: Watched) -> None:
    page = outside.context.new_page()
    page.goto("queues")
    expect(page).to_have_url(f"{outside.service.url}/login?next=/queues")
    expect(page.locator("input:visible")).to_have_count(1)
    page.get_by_label("Token").fill(outside.service.token)
    page.get_by_label("Token").press("Enter")
    expect(page).to_have_url(f"{outside.service.url}/queues")
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")


def test_a_wrong_token_is_told(outside: Watched) -> None:
    page = outside.context.new_page()
    page.goto("login")
    with outside.forgiving():
        page.get_by_label("Token").fill("rota_wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("Invalid token")
    expect(page.get_by_label("Token")).to_be_focused()


def test_logging_out_ends_the_session(page: Page, service: Service) -> None:
    visit(page, "")
    page.get_by_role("button", name="local, admin").click()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{service.url}/login")
    page.goto("jobs")
    expect(page).to_have_url(f"{service.url}/login?next=/jobs")


def test_a_session_that_ended_leads_to_the_login_and_back(watched: Watched, page: Page) -> None:
    page.goto("schedules")
    page.get_by_role("link", name="demo-primes").wait_for()
    with watched.forgiving():
        watched.context.clear_cookies()
        page.wait_for_url("**/login?next=*")  # the demo's schedules run, so the list is soon asked for anew
    page.get_by_label("Token").fill(watched.service.token)
    page.get_by_label("Token").press("Enter")
    expect(page).to_have_url(f"{watched.service.url}/schedules")
