"""Lines of the log: JSON that machines read, text for people, nothing secret, nothing that breaks them."""

from __future__ import annotations

import json
import math
import time
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.logs.lines import LONGEST_LINE, JsonLines, TextLines
from rota.logs.secrets import Masker

NOON = 1_763_726_400_012_345_678
CONSTANT = {"service": "rota", "role": "worker", "pid": 17, "hostname": "web-1"}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=10,
)


def masker(*secrets: str) -> Masker:
    made = Masker()
    made.add(secrets)
    return made


def as_json(*args: Any, secrets: tuple[str, ...] = (), rename: dict[str, str] | None = None, **fields: Any) -> Any:
    lines = JsonLines(CONSTANT, masker(*secrets), rename or {})
    level, name, msg = args or ("info", "job/started", "Started")
    line = lines.line(NOON, level, name, msg, fields)
    assert line.endswith("}\n") and line.count("\n") == 1
    return json.loads(line)


def as_text(secrets: tuple[str, ...] = (), *, colours: bool = False, **fields: Any) -> str:
    lines = TextLines(masker(*secrets), colours=colours, date=False, rename={})
    return lines.line(NOON, "warning", "job/failed", "It failed", fields)


def test_a_line_has_the_fields_of_the_contract_in_order() -> None:
    line = as_json("warning", "job/lost", "Gone", queue="mail", jobId="j", attempt=2, durationMs=1.5)
    assert line == {
        "time": "2025-11-21T12:00:00.012Z",
        "level": "warning",
        "event": "job/lost",
        "msg": "Gone",
        "service": "rota",
        "role": "worker",
        "pid": 17,
        "hostname": "web-1",
        "queue": "mail",
        "jobId": "j",
        "attempt": 2,
        "durationMs": 1.5,
    }
    assert list(line)[:4] == ["time", "level", "event", "msg"]


def test_each_line_has_its_own_time() -> None:
    lines = JsonLines(CONSTANT, masker(), {})
    times = [
        json.loads(lines.line(at, "info", "job/started", "", {}))["time"]
        for at in (NOON, NOON + 999_000, NOON + 1_000_000, NOON + 10**9, NOON)
    ]
    assert [time[17:] for time in times] == ["00.012Z", "00.013Z", "00.013Z", "01.012Z", "00.012Z"]


def test_what_does_not_apply_is_left_out() -> None:
    line = as_json(queue="mail", jobType=None, error=None)
    assert "jobType" not in line
    assert "error" not in line
    assert as_json(reason=":null")["reason"] == ":null"


