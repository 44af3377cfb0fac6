"""Monitors: what is wrong, muted and told again; limits; jobs elsewhere that ping; channels that are tested."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import Watched
from tests.e2e.places import visit
from tests.e2e.roles import viewing
from tests.e2e.service import HOSTILE, Service
from tests.support.waiting import wait_until

INSIDE = "document.documentElement.scrollWidth <= innerWidth"


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes what is posted, unless it is posted to what is broken."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(500 if "broken" in self.path else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Service]:
    """A service with two channels, one of them broken."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink) as sink:
        threading.Thread(target=sink.serve_forever, daemon=True).start()
        at = f"json://127.0.0.1:{sink.server_port}"
        running = Service(tmp_path, env={"ROTA_NOTIFY_URLS": f"{at}/?rota_name=desk {at}/broken?rota_name=pager"})
        try:
            yield running
        finally:
            running.stop()
            sink.shutdown()


def _failed(service: Service, check: str) -> None:
    """Let a check fail, and wait until a monitor has found that."""
    made = service.call("PUT", f"/api/checks/{check}", {"every": "1d"})
    assert httpx.get(f"{made['pingUrl']}/fail", timeout=30, trust_env=False).is_success
    wait_until(
        lambda: service.call("GET", f"/api/alerts?open=true&monitor=check:check:{check}")["total"], 60, "an alert"
    )


def test_what_is_wrong_is_muted_with_a_reason_and_told_again(page: Page, service: Service) -> None:
    visit(page, "")
    _failed(service, "muted-check")
    page.keyboard.press("g")
    page.keyboard.press("m")
    expect(page.get_by_role("heading", level=1)).to_have_text("Monitors")
    now = page.get_by_role("region", name="Open alerts").get_by_role("listitem").filter(has_text="muted-check")
    expect(now).to_contain_text("The last run of muted-check failed")
    now.get_by_role("button", name="Mute").press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why").fill("the tape is changed")
    dialog.get_by_text("2 hours").click()
    dialog.get_by_role("button", name="Mute", exact=True).press("Enter")
    expect(page.get_by_text("check:check:muted-check is muted")).to_be_visible()
    mute = service.call("GET", "/api/monitors/check:check:muted-check")["mute"]
    assert (mute["note"], mute["until"] is not None) == ("the tape is changed", True)
    expect(now).to_contain_text("not told: muted")
    now.get_by_role("button", name="Unmute").press("Enter")
    expect(now.get_by_role("button", name="Mute")).to_be_visible()
    now.get_by_role("link", name="muted-check").press("Enter")
    page.wait_for_url("**/checks/muted-check")


def test_limits_are_changed_and_put_back(watched: Watched, page: Page, service: Service) -> None:
    service.call("PUT", "/api/schedules/limited", {"target": {"kind": "command", "command": ["true"]}, "every": "1h"})
    visit(page, "monitors?q=limited&kind=late")
    rows = page.get_by_role("table", name="Monitors").locator("tbody tr")
    expect(rows).to_have_count(1)
    rows.first.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    with watched.forgiving():
        dialog.get_by_label("Limit").fill("soon")
        dialog.get_by_role("button", name="Save").press("Enter")
        expect(dialog.get_by_label("Limit")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Limit").fill("7m")
    dialog.get_by_role("button", name="Save").press("Enter")
    expect(dialog).to_have_count(0)
    expect(rows.first).to_contain_text("after 7m")
    changed = service.call("GET", "/api/monitors/late:schedule:limited")
    assert (changed["said"]["limit"], changed["said"]["grace"]) == ("7m", None)
    rows.first.focus()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="As by default").press("Enter")
    expect(rows.first).to_contain_text("by default")
    assert service.call("GET", "/api/monitors/late:schedule:limited")["said"] is None


def test_what_history_suggests_is_accepted(page: Page, service: Service) -> None:
    service.call("PUT", "/api/schedules/usual", {"target": {"kind": "command", "command": ["true"]}, "every": "1s"})
    wanted = "/api/monitors/proposals?q=usual"
    found = wait_until(lambda: service.call("GET", wanted)["proposals"], 60, "a proposal") or []
    service.call("POST", "/api/schedules/usual/pause", {})
    visit(page, "monitors")
    page.get_by_role("list", name="Proposals").wait_for()
    more = page.get_by_role("button", name="more", exact=False).filter(has_text="more")
    if more.count():
        more.first.press("Enter")
    page.get_by_role("button", name=f"for {found[0]['monitorId']}").first.press("Enter")
    expect(page.get_by_text(f"{found[0]['monitorId']} tells after")).to_be_visible()
    assert service.call("GET", f"/api/monitors/{found[0]['monitorId']}")["said"]


