"""What comes: hours, clashes in words, each schedule's starts, on a phone too."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import Watched
from tests.e2e.places import visit
from tests.e2e.service import Service

NAMES = [f"crowd-{number}" for number in range(4)]
INSIDE = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


def _crowd(service: Service) -> None:
    """Four schedules of a queue, which starts one job at a time, that are all due at the full hour."""
    service.call("PATCH", "/api/queues/crowd", {"concurrency": 1})
    job = {"target": {"kind": "command", "command": ["true"]}, "queue": "crowd", "cron": "0 * * * *"}
    service.call("PUT", "/api/schedules", {"schedules": [{"id": name, **job} for name in NAMES]})


def test_it_tells_starts_and_clashes(page: Page, service: Service) -> None:
    _crowd(service)
    visit(page, "forecast?queue=crowd")
    found = service.call("GET", "/api/forecast?queue=crowd")
    rows = page.get_by_role("table", name="What runs when").locator("tbody tr")
    expect(rows).to_have_count(len(NAMES))
    expect(page.get_by_role("link", name="crowd-0").first).to_be_visible()
    assert found["clashes"]
    expect(page.get_by_role("list", name="Clashes").get_by_role("listitem")).to_have_count(len(found["clashes"]))
    expect(page.get_by_role("list", name="Clashes")).to_contain_text("start in the same second")
    expect(page.get_by_role("button", name="All at once").first).to_be_visible()


def test_what_starts_together_is_spread_and_put_back(page: Page, service: Service) -> None:
    _crowd(service)
    visit(page, "forecast?queue=crowd")
    clashes = page.get_by_role("list", name="Clashes")
    clashes.get_by_role("button", name="Spread these").first.press("Enter")
    expect(page.get_by_role("button", name="Spread", exact=True)).to_be_focused()
    page.get_by_role("radio", name="15 min").press(" ")
    page.get_by_role("button", name="Spread", exact=True).press("Enter")
    page.get_by_text("4 schedules spread over 15m").hover()  # so that it stays until all of it is looked at
    expect(clashes.get_by_text("start in the same second")).to_have_count(0)
    assert {service.call("GET", f"/api/schedules/{name}")["jitter"] for name in NAMES} == {"15m"}
    page.get_by_role("button", name="Undo").press("Enter")
    expect(clashes.get_by_text("start in the same second").first).to_be_visible()
    assert {service.call("GET", f"/api/schedules/{name}")["jitter"] for name in NAMES} == {None}


def test_hours_are_walked_and_the_week_is_in_the_address(page: Page, service: Service) -> None:
    _crowd(service)
    visit(page, "forecast?queue=crowd")
    bars = page.get_by_role("group", name="arrow keys move").locator("[data-cell]")
    bars.first.focus()
    page.keyboard.press("ArrowRight")
    expect(bars.nth(1)).to_be_focused()
    expect(page.get_by_role("region", name="Load by hour").locator("p")).to_contain_text("4 starts")
    page.get_by_text("7 days", exact=True).click()
    page.wait_for_url("**/forecast?*hours=168*")
    expect(bars.nth(160)).to_be_attached()


def test_one_schedule_and_none(page: Page, service: Service) -> None:
    _crowd(service)
    visit(page, "forecast?schedule=crowd-2")
    expect(page.get_by_role("table", name="What runs when").locator("tbody tr")).to_have_count(1)
    visit(page, "forecast?queue=nobody-uses-it")
    expect(page.get_by_text("Nothing is due in this time")).to_be_visible()


def test_it_is_a_list_on_a_phone(browser: Browser, service: Service) -> None:
    _crowd(service)
    phone = Watched(browser, service, width=390, height=844, color_scheme="dark")
    page = phone.log_in()
    visit(page, "forecast?hours=168")
    assert page.evaluate(INSIDE)
    page.get_by_role("table", name="What runs when").get_by_role("link", name="crowd-1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("crowd-1")
    phone.close()
