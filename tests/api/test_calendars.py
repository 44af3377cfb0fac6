"""Calendars: made, looked at, changed and deleted."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.calls import COMMAND, Api, good, problem
from tests.store import builders

EVENT = "BEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20261229\nRRULE:FREQ=DAILY;COUNT=2\nEND:VEVENT\n"
FILE = f"BEGIN:VCALENDAR\n{EVENT}END:VCALENDAR\n"
EVERYTHING: dict[str, Any] = {
    "dates": ["2026-12-24"],
    "ranges": [{"from": "2026-12-26", "to": "2026-12-27"}],
    "yearly": ["12-25"],
    "weekdays": ["SUN"],
    "country": "FR",
    "subdivision": "57",
    "ics": FILE,
}


async def test_says_all_that_it_covers(client: httpx.AsyncClient) -> None:
    made = good(await client.put("/api/calendars/days-off", json={**EVERYTHING, "note": "the office is closed"}))
    assert {name: made[name] for name in EVERYTHING} == EVERYTHING
    assert (made["name"], made["version"], made["events"], made["problem"]) == ("days-off", 1, 1, None)
    assert made["description"] == (
        "Sunday; public holidays of FR-57; 25 December; 2026-12-24 and 2026-12-26 to 2026-12-27; "
        "1 event of a calendar file"
    )
    assert good(await client.get("/api/calendars/days-off")) == made
    query = {"from": "2026-12-21T00:00:00Z", "to": "2026-12-31T00:00:00Z", "timezone": "Europe/Paris"}
    assert good(await client.get("/api/calendars/days-off/dates", params=query)) == {
        "timezone": "Europe/Paris",
        "from": "2026-12-21T00:00:00.000Z",
        "to": "2026-12-31T00:00:00.000Z",
        "spans": [
            {"from": "2026-12-23T23:00:00.000Z", "to": "2026-12-27T23:00:00.000Z"},
            {"from": "2026-12-28T23:00:00.000Z", "to": "2026-12-30T23:00:00.000Z"},
        ],
    }


async def test_the_same_again_changes_nothing_and_something_else_is_all_there_is(client: httpx.AsyncClient) -> None:
    first = good(await client.put("/api/calendars/x", json={"dates": ["2026-12-24"]}))
    assert good(await client.put("/api/calendars/x", json={"dates": ["2026-12-24"]})) == first
    second = good(await client.put("/api/calendars/x", json={"yearly": ["05-01"]}))
    assert (second["version"], second["dates"], second["yearly"], second["author"]) == (2, [], ["05-01"], "secret")


async def test_lists_in_words(client: httpx.AsyncClient) -> None:
    good(await client.put("/api/calendars/weekends", json={"weekdays": ["SAT", "SUN"]}))
    good(await client.put("/api/calendars/file", json={"ics": FILE}))
    found = good(await client.get("/api/calendars"))
    assert [(one["name"], one["description"]) for one in found["calendars"]] == [
        ("file", "1 event of a calendar file"),
        ("weekends", "Saturday and Sunday"),
    ]
    assert found["total"] == 2 and "ics" not in found["calendars"][0]


async def test_deletes_but_not_from_below_a_schedule(api: Api, client: httpx.AsyncClient) -> None:
    good(await client.put("/api/calendars/x", json={"dates": ["2026-12-24"]}))
    builders.put(api.db, "nightly", calendars='["x"]')
    found = problem(await client.delete("/api/calendars/x"), 409)
    assert found["detail"] == "1 schedule names it: nightly" and found["hint"] == "take it out of them first"
    builders.put(api.db, "nightly", calendars=None)
    assert (await client.delete("/api/calendars/x")).status_code == 204
    for answer in (
        await client.get("/api/calendars/x"),
        await client.get("/api/calendars/x/dates"),
        await client.delete("/api/calendars/x"),
    ):
        assert problem(answer, 404)["detail"] == "there is no calendar x"


async def test_a_schedule_names_only_calendars_that_there_are(client: httpx.AsyncClient) -> None:
    good(await client.put("/api/calendars/x", json={"dates": ["2026-12-24"]}))
    schedule = {"cron": "0 9 * * *", "target": COMMAND}
    found = problem(await client.put("/api/schedules/nightly", json={**schedule, "calendars": ["x", "y"]}), 422)
    assert found["field"] == "calendars" and "there is no calendar y, which nightly names" in found["detail"]
    made = good(await client.put("/api/schedules/nightly", json={**schedule, "calendars": ["x"]}))
    assert made["calendars"] == ["x"]
    problem(await client.delete("/api/calendars/x"), 409)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"dates": ["24.12.2026"]}, "dates.0"),
        ({"dates": "2026-12-24"}, "dates"),
        ({"ranges": [{"from": "2026-12-24"}]}, "ranges"),
        ({"ranges": [{"from": "2026-12-24", "to": "2026-12-23"}]}, "ranges.0.to"),
        ({"country": "Atlantis"}, "country"),
        ({"ics": "nonsense"}, "ics"),
        ({"ics": "nonsense\u0000"}, "ics"),
        ({"note": "x" * 1001}, "note"),
        ({"holidays": True}, "holidays"),
    ],
)
async def test_refuses_what_is_wrong(client: httpx.AsyncClient, body: dict[str, Any], field: str) -> None:
    assert field in problem(await client.put("/api/calendars/x", json=body), 422)["field"]
    assert good(await client.get("/api/calendars"))["calendars"] == []


async def test_refuses_a_large_file_and_a_strange_name(client: httpx.AsyncClient) -> None:
    assert problem(await client.put("/api/calendars/x", json={"ics": "x" * 1_100_000}), 413)["field"] == "ics"
    assert problem(await client.put("/api/calendars/a%20b", json={}), 422)["field"] == "name"


async def test_looks_up_to_the_end_of_all_time_and_from_its_beginning(client: httpx.AsyncClient) -> None:
    good(await client.put("/api/calendars/x", json={"dates": ["0001-01-02", "9999-12-31"]}))
    found = good(await client.get("/api/calendars/x/dates?from=9999-06-01T00:00:00Z"))
    end = "9999-12-31T23:59:59.999Z"
    assert (found["to"], found["spans"]) == (end, [{"from": "9999-12-31T00:00:00.000Z", "to": end}])
    found = good(await client.get("/api/calendars/x/dates?from=0001-01-01T00:00:00Z&to=0001-02-01T00:00:00Z"))
    assert found["from"] == "0001-01-01T00:00:00.000Z"
    assert found["spans"] == [{"from": "0001-01-02T00:00:00.000Z", "to": "0001-01-03T00:00:00.000Z"}]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "now"}, "from"),
        ({"from": "2026-01-01T00:00Z", "to": "2026-01-01T00:00Z"}, "to"),
        ({"from": "2026-01-01T00:00Z", "to": "2046-01-01T00:00Z"}, "to"),
        ({"timezone": "Mars"}, "timezone"),
    ],
)
async def test_refuses_to_look_wrongly(client: httpx.AsyncClient, query: dict[str, str], field: str) -> None:
    good(await client.put("/api/calendars/x", json={}))
    assert problem(await client.get("/api/calendars/x/dates", params=query), 422)["field"] == field


async def test_a_viewer_looks_and_an_operator_changes(small: Api) -> None:
    async with small.as_role("operator") as operator:
        good(await operator.put("/api/calendars/x", json={"weekdays": ["SAT"]}))
    async with small.as_role("viewer") as viewer:
        good(await viewer.get("/api/calendars/x"))
        good(await viewer.get("/api/calendars/x/dates"))
        problem(await viewer.put("/api/calendars/x", json={}), 403)
        problem(await viewer.delete("/api/calendars/x"), 403)
