"""Workers: every process and every loop in it, as the service knows them."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.places import visit
from tests.e2e.service import Service


def test_every_process_and_every_loop_is_there(page: Page, service: Service) -> None:
    visit(page, "workers")
    known = service.call("GET", "/api/workers")["workers"]
    assert {one["role"] for one in known} == {"api", "scheduler", "worker"}
    for one in known:
        card = page.get_by_role("region", name=f"{one['role']} on {one['host']}, process {one['pid']}")
        expect(card).to_contain_text("Alive")
        expect(card).to_contain_text(one["version"])
        for loop in one["loops"]:
            table = card.get_by_role("table", name=f"Loops of process {one['pid']}")
            expect(table.locator(f"tr[data-id='{loop['name']}']")).to_be_visible()


def test_a_worker_says_why_it_takes_no_more(page: Page, service: Service) -> None:
    visit(page, "workers")
    worker = next(one for one in service.call("GET", "/api/workers")["workers"] if one["role"] == "worker")
    queues = page.get_by_role("table", name=f"Queues of process {worker['pid']}")
    row = queues.locator("tr[data-id=held]")
    expect(row).to_contain_text("paused")
    row.get_by_role("link", name="held").press("Enter")
    page.wait_for_url("**/queues/held")


def test_a_process_that_works_is_told_in_numbers(page: Page, service: Service) -> None:
    service.call("PUT", "/api/job-types/takes-long", {"target": {"kind": "command", "command": ["sleep", "300"]}})
    made = service.call("POST", "/api/jobs", {"jobType": "takes-long", "queue": "long"})
    visit(page, "workers")
    expect(page.get_by_text("Last claim")).to_be_visible()
    expect(page.get_by_role("table").locator("tr[data-id=long]")).to_contain_text("1")
    service.call("POST", f"/api/jobs/{made['id']}/cancel", {})
