"""What `make audit` says of the packages that Rota is built on, as far as no registry need be asked."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from tools import audit


def test_no_least_version_allows_what_is_known_to_be_unsafe() -> None:
    wanted = audit.asked_for()
    versions = {name: package.version for name, package in audit.installed(wanted).items()}
    assert versions.keys() >= {*audit.KNOWN, "jsonschema", "apprise", "pydantic-core"}
    assert "pytest" not in versions
    assert [*audit.too_old(wanted, versions)] == []


@pytest.mark.parametrize(
    ("text", "version", "said"),
    [
        ("pyjwt>=2.10", "2.15", "allows versions before 2.12.0: CVE-2026-32597"),
        ("PyJWT>=2.12", "2.11.0", "2.11.0 is installed"),
        ("pyjwt", "2.15", "has no least version"),
    ],
)
def test_what_is_unsafe_is_named(text: str, version: str, said: str) -> None:
    [found] = audit.too_old([Requirement(text)], {"pyjwt": version})
    assert said in found


def test_every_license_fits(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    packages = audit.installed(audit.asked_for())
    assert [*audit.licenses(packages)] == []
    shown = capsys.readouterr().out
    assert "LGPL-3.0-only: psycopg" in shown and "@mantine/core" in shown
    monkeypatch.setattr(audit, "license_of", lambda package: "Proprietary")
    assert "none that is known to fit" in next(audit.licenses(packages))
