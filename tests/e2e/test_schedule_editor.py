"""Schedules are made and changed: the way of a stranger, presets, errors at their fields, what an edit would do."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.browser import Watched
from tests.e2e.places import visit
from tests.e2e.service import Service

COMMAND = {"target": {"kind": "command", "command": ["true"]}}


def _run_now(page: Page) -> str:
    """Run a schedule from its page; the id of the job, whose page is shown then."""
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url("**/jobs/*")
    return page.url.rsplit("/", 1)[1]


def test_a_stranger_makes_runs_breaks_retries_and_pauses_a_schedule(page: Page) -> None:
    visit(page, "")
    page.locator("aside").get_by_role("link", name="Schedules").click()
    page.get_by_role("link", name="New schedule").click()
    page.get_by_role("textbox", name="Name").fill("stranger")
    page.get_by_role("textbox", name="Command").fill("echo hello; sleep 0.2; echo world")
    page.get_by_text("10 min", exact=True).click()
    expect(page.get_by_role("table", name="The next runs").locator("tbody tr")).to_have_count(10)
    page.get_by_role("button", name="Make the schedule").click()
    page.wait_for_url("**/schedules/stranger")
    expect(page.get_by_role("list", name="The next runs").locator("li:not([aria-hidden])")).to_have_count(10)
    job = _run_now(page)
    expect(page.get_by_role("region", name=f"Log of {job}")).to_contain_text("world")

    page.go_back()
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("textbox", name="Command").fill("echo 'Error: disk full' >&2; exit 3")
    expect(page.get_by_role("region", name="What saving changes")).to_contain_text("target")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/schedules/stranger")
    job = _run_now(page)
    expect(page.locator("#content").get_by_role("alert").filter(has_text="exit code 3").first).to_be_visible()
    page.get_by_role("button", name="Retry").first.click()
    expect(page.get_by_role("list", name="Attempts").get_by_role("listitem")).to_have_count(2)

    visit(page, "schedules/stranger")
    page.get_by_role("button", name="Pause").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why").fill("until the disk is mended")
    dialog.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("#content")).to_contain_text("until the disk is mended")

    visit(page, "audit?name=stranger")
    rows = page.get_by_role("table", name="Audit").locator("tbody tr")
    for done in ("created", "edited", "triggered", "paused"):
        expect(rows.filter(has_text=f"{done} the schedule stranger").first).to_be_visible()
    expect(rows.filter(has_text="until the disk is mended")).to_have_count(1)
    visit(page, f"audit?name={job}")
    expect(rows.filter(has_text="retried").first).to_be_visible()


def test_a_wrong_rule_shows_its_error_at_the_field(watched: Watched, page: Page) -> None:
    visit(page, "new-schedule")
    page.get_by_text("Cron", exact=True).click()
    with watched.forgiving():
        page.get_by_role("textbox", name="Cron").fill("61 * * * *")
        expect(page.locator("textarea[aria-invalid=true]")).to_have_count(1)
        expect(page.get_by_text("61").last).to_be_visible()
        page.get_by_role("textbox", name="Cron").fill("0 9 * * MON-FRI")
        expect(page.locator("textarea[aria-invalid=true]")).to_have_count(0)
    expect(page.get_by_role("table", name="The next runs").locator("tbody tr")).to_have_count(10)


def test_only_zones_that_exist_are_offered(page: Page) -> None:
    visit(page, "new-schedule")
    page.get_by_text("Daily", exact=True).click()
    zone = page.get_by_role("combobox", name="Time zone")
    zone.fill("Mars/Olympus")
    expect(page.get_by_text("No such zone")).to_be_visible()
    zone.fill("Asia/Tok")
    zone.press("ArrowDown")
    zone.press("Enter")
    expect(
        page.get_by_role("table", name="The next runs").get_by_role("columnheader", name="Asia/Tokyo")
    ).to_be_visible()


def test_an_edit_says_what_it_would_change(page: Page, service: Service) -> None:
    service.call("PUT", "/api/schedules/edited", {**COMMAND, "cron": "0 9 * * *", "timezone": "UTC"})
    visit(page, "schedules/edited/edit")
    page.locator("input[type=time]").fill("10:30")
    card = page.get_by_role("region", name="What saving changes")
    expect(card).to_contain_text("Removes 7 runs and adds 7 runs")
    page.get_by_role("button", name="Save").press("Enter")
    page.wait_for_url("**/schedules/edited")
    assert service.call("GET", "/api/schedules/edited")["cron"] == "30 10 * * *"


def test_a_name_that_is_none_is_refused_at_its_field(watched: Watched, page: Page) -> None:
    visit(page, "new-schedule")
    with watched.forgiving():
        page.get_by_role("textbox", name="Name").fill("not a name!")
        page.get_by_role("textbox", name="Command").fill("true")
        page.get_by_role("button", name="Make the schedule").click()
        expect(page.get_by_role("textbox", name="Name")).to_have_attribute("aria-invalid", "true")
