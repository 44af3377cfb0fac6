"""What the processes tell on their probe ports about themselves."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rota.engine.loop import Loop
from rota.engine.probe import Process
from rota.engine.worker import Worker
from rota.insight.metrics import Sample, Samples


def of_loops(role: str, loops: Sequence[Loop]) -> Process:
    """Return what a process of loops tells."""
    return Process(role, standing=lambda within_s: _standing(loops, within_s))


def of_worker(worker: Worker) -> Process:
    """Return what a worker tells: its loops and its event loop turn, it takes jobs, how many, and how late it is."""

    def standing(within_s: float) -> list[str]:
        late = ["event loop"] if time.monotonic() - worker.turned >= within_s else []
        return _standing(worker.loops(), within_s) + late

    def unable() -> str | None:
        if worker.state != "running":
            return f"it is {worker.state}"
        return None if worker.lease.held else "it has no lease"

    def numbers() -> Samples:
        return {
            "rota_process_slots": _by_kind(worker.slots.capacity),
            "rota_process_slots_used": _by_kind(worker.slots.taken()),
            "rota_process_event_loop_lag_seconds": [((), round(worker.late_s(), 3))],
            "rota_process_log_waiting_bytes": [((), worker.flusher.log_bytes)],
        }

    return Process("worker", standing=standing, unable=unable, numbers=numbers)


def _standing(loops: Sequence[Loop], within_s: float) -> list[str]:
    return [loop.name for loop in loops if not loop.moves(within_s)]


def _by_kind(counts: Mapping[str, int]) -> list[Sample]:
    return [((kind,), count) for kind, count in sorted(counts.items())]
