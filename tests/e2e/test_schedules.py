"""The list of schedules: what it tells of each, filters in the address, what is done with one and with many."""

from __future__ import annotations

from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.browser import Watched
from tests.e2e.places import visit
from tests.e2e.service import HOSTILE, Service

INSIDE = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
COMMAND = {"target": {"kind": "command", "command": ["true"]}}


def _put(service: Service, *names: str, **fields: object) -> None:
    many = [{"id": name, **COMMAND, "every": "1h", **fields} for name in names]
    service.call("PUT", "/api/schedules", {"schedules": many})


def _row(page: Page, name: str) -> Locator:
    return page.get_by_role("table", name="Schedules").locator(f"tbody tr[data-id='{name}']")


def test_a_row_tells_rule_zone_state_and_past(page: Page, service: Service) -> None:
    _put(service, "told", every=None, cron="30 9 * * MON", timezone="Asia/Tokyo", tags=["told"])
    service.call("POST", "/api/schedules/told/pause", {"note": "the bank moves"})
    visit(page, "schedules?tag=told")
    row = _row(page, "told")
    for text in ("09:30", "Asia/Tokyo", "Paused", "by local: the bank moves", "nothing was due"):
        expect(row).to_contain_text(text)
    expect(row.get_by_role("group")).to_have_attribute("aria-label", "The last instants of told: none yet")
    _put(service, "busy-row", every="1s", tags=["told"])
    strip = _row(page, "busy-row").get_by_role("group")
    expect(strip.locator("[data-status=completed]").first).to_be_visible()
    service.call("POST", "/api/schedules/busy-row/pause", {})


def test_filters_are_chips_text_and_address(page: Page, service: Service) -> None:
    _put(service, "filter-one", "filter-two", tags=["filtered"])
    service.call("POST", "/api/schedules/filter-two/pause", {})
    visit(page, "schedules")
    field = page.get_by_role("textbox", name="Filter")
    field.fill("tag:filtered")
    field.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_role("menuitem", name="Paused").click()
    page.wait_for_url("**/schedules?*paused=true*")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.reload()
    expect(_row(page, "filter-two")).to_be_visible()
    expect(field).to_have_value("tag:filtered paused:true")
    field.fill("nothing-is-called-so")
    field.press("Enter")
    expect(page.get_by_text("No schedule is like that")).to_be_visible()


def test_many_are_paused_with_one_reason_and_resumed(page: Page, service: Service) -> None:
    names = ["bulk-a", "bulk-b", "bulk-c"]
    _put(service, *names, tags=["bulk"])
    visit(page, "schedules?tag=bulk")
    _row(page, "bulk-a").focus()
    page.keyboard.press(" ")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Shift+ ")
    bar = page.get_by_role("group", name="With the selected schedules")
    expect(bar).to_contain_text("3 schedules selected")
    bar.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_label("Why").fill("quarter end")
    page.get_by_role("dialog").get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("tbody [data-status=paused]")).to_have_count(3)
    assert {service.call("GET", f"/api/schedules/{name}")["pausedNote"] for name in names} == {"quarter end"}
    bar.get_by_role("button", name="Resume").click()
    expect(page.locator("tbody [data-status=active]")).to_have_count(3)
    assert not any(service.call("GET", f"/api/schedules/{name}")["paused"] for name in names)


def test_one_runs_now_and_leads_to_its_job(page: Page, service: Service) -> None:
    _put(service, "by-hand", tags=["by-hand"])
    visit(page, "schedules?tag=by-hand")
    page.get_by_role("button", name="Actions of by-hand").click()
    page.get_by_role("menuitem", name="Run now").click()
    page.get_by_role("button", name="Open").click()
    page.wait_for_url("**/jobs/*")
    jobs = service.call("GET", "/api/jobs?schedule=by-hand")["jobs"]
    assert [job["origin"] for job in jobs] == ["trigger"]
    assert page.url.endswith(jobs[0]["id"])


def test_pages_go_on_by_cursor(page: Page, service: Service) -> None:
    _put(service, *(f"paged-{number:02}" for number in range(53)), tags=["paged"])
    visit(page, "schedules?tag=paged")
    rows = page.locator("tbody tr[data-id]")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Next").click()
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="Back").click()
    expect(rows).to_have_count(50)


def test_a_change_elsewhere_appears_by_itself(page: Page, service: Service) -> None:
    _put(service, "lively", tags=["lively"])
    visit(page, "schedules?tag=lively")
    page.locator("header [data-connection=live]").wait_for()
    service.call("POST", "/api/schedules/lively/pause", {"note": "from afar"})
    expect(_row(page, "lively")).to_contain_text("from afar")


def test_hostile_names_stay_inside_a_phone(browser: Browser, service: Service) -> None:
    name = f"hostile-{'x' * 90}"
    _put(service, name, note=HOSTILE, tags=["hostile"])
    service.call("POST", f"/api/schedules/{name}/pause", {"note": HOSTILE})
    phone = Watched(browser, service, width=390, height=844)
    page = phone.log_in()
    for path in ("schedules?tag=hostile", f"schedules/{name}", f"schedules/{name}/edit", "forecast?hours=168"):
        visit(page, path)
        assert page.evaluate(INSIDE), path
    phone.close()
