"""Lists page by page: by number, or by a cursor, which says where the page before ended."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Annotated, Any

import msgspec

from rota.errors import Invalid
from rota.ids import is_id
from rota.jsontext import check_text
from rota.store.counting import COUNT_CAP

Item = dict[str, Any]

_LONGEST = 3000
_HINT = "send the nextCursor of the page before"
_NUMBER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_BEYOND = 1 << 63
"""Databases hold no number as large as this."""

Limit = Annotated[int, msgspec.Meta(ge=1, le=200, description="Most items to answer with.")]
PageNumber = Annotated[int, msgspec.Meta(ge=1, le=1_000_000, description="Number of the page, from 1.")]
Cursor = Annotated[str, msgspec.Meta(description="`nextCursor` of the page before; quicker than `page`.")]


class PageQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """Which part of a list."""

    limit: Limit = 50
    page: PageNumber = 1
    cursor: Cursor | None = None

    def offset(self) -> int:
        """Return how many items of the list come before the page, where it is given by its number."""
        return 0 if self.cursor is not None else (self.page - 1) * self.limit

    def before_id(self) -> str | None:
        """Return the id after which a list of ids goes on; raises Invalid for ``cursor``."""
        if self.cursor is not None and not is_id(self.cursor):
            raise Invalid("cursor", "is no cursor", hint=_HINT)
        return self.cursor

    def before_number(self) -> int | None:
        """Return the number after which a list of numbers goes on; raises Invalid for ``cursor``."""
        return None if self.cursor is None else _number(decode_cursor(self.cursor))


class WholeQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """Which part of a list that is short: all of it, unless said otherwise."""

    q: Annotated[str, msgspec.Meta(description="Part of the name, in any case.", max_length=200)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200, description="Most items to answer with; else all.")] | None = None
    page: PageNumber = 1
    cursor: Cursor | None = None


def encode_cursor(place: str) -> str:
    """Return the cursor of a place in a list."""
    return base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> str:
    """Return the place that a cursor means; raises Invalid for ``cursor``."""
    try:
        if len(cursor) > _LONGEST:
            raise ValueError(len(cursor))
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        place = raw.decode()
    except (ValueError, binascii.Error):
        raise Invalid("cursor", "is no cursor", hint=_HINT) from None
    if "\0" in place:
        raise Invalid("cursor", "is no cursor", hint=_HINT)
    return place


def decode_offset(cursor: str) -> int:
    """Return how many items come before what a cursor means that counts them; raises Invalid for ``cursor``."""
    found = _number(decode_cursor(cursor))
    if found < 0:
        raise Invalid("cursor", "is no cursor", hint=_HINT)
    return found


def _number(text: str) -> int:
    if _NUMBER.fullmatch(text) is None or abs(int(text)) >= _BEYOND:
        raise Invalid("cursor", "is no cursor", hint=_HINT)
    return int(text)


def answered(
    items: str, shown: Sequence[Any], query: PageQuery, *, total: int, next_cursor: str | None
) -> dict[str, Any]:
    """Return the answer of a list; ``total`` is one more than the cap where there are more."""
    return {
        items: shown,
        "total": min(total, COUNT_CAP),
        "page": query.page if query.cursor is None else None,
        "limit": query.limit,
        "nextCursor": next_cursor,
        "totalIsEstimate": total > COUNT_CAP,
    }


def narrowed(found: Sequence[dict[str, Any]], query: object, fields: Sequence[str]) -> list[dict[str, Any]]:
    """Return those items whose fields are as the query says, where it says something of them."""
    wanted = {field: value for field in fields if (value := getattr(query, field)) is not None}
    return [one for one in found if all(one[field] == value for field, value in wanted.items())]


def part_of(
    items: str,
    found: Sequence[Item],
    query: WholeQuery,
    *,
    key: str | Callable[[Item], str] = "name",
    ordered: bool = True,
    searched: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the answer of a list that is at hand whole, in the form of all lists.

    ``key`` tells its items apart; ``ordered`` says that it is their order, too.  `q` is looked for in the name, or in
    what is ``searched``.
    """
    name = key if callable(key) else itemgetter(key)
    if query.q is not None:
        wanted = check_text(query.q, "q", max_length=200).lower()
        found = [one for one in found if any(wanted in text.lower() for text in _texts(one, name, searched))]
    limit = query.limit or max(1, len(found))
    if query.cursor is None:
        start = (query.page - 1) * limit
    else:
        start = _place([name(one) for one in found], query.cursor, ordered=ordered)
    end = start + limit
    page = found[start:end]
    following = None
    if end < len(found):
        following = encode_cursor(name(page[-1]) if ordered else f"{end} {name(page[-1])}")
    return {
        items: page,
        "total": len(found),
        "page": query.page if query.cursor is None else None,
        "limit": limit,
        "nextCursor": following,
        "totalIsEstimate": False,
    }


def _texts(one: Item, name: Callable[[Item], str], searched: Sequence[str]) -> list[str]:
    return [str(one[field] or "") for field in searched] if searched else [str(one.get("name", name(one)))]


def _place(names: Sequence[str], cursor: str, *, ordered: bool) -> int:
    """Return where a list goes on after an item, which may be gone."""
    last, number = decode_cursor(cursor), 0
    if not ordered:
        count, _, last = last.partition(" ")
        number = _number(count)
    if last in names:
        return names.index(last) + 1
    # Without an order only the number of those that were shown tells where it was.
    return sum(name < last for name in names) if ordered else max(0, number - 1)
