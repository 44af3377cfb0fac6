"""What a job says of its unique key: how long it keeps others out, and what becomes of the one that has it."""

from __future__ import annotations

from rota.actions.specs import JobIn
from rota.durations import DAY, SECOND, format_duration, parse_duration
from rota.errors import Invalid
from rota.jsontext import check_text
from rota.model import NewJob

WINDOW = "window:"
LONGEST_WINDOW = 366 * DAY
_SCOPES = "waiting, active, or window:<duration> as in window:10m"


def set_key(job: NewJob, spec: JobIn) -> None:
    """Give a job its unique key, checked."""
    if spec.unique_key is None:
        for field, value in (("uniqueScope", spec.unique_scope), ("ifExists", spec.if_exists)):
            if value is not None:
                raise Invalid(field, "needs a uniqueKey")
        return
    if not spec.unique_key:  # a variable that was not set would make one job of all
        raise Invalid("uniqueKey", "is empty", hint="leave it out, or give a key")
    job.unique_key = check_text(spec.unique_key, "uniqueKey", max_length=500)
    job.unique_scope = "active" if spec.unique_scope is None else spec.unique_scope
    if job.unique_scope.startswith(WINDOW):
        job.unique_for_us = _window(job.unique_scope.removeprefix(WINDOW))
        job.unique_scope = WINDOW + format_duration(job.unique_for_us)
    elif job.unique_scope not in ("waiting", "active"):
        raise Invalid("uniqueScope", f"{job.unique_scope[:100]!r} is unknown", hint=_SCOPES)
    has_time = spec.delay_ms is not None or spec.run_at is not None
    if spec.if_exists == "debounce" and spec.delay_ms is None:
        raise Invalid("ifExists", "debounce needs delayMs", hint="each call lets the job wait so long again")
    if spec.if_exists in ("replace", "debounce"):
        job.if_exists = "reschedule" if has_time else "replace"


def _window(text: str) -> int:
    try:
        duration = parse_duration(text, "uniqueScope", minimum_us=SECOND)
    except Invalid as error:
        raise Invalid("uniqueScope", error.reason, hint=error.hint or _SCOPES) from None
    if duration > LONGEST_WINDOW:
        raise Invalid("uniqueScope", f"{format_duration(duration)} is too long", hint="at most window:366d")
    return duration
