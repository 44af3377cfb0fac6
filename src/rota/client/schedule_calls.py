"""What a client asks about schedules and calendars."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from rota.client.address import Address, Json, path_of
from rota.client.answers import (
    Backfill,
    Calendar,
    Edit,
    Occurrence,
    Preview,
    Schedule,
    ScheduleSaved,
    ScheduleTriggered,
    Version,
    Why,
)
from rota.client.script import Feed, Script, call, feed


class ScheduleCalls(Address):
    """The calls about schedules and calendars."""

    @feed
    def schedules(self, /, **filters: Any) -> Feed[Schedule]:
        """Walk through the schedules that match (``q, owner, tag, paused, shadow``)."""
        return self.pages("/api/schedules", "schedules", filters, None)

    @call
    def schedule(self, schedule_id: str) -> Script[Schedule]:
        """Return a schedule."""
        return self.ask("GET", path_of("/api/schedules", schedule_id))

    @call
    def put_schedule(self, schedule_id: str, schedule: Mapping[str, Any]) -> Script[Schedule]:
        """Create a schedule, or make this its next version."""
        return self.ask("PUT", path_of("/api/schedules", schedule_id), dict(schedule))

    @call
    def put_schedules(self, schedules: Sequence[Mapping[str, Any]]) -> Script[list[ScheduleSaved]]:
        """Create or edit many schedules, each with its ``id``, all or none; return what became of each."""
        found: list[ScheduleSaved] = (
            yield from self.ask("PUT", "/api/schedules", {"schedules": schedules}, timeout_s=600)
        )["schedules"]
        return found

    @call
    def look_at_edit(self, schedule_id: str, schedule: Mapping[str, Any]) -> Script[Edit]:
        """Return what ``put_schedule`` would change; nothing is stored."""
        path = path_of("/api/schedules", schedule_id)
        return self.ask("PUT", path, dict(schedule), params={"dryRun": "true"})

    @call
    def delete_schedule(self, schedule_id: str) -> Script[None]:
        """Delete a schedule; its history stays."""
        return self.ask("DELETE", path_of("/api/schedules", schedule_id))

    @call
    def pause_schedule(
        self, schedule_id: str, *, note: str | None = None, until: str | None = None
    ) -> Script[Schedule]:
        """Pause a schedule."""
        body = {name: value for name, value in (("note", note), ("until", until)) if value is not None}
        return self.ask("POST", path_of("/api/schedules", schedule_id, "pause"), body)

    @call
    def resume_schedule(self, schedule_id: str) -> Script[Schedule]:
        """End a pause."""
        return self.ask("POST", path_of("/api/schedules", schedule_id, "resume"), {})

    @call
    def go_live(self, schedule_id: str) -> Script[Schedule]:
        """End the shadow of a schedule: from now on its instants make jobs."""
        return self.ask("POST", path_of("/api/schedules", schedule_id, "go-live"), {})

    @call
    def trigger_schedule(self, schedule_id: str) -> Script[ScheduleTriggered]:
        """Run a schedule's job now, beside its timetable."""
        path = path_of("/api/schedules", schedule_id, "trigger")
        return self.ask("POST", path, {}, idempotency_key=str(uuid.uuid4()))

    @feed
    def versions(self, schedule_id: str, *, limit: int | None = None) -> Feed[Version]:
        """Walk through the versions of a schedule, the latest first."""
        return self.pages(path_of("/api/schedules", schedule_id, "versions"), "versions", {}, limit)

    @call
    def version(self, schedule_id: str, version: int) -> Script[Version]:
        """Return what a schedule was in one version."""
        return self.ask("GET", path_of("/api/schedules", schedule_id, "versions", str(version)))

    @call
    def roll_back(self, schedule_id: str, version: int, *, take_over: bool = False) -> Script[Json]:
        """Make a schedule again what it was in a version."""
        body = {"version": version, "takeOver": take_over}
        return self.ask("POST", path_of("/api/schedules", schedule_id, "rollback"), body)

    @call
    def backfill(self, /, schedule_id: str, start: str, end: str, **options: Any) -> Script[Backfill]:
        """Run the instants from ``start`` to ``end`` that made no job (``overlap, limit, dryRun``)."""
        body = {"from": start, "to": end, **options}
        path = path_of("/api/schedules", schedule_id, "backfill")
        return self.ask("POST", path, body, idempotency_key=str(uuid.uuid4()), timeout_s=120)

    @call
    def preview(self, rule: Mapping[str, Any]) -> Script[Preview]:
        """Return what a rule means, and its next instants."""
        return self.ask("POST", "/api/schedules/preview", dict(rule))

    @feed
    def occurrences(self, schedule_id: str, *, limit: int | None = None) -> Feed[Occurrence]:
        """Walk through the occurrences of a schedule, the latest first."""
        return self.pages(path_of("/api/schedules", schedule_id, "occurrences"), "occurrences", {}, limit)

    @call
    def why_schedule(self, schedule_id: str) -> Script[Why]:
        """Return why a schedule did or did not run last, and when it will."""
        return self.ask("GET", path_of("/api/schedules", schedule_id, "why"))

    @call
    def forecast(self, /, **query: Any) -> Script[Json]:
        """Return what schedules will do (``hours | from, to``, ``schedule``, ``queue``)."""
        return self.ask("GET", "/api/forecast", params=query)

    @call
    def calendars(self) -> Script[list[Calendar]]:
        """Return all calendars, without what was said of each."""
        found: list[Calendar] = (yield from self.ask("GET", "/api/calendars"))["calendars"]
        return found

    @call
    def calendar(self, name: str) -> Script[Calendar]:
        """Return a calendar with all that was said of it."""
        return self.ask("GET", path_of("/api/calendars", name))

    @call
    def put_calendar(self, name: str, calendar: Mapping[str, Any]) -> Script[Calendar]:
        """Make a calendar, or the next version of it."""
        return self.ask("PUT", path_of("/api/calendars", name), dict(calendar))

    @call
    def delete_calendar(self, name: str) -> Script[None]:
        """Delete a calendar that no schedule names."""
        return self.ask("DELETE", path_of("/api/calendars", name))

    @call
    def calendar_dates(
        self, name: str, *, timezone: str | None = None, first: str | None = None, until: str | None = None
    ) -> Script[Json]:
        """Return ``{timezone, from, to, spans}``: what a calendar covers from now, or ``first``, for a year."""
        params = {"timezone": timezone, "from": first, "to": until}
        return self.ask("GET", path_of("/api/calendars", name, "dates"), params=params)