def test_times_are_written_as_times() -> None:
    line = as_json("info", "schedule/fired", "", scheduledFor=NOON // 1000)
    assert line["scheduledFor"] == "2025-11-21T12:00:00.012Z"


def test_fields_get_the_names_that_were_asked_for() -> None:
    rename = {"queue": "queueName", "jobId": "messageId", "time": "timestamp", "msg": "message", "pid": "processId"}
    line = as_json(queue="mail", jobId="j", attempt=1, rename=rename)
    assert (line["queueName"], line["messageId"], line["attempt"]) == ("mail", "j", 1)
    assert (line["message"], line["processId"]) == ("Started", 17)
    assert line["timestamp"].startswith("2025")
    assert not line.keys() & rename.keys()


@given(st.none() | st.text(), st.dictionaries(st.text(), ANYTHING))
def test_any_value_makes_one_valid_line(msg: str | None, fields: dict[str, Any]) -> None:
    line = JsonLines(CONSTANT, masker("secret"), {}).line(NOON, "info", "job/started", msg, fields)
    line.encode()
    assert line.count("\n") == 1
    assert '"event":"job/started"' in line
    json.loads(line)
    text = TextLines(masker("secret"), colours=False, date=True, rename={}).line(NOON, "info", "a/b", msg, fields)
    text.encode()
    assert text.startswith("2025-11-21T12:00:00.012Z info ")


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError


def test_values_that_json_does_not_know() -> None:
    endless: dict[str, Any] = {}
    endless["self"] = endless
    line = as_json(
        error=ValueError("bad"),
        hostile=Hostile(),
        endless=endless,
        lone="\ud800",
        uuid=UUID(int=1),
        huge=10**5000,
        nan=math.nan,
        keys={1: {2}},
    )
    assert line["error"] == "bad"
    assert line["hostile"] == "<Hostile>"
    assert line["lone"] == "\\ud800"
    assert line["uuid"] == "00000000-0000-0000-0000-000000000001"
    assert line["keys"] == {"1": [2]}


def test_long_lines_are_cut() -> None:
    line = as_json("info", "job/started", "m" * 10**6, error="e" * 10**6, many=list(range(10**5)), queue="mail")
    assert len(json.dumps(line)) < 2 * LONGEST_LINE
    assert line["error"].endswith("e…")
    assert line["queue"] == "mail"


SECRETS = ('pa"ss\\wörd', "p@ss word/1", "plain-secret")


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_masked_wherever_they_stand(secret: str) -> None:
    fields: dict[str, Any] = {"error": f"cannot log in with {secret}!", "nested": [{secret: secret}], "jobType": "kept"}
    line = as_json("info", "job/failed", f"using {secret}", secrets=SECRETS, **fields)
    assert line["msg"] == "using ***"
    assert line["error"] == "cannot log in with ***!"
    assert line["nested"] == [{"***": "***"}]
    assert (line["jobType"], line["service"], line["pid"]) == ("kept", "rota", 17)
    assert secret not in as_text(SECRETS, **fields, trace=f"Traceback\n  {secret}")


def test_secrets_are_masked_inside_of_addresses() -> None:
    line = as_json(error="postgresql://u:p%40ss%20word%2F1@h and x=p%40ss+word%2F1", secrets=SECRETS)
    assert line["error"] == "postgresql://u:***@h and x=***"


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert masker("secret", "secret-longer").mask("a secret-longer b secret") == "a *** b ***"


def test_what_everybody_writes_is_no_secret() -> None:
    assert masker("a", "", "rot").mask("a rota") == "a rota"


def test_text_is_aligned_and_plain() -> None:
    text = as_text(queue="mail", reason="two words", count=3, jobType=None, error="")
    assert (
        text == '12:00:00.012Z warning job/failed           It failed queue=mail reason="two words" count=3 error=""\n'
    )


def test_text_has_its_trace_below() -> None:
    text = as_text(trace="Traceback:\n  File x\nValueError: \x1b[31mred\n")
    assert text.split("\n")[1:] == ["    Traceback:", "      File x", "    ValueError: \\x1b[31mred", ""]


def test_colours_only_where_asked_and_none_from_outside() -> None:
    assert "\x1b[33m" in as_text(colours=True)
    hostile = as_text(error="\x1b]0;title\x07\r\n\u202etxt", jobType="\x9b31m")
    assert "\x1b" not in hostile and "\r" not in hostile and "\u202e" not in hostile and "\x9b" not in hostile
    assert hostile.count("\n") == 1


class Told(msgspec.Struct, omit_defaults=True):
    queue: str = ""
    jobType: str | None = None
    priority: int | None = None
    error: str | None = None


TOLD = [
    Told("mail", "digest", 0),
    Told("mail", "digest", -3, 'it said: "no"\n\u2028'),
    Told("mail", "\ud800", 0),
    Told("mail", "digest", 0, "the password is s3cret/word"),
    Told("mail", "digest", 0, "x" * LONGEST_LINE),
]


@pytest.mark.parametrize("rename", [{}, {"queue": "channel", "msg": "message"}])
@pytest.mark.parametrize("told", TOLD)
def test_a_record_is_the_line_of_its_fields(told: Told, rename: dict[str, str]) -> None:
    json_lines = JsonLines(CONSTANT, masker("s3cret/word"), rename)
    text_lines = TextLines(masker("s3cret/word"), colours=False, date=True, rename=rename)
    for lines in (json_lines, text_lines):
        for level, name in (("info", "job/completed"), ("error", "job/failed"), ("info", "job/completed")):
            record = lines.record(NOON, level, name, f"{told.jobType} ended", told)
            fields = msgspec.to_builtins(told)
            assert record == lines.line(NOON, level, name, f"{told.jobType} ended", fields)
            assert "s3cret" not in record and len(record) < 2 * LONGEST_LINE


def test_a_line_is_cheap() -> None:
    """The aim is 2 µs with everything around it; ten times as much would be a fault even on a busy machine."""
    lines = JsonLines(CONSTANT, masker("one-secret", "another-secret"), {})
    fields = {"queue": "mail", "jobType": "digest", "jobId": "0" * 36, "attempt": 1, "durationMs": 12}
    best = math.inf
    for _ in range(5):
        started = time.process_time()
        for _ in range(2000):
            lines.line(NOON, "info", "job/completed", "Job completed", fields)
        best = min(best, (time.process_time() - started) / 2000)
    assert best < 20e-6
