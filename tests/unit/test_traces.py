"""Trace contexts: what is one, which numbers attempts get, where the open one is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry import trace

from rota import traces
from rota.ids import new_id
from rota.traces.here import as_context
from rota.traces.parent import ids_of, is_sampled

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (PARENT, PARENT),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f"cc-{TRACE}-{SPAN}-03-what.comes.later", PARENT),  # of later versions what version 00 knows
        (f"cc-{TRACE}-{SPAN}-02", f"00-{TRACE}-{SPAN}-00"),
        (None, None),
        ("", None),
        ("hello", None),
        (PARENT.upper(), None),
        (f" {PARENT}", None),
        (f"{PARENT}\n", None),
        (f"{PARENT}-more", None),  # version 00 has nothing behind its flags
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE[:-1]}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"00-{TRACE}-{SPAN}-01; DROP TABLE rota_jobs", None),
        (f"cc-{TRACE}-{SPAN}-01-{'x' * 5000}", None),
        (f"cc-{TRACE}-{SPAN}-01-\r\nX-Evil: 1", None),
        ("00-٤bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
    ],
)
def test_only_what_w3c_allows_is_kept(sent: str | None, kept: str | None) -> None:
    assert traces.checked(sent) == kept


def test_a_context_is_taken_apart_and_put_together() -> None:
    ids = ids_of(PARENT)
    assert (ids.trace, ids.span, ids.parent()) == (int(TRACE, 16), int(SPAN, 16), PARENT)
    assert (is_sampled(PARENT), is_sampled(ids.parent(sampled=False))) == (True, False)


def test_the_numbers_of_an_attempt_follow_from_job_and_attempt() -> None:
    job_id = new_id()
    assert traces.attempt_ids(job_id, 1) == traces.attempt_ids(job_id, 1)
    assert len({traces.attempt_ids(job_id, attempt) for attempt in range(1000)}) == 1000
    assert traces.attempt_ids(job_id, 1).trace != traces.attempt_ids(new_id(), 1).trace


def test_samplers_by_ratio_get_their_ratio() -> None:
    """They look at the lower half of the number, of which in the id of a job two bits are always the same."""
    low = [traces.attempt_ids(new_id(), 1).trace & (2**64 - 1) for _ in range(4000)]
    assert 200 < sum(one < 2**64 // 10 for one in low) < 600


def test_the_trace_that_is_shown_is_where_the_last_attempt_is_found() -> None:
    job_id = new_id()
    of_attempt = f"{traces.attempt_ids(job_id, 2).trace:032x}"
    assert traces.shown_id(job_id, 2, PARENT, tracing=True) == of_attempt
    assert traces.shown_id(job_id, 0, PARENT, tracing=True) == TRACE
    assert traces.shown_id(job_id, 2, PARENT, tracing=False) == TRACE
    assert traces.shown_id(job_id, 2, None, tracing=False) == job_id.replace("-", "")


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_SERVICE_NAME": "mine"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ({"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
    ],
)
def test_spans_are_made_where_the_variables_ask_for_them(environ: dict[str, str], wanted: bool) -> None:
    assert traces.is_wanted(environ) is wanted


def test_the_open_trace_is_that_of_the_span_else_of_the_attempt() -> None:
    assert traces.current() is None
    of_attempt = traces.attempt_ids(new_id(), 1).parent()
    with traces.attached(of_attempt):
        assert traces.current() == of_attempt
        assert trace.get_current_span().get_span_context().trace_id == ids_of(of_attempt).trace
        with trace.use_span(trace.get_current_span(as_context(PARENT))):
            assert traces.current() == PARENT
        assert traces.current() == of_attempt
    with traces.attached(None):
        assert traces.current() is None


def test_what_the_exporter_needs_and_is_not_there_is_told_and_no_reason_to_fail(tmp_path: Path) -> None:
    """In a process of its own, to which every module of OpenTelemetry is missing."""
    script = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from rota import traces; traces.start('rota', 'worker')\n"
        "assert traces.tracer() is None; traces.stop()\n"
        "assert traces.current() is None and traces.makes_spans() is False\n"
    )
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "ROTA_TEST_STRICT_EVENTS": "1"}
    ended = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "traces/off" in ended.stderr and "pip install 'rota[otel]'" in ended.stderr


def test_without_traces_nothing_of_opentelemetry_is_loaded() -> None:
    script = (
        "import sys, rota, rota.serve, rota.cli.main, rota.executors.runner\n"
        "from rota import traces; traces.start('rota', 'worker'); traces.current()\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    ended = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
