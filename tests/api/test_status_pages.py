"""Status pages and badges: off by default, names and states and nothing else, and a flood costs one look."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from rota.actions import status_pages as actions
from rota.api import boards
from rota.api.badge import badge
from rota.store import status_pages
from rota.store.database import Database
from tests.api.calls import COMMAND, Api, good, problem, settings_of
from tests.store import builders

PAGE = {"page": True, "badge": True, "slug": "acme-jobs", "title": "Acme <jobs> & more"}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look is a new one, where a test does not say otherwise."""
    monkeypatch.setattr(boards, "KEPT_S", -1.0)


async def shown(client: httpx.AsyncClient, slug: str = "acme-jobs") -> dict[str, str]:
    """Names and states, as anybody sees them."""
    found = good(await client.get(f"/status/{slug}.json"))
    return {one["name"]: one["status"] for one in found["items"]}


async def test_nothing_is_shown_until_an_administrator_says_so(client: httpx.AsyncClient, api: Api) -> None:
    good(await client.put("/api/checks/backup", json={"every": "1d", "tags": ["ops"]}))
    async with api.client(None) as anybody, api.as_role("operator") as operator:
        problem(await operator.put("/api/status-pages/ops", json=PAGE), 403)
        problem(await operator.get("/api/status-pages"), 403)
        made = good(await client.put("/api/status-pages/ops", json={"title": "Ops"}))
        assert (made["pagePath"], made["badgePath"], len(made["slug"])) == (None, None, 32)
        for path in ("/status/ops", "/status/ops.json", "/badge/ops.svg", f"/status/{made['slug']}"):
            problem(await anybody.get(path), 404)
        made = good(await client.put("/api/status-pages/ops", json={"page": True, "slug": "acme-jobs"}))
        assert (made["pagePath"], made["badgePath"], made["title"]) == ("/status/acme-jobs", None, "Ops")
        assert await shown(anybody) == {"backup": "new"}
        problem(await anybody.get("/badge/acme-jobs.svg"), 404)
        good(await client.put("/api/status-pages/ops", json={"page": False, "badge": True}))
        problem(await anybody.get("/status/acme-jobs"), 404)
        assert (await anybody.get("/badge/acme-jobs.svg")).status_code == 200
        assert (await client.delete("/api/status-pages/ops")).status_code == 204
        problem(await anybody.get("/badge/acme-jobs.svg"), 404)
        problem(await client.delete("/api/status-pages/ops"), 404)


@pytest.mark.parametrize(
    ("tag", "body", "field"),
    [("ops", {"slug": "No"}, "slug"), ("ops", {"slug": "a/b"}, "slug"), ("ops", {"slug": "-ab"}, "slug"),
     ("ops", {"title": " "}, "title"), ("ops", {"title": "a\nb"}, "title"), ("ops", {"names": {"x": "y"}}, "names"),
     ("ops", {"names": {"check:x": ""}}, "names.check:x"), (" ", {}, "tag"), ("ops", {"open": True}, "open")],
)  # fmt: skip
async def test_what_is_wrong_is_named(admin: httpx.AsyncClient, tag: str, body: dict[str, Any], field: str) -> None:
    assert problem(await admin.put(f"/api/status-pages/{tag}", json=body), 422)["field"] == field


async def test_two_tags_never_share_an_address(admin: httpx.AsyncClient) -> None:
    good(await admin.put("/api/status-pages/ops", json=PAGE))
    problem(await admin.put("/api/status-pages/dev", json=PAGE), 409)
    good(await admin.put("/api/status-pages/a%2Fb", json={"page": True, "title": "Slash"}))
    found = good(await admin.get("/api/status-pages"))
    assert [(one["tag"], one["title"]) for one in found["statusPages"]] == [("a/b", "Slash"), ("ops", PAGE["title"])]


def run(db: Database, schedule_id: str, status: str) -> None:
    """Give a schedule a run that is, or ended, so."""
    worker = builders.register(db)
    now = db.read(lambda tx: tx.now())
    job = builders.run_one(db, worker, schedule_id=schedule_id, scheduled_for=now, origin="schedule", max_attempts=1)
    if status != "running":
        builders.end(db, worker, job, status=status)


