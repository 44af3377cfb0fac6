"""What ``rota doctor`` says of the ways in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.issuer import DOWN, IssuerServer, running_issuer
from tests.support.target import Answer

SECRET = "a shared secret of more than thirty-two characters"


@pytest.fixture
def issuer() -> Iterator[IssuerServer]:
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


def said(cli: Cli, monkeypatch: pytest.MonkeyPatch, **environ: str) -> list[str]:
    """The lines about issuer and access, and the fix of the first where there is one."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    lines = cli("doctor").stdout.splitlines()
    return [
        line.strip()
        for before, line in zip(["", *lines], lines, strict=False)
        if " issuer:" in line or " access:" in line or (" issuer:" in before and "→" in line)
    ]


def test_the_issuer_is_asked_for_its_keys(cli: Cli, issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    found = said(cli, monkeypatch, **issuer.settings())
    assert found == ["✓ issuer: it gives 2 keys (ES256, RS256)", "✓ access: by tokens of the issuer"]
    assert issuer.asked == 1


def test_the_issuer_is_found_by_its_name(cli: Cli, issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    found = said(cli, monkeypatch, ROTA_AUTH_ISSUER=issuer.name, ROTA_AUTH_SECRET=SECRET)
    assert found[0] == "✓ issuer: it gives 2 keys (ES256, RS256)"
    assert found[1].startswith("✓ access: by the shared secret")


def test_an_issuer_that_is_not_looked_at_is_said(
    cli: Cli, issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "ROTA_AUTH_ISSUER is not set" in said(cli, monkeypatch, ROTA_AUTH_JWKS_URL=issuer.keys_url)[0]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [(DOWN, "no good answer"), (Answer(404), "it answers 404"), (Answer(body={"keys": []}), "it gives no key for")],
)
def test_an_issuer_without_keys_is_said_with_the_fix(
    cli: Cli, issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch, trouble: Answer, reason: str
) -> None:
    issuer.trouble = trouble
    found = said(cli, monkeypatch, ROTA_AUTH_JWKS_URL=issuer.keys_url)
    assert found[0].startswith(f"✗ issuer: no keys: {reason}")
    assert found[1] == "→ is ROTA_AUTH_JWKS_URL right, and can this machine reach it?"
