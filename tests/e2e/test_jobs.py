"""The list of jobs: found by filters, changed one by one or all that match, by keyboard and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.browser import Watched
from tests.e2e.keyboard import choose
from tests.e2e.places import visit
from tests.e2e.service import HOSTILE, Service
from tests.support.waiting import wait_until

INSIDE = "document.documentElement.scrollWidth <= innerWidth"


def _enqueue(service: Service, queue: str, count: int, **more: object) -> list[str]:
    jobs = [{"target": {"kind": "command", "command": ["true"]}, "queue": queue, **more}] * count
    return [job["id"] for job in service.call("POST", "/api/jobs/bulk", {"jobs": jobs})["jobs"]]


def _hold(service: Service, queue: str) -> None:
    service.call("PATCH", f"/api/queues/{queue}", {"concurrency": 1})
    service.call("POST", f"/api/queues/{queue}/pause", {"note": "for this test"})


def _total(service: Service, query: str) -> int:
    found: dict[str, Any] = service.call("GET", f"/api/jobs?limit=1&{query}")
    return int(found["total"])


def _rows(page: Page) -> Any:
    return page.get_by_role("table", name="Jobs").locator("tbody tr")


def test_filters_are_text_chips_and_address(page: Page, service: Service) -> None:
    _hold(service, "found")
    _enqueue(service, "found", 2, args={"user": {"id": 42}}, tags=["eu"])
    _enqueue(service, "found", 1, args={"user": {"id": 43}})
    visit(page, "jobs?queue=found")
    expect(_rows(page)).to_have_count(3)
    field = page.get_by_role("textbox", name="Filter")
    field.fill("queue:found args.user.id:42 since:1h")
    field.press("Enter")
    expect(_rows(page)).to_have_count(2)
    page.wait_for_url("**/jobs?queue=found&args.user.id=42&since=1h")
    chips = page.get_by_role("list", name="Filters in use")
    expect(chips).to_contain_text("args.user.id 42")
    chips.get_by_role("button", name="Remove filter args.user.id").click()
    expect(_rows(page)).to_have_count(3)
    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_role("menuitem", name="Failed").click()
    expect(page.get_by_role("heading", name="Nothing like this has failed")).to_be_visible()


def test_a_search_is_kept_under_a_name(page: Page) -> None:
    visit(page, "jobs?queue=mail&status=failed")
    page.get_by_role("button", name="Saved").click()
    page.get_by_role("menuitem", name="Save this search").click()
    page.get_by_role("textbox", name="Name").fill("Failed mails")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Failed mails")).to_be_visible()
    visit(page, "jobs")
    page.get_by_role("button", name="Saved").click()
    page.get_by_role("menuitem", name="Failed mails").click()
    page.wait_for_url("**/jobs?queue=mail&status=failed")


def test_all_that_match_are_counted_and_retried(page: Page, service: Service) -> None:
    failing = {"target": {"kind": "command", "command": ["false"]}, "queue": "crumbling", "maxAttempts": 1}
    service.call("POST", "/api/jobs/bulk", {"jobs": [failing] * 60})
    wait_until(lambda: _total(service, "queue=crumbling&status=failed") == 60, 60, "60 failed jobs")
    _hold(service, "crumbling")
    visit(page, "jobs?queue=crumbling&status=failed")
    page.get_by_role("checkbox", name="Select all rows shown").click()
    bar = page.get_by_role("region", name="Selected jobs")
    expect(bar).to_contain_text("50 jobs selected")
    bar.get_by_role("button", name="Select all 60 that match").click()
    bar.get_by_role("button", name="Retry").click()
    begun: list[Route] = []
    page.route(
        "**/api/jobs/actions",
        lambda route: route.continue_() if "dryRun" in (route.request.post_data or "") else begun.append(route),
    )
    page.get_by_role("dialog").get_by_role("button", name="Retry 60").click()
    expect(page.get_by_role("progressbar", name="Retry 60 jobs")).to_have_attribute("aria-valuenow", "0")
    wait_until(lambda: page.title() and begun, what="the request")  # what browsers tell is heard while one asks them
    begun[0].continue_()
    expect(page.get_by_text("60 jobs will run again")).to_be_visible()
    expect(page.get_by_role("progressbar", name="Retry 60 jobs")).to_have_count(0)
    assert _total(service, "queue=crumbling&status=pending") == 60
    assert _total(service, "queue=crumbling&status=failed") == 0


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Service]:
    """An API without a scheduler: nobody but a page goes on with what takes long."""
    running = Service(tmp_path, role="api")
    try:
        yield running
    finally:
        running.stop()


def test_a_long_action_is_stopped(browser: Browser, alone: Service) -> None:
    for _ in range(6):
        _enqueue(alone, "endless", 10_000)
    watched = Watched(browser, alone)
    page = watched.log_in()
    with watched.forgiving():  # the page sees that there is no scheduler: 503
        visit(page, "jobs?queue=endless")
        page.get_by_role("checkbox", name="Select all rows shown").click()
        bar = page.get_by_role("region", name="Selected jobs")
        bar.get_by_role("button", name="that match").click()
        bar.get_by_role("button", name="Cancel").click()
        page.route(
            "**/continue", lambda route: route.continue_(method="GET", url=route.request.url[: -len("/continue")])
        )
        page.get_by_role("dialog").get_by_role("button", name="Cancel 60 k").click()
        page.get_by_role("button", name="Stop: Cancel 60,000 jobs").click()
        said = page.get_by_text("Stopped: ")
        expect(said).to_contain_text("of 60,000")
        text = said.inner_text()  # it goes after five seconds
        stopped = alone.call("GET", "/api/operations")["operations"][0]
        assert stopped["status"] == "cancelled"
        assert 0 < stopped["changed"] < 60_000
        assert f"{stopped['changed']:,} jobs" in text
        expect(page.get_by_role("progressbar")).to_have_count(0)
    watched.close()


def test_a_delete_is_undone_or_done_from_the_list_and_from_the_job(browser: Browser, service: Service) -> None:
    _hold(service, "thrown-away")
    kept, gone, alone = _enqueue(service, "thrown-away", 3)
    watched = Watched(browser, service)
    watched.context.clock.install()  # so that nobody waits for the seconds in which it can be undone
    page = watched.log_in()
    visit(page, "jobs?queue=thrown-away")

    def delete(job: str) -> None:
        page.locator(f"tr[data-id='{job}']").focus()
        page.keyboard.press(" ")
        page.get_by_role("region", name="Selected jobs").get_by_role("button", name="Delete").press("Enter")
        page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
        expect(page.get_by_text("1 job will be deleted")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)

    delete(kept)
    page.keyboard.press("z")
    expect(page.get_by_text("Nothing was deleted")).to_be_visible()
    page.clock.fast_forward(10_000)
    delete(gone)
    page.clock.fast_forward(10_000)
    expect(_rows(page)).to_have_count(2)
    visit(page, f"jobs/{alone}")
    for undone in (True, False):
        choose(page, "More actions", "Delete…")
        page.get_by_role("dialog").get_by_role("button", name="Delete it").press("Enter")
        page.wait_for_url("**/jobs")
        expect(page.get_by_role("heading", level=1, name="Jobs")).to_be_focused()
        if undone:
            page.get_by_role("button", name="Undo").press("Enter")
            page.clock.fast_forward(10_000)
            page.go_back()
        else:
            page.clock.fast_forward(10_000)
            expect(page.get_by_text("command is deleted")).to_be_visible()
    watched.close()
    assert [job["id"] for job in service.call("GET", "/api/jobs?queue=thrown-away")["jobs"]] == [kept]


def test_jobs_are_moved_by_keyboard_alone(page: Page, service: Service) -> None:
    _hold(service, "from-here")
    _hold(service, "to-there")
    _enqueue(service, "from-here", 3)
    visit(page, "jobs?queue=from-here")
    _rows(page).first.focus()
    page.keyboard.press(" ")
    page.keyboard.press("End")
    page.keyboard.press("Shift+ ")
    bar = page.get_by_role("region", name="Selected jobs")
    expect(bar).to_contain_text("3 jobs selected")
    move = bar.get_by_role("button", name="Move")
    for _ in range(20):
        if move.evaluate("one => one === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    field = page.get_by_role("dialog").get_by_label("Queue")
    expect(field).to_be_focused()
    page.keyboard.type("to-the")
    expect(page.get_by_role("option", name="to-there")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(field).to_have_value("to-there")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog").filter(has_text="Move these jobs to to-there?")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Move 3")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("3 jobs moved")).to_be_visible()
    assert (_total(service, "queue=from-here"), _total(service, "queue=to-there")) == (0, 3)


def test_hostile_jobs_stay_inside_a_phone(browser: Browser, service: Service) -> None:
    queue = "q" * 60
    job = {
        "target": {"kind": "command", "command": ["sh", "-c", f"echo '{HOSTILE}' >&2; exit 1"]},
        "queue": queue,
        "maxAttempts": 1,
        "tags": ["t" * 60],
    }
    service.ended(service.call("POST", "/api/jobs", job)["id"])
    watched = Watched(browser, service, width=390, height=844)
    page = watched.log_in()
    visit(page, f"jobs?queue={queue}")
    expect(_rows(page)).to_have_count(1)
    page.get_by_role("checkbox", name="Select row").click()
    expect(page.get_by_role("region", name="Selected jobs")).to_be_visible()
    assert page.evaluate(INSIDE)
    watched.close()
