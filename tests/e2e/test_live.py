"""Hundreds of updates while somebody works with a list: focus, selection and what is in view stay."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.places import visit
from tests.e2e.service import Service

JOBS = 40
ROUNDS = 10


def _focused(page: Page) -> object:
    """The row that has the focus, and where it is; rows keep their height whatever becomes of their jobs."""
    return page.evaluate("""() => {
      const row = document.activeElement, { top, height } = row.getBoundingClientRect();
      return [row.dataset.id, top, height];
    }""")


def test_updates_leave_the_reader_alone(page: Page, service: Service) -> None:
    service.call("PATCH", "/api/queues/busy", {"concurrency": 1})
    service.call("POST", "/api/queues/busy/pause", {"note": "for this test"})
    job = {"jobType": "invoice-mail", "queue": "busy"}
    service.call("POST", "/api/jobs/bulk", {"jobs": [job] * JOBS})
    visit(page, "jobs?queue=busy")
    rows = page.get_by_role("table", name="Jobs").locator("tbody tr")
    expect(rows).to_have_count(JOBS)
    rows.nth(20).focus()
    page.keyboard.press(" ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    chosen = page.locator("tbody tr[aria-selected=true]")
    expect(chosen).to_have_count(2)
    before = _focused(page)
    for number in range(ROUNDS):
        action = {"action": "reprioritise", "priority": number + 1, "filter": {"queue": "busy"}}
        assert service.call("POST", "/api/jobs/actions", action)["changed"] == JOBS
    service.call("POST", "/api/jobs/actions", {"action": "cancel", "filter": {"queue": "busy"}})
    expect(page.locator("tbody [data-status=cancelled]")).to_have_count(JOBS)
    assert _focused(page) == before
    assert page.evaluate("scrollY") > 0
    expect(chosen).to_have_count(2)
