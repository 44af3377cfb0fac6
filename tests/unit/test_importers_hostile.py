"""Whatever stands in a file: reading it executes nothing, expands nothing, and stays within bounds."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.errors import Invalid
from rota.importers import celery, crontab, heroku, kubernetes, parity, rq, scheduled_jobs
from rota.importers.found import Options

HOW = Options()
READERS: dict[str, Callable[[bytes], object]] = {
    "crontab": lambda raw: crontab.read(raw, HOW),
    "heroku": lambda raw: heroku.read(raw, HOW),
    "kubernetes": lambda raw: kubernetes.read(raw, HOW),
    "celery": lambda raw: celery.read(raw, HOW),
    "rq": lambda raw: rq.read(raw, HOW),
    "scheduled-jobs": scheduled_jobs.read,
    "parity": lambda raw: parity.read_log(raw, "UTC"),
}

SHELL = """A=$(touch CANARY)
B=`touch CANARY`
0 1 * * * touch CANARY; $(touch CANARY) `touch CANARY` %$(touch CANARY)
$(touch CANARY) * * * * x
"""
PYTHON = """
import os, subprocess
os.system("touch CANARY")
open("CANARY", "w")
class Task(metaclass=__import__("os").system("touch CANARY")): pass
@os.system("touch CANARY")
def f(x=os.system("touch CANARY")): pass
beat_schedule = {
    os.system("touch CANARY"): {"task": "t", "schedule": 5},
    "a": {"task": "t", "schedule": __import__("os").system("touch CANARY")},
    "b": {"task": eval("1"), "schedule": 5},
    "c": {"task": f"{os.system('touch CANARY')}", "schedule": 5},
    "d": {"task": "t", "schedule": crontab(hour=os.system("touch CANARY"))},
    "e": {"task": "t", "schedule": 5, "args": [os.system("touch CANARY")]},
}
scheduler.cron("* * * * *", func=os.system("touch CANARY"))
scheduler.cron(os.popen("touch CANARY").read(), func="a.b", args=[subprocess.run(["touch", "CANARY"])])
"""
YAML = """
a: !!python/object/apply:os.system ["touch CANARY"]
---
kind: CronJob
metadata: !!python/object/new:subprocess.Popen [["touch", "CANARY"]]
"""

WATCH = """
import sys
sys.dont_write_bytecode = True
from rota.importers import celery, crontab, heroku, kubernetes, rq, scheduled_jobs
from rota.importers.found import Options
from rota.errors import Invalid
import yaml
seen = []
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect")
def watch(event, args):
    if event in STARTS or (event == "open" and any(mark in str(args[1]) for mark in ("w", "a", "x", "+"))):
        seen.append((event, args))
sys.addaudithook(watch)
how = Options()
for raw in map(str.encode, (SHELL, PYTHON, YAML)):
    for read in (crontab.read, heroku.read, kubernetes.read, celery.read, rq.read):
        try:
            read(raw, how)
        except Invalid:
            pass
    try:
        scheduled_jobs.read(raw)
    except Invalid:
        pass
