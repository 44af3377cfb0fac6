"""What programs in other languages call on PostgreSQL: ``rota_enqueue``, made with the schema."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources

from rota.model import ORDER
from rota.store import jobs, meta, turns, unique
from rota.store.database import Tx
from rota.store.sql import render

CHANNEL = "rota"
DIGEST = "functions"
"""Under this key ``rota_meta`` says of which text the functions were made."""
_PARAMETER = re.compile(r"%\((\w+)\)s")
_VARIABLES = {"batch": "new_batch", "hold": "hold_it", "key": "rota_enqueue.unique_key"}


@cache
def script() -> str:
    """Return the SQL that makes the functions, whichever were there before, and notes of which text they are."""
    parts = {
        "<insert>": _statement(jobs.INSERT_IN_FULL),
        "<holder>": _statement(unique.HOLDER),
        "<free>": _statement(unique.FREE),
        "<active>": turns.ACTIVE,
        "<order>": ORDER,
        "<channel>": CHANNEL,
    }
    text = resources.files("rota.store").joinpath("enqueue.sql").read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(name, part)
    return f"{text}\n{_noted(text)}"


def _noted(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return (
        f"INSERT INTO rota_meta (key, value) VALUES ('{DIGEST}', '{digest}')"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value;"
    )


# Who may not replace them, such as an application with few rights, leaves them to those who may.
MAY_REPLACE = """
SELECT 1 WHERE has_schema_privilege(current_schema(), 'CREATE')
  AND has_table_privilege('rota_meta', 'INSERT') AND has_table_privilege('rota_meta', 'UPDATE')
  AND NOT EXISTS (SELECT 1 FROM pg_proc WHERE proname LIKE 'rota%' AND NOT pg_has_role(proowner, 'USAGE')
    AND pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()))
"""


def to_replace(tx: Tx) -> bool:
    """Tell whether the functions are of another version's text, and this user may make them anew.

    They embed statements of the store, which change without a migration.
    """
    if tx.dialect != "postgresql":
        return False
    made_of = meta.get(tx, DIGEST)
    return (made_of is None or made_of not in script()) and tx.value(MAY_REPLACE) is not None


def _statement(sql: str) -> str:
    """Return a statement of the store with the variables of the function for its parameters."""
    text = render(sql, "postgresql").strip()
    return _PARAMETER.sub(lambda match: _VARIABLES[match[1]], text).replace("%%", "%")
