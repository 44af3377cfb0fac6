"""Named secrets: given to an attempt as it begins, and hidden in all that it reports."""

from __future__ import annotations

import base64
import contextlib
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rota.actions import jobs
from rota.actions import secrets as actions
from rota.actions.decoding import convert
from rota.actions.specs import JobIn, SecretIn
from rota.errors import Conflict, Invalid
from rota.sealing import Keys, new_key
from rota.store import secrets
from tests.engine import scheduling
from tests.engine.scheduling import settings_of
from tests.engine.working import ANN, Shop, working
from tests.store import builders
from tests.support.target import Answer, TargetServer
from tests.support.waiting import wait_until

APP = "tests.support.secret_app:rota"
KEY = new_key()
VALUE = 'sk_live_51H/x+"canary"'


def save(shop: Shop, name: str = "stripe", value: str = VALUE, key: str = KEY) -> None:
    """Set a secret as a user does."""
    shop.db.run(lambda tx: actions.put(tx, name, convert({"value": value}, SecretIn), ANN, Keys([key])))


def seen(shop: Shop, job_id: str) -> str:
    """All that is kept of a job, as one text."""
    job = shop.get(job_id)
    found = [
        repr(job),
        repr(shop.attempts(job_id)),
        *shop.text(job_id),
        *map(str, builders.column(shop.db, "exchange", "rota_jobs")),
    ]
    return "\n".join([*found, *map(str, builders.column(shop.db, "body", "rota_logs"))])


def assert_hidden(text: str, value: str = VALUE) -> None:
    """The value is in it in no form."""
    for form in (value, "sk_live", json.dumps(value)[1:-1], base64.b64encode(value.encode()).decode()[4:20]):
        assert form not in text
    assert "***" in text


def test_a_command_gets_it_as_a_variable_and_as_input(shop: Shop) -> None:
    save(shop)
    script = 'echo "$TOKEN"; echo "$TOKEN" >&2; cat; echo "::rota progress 0.5 at $TOKEN"; printf %s "$TOKEN" | wc -c; '
    script += 'echo "::rota result {\\"n\\": ${#TOKEN}, \\"stdin\\": \\"$0\\"}"; [ "$ROTA_ATTEMPT" = 2 ]'
    target = {
        "kind": "command",
        "shell": script,
        "env": {"TOKEN": "{{secret.stripe}}", "URL": "postgres://u:{{ secret.stripe }}@h/d"},
        "stdin": "<{{secret.stripe}}>\n",
    }
    with working(shop, secret_key=KEY):
        job_id = shop.enqueue(target, maxAttempts=2, retry={"delays": ["10ms"]})
        job = shop.wait(job_id)
    assert json.loads(job.result or "")["n"] == len(VALUE)
    assert json.loads(job.target or "") == target
    assert {"***", "<***>", str(len(VALUE))} <= set(shop.text(job_id))
    assert_hidden(seen(shop, job_id))
    assert shop.db.read(secrets.listed)[0].used_at is not None


def test_an_http_target_gets_it_in_headers_auth_and_body(shop: Shop, target_server: TargetServer) -> None:
    save(shop)
    save(shop, "hook", "whsec_" + base64.b64encode(b"k" * 24).decode())
    echo = {"said": VALUE, "url": f"https://x/?t={VALUE}", "n": 1}
    target_server.answer("/good", Answer(body=echo))
    target_server.answer("/bad", Answer(400, body=f"no: {VALUE}" + "x" * 250))
    target_server.answer("/signed", Answer())
    common: dict[str, Any] = {
        "kind": "http",
        "headers": {"X-Team": "a {{secret.stripe}}"},
        "body": {"key": "{{secret.stripe}}", "text": "it is {{secret.stripe}}, {{args.who}}"},
    }
    with working(shop, secret_key=KEY):
        bearer = {"type": "bearer", "token": "{{secret.stripe}}"}
        basic = {"type": "basic", "username": "me", "password": "{{secret.stripe}}"}
        good = shop.enqueue(
            {**common, "url": target_server.url("/good"), "auth": bearer}, args={"who": "{{secret.hook}}"}
        )
        bad = shop.enqueue({**common, "url": target_server.url("/bad"), "auth": basic}, args={"who": "x"})
        signature = {"type": "signature", "secrets": ["{{secret.hook}}"]}
        signed = shop.enqueue({"kind": "http", "url": target_server.url("/signed"), "auth": signature})
        shop.wait(good)
        shop.wait(bad, "failed")
        shop.wait(signed)
    [request] = target_server.requests_to("/good")
    assert request.headers["x-team"] == f"a {VALUE}"
    assert request.headers["authorization"] == f"Bearer {VALUE}"
    # What a value says is never read as a template.
    assert request.json() == {"key": VALUE, "text": f"it is {VALUE}, {{{{secret.hook}}}}"}
    [request] = target_server.requests_to("/bad")
    assert request.headers["authorization"] == "Basic " + base64.b64encode(f"me:{VALUE}".encode()).decode()
    assert target_server.requests_to("/signed")[0].headers["webhook-signature"].startswith("v1,")
    for job_id in (good, bad):
        assert_hidden(seen(shop, job_id))


