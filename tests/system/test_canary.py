"""Canaries in every secret, and jobs that tell theirs to everybody: nobody hears one but the targets that it is for.

Afterwards the whole database, a copy of it by `rota db move`, the archive, the log at debug level, what other processes
can see, the command line, every answer of the API and of the tools for assistants, public pages, what channels and an
outside monitor were told, and the traces are searched.  Only the sealed boxes hold them, and those nobody can read.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from rota.client import Client
from rota.engine.archive import Archive
from rota.errors import RotaError
from rota.mcp.reading import Reading
from rota.sealing import new_key
from rota.settings import parse_database_url
from rota.store.database import Tx
from rota.store.opening import open_database
from rota.store.retention import read_jobs
from tests.support.collector import PATH as TRACES
from tests.support.collector import Collector
from tests.support.processes import ROOT, RotaProcesses
from tests.support.service import SECRET, start_up
from tests.support.target import Answer, Request, TargetServer
from tests.support.waiting import free_port, wait_until

pytestmark = pytest.mark.chaos("SEC")

VALUE = 'sk_live_51Hcanary/x+"y'
SIGNING = "whsec_" + base64.b64encode(b"signing-canary-of-24-byt").decode()
INLINE = "inline-canary-token-0123456789"
CLERK, NOTIFY = "sk_clerk_canary_0123456789", "notify-canary-password"
HOOK, MONITOR = "/hook-canary-0123456789abcdef", "/monitor-canary-0123456789abcdef"
KEY = new_key()
FIRST, REFUSED = "the first canary value", "refused\0canary"
PAGE, BADGE = "/status/for-all", "/badge/for-all.svg"
EVENTS = "/api/events"
"""What is listened to, since it does not end."""
ENDED = ("completed", "failed", "cancelled")
TELL = r"""
echo "plain $TOKEN"; echo "error $TOKEN" >&2; cat
printf 'u:%s' "$TOKEN" | base64 -w0; echo
env; tr '\0' '\n' < /proc/self/environ; cat /proc/$PPID/environ 2>&1
printf '{"in": "json"} %s\n' "$URL"
echo "::rota progress 0.5 at $TOKEN"
echo "::rota checkpoint {\"hook\": \"$HOOK\"}"
head -c 65530 /dev/zero | tr '\0' x; echo "$TOKEN"
exit 1
"""


def needles(value: str) -> set[str]:
    """What would give a value away: it, its beginning, and its base64 at each place."""
    shifted = {base64.b64encode(b" " * shift + value.encode()).decode()[4:16] for shift in (0, 1, 2)}
    return {value, value[:11], quote(value, safe=""), json.dumps(value)[1:-1], *shifted}


NAMED = needles(VALUE) | {SIGNING}
OWN = {SECRET, CLERK, NOTIFY, KEY, HOOK[1:], MONITOR[1:]}


def found_in(text: str, wanted: set[str], where: str) -> list[str]:
    return [
        f"{each} in {where}: …{text[max(0, text.index(each) - 80) : text.index(each) + 80]}…"
        for each in sorted(wanted)
        if each in text
    ]


def dump(database_url: str) -> dict[str, str]:
    """Every row of every table as text; of SQLite also the pages of its files, in which old rows may be left."""
    url = parse_database_url(database_url)
    sql = "SELECT tablename FROM pg_tables WHERE tablename LIKE 'rota%'"
    if url.path is not None:
        sql = "SELECT name FROM sqlite_master WHERE type = 'table'"
    db = open_database(url)
    found = {}
    for (name,) in db.read(lambda tx: tx.rows(sql)):
        rows = db.read(partial(all_rows, name))
        found[name] = "\n".join(map(repr, rows))
    db.close()
    if url.path is not None:
        files = [file for file in Path(url.path).parent.glob(f"{Path(url.path).name}*") if file.is_file()]
        found |= {file.name: file.read_bytes().decode("latin-1") for file in files}
    return found


def all_rows(table: str, tx: Tx) -> list[dict[str, Any]]:
    return tx.dicts(f"SELECT * FROM {table}")


def commands_seen() -> str:
    """The arguments of all processes of this machine, as anybody may read them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return "\n".join(found)


