"""Actions on status pages, and what they show: names that were chosen, and states, and nothing else."""

from __future__ import annotations

import re
import secrets
from typing import Any, Literal

import msgspec

from rota.actions import present
from rota.actions.specs import Caller, StatusPageIn
from rota.durations import MINUTE
from rota.errors import Conflict, Invalid, NotFound
from rota.jsontext import check_text
from rota.store import audit, checks, status_pages
from rota.store.checks import Check
from rota.store.database import Tx
from rota.store.status_pages import ScheduleState, StatusPage

LONGEST_TAG = 200
LONGEST_TITLE = 200
MOST_NAMES = 500
MOST_ITEMS = 200
"""Of schedules, and of checks, so many are shown."""
UNTAKEN_US = 5 * MINUTE
"""A run that has waited for so long is late."""
STALL_US = MINUTE
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,62}[a-z0-9])", re.ASCII)

State = Literal["up", "late", "down", "failed", "running", "new", "paused"]
_OF_CHECK: dict[str, State] = {"started": "running"}


class Item(msgspec.Struct, frozen=True):
    """Something that has the tag, as anybody may see it."""

    name: str
    status: State


class Board(msgspec.Struct, frozen=True):
    """What is shown of a tag."""

    title: str
    status: Literal["up", "late", "down", "none"]
    at: str
    items: list[Item]


def put(tx: Tx, tag: str, spec: StatusPageIn, caller: Caller, random_slug: str) -> tuple[StatusPage, bool]:
    """Say what is shown of a tag; what is left out stays as it is.  Return it, and whether anything changed.

    Raises Invalid with the field that is wrong, and Conflict for the slug of another.
    """
    if not check_text(tag, "tag", max_length=LONGEST_TAG).strip():
        raise Invalid("tag", "is empty")
    now = tx.now()
    old = status_pages.get(tx, tag, lock=True)
    base = old or StatusPage(tag=tag, slug=random_slug, title=tag, created_at=now, created_by=caller.subject)
    slug = base.slug if spec.slug is None else _slug(spec.slug)
    names = base.names if spec.names is msgspec.UNSET else _names(spec.names)
    values = {
        "slug": slug,
        "title": base.title if spec.title is None else _title(spec.title),
        "names": names,
        "page": base.page if spec.page is None else int(spec.page),
        "badge": base.badge if spec.badge is None else int(spec.badge),
    }
    fresh = msgspec.structs.replace(base, **values)
    if old == fresh:
        return old, False
    if status_pages.slug_of(tx, slug) not in (None, tag):
        raise Conflict("another tag has this slug", hint="choose another one")
    fresh = msgspec.structs.replace(fresh, updated_at=now, updated_by=caller.subject)
    status_pages.put(tx, fresh)
    action = "created" if old is None else "edited"
    audit.record(tx, caller, action, "statusPage", tag, before=None if old is None else _told(old), after=_told(fresh))
    return fresh, True


def random_slug() -> str:
    """Return a slug that nobody guesses."""
    return secrets.token_hex(16)


def _slug(text: str) -> str:
    if _SLUG.fullmatch(text) is None:
        raise Invalid("slug", "is no part of an address", hint="3 to 64 small letters, digits and -, such as acme-jobs")
    return text


def _title(text: str) -> str:
    if not check_text(text, "title", max_length=LONGEST_TITLE).strip():
        raise Invalid("title", "is empty")
    return text


def _names(names: dict[str, str] | None) -> str | None:
    if not names:
        return None
    if len(names) > MOST_NAMES:
        raise Invalid("names", f"{len(names)} are too many", hint=f"at most {MOST_NAMES}")
    for key, name in names.items():
        if not key.startswith(("schedule:", "check:")) or len(key) > 300:
            raise Invalid("names", f"{key[:80]!r} is neither schedule:ID nor check:ID")
        if not check_text(name, f"names.{key[:80]}", max_length=LONGEST_TITLE).strip():
            raise Invalid(f"names.{key[:80]}", "is empty", hint="leave it out")
    return msgspec.json.encode(names).decode()


def known(tx: Tx, tag: str) -> StatusPage:
    """Return what is shown of a tag; raises NotFound."""
    found = status_pages.get(tx, tag) if "\0" not in tag else None
    if found is None:
        raise NotFound(f"nothing is shown of the tag {tag[:100]}")
    return found


def delete(tx: Tx, tag: str, caller: Caller) -> None:
    """Show nothing more of a tag; its address is forgotten."""
    old = known(tx, tag)
    status_pages.delete(tx, tag)
    audit.record(tx, caller, "deleted", "statusPage", tag, before=_told(old))


def _told(page: StatusPage) -> dict[str, Any]:
    """Return what was said, without an address that nobody is to guess."""
    return {
        "page": bool(page.page),
        "badge": bool(page.badge),
        "title": page.title,
        "names": msgspec.json.decode(page.names) if page.names else {},
    }


def shown(page: StatusPage, root_path: str) -> dict[str, Any]:
    """Return a status page as it is answered."""
    return {
        "tag": page.tag,
        **_told(page),
        "slug": page.slug,
        "pagePath": f"{root_path}/status/{page.slug}" if page.page else None,
        "badgePath": f"{root_path}/badge/{page.slug}.svg" if page.badge else None,
        "createdAt": present.instant(page.created_at),
        "createdBy": page.created_by,
        "updatedAt": present.instant(page.updated_at),
        "updatedBy": page.updated_by,
    }


def board(tx: Tx, page: StatusPage) -> Board:
    """Return what is to be seen of a tag now."""
    now = tx.now()
    names: dict[str, str] = msgspec.json.decode(page.names) if page.names else {}
    found = [
        Item(names.get(f"schedule:{one.id}", one.id), _of_schedule(one, now))
        for one in status_pages.schedules(tx, page.tag, MOST_ITEMS)
    ]
    found += [
        Item(names.get(f"check:{one.id}", one.name), _of_check(one, now))
        for one in checks.tagged(tx, page.tag, MOST_ITEMS)
    ]
    found.sort(key=lambda item: item.name.lower())
    return Board(page.title, _worst(found), present.instant(now) or "", found)


def _of_check(check: Check, now: int) -> State:
    status = checks.status(check, now)
    return _OF_CHECK.get(status, status)  # type: ignore[arg-type]  # its other states are called alike


def _of_schedule(one: ScheduleState, now: int) -> State:
    if one.paused_at is not None:
        return "paused"
    waits = one.last in ("pending", "held", "scheduled") and (one.last_for or now) < now - UNTAKEN_US
    if waits or (one.next_at is not None and one.next_at < now - STALL_US):
        return "late"
    if one.ended == "failed":
        return "failed"
    if one.last == "running":
        return "running"
    return "up" if one.ended == "completed" else "new"


def _worst(items: list[Item]) -> Literal["up", "late", "down", "none"]:
    states = {item.status for item in items}
    if states <= {"new", "paused"}:
        return "none"
    if states & {"down", "failed"}:
        return "down"
    return "late" if "late" in states else "up"
