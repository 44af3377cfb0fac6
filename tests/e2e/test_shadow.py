"""Schedules in the shadow: told in every list, compared with the log of the old system, let go live."""

from __future__ import annotations

from datetime import datetime, timedelta

from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import Watched
from tests.e2e.places import visit
from tests.e2e.service import Service
from tests.support.waiting import wait_until

INSIDE = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
COMMAND = {"target": {"kind": "command", "command": ["true"]}}


def _put(service: Service, *names: str, **fields: object) -> None:
    many = [{"id": name, **COMMAND, "every": "1h", "shadow": True, "tags": ["dark"], **fields} for name in names]
    service.call("PUT", "/api/schedules", {"schedules": many})


def test_it_is_told_compared_and_goes_live(page: Page, service: Service) -> None:
    _put(service, "dark-often", every="1s", startAt="2026-01-01T00:00:00Z")

    def seen() -> list[datetime]:
        (row,) = service.call("GET", "/api/schedules?recent=1&q=dark-often")["schedules"]
        found = row["recent"] and row["recent"][0]
        if not found or not found["reason"].startswith("shadow") or "to" not in found:
            return []
        begin, end = (datetime.fromisoformat(found[name]) for name in ("from", "to"))
        return [begin + timedelta(seconds=place) for place in range(int((end - begin).total_seconds()) + 1)]

    due = wait_until(lambda: len(found := seen()) >= 3 and found, 60, "three instants observed") or []
    visit(page, "schedules/dark-often")
    expect(page.locator("header [data-status=shadow]").first).to_have_text("Shadow")
    card = page.get_by_role("region", name="In the shadow")
    expect(card).to_contain_text("It would have run")
    card.get_by_role("button", name="Compare with a log").press("Enter")
    log = "name,time\n" + "".join(f"dark-often,{at.isoformat()}\n" for at in due)
    card.get_by_label("Log of the other system").fill(log)
    card.get_by_label("Tolerance").fill("200ms")
    card.get_by_role("button", name="Compare", exact=True).press("Enter")
    said = card.get_by_role("status", name="Comparison")
    expect(said).to_contain_text("Alike")
    expect(said).to_contain_text(f"{len(due)} runs in both, and none in one only")
    card.get_by_label("Log of the other system").fill(log + f"dark-often,{due[0].replace(year=2025).isoformat()}\n")
    card.get_by_role("button", name="Compare", exact=True).press("Enter")
    expect(said).to_contain_text("1 ran there, and would not in Rota")

    page.get_by_role("heading", level=1).focus()
    page.keyboard.press("v")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Stop it in the old system first")
    dialog.get_by_role("button", name="Go live").press("Enter")
    expect(page.get_by_text("dark-often is live")).to_be_visible()
    expect(page.get_by_role("region", name="In the shadow")).to_have_count(0)
    expect(page.get_by_role("button", name="Go live")).to_have_count(0)
    made = wait_until(lambda: service.call("GET", "/api/jobs?schedule=dark-often")["jobs"], 60, "its first job")
    assert made
    service.call("DELETE", "/api/schedules/dark-often")


def test_lists_and_the_forecast_tell_it_and_many_go_live(browser: Browser, page: Page, service: Service) -> None:
    _put(service, "dark-a", "dark-b", tags=["dark-list"])
    _put(service, "dark-live", shadow=False, tags=["dark-list"], queue="dark-queue")
    _put(service, "dark-hidden", tags=["dark-list"], queue="dark-queue", paused=True)
    visit(page, "forecast?queue=dark-queue")
    expect(page.get_by_role("note")).to_contain_text("One schedule is in the shadow")
    figure = page.get_by_text("Starts", exact=True).first.locator("..")
    expect(figure).to_contain_text("24")
    visit(page, "schedules?tag=dark-list")
    rows = page.get_by_role("table", name="Schedules").locator("tbody tr[data-id]")
    expect(rows).to_have_count(4)
    expect(rows.locator("[data-status=shadow]")).to_have_count(3)
    page.goto("schedules?tag=dark-list&shadow=true&paused=false")
    expect(rows).to_have_count(2)
    page.get_by_label("Select all rows shown").check()
    page.get_by_role("group", name="With the selected schedules").get_by_role("button", name="Go live").click()
    page.get_by_role("dialog").get_by_role("button", name="Go live 2").click()
    expect(page.get_by_text("2 schedules are live")).to_be_visible()
    expect(rows).to_have_count(0)
    dark = service.call("GET", "/api/schedules?tag=dark-list&shadow=true")["schedules"]
    assert [one["id"] for one in dark] == ["dark-hidden"]
    phone = Watched(browser, service, width=390, height=844, color_scheme="dark")
    small = phone.log_in()
    visit(small, "schedules?shadow=true&tag=dark-list")
    small.get_by_role("button", name="Compare all with a log").press("Enter")
    small.get_by_label("Log of the other system").fill(f"name,time\n{'x' * 150},2026-11-20T03:00:00Z\n")
    small.get_by_role("button", name="Compare", exact=True).press("Enter")
    expect(small.get_by_role("status", name="Comparison")).to_contain_text("The log also has runs of")
    assert small.evaluate(INSIDE)
    phone.close()