def test_a_function_gets_what_it_declares(shop: Shop) -> None:
    save(shop)
    with working(shop, apps=[APP], secret_key=KEY, function_modules="tests.support.secret_app"):
        wait_until(lambda: "leak" in shop.types(), what="the types are declared")
        retry = {"attempts": 2, "delays": ["10ms"]}
        leak, raised = shop.call("leak"), shop.call("leak_by_raising", retry=retry)
        permanent = shop.call("leak_by_raising", {"permanent": True})
        undeclared = shop.call("undeclared", maxAttempts=1)
        target = {"kind": "function", "function": "tests.support.secret_app:named", "secrets": ["stripe"]}
        open_to_targets = settings_of("sqlite:///unused.db", function_modules="tests.support.secret_app")
        spec = convert({"target": target}, JobIn)
        named = shop.db.run(lambda tx: jobs.enqueue(tx, [spec], ANN, open_to_targets))[0].id
        assert shop.result(leak) == {"length": len(VALUE), "value": "***", "***": ["***"]}
        assert shop.result(named) == len(VALUE)
        for job_id in (raised, permanent, undeclared):
            shop.wait(job_id, "failed")
    for job_id in (leak, raised, permanent):
        assert_hidden(seen(shop, job_id))
    assert shop.get(raised).error == "RuntimeError: raised with ***"
    assert "was not given a secret stripe" in (shop.get(undeclared).error or "")


def test_what_a_function_leaves_behind_does_not_tell_it_to_the_next(shop: Shop) -> None:
    save(shop)
    with working(shop, apps=[APP], secret_key=KEY, concurrency="1"):
        wait_until(lambda: "hear" in shop.types(), what="the types are declared")
        shop.wait(shop.call("leave_behind"))
        heard = shop.call("hear")
        shop.wait(heard)
    assert "left behind: ***" in shop.text(heard)
    assert_hidden(seen(shop, heard))


def test_a_new_value_holds_from_the_next_attempt_and_the_old_stays_hidden(shop: Shop) -> None:
    save(shop, value="first-value")
    script = 'echo "got $T"; until [ -e "$GATE" ]; do sleep 0.02; done; echo "still $T"'
    with working(shop, secret_key=KEY):
        gate = f"{shop.db.url}".rpartition("/")[2]  # never there
        target = {"kind": "command", "shell": script, "env": {"T": "{{secret.stripe}}", "GATE": f"/nonexistent/{gate}"}}
        old = shop.enqueue(target)
        shop.wait_text(old, "got ***")
        save(shop, value="second-value")
        new = shop.enqueue({"kind": "command", "shell": 'test "$T" = second-value', "env": {"T": "{{secret.stripe}}"}})
        shop.wait(new)
        shop.cancel(old)
        shop.wait(old, "cancelled")
    assert "first-value" not in seen(shop, old)


@pytest.mark.parametrize("worker_key", [None, "another"])
def test_without_the_key_the_attempt_fails_and_the_target_hears_nothing(
    shop: Shop, target_server: TargetServer, worker_key: str | None
) -> None:
    save(shop)
    headers = {"X-Key": "{{secret.stripe}}"}
    given: dict[str, Any] = {"secret_key": new_key()} if worker_key else {}
    with working(shop, **given):
        job_id = shop.enqueue({"kind": "http", "url": target_server.url("/x"), "headers": headers}, maxAttempts=1)
        job = shop.wait(job_id, "failed")
    assert "the secret stripe cannot be opened: " in (job.error or "")
    assert "secret-locked" in (job.error_detail or "")
    assert target_server.requests_to("/x") == []