async def test_schedules_and_checks_with_the_tag_are_there_by_their_names(api: Api, client: httpx.AsyncClient) -> None:
    schedule = {"cron": "0 3 * * *", "target": COMMAND, "tags": ["ops"]}
    for name, status in (("good", "completed"), ("bad", "failed"), ("busy", "running")):
        good(await client.put(f"/api/schedules/{name}", json=schedule))
        run(api.db, name, status)
    good(await client.put("/api/schedules/never", json=schedule))
    good(await client.put("/api/schedules/resting", json={**schedule, "paused": True}))
    good(await client.put("/api/schedules/elsewhere", json={**schedule, "tags": ["opsx"]}))
    for name in ("up", "broken", "begun"):
        made = good(await client.put(f"/api/checks/{name}", json={"every": "1d", "tags": ["ops"], "note": "secret"}))
        what = {"up": "", "broken": "/3", "begun": "/start"}[name]
        await client.post(f"/ping/{made['key']}{what}", content="a secret")
    names = {"check:up": "Backup", "schedule:good": "Digest"}
    good(await client.put("/api/status-pages/ops", json={**PAGE, "names": names}))
    async with api.client(None) as anybody:
        assert await shown(anybody) == {
            "Backup": "up", "Digest": "up", "bad": "failed", "begun": "running", "broken": "failed", "busy": "running",
            "never": "new", "resting": "paused",
        }  # fmt: skip
        answer = await anybody.get("/status/acme-jobs.json")
        assert good(answer).keys() == {"title", "status", "at", "items"}
        page = (await anybody.get("/status/acme-jobs")).text
        assert "secret" not in page + answer.text and "* * *" not in page
        assert "2 of 8 need attention" in page
        picture = (await anybody.get("/badge/acme-jobs.svg")).text
        assert ElementTree.fromstring(picture).attrib["aria-label"] == "Acme <jobs> & more: down"


async def test_the_page_needs_no_script_and_is_not_found_by_search(small: Api, admin: httpx.AsyncClient) -> None:
    good(await admin.put("/api/status-pages/ops", json=PAGE))
    good(await admin.put("/api/checks/x", json={"every": "1d", "tags": ["ops"], "name": "<script>alert(1)</script>"}))
    async with small.client(None, Authorization="Bearer wrong") as anybody:
        answer = await anybody.get("/status/acme-jobs")
        picture = await anybody.get("/badge/acme-jobs.svg")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy
    assert "<script" not in answer.text and "&lt;script&gt;alert(1)" in answer.text
    assert "Acme &lt;jobs&gt; &amp; more" in answer.text
    assert set(re.findall(r'(?:src|href)="([^"]*)"', answer.text)) == {"data:,"}, "it asks for nothing else"
    for one in (answer, picture):
        assert one.headers["x-robots-tag"] == "noindex, nofollow"
        assert one.headers["cache-control"] == "public, max-age=10"
        assert not {"rota-accounted-to", "set-cookie"} & one.headers.keys()
    assert picture.headers["content-type"].startswith("image/svg+xml")


@pytest.mark.parametrize("title", ["ops", "é" * 200, "<&\"'>", "仕事", ""])
@pytest.mark.parametrize("status", ["up", "late", "down", "none"])
def test_a_badge_is_a_picture_whatever_its_title(title: str, status: str) -> None:
    root = ElementTree.fromstring(badge(title, status))
    assert 30 < int(root.attrib["width"]) < 800 and root.attrib["height"] == "20"
    assert root.attrib["aria-label"].startswith(title)


def noted(looks: list[str], name: str, look: Callable[..., Any], *arguments: Any) -> Any:
    looks.append(name)
    return look(*arguments)


async def test_a_flood_costs_one_look(small: Api, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    good(await admin.put("/api/status-pages/ops", json=PAGE))
    monkeypatch.setattr(boards, "KEPT_S", 60.0)
    looks: list[str] = []
    for module, name in ((actions, "board"), (status_pages, "listed")):
        monkeypatch.setattr(module, name, partial(noted, looks, name, getattr(module, name)))
    async with small.client(None) as anybody:
        paths = ["/status/acme-jobs", "/badge/acme-jobs.svg", "/status/acme-jobs.json", "/status/nobody-knows"]
        answers = await asyncio.gather(*(anybody.get(path) for path in paths * 25))
    assert sorted(one.status_code for one in answers) == [200] * 75 + [404] * 25
    assert looks == ["listed", "board"]


async def test_under_a_sub_path(lite: Database, sqlite_url: str) -> None:
    api = Api(lite, settings_of(sqlite_url, ROTA_ROOT_PATH="/scheduler"))
    async with api.client() as client:
        made = good(await client.put("/scheduler/api/status-pages/ops", json=PAGE))
        assert made["pagePath"] == "/scheduler/status/acme-jobs"
        assert (await client.get(made["pagePath"])).status_code == 200
        assert (await client.get(made["badgePath"])).status_code == 200
    api.close()


async def test_late_runs_are_seen(lite: Database, sqlite_url: str) -> None:
    builders.put(lite, "waits", job='{"tags":["ops"]}')
    lite.run(lambda tx: tx.run("UPDATE rota_schedules SET next_at = rota_now() - 600000000"))
    page = status_pages.StatusPage(tag="ops", slug="x", title="Ops")
    assert [one.status for one in lite.read(lambda tx: actions.board(tx, page)).items] == ["late"]
    assert lite.read(lambda tx: actions.board(tx, page)).status == "late"
    nothing = status_pages.StatusPage(tag="none", slug="y", title="None")
    assert lite.read(lambda tx: actions.board(tx, nothing)).status == "none"
