"""The queries for stores of logs name events and fields that are documented, and belong together."""

from __future__ import annotations

import re

import pytest

from rota.logs import COMMON_FIELDS, EVENTS
from tests.support.processes import ROOT

PAGE = (ROOT / "docs" / "how-to" / "log-queries.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"^```(cloudwatch|logql|datadog)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
WORDS = {
    "cloudwatch": "fields filter sort limit stats by as in and or desc asc count pct max latest bin m",
    "logql": "json sum by rate app unwrap m quantile_over_time avg_over_time count_over_time line_format",
    "datadog": "service rota OR",
}
"""What belongs to the languages."""


def events_of(query: str) -> set[str]:
    """The events that a query names; ``job/(completed|failed)`` are two."""
    found: set[str] = set()
    for noun, verbs in re.findall(r"\b([a-z]+)/\(?([a-z-]+(?:\|[a-z-]+)*)\)?(?=[\"|])", query):
        found |= {f"{noun}/{verb}" for verb in verbs.split("|")} if "/" not in verbs else set()
    return found


def fields_of(language: str, query: str) -> set[str]:
    """The fields that a query names."""
    named = set(re.findall(r"\{\{\.(\w+)\}\}", query))
    bare = re.sub(r'"[^"]*"', "", query)
    own = set(re.findall(r"\bas (\w+)", bare))
    if language == "datadog":
        return named | set(re.findall(r"@(\w+)", bare))
    words = set(re.findall(r"(?<![@\w])[a-zA-Z]\w*", bare))
    return named | words - own - set(WORDS[language].split())


@pytest.mark.parametrize(("language", "query"), QUERIES)
def test_a_query_names_what_is_there(language: str, query: str) -> None:
    events, fields = events_of(query), fields_of(language, query)
    assert events <= EVENTS.keys(), events - EVENTS.keys()
    assert events or "jobId =" in query
    known = set(COMMON_FIELDS) | {field for name in events for field in EVENTS[name].fields}
    assert fields <= known, fields - known


def test_each_store_is_asked_all_that_the_dashboard_shows() -> None:
    for language in WORDS:
        queries = [query for of, query in QUERIES if of == language]
        asked = set().union(*map(events_of, queries))
        assert {"job/started", "job/completed", "job/failed", "schedule/missed"} <= asked, language
        assert any("durationMs" in query for query in queries), language


def test_the_reader_would_be_told_of_a_wrong_name() -> None:
    assert events_of('event=~"job/(completed|gone)"') == {"job/completed", "job/gone"}
    assert fields_of("cloudwatch", "stats pct(waited, 50) as half by bin(1m)") == {"waited"}
    assert fields_of("logql", '{app="rota"} | json | evnt="x" | unwrap waitedMs [5m]') == {"evnt", "waitedMs"}
