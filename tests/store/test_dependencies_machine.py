"""Random graphs with random ends: every job ends as its policy says, in the store as in a few lines of Python."""

from __future__ import annotations

from typing import get_args

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rota.ids import new_id
from rota.model import IfParentFailed, NewJob
from rota.store import dependencies, jobs
from rota.store.database import Database
from tests.store import builders
from tests.store.builders import new_job


class Planned(msgspec.Struct, frozen=True):
    """A job of the graph: which earlier ones it waits for, and how it ends when it runs."""

    parents: tuple[int, ...]
    policy: IfParentFailed
    fails: bool
    late: bool
    """It is stored on its own, after some have run."""


@st.composite
def graphs(draw: st.DrawFn) -> list[Planned]:
    """Graphs of up to twelve jobs."""
    found: list[Planned] = []
    for place in range(draw(st.integers(1, 12))):
        parents = draw(st.sets(st.integers(0, place - 1), max_size=3)) if place else set()
        policy = draw(st.sampled_from(get_args(IfParentFailed)))
        found.append(Planned(tuple(sorted(parents)), policy, draw(st.booleans()), draw(st.booleans())))
    return found


def expected(graph: list[Planned]) -> list[str]:
    """How each job ends, or that it is held for good."""
    states: list[str] = []
    for job in graph:
        above = [states[parent] for parent in job.parents]
        if job.policy == "cancel" and any(state in ("failed", "cancelled") for state in above):
            states.append("cancelled")
        elif "held" in above or (job.policy == "wait" and any(state != "completed" for state in above)):
            states.append("held")
        else:
            states.append("failed" if job.fails else "completed")
    return states


def play(db: Database, graph: list[Planned], order: list[int]) -> list[str]:
    """Store and run it; how each job ended.  No job runs before what it waits for has ended."""
    worker = builders.register(db)
    made = [
        new_job(
            depends_on=msgspec.json.encode([ids[parent] for parent in job.parents]).decode() if job.parents else None,
            if_parent_failed=job.policy,
            id=ids[place],
        )
        for ids in [[new_id() for _ in graph]]
        for place, job in enumerate(graph)
    ]
    cut = next((place for place, job in enumerate(graph) if job.late), len(graph))
    db.run(lambda tx: jobs.insert(tx, made[:cut]))
    run(db, worker, graph, made, order, most=2)
    for one in made[cut:]:
        db.run(lambda tx, one=one: jobs.insert(tx, [one]))  # type: ignore[misc]
    run(db, worker, graph, made, order, most=len(graph))
    ids = [job.id for job in made]
    states = db.read(lambda tx: jobs.states(tx, ids))
    builders.execute(db, "DELETE FROM rota_jobs")
    builders.execute(db, "DELETE FROM rota_dependencies")
    return [states[job_id] for job_id in ids]


def run(db: Database, worker: str, graph: list[Planned], made: list[NewJob], order: list[int], most: int) -> None:
    """Claim and end jobs until none is ready, or ``most`` rounds have passed; several of a round end together."""
    place = {job.id: number for number, job in enumerate(made)}
    for _ in range(most):
        claimed = sorted(builders.claim(db, worker), key=lambda one: order[place[one.call.job_id]])
        for fails in (True, False):
            mine = [one for one in claimed if graph[place[one.call.job_id]].fails == fails]
            builders.end(db, worker, *mine, status="failed" if fails else "completed")


def test_every_job_ends_as_its_policy_says(db: Database) -> None:
    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(graphs(), st.randoms(use_true_random=False))
    def check(graph: list[Planned], random: object) -> None:
        order = list(range(len(graph)))
        random.shuffle(order)  # type: ignore[attr-defined]
        wanted = expected(graph)
        assert play(db, graph, order) == wanted
        found = db.read(lambda tx: dependencies.left(tx, 100))
        assert (found.ended, found.batches) == ([], [])

    check()
