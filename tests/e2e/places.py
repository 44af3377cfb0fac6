"""Every page there is, by its name in pictures."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.service import Service

PLACES = {
    "overview": "",
    "jobs": "jobs",
    "jobs-failed": "jobs?status=failed",
    "schedules": "schedules",
    "schedule": "schedules/demo-primes",
    "schedule-long": f"schedules/{'long-name-' * 9}x",
    "schedule-edit": "schedules/invoices/edit",
    "new-schedule": "new-schedule",
    "forecast": "forecast",
    "queues": "queues",
    "workers": "workers",
    "monitors": "monitors",
    "monitors-history": "monitors?show=alerts",
    "monitors-checks": "monitors?show=checks",
    "monitors-channels": "monitors?show=channels",
    "monitors-notices": "monitors?show=notices",
    "monitors-pages": "monitors?show=pages",
    "check": "checks/nightly-backup",
    "job-types": "job-types",
    "audit": "audit",
    "tokens": "tokens",
    "settings": "settings",
    "not-found": "no-such-page",
}


JOBS: dict[str, dict[str, str | int]] = {
    "job": {"queue": "mail", "status": "completed", "type": "invoice-mail", "limit": 1},
    "job-failed": {"type": "nightly-export", "status": "failed", "limit": 1},
    "job-hostile": {"queue": "held", "limit": 1},
}
"""The same of jobs, by which they are found: one with arguments, a failed one, a hostile one."""


def place(service: Service, name: str) -> str:
    """Return where a page is, by its name in pictures."""
    if name not in JOBS:
        return PLACES[name]
    with service.client() as client:
        return f"jobs/{client.get('/api/jobs', params=JOBS[name]).json()['jobs'][0]['id']}"


def visit(page: Page, path: str) -> None:
    """Go to a page, and wait until what it asked for is there."""
    page.goto(path)
    page.locator("#content h1").wait_for()
    expect(page.get_by_role("button", name="Who you are")).to_have_count(0)  # keys do nothing for nobody
    expect(page.locator("[aria-busy=true]")).to_have_count(0)  # a function that polls is eval, which the policy refuses
