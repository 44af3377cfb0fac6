"""The trace that an attempt belongs to."""

from __future__ import annotations

import os


def traceparent(job_id: str) -> str:
    """Return a W3C ``traceparent``: the job's id is the trace, so that its attempts are found together.

    It says *sampled*, since targets that follow their caller would otherwise record nothing.
    """
    return f"00-{job_id.replace('-', '')}-{os.urandom(8).hex()}-01"
