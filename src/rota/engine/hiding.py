"""What an attempt reports, without the secrets that it was given: hidden here, before anything is stored or told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from rota.executor import Call, ErrorDetail, Line, Outcome
from rota.masking import Mask
from rota.model import ANY_TYPE_LANES

_AS_JSON = ("result", "exchange")


class Shared:
    """The secrets that functions of this worker were given.

    They share processes, and what one leaves behind, a thread of a library as a rule, writes into the log of another.
    """

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._mask: Mask | None = None

    def given(self, call: Call, values: Iterable[str]) -> None:
        """Note what an attempt was given."""
        if call.lane in ANY_TYPE_LANES and not self._values.issuperset(values):
            self._values.update(values)
            self._mask = Mask(self._values)

    def hide_in_lines(self, lines: Sequence[Line], call: Call, own: Mask | None) -> Sequence[Line]:
        """Return lines of an attempt without its own secrets, which ``own`` hides, and without those of others."""
        mask = self._mask if self._mask is not None and call.lane in ANY_TYPE_LANES else own
        return lines if mask is None else [Line(line.at, line.stream, mask.line(line.text)) for line in lines]


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


def _hide_in_detail(detail: ErrorDetail, mask: Mask) -> ErrorDetail:
    type_, message, trace = (_text(value, mask) for value in (detail.type, detail.message, detail.trace))
    return msgspec.structs.replace(detail, type=type_, message=message, trace=trace)


def _text(value: str | None, mask: Mask) -> str | None:
    return None if value is None else mask.cut(value)
