"""The overview: what is wrong first, how it goes over the window, what is next; everything leads further."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.places import visit
from tests.e2e.service import Service
from tests.support.waiting import wait_until


def _export(service: Service) -> dict[str, object]:
    """A failed job of the type that always fails, so that there are errors to look at."""
    made = service.call("POST", "/api/jobs", {"jobType": "nightly-export", "queue": "exports", "maxAttempts": 1})
    return service.ended(made["id"])


def _fails(service: Service, schedule: str) -> bool:
    found = service.call("GET", "/api/problems?limit=100")["problems"]
    return any((one["kind"], one["subject"]["id"]) == ("failing", schedule) for one in found)


def test_the_window_is_chosen_by_keyboard_and_kept_in_the_address(page: Page) -> None:
    visit(page, "")
    hour = page.get_by_role("radio", name="Last hour")
    hour.focus()
    hour.press("ArrowRight")
    page.wait_for_url("**/?window=24h")
    expect(page.get_by_role("radio", name="Last day")).to_be_checked()
    page.reload()
    expect(page.get_by_role("radio", name="Last day")).to_be_checked()


def test_what_ended_is_drawn_and_said(page: Page, service: Service) -> None:
    visit(page, "")
    _export(service)
    counted = "/api/stats/series?window=1h&by=queue"
    wait_until(
        lambda: any(one["name"] == "exports" for one in service.call("GET", counted)["groups"]), 60, "its numbers"
    )
    expect(page.get_by_role("img", name="failed in all")).to_be_visible()
    expect(page.get_by_text("succeeded")).to_be_visible()
    row = page.get_by_role("table", name="Queues").locator("tr[data-id=exports]")
    row.get_by_role("link", name="exports").press("Enter")
    page.wait_for_url("**/queues/exports")
    expect(page.get_by_role("heading", level=1)).to_have_text("exports")


def test_errors_that_say_the_same_lead_to_the_last_job(page: Page, service: Service) -> None:
    visit(page, "")
    failed = _export(service)
    card = page.get_by_role("region", name="Recent errors")
    group = card.get_by_role("listitem").filter(has_text="nightly-export in exports")
    expect(group).to_contain_text("exit code 3")
    group.get_by_role("link").press("Enter")
    page.wait_for_url("**/jobs/*-*")
    expect(page.locator("#content")).to_contain_text(str(failed["jobType"]))


def test_a_problem_leads_to_what_it_is_about(page: Page, service: Service) -> None:
    visit(page, "")
    # The schedule of a type that always fails is a problem once it has failed in a row: not soon after the start.
    wait_until(lambda: _fails(service, "export"), 90, "the third failure of the schedule")
    problems = page.get_by_role("region", name="Problems")
    found = problems.get_by_role("link").filter(has_text="of schedule export failed")
    expect(found).to_be_visible()
    found.press("Enter")
    page.wait_for_url("**/schedules/export")


def test_latest_and_next_are_shown_as_they_come(page: Page, service: Service) -> None:
    visit(page, "")
    expect(page.get_by_role("region", name="Next due").get_by_role("link", name="export").first).to_be_visible()
    made = service.call("POST", "/api/jobs", {"jobType": "invoice-mail", "queue": "mail"})
    link = page.get_by_role("region", name="Latest jobs").locator(f"a[href$='{made['id']}']")
    expect(link).to_be_visible()
