"""Whatever a monitor finds can be told."""

from __future__ import annotations

import pytest

from rota.ids import new_id
from rota.insight import wording
from rota.insight.monitoring import KINDS, Kind
from rota.store.alerts import Alert


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_has_a_message(kind: Kind) -> None:
    subject = kind.subjects[0]
    given = {
        "id": new_id(), "monitor_id": f"{kind.name}:{subject}:x", "kind": kind.name, "severity": "error",
        "subject_kind": subject, "subject_id": "x", "text": "It is so.", "since_at": 1, "opened_at": 1, "seen_at": 1,
    }  # fmt: skip
    fields = {name: given.get(name) for name in Alert.__struct_fields__}
    alert = Alert(**fields)  # type: ignore[arg-type]
    found = wording.notice("opened", [alert], 2, severity="error")
    assert found.title and "{" not in found.title
    assert (found.text, found.path[0]) == ("It is so.", "/")
