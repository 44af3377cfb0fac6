"""Words for jobs that run: how far they are, how long they still take, and whether they were told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rota.cli.output import ago, local, parse_time, plural, status

if TYPE_CHECKING:
    from rota.client import Json


def state(job: Json) -> str:
    """Return the status, and of a running job whether somebody wants it to stop."""
    told = stopping(job)
    return f"{status(job['status'])}, {told}" if told else status(job["status"])


def stopping(job: Json) -> str | None:
    """Return when, and by whom, a job that still runs was told to stop."""
    if job["status"] != "running" or not job["cancelRequestedAt"]:
        return None
    by = f" by {job['cancelRequestedBy']}" if job["cancelRequestedBy"] else ""
    return f"cancel requested {ago(job['cancelRequestedAt'])}{by}"


def note(job: Json) -> str | None:
    """Return in a few words what is to be known of a job in a list."""
    if job["status"] != "running":
        return str(job["error"]) if job["error"] else None
    return ", ".join(part for part in (stopping(job), progress(job), left(job)) if part) or None


def progress(job: Json) -> str | None:
    """Return how far a job is by its own words."""
    found = job["progress"]
    if not found:
        return None
    return f"{(found['value'] or 0) * 100:.0f} %  {found['message'] or ''}".rstrip()


def left(job: Json) -> str | None:
    """Return about how long a job still runs."""
    eta = job["eta"]
    if eta is None:
        return None
    if eta["at"] is None:
        return f"runs longer than {eta['p90']}, as nine of ten do not"
    return f"about {ago(eta['at']).removeprefix('in ')} left" if ago(eta["at"]).startswith("in ") else "about to end"


def eta(job: Json) -> str | None:
    """Return how long a job still runs, until when, and how that is known."""
    found, words = job["eta"], left(job)
    if found is None or words is None:
        return None
    of_others = f"of {plural(found['runs'], 'earlier run')}" if found["runs"] else ""
    basis = "by its progress" if found["basis"] == "progress" else of_others
    until = f"until {parse_time(found['at']).astimezone():%H:%M:%S}, " if found["at"] else ""
    usual = f"; half of them took up to {found['p50']}, nine of ten {found['p90']}" if found["runs"] else ""
    others = f"{usual.replace('of them', of_others)}" if found["basis"] == "progress" else usual
    return f"{words} ({until}{basis}{others})"


def ended(job: Json) -> str:
    """Return how a job ended that was to be cancelled."""
    if job["status"] == "cancelled":
        return f"cancelled: {job['error']}" if job["error"] else "cancelled"
    return f"{job['status']} all the same, at {local(job['completedAt'])}"
