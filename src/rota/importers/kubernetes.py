"""Reads CronJobs of Kubernetes: YAML of one or many documents, or what ``kubectl get cronjobs -o json`` prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rota.errors import Invalid
from rota.importers.bounded_yaml import Unreadable, documents
from rota.importers.dialects import check_plain, either_day
from rota.importers.found import Collector, Found, Options, decoded, named

OVERLAP = {"Allow": "allow", "Forbid": "skip", "Replace": "cancel"}
BACKOFF_LIMIT = 6
LONGEST_DEADLINE_S = 10**8
_ZONE = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.*)", re.DOTALL)
_REFERENCE = re.compile(r"\$\([A-Za-z_][A-Za-z0-9_.-]*\)")


def read(raw: bytes, options: Options) -> Found:
    """Read CronJobs; other kinds are left out, and said so."""
    text, collector = decoded(raw), Collector(options)
    others: dict[str, int] = {}
    for line, one in _objects(text):
        kind = one.get("kind") if isinstance(one, Mapping) else None
        if isinstance(one, Unreadable):
            collector.refuse(line, one.reason)
        elif kind == "CronJob":
            _take(line, one, collector)
        elif isinstance(kind, str):
            others[kind] = others.get(kind, 0) + 1
        else:
            collector.refuse(line, "is no object that says its kind")
    if others:
        collector.note(f"left out: {', '.join(f'{count} {kind[:60]}' for kind, count in sorted(others.items()))}")
    return collector.found


def _objects(text: str) -> Iterator[tuple[int, Any]]:
    for line, one in _from_json(text) if text.lstrip()[:1] == "{" else documents(text):
        items = one.get("items") if isinstance(one, Mapping) else None
        if isinstance(items, list) and isinstance(one, Mapping) and str(one.get("kind", "List")).endswith("List"):
            yield from ((line, item) for item in items)
        elif one is not None:
            yield line, one


def _from_json(text: str) -> Iterator[tuple[int, Any]]:
    try:
        yield 1, json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid("FILE", f"is not JSON: {error}") from None


def _take(line: int, one: Mapping[str, Any], collector: Collector) -> None:
    warnings: list[str] = []
    try:
        metadata, spec = _object(one, "metadata"), _object(one, "spec")
        job = _object(_object(spec, "jobTemplate"), "spec")
        pod = _object(_object(job, "template"), "spec")
        zone, schedule, cron = _schedule(spec)
        target = _target(pod, warnings)
        fields = _policy(spec, job, pod, warnings)
        name, namespace = metadata.get("name"), metadata.get("namespace")
        if not isinstance(name, str) or not name:
            raise Invalid("metadata.name", "is missing")
    except Invalid as error:
        collector.refuse(line, error)
        return
    if zone is None and not collector.options.timezone:
        collector.note("times without timeZone are taken for UTC; the cluster took its controller's zone: see --tz")
    full = f"{namespace}.{name}" if isinstance(namespace, str) and namespace not in ("", "default") else name
    rule = {"cron": cron}
    collector.add(line, named(full), rule, target, schedule=schedule, timezone=zone, warnings=warnings, **fields)


def _schedule(spec: Mapping[str, Any]) -> tuple[str | None, str, str]:
    """Return zone, schedule as it was said, and the expression in cron's words."""
    said = spec.get("schedule")
    if not isinstance(said, str) or not said.strip():
        raise Invalid("spec.schedule", "is missing")
    zone = spec.get("timeZone")
    if zone is not None and not isinstance(zone, str):
        raise Invalid("spec.timeZone", "is no text")
    found = _ZONE.fullmatch(said.strip())
    schedule = found[2].strip() if found else said.strip()
    if schedule.startswith("@every"):
        return zone or (found[1] if found else None), schedule, schedule
    check_plain(schedule, "Kubernetes")
    if re.search(r"(?<![*/0-9])7", schedule.split()[-1]):
        raise Invalid("spec.schedule", "Kubernetes does not read 7 as a day of the week", hint="Sunday is 0")
    return zone or (found[1] if found else None), schedule, either_day(schedule)


