"""What arrives at Slack, in a mailbox and at PagerDuty, and what is said of channels that refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.ids import new_id
from rota.model import Notice
from rota.notify import courier as couriers
from rota.notify.courier import Courier
from rota.notify.message import Done, message_of
from rota.settings.notify_url import channels_of
from tests.support.outside import Outside, certificate, running_mail, running_outside
from tests.support.target import Answer, TargetServer

TOKEN = "TIiajkdnlazkcOXrIdevi7FQ"
HOOK = f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{TOKEN}"
PASSWORD = "hunter2-of-the-mail"
NOTICE = Notice(
    new_id(), "opened", "error", "Schedule digest_x is <late>", "Due at 09:00 & not started.\nSeen 3 times.", "/s/d"
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    return certificate(folder, "hooks.slack.com", "discord.com", "events.pagerduty.com", "localhost")


@pytest.fixture(scope="module")
def outside(file: Path) -> Iterator[Outside]:
    with running_outside(file) as found:
        yield found


@pytest.fixture(scope="module")
def courier(file: Path, outside: Outside) -> Iterator[Courier]:
    """What sends from behind a proxy with a certificate of its own, as companies have them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", outside.proxy)
        patch.setenv("REQUESTS_CA_BUNDLE", str(file))
        patch.setenv("SSL_CERT_FILE", str(file))
        patch.setenv("ROTA_NOTIFY_URLS", HOOK)
        found = Courier("jobs")
        assert found.send(channels_of(["json://127.0.0.1:1"])[0], None).ok
    yield found
    found.close()


def send(courier: Courier, address: str, notice: Notice = NOTICE) -> Done:
    return courier.send(channels_of([address])[0], message_of(notice, "https://rota.example.org"))


@pytest.mark.parametrize("address", [HOOK, f"slack://T1JJ3T3L2/A1BRTD4JD/{TOKEN}/#ops?rota_name=x"])
def test_slack_gets_a_title_the_reason_and_a_link(address: str, courier: Courier, outside: Outside) -> None:
    outside.requests.clear()
    assert send(courier, address) == Done(ok=True)
    [sent] = outside.requests
    assert (sent.host, sent.path) == ("hooks.slack.com:443", HOOK.removeprefix("https://hooks.slack.com"))
    [told] = sent.body["attachments"]
    assert told["title"] == "Schedule digest_x is &lt;late&gt;"
    assert told["text"] == "Due at 09:00 &amp; not started.\nSeen 3 times.\nhttps://rota.example.org/s/d"
    assert (told["color"], told["footer"]) == ("#A32037", "jobs")
    assert "github" not in str(sent.body)  # no picture from a foreign host


def test_the_tone_of_slack_says_how_bad_it_is(courier: Courier, outside: Outside) -> None:
    outside.requests.clear()
    for severity, kind in (("warning", "opened"), ("error", "over"), ("warning", "test")):
        assert send(courier, HOOK, Notice(new_id(), kind, severity, "T", "", "/")).ok  # type: ignore[arg-type]
    colors = [sent.body["attachments"][0]["color"] for sent in outside.requests]
    assert len(set(colors)) == 3 and "#A32037" not in colors


def test_what_a_job_says_calls_nobody(courier: Courier, outside: Outside) -> None:
    said = "@everyone <!channel> <@U1> <#C1> @Here, a@here.example me@all.org <late> @allow"
    found = message_of(Notice(new_id(), "opened", "error", said, said, "/"), None)
    assert found.title == found.body
    assert found.title.replace("\u200b", "") == said
    for call in ("@everyone", "<!", "<@", "<#", "@Here"):
        assert call not in found.title
    assert "<late> @allow" in found.title
    outside.requests.clear()
    assert send(
        courier, "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", Notice(new_id(), "opened", "error", said, "", "/")
    ).ok
    assert "@everyone" not in str(outside.requests[0].body)


def test_slack_that_refuses_is_told_without_its_address(courier: Courier, outside: Outside) -> None:
    outside.status = 403
    done = send(courier, HOOK)
    outside.status = 200
    assert not done.ok and done.error is not None
    assert "error=403" in done.error
    for secret in (TOKEN, "A1BRTD4JD", "T1JJ3T3L2"):
        assert secret not in done.error


def test_pagerduty_gets_an_event(courier: Courier, outside: Outside) -> None:
    outside.requests.clear()
    outside.status = 202
    done = send(courier, "pagerduty://abcdefghijklmnop1234567890123456@zyxwvu7654321098")
    outside.status = 200
    assert done == Done(ok=True)
    [sent] = outside.requests
    assert sent.host == "events.pagerduty.com:443"
    assert "Schedule digest_x is <late>" in sent.body["payload"]["summary"]


def test_a_mail_goes_over_tls_with_a_login(courier: Courier, file: Path) -> None:
    with running_mail(file, PASSWORD) as (box, port):
        address = (
            f"mailtos://ann:{{}}@localhost:{port}?mode=starttls&smtp=localhost&from=rota@example.org&to=ops@example.org"
        )
        wrong = send(courier, address.format("wrong-password"))
        assert send(courier, address.format(PASSWORD)) == Done(ok=True)
    [mail] = box.mails
    assert mail["Subject"] == "Schedule digest_x is <late>"
    assert (mail["To"], "rota@example.org" in mail["From"]) == ("ops@example.org", True)
    parts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    assert any(b"https://rota.example.org/s/d" in part for part in parts if isinstance(part, bytes))
    assert not wrong.ok and "wrong-password" not in (wrong.error or "")


@pytest.mark.parametrize("answer", [Answer(500), Answer(429), Answer(drop=True)])
def test_a_webhook_that_fails_is_told_without_its_address(
    answer: Answer, courier: Courier, target_server: TargetServer
) -> None:
    target_server.answer("/secret-hook", answer)
    done = send(courier, f"json://me:{PASSWORD}@127.0.0.1:{target_server.port}/secret-hook")
    assert not done.ok and done.error
    assert "secret-hook" not in done.error and PASSWORD not in done.error


def test_the_process_that_sends_has_none_of_the_settings(courier: Courier) -> None:
    assert courier._process is not None  # noqa: SLF001
    from_start = couriers._environment({"ROTA_NOTIFY_URLS": HOOK, "DATABASE_URL": "x", "PATH": "/bin"})  # noqa: SLF001
    assert from_start == {"PATH": "/bin"}


def test_without_apprise_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couriers, "installed", lambda: False)
    assert send(Courier("rota"), HOOK).error == "channels need Apprise: pip install 'rota[notify]'"


def test_one_that_was_killed_is_started_again(target_server: TargetServer) -> None:
    one, address = Courier("rota"), f"json://127.0.0.1:{target_server.port}/a"
    assert send(one, address).ok
    process = one._process  # noqa: SLF001
    assert process is not None
    process.kill()
    process.wait()
    assert send(one, address).ok
    one.close()
    assert send(one, address).error == "it was to end"
