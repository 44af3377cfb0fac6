"""Heroku Scheduler, Kubernetes, Celery beat, RQ and the history of an admin service: what is read, and what refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from rota.errors import Invalid
from rota.importers import celery, heroku, kubernetes, rq, scheduled_jobs
from rota.importers.found import Found, Options

HOW = Options()


def times(found: Found) -> list[tuple[str, Any]]:
    return [(one.schedule, one.command) for one in found.entries]


def reasons(found: Found) -> list[tuple[int, str]]:
    return [(one.line, one.reason) for one in found.errors]


# -- Heroku -----------------------------------------------------------------------------------------------------------

DASHBOARD = """Job\tDyno Size\tFrequency\tLast Run\tNext Due
$ rake update_feed\tBasic\tDaily at 12:30 AM UTC\tNov 20, 2026 12:30 AM UTC\tNovember 21, 2026 12:30 AM UTC
psql $DATABASE_URL -c "SELECT  1"
Standard-1X
Every 10 minutes
Never
in 5 minutes
node clean.js  Eco  Hourly at :20  never
bin/report  Every day at 3:00 PM
bin/hourly\tHobby\tEvery hour
"""


def test_the_dashboard_as_text() -> None:
    found = heroku.read(DASHBOARD.encode(), HOW)
    assert times(found) == [
        ("30 0 * * *", "rake update_feed"),
        ("*/10 * * * *", 'psql $DATABASE_URL -c "SELECT  1"'),
        ("20 * * * *", "node clean.js"),
        ("0 15 * * *", "bin/report"),
        ("0 * * * *", "bin/hourly"),
    ]
    assert [one.line for one in found.entries] == [2, 3, 8, 9, 10]
    assert found.errors == []


def test_commands_that_speak_of_times() -> None:
    text = b"""rake daily report   Basic   Daily at 3:00 AM UTC  never
send every day at 5:00 mail   Every day at 12:00 PM   November 21, 2026 8:40 PM UTC
"""
    assert times(heroku.read(text, HOW)) == [
        ("0 3 * * *", "rake daily report"), ("0 12 * * *", "send every day at 5:00 mail")
    ]  # fmt: skip


def test_a_list_of_jobs() -> None:
    rows = [
        {"command": "a", "frequency": "Daily at 3:00 AM UTC"},
        {"command": "b", "every": "hour", "at": "10"},
        {"name": "nightly", "job": "c", "schedule": "0 3 * * 1-5", "timezone": "Europe/Paris"},
        {"command": "d", "frequency": "now and then"},
        {"frequency": "Hourly"},
    ]
    found = heroku.read(json.dumps(rows).encode(), HOW)
    assert times(found) == [("0 3 * * *", "a"), ("0 3 * * 1-5", "c")]
    assert [one.id for one in found.entries][1] == "nightly"
    assert [line for line, _ in reasons(found)] == [2, 4, 5]
    table = 'Command,Frequency\n"rake  a, b",Every 10 minutes\n'
    assert times(heroku.read(table.encode(), HOW)) == [("*/10 * * * *", "rake  a, b")]


def test_what_says_no_frequency_is_refused() -> None:
    found = heroku.read(b"rake a\nrake b\tHourly\nDaily at 25:00\n", HOW)
    assert times(found) == [("0 * * * *", "rake b")]
    assert reasons(found) == [(1, "says no frequency"), (3, "'Daily at 25:00' has no command before it")]


# -- Kubernetes -------------------------------------------------------------------------------------------------------

CRON_JOB = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: prod}
spec:
  schedule: "0 3 * * *"
  timeZone: Europe/Paris
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 200
  suspend: true
  jobTemplate:
    spec:
      backoffLimit: 2
      activeDeadlineSeconds: 600
      template:
        spec:
          containers:
          - name: x
            image: busybox:1.36
            command: ["/bin/sh", "-c"]
            args: ["date;  echo hi"]
            workingDir: /srv
            env:
            - {name: A, value: "1"}
            - {name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}
"""