def _target(pod: Mapping[str, Any], warnings: list[str]) -> dict[str, Any]:
    containers = pod.get("containers")
    if not isinstance(containers, list) or not containers or not isinstance(containers[0], Mapping):
        raise Invalid("containers", "there are none")
    if len(containers) > 1:
        raise Invalid("containers", f"{len(containers)} run together, and Rota runs one command")
    if pod.get("initContainers"):
        raise Invalid("initContainers", "run before the command", hint="make one command of them")
    one: Mapping[str, Any] = containers[0]
    command, args = _texts(one, "command"), _texts(one, "args")
    image = one.get("image")
    if not command:
        raise Invalid("command", f"is missing: only the image {str(image)[:100]!r} knows it", hint="write it out")
    if image is not None:
        warnings.append(f"Rota runs no image: what the command needs of {str(image)[:200]} must be on the worker")
    env = _env(one, warnings)
    argv = [*command, *args]
    if any(_REFERENCE.search(text) for text in (*argv, *env.values())):
        warnings.append("$(NAME) stays as it is: Kubernetes filled in variables there")
    target: dict[str, Any] = {"kind": "command", "command": argv}
    target |= {"env": env} if env else {}
    folder = one.get("workingDir")
    return target | ({"cwd": folder} if isinstance(folder, str) and folder else {})


def _env(one: Mapping[str, Any], warnings: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    if one.get("envFrom"):
        warnings.append("envFrom: give the worker these variables")
    said = one.get("env") or []
    if not isinstance(said, list):
        raise Invalid("env", "is no list")
    for item in said:
        if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
            raise Invalid("env", "holds something without a name")
        value = item.get("value")
        if "valueFrom" in item:
            warnings.append(f"the variable {item['name']} comes from the cluster: give it to the worker")
        elif value is None or isinstance(value, str):
            found[item["name"]] = value or ""
        else:
            raise Invalid(f"env.{item['name']}", "is no text", hint="Kubernetes refuses it too: write it in quotes")
    return found


def _policy(
    spec: Mapping[str, Any], job: Mapping[str, Any], pod: Mapping[str, Any], warnings: list[str]
) -> dict[str, Any]:
    overlap = OVERLAP.get(str(spec.get("concurrencyPolicy") or "Allow"))
    if overlap is None:
        raise Invalid("spec.concurrencyPolicy", f"{str(spec['concurrencyPolicy'])[:40]!r} is unknown")
    if not isinstance(spec.get("suspend") or False, bool):
        raise Invalid("spec.suspend", "is neither true nor false")
    retries = _number(job, "backoffLimit")
    retries = BACKOFF_LIMIT if retries is None else retries
    limits = [_number(job, "activeDeadlineSeconds"), _number(pod, "activeDeadlineSeconds")]
    seconds = min((one for one in limits if one), default=None)
    window = _number(spec, "startingDeadlineSeconds")
    if (_number(job, "parallelism") or 1) > 1 or (_number(job, "completions") or 1) > 1:
        warnings.append("parallelism and completions: Rota runs it once each time")
    if seconds and retries:
        warnings.append("activeDeadlineSeconds holds for each attempt, not for all of them together")
    return {
        "overlap": overlap,
        "catchup": "latest",
        "catchupWindow": f"{window}s" if window else None,
        "timeout": f"{seconds}s" if seconds else "24h",
        "maxAttempts": None if retries else 1,
        "retry": {"attempts": retries + 1, "backoff": "10s", "cap": "6m"} if retries else None,
        "paused": True if spec.get("suspend") else None,
    }


def _object(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = said.get(name)
    if not isinstance(value, Mapping):
        raise Invalid(name, "is missing" if value is None else "is no object")
    return value


def _texts(one: Mapping[str, Any], name: str) -> list[str]:
    value = one.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise Invalid(name, "is no list of texts")
    return list(value)


def _number(said: Mapping[str, Any], name: str) -> int | None:
    value = said.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LONGEST_DEADLINE_S:
        raise Invalid(name, f"{str(value)[:40]!r} is no number of at least 0")
    return value
