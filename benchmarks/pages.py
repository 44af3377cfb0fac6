"""How soon pages are drawn in a real browser: beside a million jobs, with a long log, and under many updates.

A browser feels every process beside it: see the load average of the machine in what is written.
"""

from __future__ import annotations

import contextlib
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
from playwright.sync_api import Browser, BrowserContext, Page, expect

from benchmarks.api import SECRET, serving
from benchmarks.figure import Figure, Goals, percentile
from benchmarks.large_table import VALUES, Size, store
from benchmarks.lateness import model_job
from benchmarks.setting import Bench, Session
from rota.model import Job
from rota.store.database import columns
from tests.e2e.browser import running_browser

SIZE = Size(waiting=10_000, future=10_000, finished=980_000)
QUICK = Size(waiting=500, future=500, finished=9_000)
PART = 100_000
VISITS = 5
LINES = 100_000
CHUNK = 500
SHOWN = 50
TYPES = re.compile("noop|rare")
GROUPS = 5
"""The jobs shown are changed in so many turns, ten turns a second: a hundred changes a second of fifty jobs."""
TURN_S = 0.1
WATCHED_S = 10.0

SQLITE_ID = "printf('%08x-%04x-7000-8000-000000000000', (p.first + g.i) >> 16, (p.first + g.i) & 65535)"
SQLITE_FILL = f"""
WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < :n)
INSERT INTO rota_jobs ({columns(Job.__struct_fields__)})
SELECT {columns([{**VALUES, "id": SQLITE_ID}.get(name, f"s.{name}") for name in Job.__struct_fields__])}
FROM rota_jobs s CROSS JOIN (SELECT :status AS status, :first AS first) p CROSS JOIN g WHERE s.id = :model
"""
CHUNKS = """
INSERT INTO rota_logs (job_id, attempt, first_line, lines, at, body) VALUES (:job, 1, :first, :lines, :at, :body)
"""
WROTE = (
    "UPDATE rota_jobs SET attempt = 1, log_lines = :lines, started_at = created_at, status = 'failed' WHERE id = :job"
)
FRAMES = """() => { window.frames = []; let last = performance.now();
  const next = (now) => { window.frames.push(now - last); last = now; requestAnimationFrame(next); };
  requestAnimationFrame(next); }"""
FOCUSED = """() => { const row = document.activeElement;
  return [row.dataset.id, row.getBoundingClientRect().top, scrollY,
    document.querySelectorAll("tr[aria-selected=true]").length]; }"""


class Place(msgspec.Struct, frozen=True):
    """A page, and how to see that all of it is drawn."""

    name: str
    path: str
    drawn: Callable[[Page], None]


def run(session: Session) -> Iterator[Figure]:
    """Measure each page, then how it is to work on one while much happens."""
    with session.fresh() as bench:
        fill(session, bench)
        bench.environment["ROTA_RETENTION_COMPLETED"] = "never"  # what is looked at is a day old
        job, logged = one_of(bench, "completed"), with_log(session, bench)
        with serving(bench) as port, running_browser() as browser:
            for place in (
                Place("Overview", "", overview_is_drawn),
                Place("Jobs", "jobs", jobs_are_drawn),
                Place("a job", f"jobs/{job}", lambda page: page.get_by_role("heading", level=1, name=TYPES).wait_for()),
                Place(f"a log of {LINES:,} lines", f"jobs/{logged}", log_is_drawn),
            ):
                yield drawn(session, bench, browser, port, place)
            yield from updated(session, bench, browser, port)


def fill(session: Session, bench: Bench) -> None:
    """Store a million jobs, nearly all of them history."""
    size = QUICK if session.quick else SIZE
    if bench.kind == "postgresql":
        store(session, bench, size)
        return
    model, first = model_job(bench), 1
    for status, count in (("completed", size.finished), ("pending", size.waiting), ("scheduled", size.future)):
        for start in range(0, count, PART):
            session.say(f"rows that are {status}: {start:,} of {count:,}")
            n = min(PART, count - start)
            with bench.db.transaction() as tx:
                tx.run(SQLITE_FILL, {"n": n, "status": status, "first": first, "model": model})
            first += n
    with bench.db.statement() as tx:
        tx.run("ANALYZE")


def one_of(bench: Bench, status: str) -> str:
    """Return a job."""
    with bench.db.statement() as tx:
        return str(tx.value("SELECT id FROM rota_jobs WHERE status = :status LIMIT 1", {"status": status}))


