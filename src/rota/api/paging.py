"""Cursors: where a page of a list ended, as a text that nobody takes for more."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from rota.errors import Invalid

_LONGEST = 3000


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
        raise Invalid("cursor", "is no cursor", hint="send the nextCursor of the page before") from None
    if "\0" in place:
        raise Invalid("cursor", "is no cursor", hint="send the nextCursor of the page before")
    return place


def whole_list(items: str, found: Sequence[Any]) -> dict[str, Any]:
    """Return the answer of a list that is always shown whole, in the form of all lists."""
    return {
        items: found,
        "total": len(found),
        "page": 1,
        "limit": max(1, len(found)),
        "nextCursor": None,
        "totalIsEstimate": False,
    }
