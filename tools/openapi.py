"""Writes ``web/openapi.json``, what the service says of itself at ``/api/openapi.json``; ``--check`` compares it."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from rota.api.app import create_app
from rota.api.openapi import document
from rota.api.operations import Operations
from rota.settings import load_settings
from rota.store.opening import open_database

PATH = Path(__file__).parents[1] / "web" / "openapi.json"
COMMAND = "python -m tools.openapi"


def description() -> dict[str, Any]:
    """Return the description of the API as a service with access control has it."""
    with tempfile.TemporaryDirectory() as folder:
        # With a shared secret no local token is made.
        environ = {"ROTA_DATABASE_URL": f"sqlite:///{folder}/rota.db", "ROTA_AUTH_SECRET": "x" * 32}
        settings = load_settings(environ)
        db = open_database(settings.database_url)
        app = create_app(db, settings)
        everything = Operations("All")
        everything.all = app.state.operations
        try:
            return document([everything], settings)
        finally:
            app.state.service.close()
            db.close()


def text() -> str:
    """Return the file's text: the same on every machine, each name on its own line and in order."""
    return json.dumps(description(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the file, or with ``--check`` say whether it is up to date."""
    fresh = text()
    if PATH.exists() and PATH.read_text(encoding="utf-8") == fresh:
        return 0
    if "--check" in arguments:
        sys.stderr.write(f"web/openapi.json is stale; run {COMMAND}\n")
        return 1
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(fresh, encoding="utf-8", newline="\n")
    sys.stdout.write("web/openapi.json written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