def http(url: str, **more: Any) -> dict[str, Any]:
    auth = {"type": "basic", "username": "me", "password": "{{secret.stripe}}"}
    body = {"key": "{{secret.stripe}}", "text": "key={{secret.stripe}}"}
    return {
        "kind": "http",
        "url": url,
        "headers": {"X-Team": "a {{secret.stripe}}"},
        "auth": auth,
        "body": body,
        **more,
    }


def everything_answered(client: Client, ids: list[str]) -> str:
    """Every answer of the API to a question."""
    description = client.request("GET", "/api/openapi.json")
    paths = [path for path, operations in description["paths"].items() if "get" in operations]
    asked = [path for path in paths if "{" not in path and path != EVENTS]
    for path in paths:
        if path.startswith("/api/jobs/{id}") and "stream" not in path:
            asked += [path.replace("{id}", job_id) for job_id in ids]
        elif path.startswith("/api/schedules/{id}"):
            asked.append(re.sub(r"\{version\}", "1", path.replace("{id}", "nightly")))
        elif path == "/api/job-types/{name}":
            asked.append("/api/job-types/pay")
    found = [json.dumps(description)]
    for path in [*asked, "/api/audit/export?format=csv", "/api/checks/backup", "/api/checks/backup/pings", PAGE, BADGE]:
        answer = client.http.get(path, timeout=20)
        found.append(f"{path} {answer.headers} {answer.text}")
    return "\n".join(found)


@contextmanager
def heard(port: int, token: str) -> Iterator[list[str]]:
    """Listen to what happens meanwhile; lines of it are added until the end."""
    lines: list[str] = []
    listening, leaving = threading.Event(), threading.Event()

    def listen() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.stream("GET", f"http://127.0.0.1:{port}{EVENTS}", headers=headers, timeout=60) as answer:
            listening.set()
            for line in answer.iter_lines():
                lines.append(line)
                if leaving.is_set():  # it tells of the clock at least every 5 s
                    return

    thread = threading.Thread(target=listen, name="listener")
    thread.start()
    try:
        assert listening.wait(30)
        yield lines
    finally:
        leaving.set()
        thread.join(60)


def start_jobs(client: Client, server: TargetServer, gate: Path) -> list[str]:
    """Enqueue a job of every kind that tells its secrets in every way."""
    env = {
        "TOKEN": "{{secret.stripe}}",
        "HOOK": "{{secret.hook}}",
        "URL": "https://x/?token={{secret.stripe}}",
        "GATE": str(gate),
    }
    tell = {"kind": "command", "shell": TELL, "env": env, "stdin": "<{{secret.stripe}}>\n"}
    waits = {**tell, "shell": 'until [ -e "$GATE" ]; do sleep 0.05; done; echo "::rota result {\\"a\\": \\"$HOOK\\"}"'}
    signed = {
        "kind": "http",
        "url": server.url("/signed"),
        "auth": {"type": "signature", "secrets": ["{{secret.hook}}"]},
    }
    inline = {"kind": "http", "url": server.url("/inline"), "auth": {"type": "bearer", "token": INLINE}}
    shared = {"kind": "http", "url": server.url("/shared"), "auth": {"type": "shared"}}
    again = {"retry": {"attempts": 2, "delays": ["10ms"]}}
    client.request("PUT", "/api/job-types/pay", {"target": http(server.url("/good"))})
    client.request("PUT", "/api/schedules/nightly", {"target": tell, "cron": "0 0 1 1 *"})
    asked: list[dict[str, Any]] = [
        {"target": waits},
        {"target": tell, **again},
        {"jobType": "pay"},
        {"target": http(server.url("/bad")), **again},
        {"target": http(server.url("/moved"), redirects=1)},
        {"target": http("http://127.0.0.1:1/nobody"), "maxAttempts": 1},
        {"target": signed},
        {"target": inline, **again},
        {"target": shared},
        {"jobType": "leak"},
        {"jobType": "leak_by_raising", **again},
        {"jobType": "leak_by_raising", "args": {"permanent": True}},
    ]
    return [client.request("POST", "/api/jobs", spec)["id"] for spec in asked]