print(len(seen), seen[:3])
"""


def test_nothing_is_executed(tmp_path: Path) -> None:
    names = f"SHELL = {SHELL!r}\nPYTHON = {PYTHON!r}\nYAML = {YAML!r}\n"
    done = subprocess.run(
        [sys.executable, "-c", names + WATCH], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "0 []\n"), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_only_running_would_tell_is_refused() -> None:
    assert celery.read(PYTHON.encode(), HOW).entries == []
    assert rq.read(PYTHON.encode(), HOW).entries == []
    found = crontab.read(SHELL.encode(), HOW)
    assert [one.command for one in found.entries] == ["touch CANARY; $(touch CANARY) `touch CANARY` "]
    assert found.entries[0].env == {"A": "$(touch CANARY)", "B": "`touch CANARY`"}


def bomb(levels: int) -> str:
    """YAML whose aliases would come to 9 to the power of ``levels`` values."""
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("kubernetes", bomb(9).encode()),
        ("kubernetes", b"[" * 5000),
        ("kubernetes", b"- " * 3000 + b"a"),
        ("kubernetes", b"{" + b'"a":{' * 100_000),
        ("kubernetes", b"a: " + b"1" * 100_000),
        ("celery", b"x = " + b"(" * 5000),
        ("celery", b"x = " + b"-" * 50_000 + b"1"),
        ("celery", b"x = a" + b".b" * 50_000),
        ("celery", b"x = 1" + b"+1" * 50_000),
        ("celery", b"[" * 100_000),
        ("celery", b"#" * (3 << 20)),
        ("celery", b"B = {" + b"'task':0,'schedule':1," * 5000 + b"}\nx = {" + b"'a': {**B}," * 5000 + b"}\n"),
        ("kubernetes", b"---\n" * 100_000),
        ("scheduled-jobs", b"COPY scheduled_jobs (a) FROM stdin;\n" * 5000),
        ("rq", b"a = [1]\n" + b"\n".join(b"a%d = [a%d, a%d]" % (n + 1, n, n) for n in range(40))),
        ("crontab", b"\n" * 300_000),
        ("crontab", b"A" * 300_000 + b"=1"),
        ("crontab", b"".join(b"V%d=1\n0 1 * * * x%d\n" % (n, n) for n in range(600))),
        ("heroku", b"[" * 100_000),
        ("heroku", b"a  " * 20_000 + b"every 10 minutes"),
        ("heroku", b" " * 50_000 + b"daily" + b" " * 40_000),
        ("scheduled-jobs", b'{"a":' * 100_000),
        ("scheduled-jobs", b'"' + b"x," * 3_000_000),
        ("parity", b'{"a":' * 50_000),
        ("parity", (b"Nov 21 03:00:01 " + b"( CMD (" * 2000 + b"\n") * 20),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)}-bytes",
)
def test_bounds_hold(kind: str, raw: bytes) -> None:
    begin = time.process_time()
    try:
        READERS[kind](raw)
    except Invalid as error:
        assert error.field in ("FILE", "LOG")
    assert time.process_time() - begin < 10


def test_mappings_within_mappings_do_not_explode() -> None:
    lines = ["a0 = {'task': 't', 'schedule': 5}", *(f"a{n} = {{**a{n - 1}, **a{n - 1}}}" for n in range(1, 40))]
    text = "\n".join([*lines, 'beat_schedule = {"a": {**a39}, "b": {"task": "t", "schedule": range(0, 10**9)}}'])
    found = celery.read(text.encode(), HOW)
    assert found.entries == []
    assert all("too deep" in one.reason or "not written out" in one.reason for one in found.errors)


def test_names_for_lists_of_names_do_not_explode() -> None:
    lines = ["a0 = [1, 1]", *(f"a{n} = [a{n - 1}, a{n - 1}]" for n in range(1, 40))]
    text = "\n".join([*lines, 'beat_schedule = {"a": {"task": "t", "schedule": 5, "args": a39}}'])
    found = celery.read(text.encode(), HOW)
    assert found.entries == []
    assert found.errors[0].reason == "is too deep or too large"


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=30)
@given(raw=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_whatever_text_never_raises(kind: str, raw: bytes) -> None:
    try:
        READERS[kind](raw)
    except Invalid as error:
        assert error.field in ("FILE", "LOG")


WORDS = (
    "beat_schedule", " = ", "|=", "{", "}", "[", "]", "(", ")", "**", "*", ",", ":", "\n", "'task'",
    "'schedule'", "'t'", "5", "-1", "crontab", "timedelta", "range", "dict", "update", "hour=", "minutes=",
    "'*/5'", "A", "A = ", "cron.register", "s.schedule", "s.cron", "func=", "interval=", "cron=", "'* * * * *'",
    "datetime", "args=", "id=", "kind: CronJob", "---", "spec:", "- ", "&a ", "*a", "<<: ", "  ",
    "COPY scheduled_jobs (id, status) FROM stdin;", "\t", "\\.", "id,status,job_type",
)  # fmt: skip


@pytest.mark.parametrize("kind", ["celery", "rq", "kubernetes", "scheduled-jobs"])
@settings(max_examples=30)
@given(words=st.lists(st.sampled_from(WORDS), max_size=30))
def test_whatever_looks_like_such_a_file_never_raises(kind: str, words: list[str]) -> None:
    raw = "".join(words).encode()
    try:
        assert READERS[kind](raw) == READERS[kind](raw)  # a second import changes nothing
    except Invalid as error:
        assert error.field in ("FILE", "LOG")


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 100), st.floats(), st.text(max_size=5), st.sampled_from(
        ["CronJob", "List", "0 1 * * *", "completed", "a", "t", "Allow", "2026-01-01T00:00:00Z"]
    )),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([
            "kind", "items", "metadata", "spec", "name", "schedule", "jobTemplate", "template", "containers", "command",
            "env", "task", "args", "kwargs", "options", "job_type", "status", "created_at", "id", "frequency", "result",
            "backoffLimit", "timeZone", "minute", "every", "period", "time",
        ]), inner, max_size=6),
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize("kind", ["heroku", "kubernetes", "celery", "scheduled-jobs", "parity"])
@settings(max_examples=30)
@given(value=JSON)
def test_whatever_json_never_raises(kind: str, value: object) -> None:
    try:
        READERS[kind](json.dumps(value).encode())
    except Invalid as error:
        assert error.field in ("FILE", "LOG")