def test_a_run_that_is_to_end_before_it_has_its_secrets_never_begins(
    migrated: None, pg_database: str, tmp_path: Path
) -> None:
    with closing(builders.opened(pg_database)) as db:
        shop = Shop(db, pg_database)
        save(shop)
        target = {"kind": "command", "command": ["touch", str(tmp_path / "begun")], "env": {"A": "{{secret.stripe}}"}}
        late = shop.enqueue(target, timeout="100ms", maxAttempts=1)
        cancelled = shop.enqueue(target, maxAttempts=1)
        with contextlib.ExitStack() as stack:
            with db.transaction() as tx:
                tx.run("LOCK TABLE rota_secrets IN ACCESS EXCLUSIVE MODE")  # the vault waits for it, and nobody else
                worker = stack.enter_context(working(shop, secret_key=KEY)).worker
                shop.wait(late, "running")
                shop.cancel(shop.wait(cancelled, "running").id)
                wait_until(
                    lambda: [bool(one.stop) for one in [*worker.running.values()]] == [True, True],
                    20,
                    "both are to end",
                )
            assert shop.wait(late, "failed").reason == "timeout"
            shop.wait(cancelled, "cancelled")
    assert not (tmp_path / "begun").exists()


def test_a_secret_that_is_gone_is_an_attempt_that_failed(shop: Shop) -> None:
    save(shop)
    job_id = shop.enqueue({"kind": "command", "command": ["true"], "env": {"A": "{{secret.stripe}}"}}, maxAttempts=2,
                          retry={"delays": ["10ms"]})  # fmt: skip
    shop.db.run(lambda tx: secrets.delete(tx, "stripe"))
    with working(shop, secret_key=KEY):
        job = shop.wait(job_id, "failed")
    assert "there is no secret stripe" in (job.error or "") and job.attempt == 2


def test_one_that_does_not_fit_is_refused_without_being_shown(shop: Shop, target_server: TargetServer) -> None:
    save(shop, value="two\nlines-of-it")
    headers = {"X-Key": "{{secret.stripe}}"}
    with working(shop, secret_key=KEY):
        job = shop.wait(shop.enqueue({"kind": "http", "url": target_server.url("/x"), "headers": headers}), "failed")
    assert job.error == "target.headers.X-Key: the secret in it has a line end or another control character"
    assert target_server.requests_to("/x") == []


def test_a_reference_to_nothing_is_refused_when_it_is_saved(shop: Shop) -> None:
    target = {"kind": "http", "url": "http://x/", "headers": {"X-Key": "{{secret.nope}}"}}
    for save_it in (lambda: shop.enqueue(target), lambda: scheduling.put(shop.db, target=target, cron="0 0 1 1 *")):
        with pytest.raises(Invalid, match="target.headers.X-Key: there is no secret nope"):
            save_it()


def test_one_that_is_used_is_not_deleted(shop: Shop) -> None:
    save(shop)
    target = {"kind": "command", "command": ["true"], "env": {"A": "{{secret.stripe}}"}}
    scheduling.put(shop.db, target=target, cron="0 0 1 1 *")
    with pytest.raises(Conflict, match="used by schedule nightly"):
        shop.db.run(lambda tx: actions.delete(tx, "stripe", ANN))
    save(shop, "strip", "value")
    shop.db.run(lambda tx: actions.delete(tx, "strip", ANN))


def test_keys_are_rotated_in_parts(shop: Shop) -> None:
    for number in range(5):
        save(shop, f"s{number}", f"value-{number}")
    save(shop, "lost", "value", key=new_key())
    new = Keys([new_key(), KEY])
    first = shop.db.run(lambda tx: actions.reseal(tx, ANN, new, limit=3))
    assert (first.rotated, first.left) == (3, 2 + (first.unreadable == []))
    second = shop.db.run(lambda tx: actions.reseal(tx, ANN, new, limit=3))
    assert (second.rotated, second.left, second.unreadable) == (2, 0, ["lost"])
    with working(shop, secret_key=KEY):  # a worker that knows the old key only
        job = shop.enqueue({"kind": "command", "command": ["true"], "env": {"A": "{{secret.s1}}"}}, maxAttempts=1)
        assert "no key of this worker's ROTA_SECRET_KEY is" in (shop.wait(job, "failed").error or "")
