"""``?wait=``: answer when a job has ended, or when the time is over."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

import msgspec

from rota.api.context import Context
from rota.api.job_view import detail, known_job
from rota.durations import format_duration, parse_duration
from rota.errors import Invalid
from rota.model import FINAL

LONGEST_US = 300_000_000


class WaitQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Whether to wait for the end of the job."""

    wait: Annotated[str, msgspec.Meta(description="How long to wait for the end of the job: `30s`.")] | None = None


def seconds(context: Context) -> float | None:
    """Return how long to wait, None where nothing is said of it; raises Invalid for ``wait``."""
    text = context.query(WaitQuery).wait
    if text is None:
        return None
    duration = parse_duration(text, "wait")
    if duration > LONGEST_US:
        raise Invalid("wait", f"is longer than {format_duration(LONGEST_US)}", hint="ask for the job again later")
    return duration / 1e6


async def for_end(context: Context, job_id: str, wait_s: float) -> dict[str, Any]:
    """Return the job once it has ended, or as it is when the time is over."""
    with contextlib.suppress(TimeoutError):
        await context.service.watch.wait(job_id, lambda seen: seen is None or seen.status in FINAL, wait_s)
    return await context.read(lambda tx: detail(tx, known_job(tx, job_id)))


async def for_start(context: Context, job_id: str, wait_s: float) -> None:
    """Return once the job has started, or the time is over."""
    with contextlib.suppress(TimeoutError):
        await context.service.watch.wait(
            job_id, lambda seen: seen is None or seen.status not in ("pending", "scheduled"), wait_s
        )
