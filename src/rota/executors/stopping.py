"""How a run ended that was told to end: by itself, by what it was sent, or because it was killed."""

from __future__ import annotations

from rota.executor import ErrorDetail, Outcome, Stop


def stopped(text: str, *, begun: bool = True) -> Outcome:
    """Return the outcome of a run that ended when it was told to; ``text`` says how."""
    return Outcome("stopped", error=text, detail=ErrorDetail("stopped", message=text), begun=begun)


def killed(why: Stop | None) -> Outcome:
    """Return the outcome of a run that did not end when it was told to, or was to end at once."""
    text = "killed at once, as was asked" if why == "kill" else "killed: it did not end within the grace time"
    return Outcome("stopped", error=text, detail=ErrorDetail("killed", message=text))