def test_a_cron_job() -> None:
    (one,) = kubernetes.read(CRON_JOB.encode(), HOW).entries
    assert (one.id, one.schedule, one.timezone) == ("prod.nightly", "0 3 * * *", "Europe/Paris")
    assert one.command == ["/bin/sh", "-c", "date;  echo hi"]
    assert one.env == {"A": "1"}
    said = one.definition
    assert (said["overlap"], said["catchup"], said["catchupWindow"], said["paused"]) == ("skip", "latest", "200s", True)
    assert (said["timeout"], said["retry"]["attempts"], said["target"]["cwd"]) == ("600s", 3, "/srv")
    assert any("busybox" in text for text in one.warnings) and any("variable B" in text for text in one.warnings)


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        ("Forbid", "Replace", "overlap", "cancel"),
        ("Forbid", "Allow", "overlap", "allow"),
        ("0 3 * * *", "TZ=Asia/Tokyo 0 3 * * *", "cron", "0 3 * * *"),
        ("0 3 * * *", "0 3 */2 * MON", "cron", "0 3 1-31/2 * MON"),
        ("0 3 * * *", "0 3 ? * ?", "cron", "0 3 * * *"),
        ("0 3 * * *", "0 3 1,* * MON", "cron", "0 3 * * MON"),
        ("0 3 * * *", "0 3 */2,4 * */3", "cron", "0 3 1-31/2,4 * 0-6/3"),
        ("0 3 * * *", "0 3 L * *", None, "Kubernetes does not read the field 'L'"),
        ("0 3 * * *", "0 3 * * MON#2", None, "Kubernetes does not read the field 'MON#2'"),
        ("0 3 * * *", "H 3 * * *", None, "Kubernetes does not read the field 'H'"),
        ("0 3 * * *", "0 3 * * 1-7", None, "Sunday is 0"),
        ("suspend: true", "suspend: 'yes'", None, "spec.suspend"),
        ("0 3 * * *", "@every 1h30m", None, "interval"),
        ("0 3 * * *", "61 * * * *", None, "minute '61'"),
        ("timeZone: Europe/Paris", "timeZone: Moon/Base", None, "timezone"),
        ("backoffLimit: 2", "backoffLimit: 0", "maxAttempts", 1),
        ("backoffLimit: 2", "backoffLimit: -1", None, "backoffLimit"),
        ('command: ["/bin/sh", "-c"]', "x: 1", None, "command: is missing"),
        ("- name: x\n", "- name: y\n          - name: x\n", None, "2 run together"),
        ('value: "1"', "value: 1", None, "is no text"),
        ("schedule:", "schedules:", None, "spec.schedule: is missing"),
        ("jobTemplate:", "template:", None, "jobTemplate: is missing"),
        ("Forbid", "Perhaps", None, "concurrencyPolicy"),
    ],
)  # fmt: skip
def test_fields_of_a_cron_job(old: str, new: str, field: str | None, value: Any) -> None:
    assert old in CRON_JOB
    found = kubernetes.read(CRON_JOB.replace(old, new, 1).encode(), HOW)
    if field is not None:
        assert found.entries[0].definition[field] == value
    elif found.errors:
        assert value in found.errors[0].reason
    else:
        assert found.entries[0].schedule == "@every 1h30m"


def test_many_documents_lists_and_json() -> None:
    other = CRON_JOB.replace("nightly", "second").replace("prod", "default")
    both = f"{CRON_JOB}---\nkind: Deployment\n---\n---\n{other}---\nkind: CronJob\nspec: 1\n"
    found = kubernetes.read(both.encode(), HOW)
    assert [one.id for one in found.entries] == ["prod.nightly", "second"]
    assert found.notes[-1] == "left out: 1 Deployment"
    assert len(found.errors) == 1
    items = json.dumps({"kind": "List", "items": [yaml.safe_load(CRON_JOB)]})
    assert [one.id for one in kubernetes.read(items.encode(), HOW).entries] == ["prod.nightly"]


def test_a_document_that_is_none_does_not_keep_the_others() -> None:
    text = f"# first\n%YAML 1.1\n{'---'}{CRON_JOB}--- # broken\na: [\n---\nb: *nowhere\n...\n---\nkind: List\nitems:\n"
    found = kubernetes.read(
        f"{text}- {json.dumps(yaml.safe_load(CRON_JOB.replace('nightly', 'last')))}\n".encode(), HOW
    )
    assert [one.id for one in found.entries] == ["prod.nightly", "prod.last"]
    lines = text.splitlines()
    assert [lines[line - 1] for line, _ in reasons(found)] == ["---", "b: *nowhere"]
    assert all(reason.startswith("is not YAML: ") for _, reason in reasons(found))


