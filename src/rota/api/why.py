"""Why a job waits, or how it ended, as the API shows it."""

from __future__ import annotations

from typing import Any

from rota.actions import present
from rota.insight.why import why as explain
from rota.model import Job
from rota.store.database import Tx


def why(tx: Tx, job: Job) -> dict[str, Any]:
    """Return ``{text, until, causes}``."""
    found = explain(tx, job)
    return {
        "text": found.text,
        "until": present.instant(found.until),
        "causes": [
            {"code": cause.code, "text": cause.text, "until": present.instant(cause.until)} for cause in found.causes
        ],
    }
