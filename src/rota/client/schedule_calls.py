"""What a client asks about schedules and calendars."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rota.client.wire import Json, Wire, path_of


class ScheduleCalls(Wire):
    """The calls about schedules and calendars."""

    def schedules(self, **filters: Any) -> Iterator[Json]:
        """Walk through the schedules that match (``q, owner, tag, paused``)."""
        return self.pages("/api/schedules", "schedules", filters, None)

    def schedule(self, schedule_id: str) -> Json:
        """Return a schedule."""
        found: Json = self.request("GET", path_of("/api/schedules", schedule_id))
        return found

    def put_schedule(self, schedule_id: str, schedule: Mapping[str, Any]) -> Json:
        """Create a schedule, or make this its next version."""
        found: Json = self.request("PUT", path_of("/api/schedules", schedule_id), dict(schedule))
        return found

    def put_schedules(self, schedules: Sequence[Mapping[str, Any]]) -> list[Json]:
        """Create or edit many schedules, each with its ``id``, all or none; return what became of each."""
        found: list[Json] = self.request("PUT", "/api/schedules", {"schedules": schedules}, timeout_s=600)["schedules"]
        return found

    def look_at_edit(self, schedule_id: str, schedule: Mapping[str, Any]) -> Json:
        """Return what ``put_schedule`` would change; nothing is stored."""
        path = path_of("/api/schedules", schedule_id)
        found: Json = self.request("PUT", path, dict(schedule), params={"dryRun": "true"})
        return found

    def delete_schedule(self, schedule_id: str) -> None:
        """Delete a schedule; its history stays."""
        self.request("DELETE", path_of("/api/schedules", schedule_id))

    def pause_schedule(self, schedule_id: str, *, note: str | None = None, until: str | None = None) -> Json:
        """Pause a schedule."""
        body = {name: value for name, value in (("note", note), ("until", until)) if value is not None}
        found: Json = self.request("POST", path_of("/api/schedules", schedule_id, "pause"), body)
        return found

    def resume_schedule(self, schedule_id: str) -> Json:
        """End a pause."""
        found: Json = self.request("POST", path_of("/api/schedules", schedule_id, "resume"), {})
        return found

    def trigger_schedule(self, schedule_id: str) -> Json:
        """Run a schedule's job now, beside its timetable."""
        path = path_of("/api/schedules", schedule_id, "trigger")
        found: Json = self.request("POST", path, {}, idempotency_key=str(uuid.uuid4()))
        return found

    def versions(self, schedule_id: str, *, limit: int | None = None) -> Iterator[Json]:
        """Walk through the versions of a schedule, the latest first."""
        return self.pages(path_of("/api/schedules", schedule_id, "versions"), "versions", {}, limit)

    def version(self, schedule_id: str, version: int) -> Json:
        """Return what a schedule was in one version."""
        found: Json = self.request("GET", path_of("/api/schedules", schedule_id, "versions", str(version)))
        return found

    def roll_back(self, schedule_id: str, version: int, *, take_over: bool = False) -> Json:
        """Make a schedule again what it was in a version."""
        body = {"version": version, "takeOver": take_over}
        found: Json = self.request("POST", path_of("/api/schedules", schedule_id, "rollback"), body)
        return found

    def backfill(self, schedule_id: str, start: str, end: str, **options: Any) -> Json:
        """Run the instants from ``start`` to ``end`` that made no job (``overlap, limit, dryRun``)."""
        body = {"from": start, "to": end, **options}
        path = path_of("/api/schedules", schedule_id, "backfill")
        found: Json = self.request("POST", path, body, idempotency_key=str(uuid.uuid4()), timeout_s=120)
        return found

    def preview(self, rule: Mapping[str, Any]) -> Json:
        """Return what a rule means, and its next instants."""
        found: Json = self.request("POST", "/api/schedules/preview", dict(rule))
        return found

    def occurrences(self, schedule_id: str, *, limit: int | None = None) -> Iterator[Json]:
        """Walk through the occurrences of a schedule, the latest first."""
        return self.pages(path_of("/api/schedules", schedule_id, "occurrences"), "occurrences", {}, limit)

    def why_schedule(self, schedule_id: str) -> Json:
        """Return why a schedule did or did not run last, and when it will."""
        found: Json = self.request("GET", path_of("/api/schedules", schedule_id, "why"))
        return found

    def forecast(self, **query: Any) -> Json:
        """Return what schedules will do (``hours | from, to``, ``schedule``, ``queue``)."""
        found: Json = self.request("GET", "/api/forecast", params=query)
        return found

    def calendars(self) -> list[Json]:
        """Return all calendars, without what was said of each."""
        found: list[Json] = self.request("GET", "/api/calendars")["calendars"]
        return found

    def calendar(self, name: str) -> Json:
        """Return a calendar with all that was said of it."""
        found: Json = self.request("GET", path_of("/api/calendars", name))
        return found

    def put_calendar(self, name: str, calendar: Mapping[str, Any]) -> Json:
        """Make a calendar, or the next version of it."""
        found: Json = self.request("PUT", path_of("/api/calendars", name), dict(calendar))
        return found

    def delete_calendar(self, name: str) -> None:
        """Delete a calendar that no schedule names."""
        self.request("DELETE", path_of("/api/calendars", name))

    def calendar_dates(
        self, name: str, *, timezone: str | None = None, first: str | None = None, until: str | None = None
    ) -> Json:
        """Return ``{timezone, from, to, spans}``: what a calendar covers from now, or ``first``, for a year."""
        params = {"timezone": timezone, "from": first, "to": until}
        found: Json = self.request("GET", path_of("/api/calendars", name, "dates"), params=params)
        return found