# -- Celery -----------------------------------------------------------------------------------------------------------

BEAT = """
from celery.schedules import crontab, solar
from datetime import timedelta
app = Celery("x", timezone="Europe/Paris")
EVERY = 60 * 5
TASK = "tasks.named"
app.conf.beat_schedule = {
    "add every 30": {"task": "tasks.add", "schedule": 30.0, "args": (16, 16)},
    "monday": {"task": "t.m", "schedule": crontab(hour=7, minute=30, day_of_week=1), "kwargs": {"a": 1}},
    "delta": {"task": "t.d", "schedule": timedelta(minutes=5, seconds=3)},
    "named": {"task": TASK, "schedule": EVERY, "options": {"queue": "slow", "expires": 15.0}},
    "both": {"task": "t.b", "schedule": crontab(0, "22-2", "monday-friday", day_of_month="1,15")},
    "sun": {"task": "t.s", "schedule": solar("sunset", -37, 144)},
    "run": {"task": "t.r", "schedule": float(os.environ["EVERY"])},
    "two": {"task": "t.t", "schedule": 5, "args": [1], "kwargs": {"a": 1}},
}
app.conf.beat_schedule["late"] = dict(task="t.l", schedule=crontab())
@app.on_after_configure.connect
def setup(sender, **kwargs):
    sender.add_periodic_task(10.0, test.s("hello"))
"""


def test_beat_schedules_of_a_python_file() -> None:
    found = celery.read(BEAT.encode(), HOW)
    shown = {one.id.partition("-")[0] if " " in one.id else one.id: one for one in found.entries}
    assert [one.schedule for one in found.entries] == [
        "@every 30s", "30 7 * * 1", "@every 303s", "@every 300s", "0 22,23,0,1,2 1,15 * MON-FRI", "* * * * *",
    ]  # fmt: skip
    assert {one.timezone for one in found.entries} == {"Europe/Paris"}
    assert shown["monday"].definition["args"] == {"a": 1}
    assert shown["both"].definition["dayMatch"] == "and"
    named = shown["named"].definition
    assert (named["target"], named["expiresIn"]) == (
        {"kind": "celery", "task": "tasks.named", "queue": "slow"}, "15.0s",
    )  # fmt: skip
    assert [line for line, _ in reasons(found)] == [13, 14, 15, 20]
    assert "solar" in reasons(found)[0][1] and "nothing of the file is run" in reasons(found)[1][1]


def test_beat_schedules_as_json() -> None:
    said = {
        "a": {"task": "t.a", "schedule": 60},
        "b": {"task": "t.b", "schedule": {"minute": "0", "hour": "*/3"}, "args": [1]},
        "c": {"task": "t.c", "schedule": "0 9 * * mon"},
        "d": {"task": "t.d", "schedule": {"every": 2, "period": "hours"}},
        "e": {"task": "t.e", "schedule": {"type": "solar", "event": "dawn"}},
        "f": {"schedule": 5},
    }
    found = celery.read(json.dumps(said).encode(), HOW)
    assert [one.schedule for one in found.entries] == ["@every 60s", "0 */3 * * *", "0 9 * * MON", "@every 7200s"]
    assert [line for line, _ in reasons(found)] == [5, 6]


# -- RQ ---------------------------------------------------------------------------------------------------------------

RQ = """
from uuid import UUID
from rq import cron
from tasks import clean as tidy
import jobs.daily
from job import job_request
scheduler.cron("0 0 * * 0", func=tidy, args=[1, "a"], repeat=10, queue_name="low")
scheduler.schedule(scheduled_time=datetime.utcnow(), func=jobs.daily.build, interval=60, timeout=600)
cron.register(tidy, queue_name="x", interval=5)
cron.register("tasks.text", "x", cron="0 9 * * *", kwargs={"a": 1})
service.schedule_periodic(
    id=UUID("cc1dface-9213-4eed-8cb2-0edba6b2159c"), every_seconds=10, func=job_request, args=["http://x/v1/jobs/a"]
)
service.schedule_periodic(id=UUID("cc1dface-9213-4eed-8cb2-0edba6b2159d"), interval=cfg.X, func=tidy)
scheduler.enqueue_at(when, tidy)
def local(): pass
scheduler.cron("* * * * *", local)
scheduler.schedule(when, tidy, interval=None)
logger.schedule("nothing")
"""


