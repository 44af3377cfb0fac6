"""A program that embeds Rota gets its events by the logging that it has set up itself: stdlib or structlog."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from rota import logs

TOKEN = "a-secret-that-is-hidden"


class Kept(logging.Handler):
    """Keeps what it is given, as its formatter writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.lines.append(self.format(record))


@pytest.fixture
def kept() -> Iterator[Kept]:
    """A handler of the application on the root logger."""
    handler, root = Kept(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.setLevel(before)
    root.removeHandler(handler)


def test_a_handler_gets_text_level_and_fields(kept: Kept) -> None:
    logs.event("database/lost", "it is gone", level="error", loop="mover", error=None)
    (record,) = kept.records
    assert (record.name, record.levelname) == ("rota", "ERROR")
    assert record.getMessage() == "database/lost it is gone loop=mover"
    assert record.__dict__["rota"] == {"event": "database/lost", "msg": "it is gone", "loop": "mover"}


def test_fields_may_be_called_as_what_every_record_has(kept: Kept) -> None:
    logs.event("process/crashed", "oops", level="error", thread="rota-mover", error="x")
    assert kept.records[0].__dict__["rota"]["thread"] == "rota-mover"
    assert isinstance(kept.records[0].thread, int)


def test_times_are_written_and_secrets_are_not(kept: Kept) -> None:
    logs.mask(TOKEN)
    logs.event("job/enqueued", f"with {TOKEN}", jobId="j", runAt=0, startedBy=TOKEN)
    (record,) = kept.records
    assert record.__dict__["rota"]["runAt"] == "1970-01-01T00:00:00.000Z"
    assert TOKEN not in record.getMessage() + str(record.__dict__["rota"])


def test_what_repeats_is_counted_here_too(kept: Kept) -> None:
    for _ in range(50):
        logs.event_limited("database/lost", "database/lost", "it is gone", level="error", loop="mover")
    assert len(kept.records) == 1


def test_what_is_not_wanted_is_not_written(kept: Kept) -> None:
    logging.getLogger("rota").setLevel(logging.ERROR)
    logs.event("scheduler/started", "started")
    logging.getLogger("rota").setLevel(logging.NOTSET)
    assert kept.records == []


def test_structlog_gets_the_fields_as_its_own(kept: Kept) -> None:
    """As the documentation of structlog says it: its formatter on a handler, and the extra fields taken over."""
    kept.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logs.event("schedule/fired", "digest fired", scheduleId="digest", jobId="j", disposition="fired")
    (line,) = map(json.loads, kept.lines)
    assert (line["level"], line["event"]) == (
        "info",
        "schedule/fired digest fired scheduleId=digest jobId=j disposition=fired",
    )
    assert line["rota"] == {
        "event": "schedule/fired",
        "msg": "digest fired",
        "scheduleId": "digest",
        "jobId": "j",
        "disposition": "fired",
    }
