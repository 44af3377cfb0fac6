"""Writes the pages of ``docs/reference`` that are made from data in the code, and the tables of `make chaos`.

``--check`` only compares them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from docs.chaos_tables import reliability_page
from docs.cli_page import cli_page
from docs.metrics_page import metrics_page
from docs.rest_page import rest_page
from rota.logs import COMMON_FIELDS, EVENTS
from rota.settings import GROUPS, OTHER_VARIABLES, Setting

REFERENCE = Path(__file__).parent / "reference"
NOTICE = "<!-- Made by docs/generate.py: change the data in the code, then run `make docs`. -->"

SETTINGS_INTRODUCTION = """\
Settings come from environment variables, else from `rota.toml` in the current folder (or the file that `ROTA_CONFIG`
names), else from the defaults below. The file has the same names, one a line:

```toml
ROTA_DATABASE_URL = "postgresql://rota@db.internal/rota"
ROTA_LEASE = "20s"
ROTA_QUEUES = ["mail", "reports"]
```

An empty variable counts as not set. The other names of a setting are for those who move in: its own name, in the
environment or in the file, wins over them. A setting that does not exist, or a wrong value, stops the start with one
line that says which, and what was expected; secrets are not shown in it.

- A **duration** is written `500ms`, `30s`, `5m`, `2h`, `7d`, or as a sum such as `1h30m`.
- A **size** is written `64KiB`, `2MiB`, `10MB` or as a number of bytes.
- A **list** is divided by commas; in the file it may be an array.
- Pairs `name=value` are divided by commas; in the file they may be a table.
"""

EVENTS_INTRODUCTION = """\
Each line of the service's log is one event. On a terminal it is text; elsewhere, or with `ROTA_LOG_FORMAT=json`, it
is one JSON object a line, such as

```json
{"time":"2026-11-21T09:00:00.012Z","level":"info","event":"job/completed","msg":"Job completed","service":"rota",\
"role":"worker","pid":17,"hostname":"web-1","queue":"mail","jobType":"weekly_digest",\
"jobId":"019b0c4e-7d2e-7a3f-9f11-2f6a1b7c8d9e","attempt":1,"priority":0,"durationMs":812}
```

`event` says what happened and never changes its meaning; `msg` is for people and may. `ROTA_LOG_LEVEL` leaves lesser
events out, `ROTA_LOG_RENAME` gives fields other names. An event that would repeat, such as a database that cannot be
reached, is written once in 10 seconds, later once a minute, with the number of its repetitions in `repeated`. Secrets
of the settings are replaced by `***` wherever they occur.
"""


def settings_page() -> str:
    """Return the reference of all settings."""
    parts = [NOTICE, "# Settings", SETTINGS_INTRODUCTION.rstrip()]
    for group, settings in GROUPS.items():
        rows = ["| name | takes | default | meaning |", "|---|---|---|---|", *map(_setting_row, settings)]
        parts += [f"## {group}", "\n".join(rows)]
    others = [f"- `{name}`: {meaning}" for name, meaning in OTHER_VARIABLES.items()]
    parts += ["## Variables that are no settings", "\n".join(others)]
    return "\n\n".join(parts) + "\n"


def events_page() -> str:
    """Return the reference of all events of the log."""
    parts = [NOTICE, "# Log events", EVENTS_INTRODUCTION.rstrip()]
    common = [f"| `{name}` | {meaning} |" for name, meaning in COMMON_FIELDS.items()]
    parts += [
        "## Fields of every event, where they apply",
        "\n".join(["| field | meaning |", "|---|---|", *common]),
        "## Events",
    ]
    rows = [
        f"| `{name}` | {event.meaning} | {', '.join(f'`{field}`' for field in event.fields)} |"
        for name, event in EVENTS.items()
    ]
    parts.append("\n".join(["| event | meaning | further fields |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _made(page: Callable[[], str]) -> Callable[[], str]:
    return lambda: f"{NOTICE}\n\n{page()}"


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "events.md": events_page,
    "metrics.md": _made(metrics_page),
    "rest.md": _made(rest_page),
    "cli.md": _made(cli_page),
    "../explanation/reliability.md": reliability_page,
}


def _setting_row(setting: Setting) -> str:
    default = f"`{setting.default}`" if setting.default is not None else ""
    meaning = setting.meaning
    if setting.aliases:
        meaning += " Else " + ", ".join(f"`{alias}`" for alias in setting.aliases) + "."
    return f"| `{setting.name}` | {_cell(setting.type)} | {default} | {_cell(meaning)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write all pages, or with ``--check`` name those that differ."""
    stale = []
    for name, page in PAGES.items():
        path = REFERENCE / name
        text = page()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{os.path.normpath(f'docs/reference/{name}')} written\n")
    if stale and "--check" in arguments:
        sys.stderr.write(f"stale: {', '.join(stale)}; run make docs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