def test_rq_schedules() -> None:
    found = rq.read(RQ.encode(), HOW)
    shown = [(one.line, one.schedule, one.definition["target"]) for one in found.entries]
    assert shown == [
        (7, "0 0 * * 0", {"kind": "rq", "function": "tasks.clean", "queue": "low"}),
        (8, "@every 60s", {"kind": "rq", "function": "jobs.daily.build"}),
        (9, "@every 5s", {"kind": "rq", "function": "tasks.clean", "queue": "x"}),
        (10, "0 9 * * *", {"kind": "rq", "function": "tasks.text", "queue": "x"}),
        (11, "@every 10s", {"kind": "http", "url": "http://x/v1/jobs/a"}),
    ]
    assert found.entries[0].definition["maxRuns"] == 10
    assert found.entries[1].definition["timeout"] == "600s"
    assert found.entries[4].id == "cc1dface-9213-4eed-8cb2-0edba6b2159c"
    assert [line for line, _ in reasons(found)] == [14, 15, 17, 18]
    whole = rq.read(RQ.encode(), Options(module="app.jobs"))
    assert whole.entries[-1].definition["target"]["function"] == "app.jobs.local"


# -- history ----------------------------------------------------------------------------------------------------------

CSV = """id,job_type,status,started_at,completed_at,started_by,error,result,created_at,updated_at
a-1,crawl,completed,2026-10-09 12:34:56+00,2026-10-09 12:35:42.5+00,ann,,"{""success"": true}",2026-10-09 12:34:55+00,
a-2,digest,failed,2026-10-10 12:34:56+02,,,"smtp, down",,2026-10-10 12:34:55+02,2026-10-10 12:35:42+02
a-3,digest,running,,,,,,2026-10-10 12:34:55+00,
,digest,failed,,,,,,2026-10-10 12:34:55+00,
a-5,digest,failed,,,,,,yesterday,
a-6,digest,failed,,,,,{,2026-10-10 12:34:55+00,
"""


def test_history_of_an_admin_service() -> None:
    found = scheduled_jobs.read(CSV.encode())
    assert [one.document() for one in found.entries] == [
        {
            "id": "a-1", "jobType": "crawl", "status": "completed", "createdAt": "2026-10-09T12:34:55Z",
            "completedAt": "2026-10-09T12:35:42.500000Z", "startedAt": "2026-10-09T12:34:56Z", "startedBy": "ann",
            "result": {"success": True},
        },
        {
            "id": "a-2", "jobType": "digest", "status": "failed", "createdAt": "2026-10-10T10:34:55Z",
            "completedAt": "2026-10-10T10:35:42Z", "startedAt": "2026-10-10T10:34:56Z", "error": "smtp, down",
        },
    ]  # fmt: skip
    assert [one.line for one in found.errors] == [4, 5, 6, 7]
    lines = '{"id": "b", "jobType": "x", "status": "completed", "createdAt": "2026-10-09T12:00:00Z"}\n\nnonsense\n[]\n'
    again = scheduled_jobs.read(lines.encode())
    assert [one.id for one in again.entries] == ["b"]
    assert [one.line for one in again.errors] == [3, 4]


DUMP = r"""--
SET client_encoding = 'UTF8';
COPY public.scheduled_jobs (id, job_type, status, started_at, completed_at, started_by, error, result, created_at) FROM stdin;
a-1	crawl	completed	2026-11-19 00:31:57.8+00	2026-11-19 00:32:42.9+00	ann	\N	{"a": "\\"q\\" , \\n"}	2026-11-19 00:31:57+00
a-2	digest	failed	\N	\N	\N	multi\nline \\ \t tab	\N	2026-11-19 00:31:57+00
a-3	digest	failed
\.

SELECT 1;
"""  # noqa: E501


def test_history_of_a_dump() -> None:
    found = scheduled_jobs.read(DUMP.encode())
    assert [(one.line, one.id, one.error, one.result) for one in found.entries] == [
        (4, "a-1", None, {"a": '"q" , \n'}),
        (5, "a-2", "multi\nline \\ \t tab", None),
    ]
    assert [one.line for one in found.errors] == [6]
    with pytest.raises(Invalid, match="names no columns job_type and status"):
        scheduled_jobs.read(b" id | job_type | status\n----+------\n a | crawl | completed\n")
