"""What an attempt reports, without the secrets that it was given: hidden here, before anything is stored or told."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rota.executor import ErrorDetail, Line, Outcome
from rota.masking import Mask

_AS_JSON = ("result", "exchange")


def hide_in_outcome(outcome: Outcome, mask: Mask) -> Outcome:
    """Return an outcome without secrets, in whatever it carries."""
    found: dict[str, object] = {}
    for name in Outcome.__struct_fields__:
        value = getattr(outcome, name)
        if isinstance(value, ErrorDetail):
            found[name] = _hide_in_detail(value, mask)
        elif isinstance(value, str) and name != "kind":
            cut = name == "exchange" or outcome.truncated is not None
            found[name] = mask.json(value, cut=cut) if name in _AS_JSON else mask.cut(value)
    return msgspec.structs.replace(outcome, **found)


def hide_in_lines(lines: Sequence[Line], mask: Mask) -> list[Line]:
    """Return lines without secrets."""
    return [Line(line.at, line.stream, mask.line(line.text)) for line in lines]


def _hide_in_detail(detail: ErrorDetail, mask: Mask) -> ErrorDetail:
    type_, message, trace = (_text(value, mask) for value in (detail.type, detail.message, detail.trace))
    return msgspec.structs.replace(detail, type=type_, message=message, trace=trace)


def _text(value: str | None, mask: Mask) -> str | None:
    return None if value is None else mask.cut(value)
