"""Look whether what Rota is built on is known to be unsafe, and under which licenses it stands.

    make audit

Four looks: the licenses of what is installed; the least versions in `pyproject.toml`, and those that are installed,
against the advisories that are known here; those that PyPI knows, by pip-audit; those that npm knows, for the pages.
Where a registry gives no advisories, that is said in one line.  Exits with 1 where anything is wrong.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
KNOWN = {
    "aiohttp": ("3.14.4", "CVE-2026-128131: many concatenated streams, compressed, block the event loop"),
    "cryptography": ("46.0.7", "CVE-2026-39892: a buffer overflow; CVE-2026-26007: points of a subgroup"),
    "pyjwt": ("2.12.0", "CVE-2026-32597: tokens with unknown critical extensions were accepted"),
    "starlette": ("1.3.1", "CVE-2025-62727, CVE-2026-48710, CVE-2026-54282: ranges, Host and path of a request"),
}
"""What was mended since when, of what Rota asks for itself."""
EXTRAS = frozenset(("calendars", "celery", "mcp", "notify", "otel", "parquet", "rq", "yaml"))
"""What users install; not what tests and documentation need."""
FINE = re.compile(
    r"Apache|BSD|MIT|ISC|PSF|Python Software Foundation|MPL|Mozilla Public License 2|LGPL-3.0-only|Unlicense|CC0|Zlib"
)
"""Licenses under which a package may be asked for by a program under Apache-2.0."""
PROBED = "pyjwt"
PROBE = "https://pypi.org/pypi/{}/{}/json"
"""What pip-audit asks: an index that knows packages and no versions of them gives no advisories."""
WITHIN_S = 15
AUDITOR = "pip-audit>=2.10"

Found = dict[str, importlib.metadata.Distribution]


def plain(name: str) -> str:
    """Return the one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_for() -> list[Requirement]:
    """Return what `pyproject.toml` asks for in the package and in the extras of users."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [text for name, texts in project["optional-dependencies"].items() if name in EXTRAS for text in texts]
    return [Requirement(text) for text in (*project["dependencies"], *extras)]


def installed(wanted: list[Requirement]) -> Found:
    """Return the packages that are installed for these requirements, with all that they need themselves."""
    found: Found = {}
    left = [*wanted]
    while left:
        one = left.pop()
        if plain(one.name) in found:
            continue
        try:
            package = importlib.metadata.distribution(one.name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[plain(one.name)] = package
        needs = [Requirement(text) for text in package.requires or ()]
        left += [need for need in needs if _applies(need, one.extras)]
    return found


def _applies(need: Requirement, extras: set[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (extras or {""}))


def license_of(package: importlib.metadata.Distribution) -> str:
    """Return under which license a package says that it stands, on one line."""

    def about(field: str) -> list[str]:
        return package.metadata.get_all(field) or []

    classified = [line.split(" :: ")[-1] for line in about("Classifier") if line.startswith("License")]
    said = [*about("License-Expression"), ", ".join(classified), *(text.split("\n")[0] for text in about("License"))]
    return next((text.strip()[:60] for text in said if text.strip()), "unknown")


def licenses(found: Found) -> Iterator[str]:
    """Print the licenses; yield what is wrong with them."""
    by_license: dict[str, list[str]] = defaultdict(list)
    for name, package in sorted(found.items()):
        by_license[license_of(package)].append(name)
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text(encoding="utf-8"))
    for path, package in lock["packages"].items():
        if path and not package.get("dev") and not package.get("optional"):
            by_license[package.get("license", "unknown")].append(path.rpartition("node_modules/")[2])
    for name, packages in sorted(by_license.items()):
        print(f"{name}: {', '.join(sorted(set(packages)))}")
        if not FINE.search(name):
            yield f"the license {name!r} of {', '.join(packages)} is none that is known to fit"


def too_old(wanted: list[Requirement], versions: Mapping[str, str]) -> Iterator[str]:
    """Yield each requirement, and each installed version, that allows what is known to be unsafe."""
    for one in wanted:
        known = KNOWN.get(plain(one.name))
        least = max((Version(part.version) for part in one.specifier if part.operator in (">=", "==")), default=None)
        if least is None:
            yield f"{one.name} has no least version"
        elif known is not None and least < Version(known[0]):
            yield f"{one} allows versions before {known[0]}: {known[1]}"
    for name, (least_version, why) in KNOWN.items():
        if name in versions and Version(versions[name]) < Version(least_version):
            yield f"{name} {versions[name]} is installed; {least_version} mended {why}"


def python_advisories(found: Found, venv: Path) -> Iterator[str]:
    """Ask PyPI about each installed package; yield what it knows."""
    if not _answers(PROBE.format(PROBED, found[PROBED].version)):
        print("advisories for Python: not asked, since pypi.org answers no questions about them here")
        return
    pinned = venv / "requirements.txt"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin" / "python", "-m", "pip", "install", "--quiet", AUDITOR], check=True)
    pinned.write_text("".join(f"{name}=={package.version}\n" for name, package in sorted(found.items())))
    command = [f"{venv}/bin/pip-audit", "--no-deps", "--disable-pip", "-r", f"{pinned}", "-s", "pypi", "-f", "json"]
    said = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, text=True, check=False)
    try:
        listed = json.loads(said.stdout)["dependencies"]
    except (ValueError, KeyError):
        yield f"pip-audit failed: {' '.join(said.stderr.split())[-300:]}"
        return
    for one in listed:
        if "skip_reason" in one:  # which is no proof of anything
            yield f"{one['name']} was not looked at: {one['skip_reason']}"
        for flaw in one.get("vulns", ()):
            yield f"{one['name']} {one['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'none'}"
    print(f"advisories for Python: asked about {len(listed)} packages")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=WITHIN_S) as answer:
            return "vulnerabilities" in json.load(answer)
    except (OSError, ValueError):
        return False


def web_advisories() -> Iterator[str]:
    """Ask npm about what the pages are made of, and made with; yield what it knows."""
    npm = shutil.which("npm")
    if npm is None:
        print("advisories for the pages: not asked, since npm is not installed")
        return
    said = subprocess.run([npm, "audit", "--json"], cwd=ROOT / "web", capture_output=True, text=True, check=False)
    try:
        answer = json.loads(said.stdout)
    except ValueError:
        answer = {}
    if "vulnerabilities" not in answer:
        print("advisories for the pages: not asked, since the npm registry answers no questions about them here")
        return
    for name, one in answer["vulnerabilities"].items():
        yield f"{name} ({one.get('severity', 'unknown')}) in web/package-lock.json: npm audit says more"
    print(f"advisories for the pages: asked about {answer['metadata']['dependencies']['total']} packages")


def main() -> int:
    """Look at everything; return the exit code."""
    wanted = asked_for()
    found = installed(wanted)
    wrong = [*licenses(found), *too_old(wanted, {name: one.version for name, one in found.items()})]
    wrong += [*python_advisories(found, ROOT / ".venv" / "audit"), *web_advisories()]
    for line in wrong:
        print(f"wrong: {line}", file=sys.stderr)
    print(f"{len(found)} Python packages, {len(KNOWN)} least versions by known advisories, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
