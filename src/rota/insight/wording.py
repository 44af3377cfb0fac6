"""Alerts as messages: a title of one line, a few lines below it, and the page that shows more."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from rota.actions import present
from rota.ids import new_id
from rota.insight.condition import length
from rota.model import Notice, NoticeKind, Severity
from rota.store.alerts import Alert

MOST_LINES = 10
_TITLES = {
    "no-scheduler": ("No scheduler lives", "No scheduler lives"),
    "standstill": ("Due instants are not accounted for", "Due instants are not accounted for"),
    "lost": ("A {watched} was lost", "{n} kinds of processes were lost"),
    "no-worker": ("No worker takes the jobs of queue {id}", "No worker takes the jobs of {n} queues"),
    "backlog": ("Jobs pile up in queue {id}", "Jobs pile up in {n} queues"),
    "late": ("Schedule {id} is late", "{n} schedules are late"),
    "never-run": ("Schedule {id} has never run", "{n} schedules have never run"),
    "failing": ("Schedule {id} fails", "{n} schedules fail"),
    "silent": ("Schedule {id} is silent", "{n} schedules are silent"),
    "too-long": ("A run of {subject} takes too long", "{n} runs take too long"),
    "too-short": ("A run of {subject} was too short", "{n} runs were too short"),
    "stuck": ("A run of {subject} is stuck", "{n} runs are stuck"),
    "channel": ("The channel {id} takes no messages", "{n} channels take no messages"),
    "canary": ("The outside monitor is not told", "The outside monitor is not told"),
    "check": ("Check {id} needs a look", "{n} checks need a look"),
}
_BEFORE: dict[NoticeKind, str] = {"opened": "", "again": "Still: ", "over": "Over: ", "test": "", "canary-lost": ""}
_NOUNS = {"type": "job type "}
_PAGES = {
    "schedule": "/schedules/", "queue": "/queues/", "type": "/job-types/", "check": "/checks/", "job": "/jobs/",
}  # fmt: skip
_OF_KIND = {"lost": "/workers", "no-scheduler": "/workers", "standstill": "/"}
MONITORS = "/monitors"


def notice(
    kind: NoticeKind, found: Sequence[Alert], now: int, *, severity: Severity, explains: int = 0, worse: bool = False
) -> Notice:
    """Return the message about alerts.

    ``explains``: how many others are held back for them; ``worse``: told again, for it was a warning before.
    """
    title = _title(found)
    lines = _lines(kind, found, now)
    if worse and kind == "again":
        lines.append("What was told as a warning is an error now.")
    if explains and kind != "over":
        lines.append(f"It explains {explains} more, of which nothing else is told meanwhile.")
    path = page(found[0]) if len(found) == 1 else MONITORS
    ids = tuple(one.id for one in found)
    title = f"{_BEFORE[kind]}{title}"
    return Notice(new_id(), kind, severity, title, "\n".join(lines), path, ids)


def page(alert: Alert) -> str:
    """Return the path of the page that shows more."""
    if alert.kind in ("too-long", "too-short", "stuck") and alert.job_id is not None:
        return f"/jobs/{alert.job_id}"
    if alert.kind in _OF_KIND:
        return _OF_KIND[alert.kind]
    base = _PAGES.get(alert.subject_kind)
    return (
        MONITORS if base is None else base + quote(alert.subject_id, safe="/" if alert.subject_kind == "type" else "")
    )


def _title(found: Sequence[Alert]) -> str:
    first = found[0]
    if len({one.kind for one in found}) > 1:
        return f"{len(found)} things need a look"
    one, several = _TITLES[first.kind]
    words = {
        "id": first.subject_id, "n": str(len(found)), "watched": first.monitor_id.rpartition(":")[2],
        "subject": f"{_NOUNS.get(first.subject_kind, first.subject_kind + ' ')}{first.subject_id}",
    }  # fmt: skip
    return (one if len(found) == 1 else several).format(**words)


def _lines(kind: NoticeKind, found: Sequence[Alert], now: int) -> list[str]:
    if len(found) > 1:
        several = [_short(kind, one) for one in found[:MOST_LINES]]
        return [*several, f"… and {len(found) - MOST_LINES} more."] if len(found) > MOST_LINES else several
    (alert,) = found
    if kind == "over":
        return [_ended(alert), f"It was: {alert.text}"]
    if kind == "again":
        return [alert.text, f"It has been so for {length(max(0, now - alert.since_at))}."]
    return [alert.text]


def _short(kind: NoticeKind, alert: Alert) -> str:
    return f"{_title([alert])}: {_ended(alert)}" if kind == "over" else alert.text


def _ended(alert: Alert) -> str:
    ended = alert.gone_at or alert.closed_at or alert.seen_at
    why = f": {alert.closing}" if alert.closing else ""
    return f"It was over at {present.instant(ended)}, after {length(max(0, ended - alert.since_at))}{why}."