def with_log(session: Session, bench: Bench) -> str:
    """Give a job a long log; return its id."""
    job = one_of(bench, "failed")
    session.say("a long log")
    with bench.db.transaction() as tx:
        at = tx.now()
        for first in range(1, LINES, CHUNK):
            lines = [
                (at, "stdout", f"line {n:08d} of a job that has much to tell") for n in range(first, first + CHUNK)
            ]
            body = msgspec.json.encode(lines).decode()
            tx.run(CHUNKS, {"job": job, "first": first, "lines": CHUNK, "at": at, "body": body})
        tx.run(WROTE, {"job": job, "lines": LINES})
    return job


def overview_is_drawn(page: Page) -> None:
    """Wait for all that the overview shows."""
    page.get_by_role("region", name="Latest jobs").get_by_role("link").first.wait_for()
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


def jobs_are_drawn(page: Page) -> None:
    """Wait for a page of rows."""
    expect(page.locator("tbody tr[data-id]")).to_have_count(SHOWN)


def log_is_drawn(page: Page) -> None:
    """Wait for the first lines."""
    page.get_by_role("region", name="Log of").get_by_text("line 00000017").wait_for()


@contextlib.contextmanager
def entered(browser: Browser, port: int) -> Iterator[BrowserContext]:
    """A browser with an empty cache that is logged in."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{port}/", viewport={"width": 1440, "height": 900})
    answer = context.request.post(
        "login", data=json.dumps({"token": SECRET}), headers={"Content-Type": "application/json"}
    )
    assert answer.ok, answer.text()
    yield context
    context.close()


def drawn(session: Session, bench: Bench, browser: Browser, port: int, place: Place) -> Figure:
    """Measure first visits: from the beginning of the navigation until all is drawn."""
    times = []
    for _ in range(session.rounds if session.quick else VISITS):
        session.say(place.name)
        with entered(browser, port) as context:
            page = context.new_page()
            page.goto(place.path, wait_until="commit")
            place.drawn(page)
            times.append(float(page.evaluate("performance.now()")))
    return Figure(
        name=f"{place.name} drawn, among {total(session):,} jobs", database=bench.kind,
        value=statistics.median(times), unit="ms", raw=max(times), raw_name="the slowest of the same",
        goals=Goals(most=1000.0),
    )  # fmt: skip


def total(session: Session) -> int:
    """Return how many jobs there are."""
    size = QUICK if session.quick else SIZE
    return size.waiting + size.future + size.finished


def updated(session: Session, bench: Bench, browser: Browser, port: int) -> Iterator[Figure]:
    """Work with a list of jobs while a hundred of them change each second."""
    with Changes(port) as changes, entered(browser, port) as context:
        page = context.new_page()
        page.goto("jobs?queue=live")
        jobs_are_drawn(page)
        page.locator("tbody tr").nth(SHOWN // 2).focus()
        for key in (" ", "ArrowDown", " "):
            page.keyboard.press(key)
        before = page.evaluate(FOCUSED)
        page.evaluate(FRAMES)
        session.say("a hundred updates a second")
        changes.run_for(1.0 if session.quick else WATCHED_S)
        frames = [float(each) for each in page.evaluate("window.frames")]
        after: list[Any] = page.evaluate(FOCUSED)
        assert after == before, f"focus, place, scroll or selection changed: {before} {after}"
    name = f"frames under {changes.rate:.0f} updates a second"
    for share, what, most in ((0.95, "p95", 50.0), (1.0, "longest", None)):
        yield Figure(
            name=f"{name}, {what}", database=bench.kind, value=percentile(frames, share), unit="ms",
            raw=statistics.median(frames), raw_name="the median of the same", goals=Goals(most=most),
        )  # fmt: skip


class Changes:
    """Changes the priority of jobs of a queue, over REST as others would."""

    def __init__(self, port: int) -> None:
        headers = {"Authorization": f"Bearer {SECRET}"}
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30, trust_env=False)
        self._changed = 0
        self._seconds = 1.0

    def __enter__(self) -> Changes:
        one = {"jobType": "noop", "queue": "live"}
        jobs = [{**one, "tags": [f"group{number % GROUPS}"]} for number in range(SHOWN)]
        self._call("POST", "/api/jobs/bulk", {"jobs": jobs})
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def rate(self) -> float:
        """Return how many changes there were in a second."""
        return self._changed / self._seconds

    def run_for(self, seconds: float) -> None:
        """Make changes for so long."""
        began, turn = time.monotonic(), 0
        while (turn := turn + 1) * TURN_S <= seconds:
            time.sleep(max(0.0, began + turn * TURN_S - time.monotonic()))
            wanted = {"queue": "live", "tag": f"group{turn % GROUPS}"}
            action = {"action": "reprioritise", "priority": turn % 100 + 1, "filter": wanted}
            self._changed += self._call("POST", "/api/jobs/actions", action)["changed"]
        self._seconds = time.monotonic() - began

    def _call(self, method: str, path: str, body: object) -> Any:
        answer = self._client.request(method, path, json=body)
        if not answer.is_success:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None