def tell_everybody(client: Client, server: TargetServer, gate: Path) -> tuple[list[str], str]:
    """Run the jobs to their ends; return their ids, and what others saw of the processes meanwhile."""
    types = {"leak", "leak_by_raising"}
    wait_until(
        lambda: types <= {one["name"] for one in client.request("GET", "/api/job-types")["jobTypes"]}, 30, "types"
    )
    ids = start_jobs(client, server, gate)
    wait_until(lambda: client.job(ids[0])["status"] == "running", 30, "the first runs")
    seen = commands_seen()
    gate.touch()
    wait_until(lambda: all(client.job(each)["status"] in ENDED for each in ids), 60, "all have ended")
    return ids, seen


def answer_with_everything(server: TargetServer) -> None:
    for path, status in (("/good", 200), ("/bad", 500), ("/inline", 500), ("/shared", 200)):
        server.answer(path, partial(echoed, status))
    server.answer("/moved", Answer(307, headers={"Location": f"/elsewhere?token={quote(VALUE, safe='')}"}))
    server.answer("/elsewhere", Answer(400, body=f"no: {VALUE}"))
    server.answer("/signed", Answer(body={"signing": SIGNING}))


def tell_outside(client: Client, server: TargetServer) -> None:
    """Let a job that Rota does not run tell the secrets in its ping, and wait until the channel is told of that."""
    key = client.request("PUT", "/api/checks/backup", {"every": "1d", "tags": ["all"]})["key"]
    client.request("PUT", "/api/status-pages/all", {"page": True, "badge": True, "slug": "for-all"})
    said = client.http.post(f"/ping/{key}/fail", content=f"it said {VALUE}\n{SIGNING} {SECRET} {NOTIFY}", timeout=20)
    assert said.status_code == 200
    server.wait_for(1, MONITOR, timeout=60)
    wait_until(lambda: any("backup" in each for each in bodies(server, HOOK)), 90, "the channel is told of the ping")


def bodies(server: TargetServer, path: str) -> list[str]:
    """What was sent to an address, unpacked."""
    raw = [(request.headers.get("content-encoding"), request.body) for request in server.requests_to(path)]
    return [(gzip.decompress(body) if kind == "gzip" else body).decode("utf-8", "replace") for kind, body in raw]


def tools(client: Client, ids: list[str]) -> str:
    """What an assistant is answered."""
    reading = Reading(client)
    found = [tool(each) for tool in (reading.show_job, reading.why_job, reading.job_logs) for each in ids]
    found += [reading.list_jobs(), reading.show_schedule("nightly"), reading.list_job_types(), reading.problems()]
    return json.dumps(found)


def archived(database_url: str, ids: list[str], folder: Path) -> str:
    """The lines that retention keeps of jobs before it deletes them."""
    db = open_database(parse_database_url(database_url))
    archive = Archive(str(folder))
    with archive.locked():
        archive.write(db.read(lambda tx: read_jobs(tx, ids)))
    db.close()
    text = "".join(gzip.decompress(file.read_bytes()).decode() for file in folder.glob("*.gz"))
    assert all(each in text for each in ids)
    return text


