"""Trace contexts as text: the ``traceparent`` of W3C."""

from __future__ import annotations

import os
import re
from hashlib import blake2b
from typing import NamedTuple

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[ -~]*)?", re.ASCII)
_LONGEST = 512
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


class Ids(NamedTuple):
    """The numbers of a trace and of a span in it."""

    trace: int
    span: int

    def parent(self, *, sampled: bool = True) -> str:
        """Return them as ``traceparent``."""
        return f"00-{self.trace:032x}-{self.span:016x}-{'01' if sampled else '00'}"


def checked(text: str | None) -> str | None:
    """Return what a caller sent as ``traceparent``, in the form of version 00; None for what is none.

    A context that cannot be understood is dropped, as W3C wants it: it must never be the reason why work is refused.
    """
    if text is None or len(text) > _LONGEST:
        return None
    found = _PARENT.fullmatch(text)
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "ff" or (version == "00" and more is not None) or trace == _NO_TRACE or span == _NO_SPAN:
        return None
    # Of other versions only the bit of version 00 is understood.
    return f"00-{trace}-{span}-{flags if version == '00' else f'{int(flags, 16) & 1:02x}'}"


def ids_of(parent: str) -> Ids:
    """Return the numbers of a checked ``traceparent``."""
    return Ids(int(parent[3:35], 16), int(parent[36:52], 16))


def is_sampled(parent: str) -> bool:
    """Tell whether a checked ``traceparent`` says that its trace is kept."""
    return bool(int(parent[53:], 16) & 1)


def of_job(job_id: str) -> str:
    """Return a ``traceparent`` for a job that has none: its id is the trace, so that its attempts are found together.

    It says *sampled*, since targets that follow their caller would otherwise record nothing.
    """
    return f"00-{job_id.replace('-', '')}-{os.urandom(8).hex()}-01"


def attempt_ids(job_id: str, attempt: int) -> Ids:
    """Return the numbers of the span of an attempt; attempt 0 is the span of the schedule that made the job.

    They follow from job and attempt, so that a retry knows the span of the attempt before it, and the pages that of
    the last one, though nothing stores them.  As evenly spread as random ones, which samplers by ratio rely upon:
    the id of a job is not.
    """
    digest = blake2b(f"{job_id}:{attempt}".encode(), digest_size=24, person=b"rota-attempt").digest()
    return Ids(int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:]) or 1)


def shown_id(job_id: str, attempt: int, stored: str | None, *, tracing: bool) -> str:
    """Return the id of the trace in which the last attempt of a job is found (32 hexadecimal digits).

    ``stored`` is the context in which it was enqueued, ``tracing`` whether workers make spans of their own.
    """
    if tracing and attempt:
        return f"{attempt_ids(job_id, attempt).trace:032x}"
    return stored[3:35] if stored is not None else job_id.replace("-", "")
