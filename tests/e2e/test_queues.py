"""Queues: look, pause with a reason, change limits, retry and delete what failed, pause a key."""

from __future__ import annotations

from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.browser import Watched
from tests.e2e.keyboard import choose
from tests.e2e.places import visit
from tests.e2e.roles import viewing
from tests.e2e.service import HOSTILE, Service


def _made(service: Service, name: str, *jobs: dict[str, object]) -> None:
    """A queue of a test's own, with jobs."""
    service.call("PATCH", f"/api/queues/{name}", {"concurrency": 3})
    for job in jobs:
        service.call("POST", "/api/jobs", {"jobType": "invoice-mail", "queue": name, **job})


def _failed(service: Service, name: str, count: int) -> None:
    made = [
        service.call("POST", "/api/jobs", {"jobType": "nightly-export", "queue": name, "maxAttempts": 1})["id"]
        for _ in range(count)
    ]
    for job in made:
        service.ended(job)


def _row(page: Page, name: str) -> Locator:
    return page.get_by_role("table", name="Queues").locator(f"tr[data-id='{name}']")


def test_a_queue_is_paused_with_a_reason_and_goes_on(page: Page, service: Service) -> None:
    _made(service, "to-pause")
    visit(page, "queues?q=to-pause")
    choose(page, "Actions of to-pause", "Pause…")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Why")).to_be_focused()
    page.keyboard.type(f"the bank is closed {HOSTILE}")
    dialog.get_by_text("2 hours").click()
    dialog.get_by_role("button", name="Pause").press("Enter")
    expect(_row(page, "to-pause")).to_contain_text("Paused")
    said = service.call("GET", "/api/queues/to-pause")
    assert said["paused"]
    assert said["resumeAt"] is not None
    assert said["pausedNote"].startswith("the bank is closed")
    _row(page, "to-pause").get_by_role("link", name="to-pause").press("Enter")
    expect(page.locator("#content")).to_contain_text("the bank is closed")
    page.get_by_role("button", name="Resume").press("Enter")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    assert not service.call("GET", "/api/queues/to-pause")["paused"]


def test_limits_are_changed_and_refused_at_their_field(page: Page, watched: Watched, service: Service) -> None:
    _made(service, "limited")
    visit(page, "queues/limited")
    page.get_by_role("button", name="Change", exact=True).press("Enter")
    page.get_by_label("At once, everywhere").fill("7")
    page.get_by_role("button", name="Add a rate limit").press("Enter")
    page.get_by_label("Starts").fill("50")
    page.get_by_label("Time", exact=True).fill("10x")
    limits = page.get_by_role("region", name="Limits")
    with watched.forgiving():
        page.get_by_role("button", name="Save").press("Enter")
        expect(limits.get_by_role("alert")).to_be_visible()
    page.get_by_label("Time", exact=True).fill("10s")
    page.get_by_role("button", name="Save").press("Enter")
    expect(limits).to_contain_text("7 at once, 50 each 10s")
    said = service.call("GET", "/api/queues/limited")
    assert said["concurrency"] == 7
    assert [(one["limit"], one["per"]) for one in said["rateLimits"]] == [(50, "10s")]


def test_failed_jobs_are_counted_retried_and_deleted(page: Page, service: Service) -> None:
    _failed(service, "broken", 3)
    visit(page, "queues?state=failed&q=broken")
    choose(page, "Actions of broken", "Retry failed…")
    page.get_by_role("button", name="Retry 3").press("Enter")
    expect(page.get_by_text("3 jobs will run again")).to_be_visible()
    for job in service.call("GET", "/api/jobs?queue=broken")["jobs"]:
        assert service.ended(job["id"])["status"] == "failed"
    visit(page, "queues/broken")
    page.get_by_role("button", name="Delete failed").press("Enter")
    page.get_by_role("button", name="Delete 3").press("Enter")
    expect(page.get_by_text("3 jobs deleted")).to_be_visible()
    assert service.call("GET", "/api/jobs?queue=broken")["jobs"] == []


def test_a_key_at_its_cap_is_seen_and_paused(page: Page, service: Service) -> None:
    service.call("PATCH", "/api/queues/keys", {"keyConcurrency": 1})
    service.call("PUT", "/api/job-types/waits", {"target": {"kind": "command", "command": ["sleep", "300"]}})
    for _ in range(2):
        service.call("POST", "/api/jobs", {"jobType": "waits", "queue": "keys", "concurrencyKey": "customer-7"})
    visit(page, "queues/keys")
    row = page.get_by_role("table", name="Keys of keys").locator("tbody tr")
    expect(row).to_contain_text("At its cap")
    page.get_by_role("button", name="Pause customer-7").press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why").fill("asked us to wait")
    dialog.get_by_role("button", name="Pause").press("Enter")
    expect(row).to_contain_text("Paused")
    page.get_by_role("button", name="Resume customer-7").press("Enter")
    expect(row).to_contain_text("At its cap")
    service.call("POST", "/api/jobs/actions", {"action": "cancel", "filter": {"queue": "keys"}})


def test_numbers_lead_to_their_jobs(page: Page, service: Service) -> None:
    _failed(service, "counted", 1)
    visit(page, "queues/counted")
    page.locator("#content").get_by_role("link", name="Failed 1").press("Enter")
    page.wait_for_url("**/jobs?status=failed&queue=counted")
    expect(page.get_by_role("table", name="Jobs").locator("tbody tr")).to_have_count(1)


def test_who_may_only_look_is_offered_no_changes(browser: Browser, service: Service) -> None:
    with viewing(browser, service) as page:
        visit(page, "queues")
        expect(_row(page, "mail")).to_be_visible()
        expect(page.get_by_role("button", name="Actions of mail")).to_have_count(0)
        visit(page, "queues/mail")
        for name in ("Pause", "Change", "Retry failed", "Delete failed"):
            expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)


def test_the_palette_finds_and_pauses_a_queue(page: Page, service: Service) -> None:
    visit(page, "")
    _made(service, "from-afar")
    page.keyboard.press("Control+k")
    page.get_by_label("Command palette").fill("pause from-afar")
    page.get_by_role("dialog").get_by_role("button", name="Pause from-afar", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why").fill("by the palette")
    dialog.get_by_role("button", name="Pause").press("Enter")
    expect(page.get_by_text("from-afar is paused")).to_be_visible()
    assert service.call("GET", "/api/queues/from-afar")["pausedNote"] == "by the palette"