def test_a_check_is_added_from_the_palette_pinged_paused_and_deleted(
    watched: Watched, page: Page, service: Service
) -> None:
    visit(page, "")
    page.keyboard.press("Control+k")
    page.keyboard.type("add a check")
    expect(page.locator("[data-action][data-selected]")).to_contain_text("Add a check")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Id")).to_be_focused()
    page.keyboard.type("tape")
    every = dialog.get_by_role("textbox", name="Every", exact=True)
    with watched.forgiving():
        every.fill("never")
        page.keyboard.press("Enter")
        expect(every).to_have_attribute("aria-invalid", "true")
    every.fill("1h")
    page.keyboard.press("Enter")
    page.wait_for_url("**/checks/tape")
    address = page.locator("[data-address]").inner_text()
    assert httpx.post(address, content=HOSTILE, timeout=30, trust_env=False).is_success
    pings = page.get_by_role("table", name="Pings").locator("tbody tr")
    expect(pings).to_have_count(1)
    expect(pings.first).to_contain_text("<img src=x")
    expect(page.locator("#content header [data-status=up]")).to_be_visible()
    page.get_by_role("button", name="Pause").press("Enter")
    page.get_by_role("dialog").get_by_label("Why").fill("no tape")
    page.get_by_role("dialog").get_by_role("button", name="Pause", exact=True).press("Enter")
    expect(page.locator("#content")).to_contain_text("no tape")
    page.get_by_role("button", name="Resume").press("Enter")
    page.get_by_role("button", name="New address").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="New address").press("Enter")
    expect(page.locator("[data-address]")).not_to_have_text(address)
    page.get_by_role("button", name="Delete").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete it").press("Enter")
    page.wait_for_url("**/monitors?show=checks")
    expect(page.get_by_role("table", name="Checks").locator("tr[data-id=tape]")).to_have_count(0)


def test_who_may_only_look_sees_no_address_and_changes_nothing(browser: Browser, service: Service) -> None:
    with viewing(browser, service) as page:
        visit(page, "checks/nightly-backup")
        expect(page.get_by_role("table", name="Pings").locator("tbody tr").first).to_be_visible()
        expect(page.locator("[data-address]")).to_have_count(0)
        expect(page.get_by_role("button", name="Pause")).to_have_count(0)
        visit(page, "monitors")
        expect(page.get_by_role("button", name="Mute")).to_have_count(0)
        page.get_by_role("table", name="Monitors").locator("tbody tr").first.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text("State")
        expect(page.get_by_role("button", name="Save")).to_have_count(0)


def test_a_channel_is_tested_and_a_broken_one_says_so(browser: Browser, told: Service) -> None:
    watched = Watched(browser, told, width=390, height=844)
    page = watched.log_in()
    visit(page, "monitors?show=channels")
    row = page.get_by_role("table", name="Channels").locator("tr[data-id=desk]")
    expect(row).to_contain_text("Nothing sent yet")
    row.get_by_role("button", name="Test desk").press("Enter")
    expect(page.get_by_text("desk took the message")).to_be_visible()
    expect(row).to_contain_text("Working")
    assert page.evaluate(INSIDE)
    page.get_by_role("button", name="Test pager").press("Enter")
    expect(page.get_by_text("pager: ").first).to_be_visible()
    visit(page, "monitors?show=notices&kind=test")
    notices = page.get_by_role("table", name="Notices").locator("tbody tr")
    expect(notices).to_have_count(2)
    page.get_by_role("textbox", name="Filter").fill("kind:test state:failed")
    page.get_by_role("textbox", name="Filter").press("Enter")
    expect(notices).to_have_count(1)
    expect(notices.first).to_contain_text("Test of Rota's channels")
    failed = notices.first.get_by_role("listitem")
    expect(failed).to_contain_text("Failed pager")
    reason = told.call("GET", "/api/notices?state=failed&kind=test")["notices"][0]["deliveries"][0]["error"]
    expect(failed).to_contain_text(reason)
    assert page.evaluate(INSIDE)
    watched.close()


def test_a_status_page_is_added_changed_and_removed(watched: Watched, page: Page, service: Service) -> None:
    service.call("PUT", "/api/checks/shown-check", {"every": "1d", "tags": ["shown/tag"]})
    visit(page, "monitors?show=pages")
    page.get_by_role("button", name="Add a status page").press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Tag").fill("shown/tag")
    with watched.forgiving():
        dialog.get_by_label("Last part of its address").fill("No Address")
        dialog.get_by_role("button", name="Add it").press("Enter")
        expect(dialog.get_by_label("Last part of its address")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Last part of its address").fill("shown-page")
    dialog.get_by_label("Title").fill("Nightly work")
    dialog.get_by_label("check:shown-check").fill("The backup")
    dialog.get_by_role("button", name="Add it").press("Enter")
    expect(page.get_by_text("Nightly work is shown to whoever has its address")).to_be_visible()
    row = page.get_by_role("table", name="Status pages").locator("tr[data-id='shown/tag']")
    url = row.get_by_role("link").get_attribute("href") or ""
    assert url == f"{service.url}/status/shown-page"
    public = httpx.get(url, timeout=30, trust_env=False)
    assert public.is_success and "The backup" in public.text and "shown-check" not in public.text
    row.focus()
    page.keyboard.press("Enter")
    dialog.get_by_label("Show the page").uncheck()
    dialog.get_by_label("Show the badge").check()
    dialog.get_by_role("button", name="Save").press("Enter")
    expect(row.get_by_role("link")).to_have_attribute("href", f"{service.url}/badge/shown-page.svg")
    (kept,) = [one for one in service.call("GET", "/api/status-pages")["statusPages"] if one["tag"] == "shown/tag"]
    assert (kept["page"], kept["badge"], kept["names"]) == (False, True, {"check:shown-check": "The backup"})
    row.get_by_role("button", name="Remove shown/tag").press("Enter")
    dialog.get_by_role("button", name="Remove it").press("Enter")
    expect(page.get_by_text("Nothing of shown/tag is shown any more")).to_be_visible()
    expect(row).to_have_count(0)
    assert not [one for one in service.call("GET", "/api/status-pages")["statusPages"] if one["tag"] == "shown/tag"]
