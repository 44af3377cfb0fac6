"""Which incidents are not told: nobody wants to hear of them, or who would hear of them hears of their cause."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rota.durations import SECOND
from rota.insight.condition import Condition
from rota.insight.conditions import View
from rota.store.alerts import Alert

CATCH_UP_US = 20 * SECOND
"""So long what began before its cause was over may take to be over too."""
LOST = "lost:system:"


def kept_from(view: View, alert: Alert) -> str | None:
    """Return why people do not want to hear of an incident now, or None."""
    effective = view.sayings.of(alert.monitor_id)
    if effective.mute is not None:
        return "muted"
    return "quiet hours" if effective.quiet is not None and effective.quiet.holds(view.now) else None


class Holding:
    """What holds back what, in one look."""

    def __init__(
        self, view: View, found: Mapping[str, Condition], living: Collection[str], errors: Collection[str]
    ) -> None:  # fmt: skip
        """``found``: conditions by their monitors; ``living``: roles; ``errors``: incidents told as errors."""
        self._view = view
        self._found = found
        self._living = living
        self._errors = errors
        self._open: Mapping[str, Alert] = {}
        self._held: dict[str, str] = {}
        self._severe: set[str] = set()

    def hold(self, opened: Mapping[str, Alert], soon: Sequence[Alert]) -> None:
        """Say of each incident why it is not told, in the order in which they were found.

        ``soon`` are those that are none yet: what is told first of their causes now is to do for them too.
        """
        self._open = opened
        every = sorted((*opened.values(), *soon), key=lambda alert: (alert.opened_at, alert.monitor_id))
        for alert in every:
            alert.held_by = kept_from(self._view, alert) or self._cause(alert)
            if alert.held_by is not None:
                self._held[alert.monitor_id] = alert.held_by
        for alert in every:
            teller = opened.get(self._teller(alert.monitor_id))
            is_for = alert.monitor_id in opened or (teller is not None and not teller.tellings)
            if teller is not None and is_for and alert.severity == "error" and alert.gone_at is None:
                self._severe.add(teller.monitor_id)

    def is_error(self, alert: Alert) -> bool:
        """Tell whether it is to be told as an error: it is one, or tells of one that it holds back."""
        return alert.severity == "error" or alert.monitor_id in self._severe

    def _cause(self, alert: Alert) -> str | None:
        """Return the monitor that tells why; of two that explain each other the first one tells."""
        one = self._found.get(alert.monitor_id)
        for cause in one.explained_by if one is not None else ():
            if self._tells(cause, alert) and self._fits(self._open[cause]) and self._reaches(cause, alert):
                return cause
        said = self._view.sayings.of(alert.monitor_id).depends_on
        return next((cause for cause in said if self._tells(cause, alert)), None)

    def _tells(self, cause: str, alert: Alert) -> bool:
        """Tell whether a monitor tells something that this may follow from."""
        other = self._open.get(cause)
        if other is None or kept_from(self._view, other) is not None or self._leads(cause, alert.monitor_id):
            return False
        gone = other.gone_at
        return gone is None or (alert.since_at <= gone and self._view.now - gone < CATCH_UP_US)

    def _fits(self, other: Alert) -> bool:
        """Tell whether nothing is in the way: a lost process explains nothing while another does its work."""
        lost = other.monitor_id.startswith(LOST) and other.gone_at is None
        return not (lost and other.monitor_id.removeprefix(LOST) in self._living)

    def _reaches(self, cause: str, alert: Alert) -> bool:
        """Tell whether all who are to hear of an incident hear of its cause; who is told yet is told as needed."""
        teller = self._open[self._teller(cause)]
        told = teller.severity == "error" or teller.id in self._errors
        return told or not teller.tellings or alert.severity != "error"

    def _teller(self, name: str) -> str:
        """Return the monitor that tells in place of one, or that itself."""
        while (cause := self._held.get(name)) is not None and cause in self._open:
            name = cause
        return name

    def _leads(self, cause: str, name: str) -> bool:
        """Tell whether a cause is held back for this very monitor, perhaps by way of others."""
        seen = {cause}
        while (cause := self._held.get(cause, "")) and cause not in seen:
            if cause == name:
                return True
            seen.add(cause)
        return False