def test_no_canary_sings(
    rota_process: RotaProcesses, target_server: TargetServer, database_url: str, tmp_path: Path
) -> None:
    answer_with_everything(target_server)
    port = free_port()
    given = {
        "ROTA_SECRET_KEY": KEY, "ROTA_LOG_LEVEL": "debug", "ROTA_LOG_OUTPUT": "true", "CLERK_SECRET_KEY": CLERK,
        "ROTA_NOTIFY_URLS": f"json://me:{NOTIFY}@127.0.0.1:{target_server.port}{HOOK}", "PYTHONPATH": str(ROOT),
        "ROTA_CANARY_URL": target_server.url(MONITOR), "ROTA_CANARY_EVERY": "10s", "ROTA_GRACE": "1s",
        "ROTA_APP": "tests.support.secret_app:rota", **Collector(target_server).environ,
        "OTEL_BSP_SCHEDULE_DELAY": "2000",
    }  # fmt: skip
    service = start_up(rota_process, database_url, port, given)
    with Client(f"http://127.0.0.1:{port}", SECRET) as client:
        for name, value in (("stripe", VALUE), ("hook", SIGNING)):
            client.put_secret(name, FIRST)
            client.put_secret(name, value, note="a canary")
        with pytest.raises(RotaError):
            client.put_secret("stripe", REFUSED)
        token = client.create_token("admin", "canary", None)["token"]
        assert token is not None
        with heard(port, token) as events:
            ids, seen = tell_everybody(client, target_server, tmp_path / "gate")
            wait_until(lambda: any(ids[0] in line for line in list(events)), 60, "they were told of")
            tell_outside(client, target_server)
        with Client(f"http://127.0.0.1:{port}", token) as other:
            answers = everything_answered(other, ids) + tools(other, ids)
        service.wait_for_output("too late: ***")
        statuses = [client.job(each)["status"] for each in ids]
    # The targets did get them, so that there was something to hide.
    assert "".join(status[0] for status in statuses) == "cfcfffcfccff"
    assert target_server.requests_to("/good")[0].headers["x-team"] == f"a {VALUE}"
    every = NAMED | OWN | {token, FIRST, REFUSED}
    every |= {one.headers["rota-answer-token"] for one in target_server.requests if "rota-answer-token" in one.headers}
    shown = every | {INLINE}  # which is stored as it is, since it stands in the target itself
    faults = found_in(answers, shown, "the API") + found_in(seen, every, "the list of processes")
    faults += found_in(service.stdout + service.stderr, shown, "the log")
    env = {"ROTA_DATABASE_URL": database_url, "ROTA_SECRET_KEY": KEY, "ROTA_LOG_LEVEL": "debug"}
    copy = f"sqlite:///{tmp_path}/copy.db"
    told_outside = bodies(target_server, HOOK) + bodies(target_server, MONITOR)
    faults += found_in("\n".join(told_outside), shown, "what is told outside")
    assert "it said ***" in answers
    wait_until(lambda: any(ids[1] in each for each in bodies(target_server, TRACES)), 60, "spans have come")
    spans = bodies(target_server, TRACES)
    faults += found_in("\n".join(spans), shown, "the traces")
    faults += found_in(archived(database_url, ids, tmp_path / "archive"), every, "the archive")
    crontab = tmp_path / "crontab"
    crontab.write_text("0 1 * * * true\n")
    imported = ["import", "crontab", str(crontab), "--dry-run", "--json"]
    looks = [
        ["jobs", "show", ids[1]],
        ["export"],
        ["secrets", "list"],
        ["doctor"],
        ["db", "stats"],
        ["monitors", "list"],
    ]
    for words in (*looks, imported, ["db", "move", "--to", copy, "--live"]):
        said = rota_process(*words, env=env)
        said.wait()
        faults += found_in(said.stdout + said.stderr, shown, f"rota {words}")
    tables = dump(database_url)
    tables |= {f"{name} of the copy": text for name, text in dump(copy).items()}
    faults += found_in("\n".join(events), shown, "what happens")
    assert "***" in answers and "plain ***" in tables["rota_logs"]
    for name, text in tables.items():
        faults += found_in(text, every, name)
    assert faults == []


def echoed(status: int, request: Request) -> Answer:
    """All that was sent, sent back."""
    return Answer(
        status,
        body={"headers": dict(request.headers), "body": request.body.decode()},
        headers={"X-Echo": request.headers.get("x-team", "")},
    )
