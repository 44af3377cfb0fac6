"""Conditions of what tells people: channels that fail, and an outside monitor that hears nothing."""

from __future__ import annotations

from collections.abc import Iterator

from rota.durations import MINUTE
from rota.insight.condition import Condition, Sentence, Subject
from rota.store import canary, channels
from rota.store.database import Tx

SILENT_TURNS = 3
SILENT_US = MINUTE


def own(tx: Tx, now: int) -> Iterator[Condition]:
    """Yield what is wrong with channels and the canary."""
    for one in channels.failing(tx, now):
        yield Condition(
            kind="channel", severity="error", subject=Subject("system", one.name), since=one.failing_since,
            sentence=Sentence(f"The channel {one.name} takes no messages since", one.failing_since, f": {one.error}."),
        )  # fmt: skip
    state = canary.get(tx)
    if state is None:
        return
    subject = Subject("system", "canary")
    if state.failing_since is not None:
        yield Condition(
            kind="canary", severity="error", subject=subject, since=state.failing_since,
            sentence=Sentence("The outside monitor is not reached since", state.failing_since, f": {state.error}."),
        )  # fmt: skip
        return
    last = max(state.told_at or 0, state.since)
    if now - last > SILENT_TURNS * state.every_us + SILENT_US:
        yield Condition(
            kind="canary", severity="error", subject=subject, since=last,
            sentence=Sentence("No run of rota-canary completed, and the outside monitor was not told, since", last),
        )  # fmt: skip
