"""Writes ``src/rota/client/answers.py``, the types of what clients get, from what the API describes itself by.

python -m tools.client_answers
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from rota.api import (
    answers,
    batch_answers,
    calendar_answers,
    channel_answers,
    check_answers,
    job_answers,
    monitor_answers,
    queue_answers,
    schedule_answers,
)

FILE = Path(__file__).parent.parent / "src/rota/client/answers.py"
ROOTS: dict[str, type[msgspec.Struct]] = {
    "Enqueued": job_answers.Enqueued,
    "Triggered": job_answers.Triggered,
    "Job": job_answers.JobOut,
    "JobDetail": job_answers.JobDetail,
    "LogPage": job_answers.LogPage,
    "JobType": job_answers.JobTypeOut,
    "Batch": batch_answers.BatchOut,
    "BatchMade": batch_answers.BatchMade,
    "BatchCancelled": batch_answers.BatchCancelled,
    "Schedule": schedule_answers.ScheduleOut,
    "ScheduleSaved": schedule_answers.ScheduleSaved,
    "ScheduleTriggered": schedule_answers.ScheduleTriggered,
    "Edit": schedule_answers.EditOut,
    "Version": schedule_answers.VersionOut,
    "Backfill": schedule_answers.BackfillOut,
    "Occurrence": schedule_answers.OccurrenceOut,
    "Preview": schedule_answers.PreviewOut,
    "Calendar": calendar_answers.CalendarOut,
    "Channel": channel_answers.ChannelOut,
    "ChannelTest": channel_answers.ChannelTest,
    "Notice": channel_answers.NoticeOut,
    "Check": check_answers.CheckOut,
    "CheckItem": check_answers.CheckItem,
    "Ping": check_answers.PingOut,
    "StatusPage": check_answers.StatusPageOut,
    "Queue": queue_answers.QueueOut,
    "Changed": queue_answers.Changed,
    "Key": queue_answers.KeyOut,
    "Worker": answers.WorkerOut,
    "Token": answers.TokenOut,
    "TokenMade": answers.TokenMade,
    "Stats": answers.Stats,
    "Health": answers.Health,
    "Me": answers.Me,
    "Monitor": monitor_answers.MonitorOut,
    "Proposal": monitor_answers.ProposalOut,
    "Alert": monitor_answers.AlertOut,
}
HEAD = '''"""What the calls return.  Written by ``python -m tools.client_answers`` from what the API says of itself.

Times are RFC 3339 in UTC with milliseconds, ids are UUIDs, durations are texts as ``"5m"``.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict
'''
LONGEST = 110


class Writer:
    """Collects the structs that are needed, those that others need first."""

    def __init__(self) -> None:
        self._names = {struct: name for name, struct in ROOTS.items()}
        self._written: dict[str, str] = {}

    def text(self) -> str:
        """Return the whole file."""
        for struct in ROOTS.values():
            self._name(struct)
        return HEAD + "".join(self._written.values())

    def _name(self, struct: type[msgspec.Struct]) -> str:
        name = self._names.setdefault(struct, struct.__name__.removesuffix("Out"))
        if name not in self._written:
            self._written[name] = self._class(name, struct)
        return name

    def _class(self, name: str, struct: type[msgspec.Struct]) -> str:
        hints = get_type_hints(struct, include_extras=False)
        optional = struct.__struct_config__.omit_defaults
        fields = []
        for field in msgspec.structs.fields(struct):
            kind = self._kind(hints[field.name])
            fields.append((field.encode_name, f"NotRequired[{kind}]" if optional and not field.required else kind))
        doc = (struct.__doc__ or "").strip().splitlines()[0]
        if all(field.isidentifier() and field != "from" for field, _ in fields):
            lines = "".join(f"    {field}: {kind}\n" for field, kind in fields)
            return f'\n\nclass {name}(TypedDict):\n    """{doc}"""\n\n{lines}'
        inside = "".join(f'        "{field}": {kind},\n' for field, kind in fields)
        return f'\n\n{name} = TypedDict(\n    "{name}",\n    {{\n{inside}    }},\n)\n"""{doc}"""\n'

    def _kind(self, hint: Any) -> str:
        origin, inside = get_origin(hint), get_args(hint)
        if origin is Annotated:
            return self._kind(inside[0])
        if origin in (Union, types.UnionType):
            return " | ".join(self._parts(inside))
        if origin is Literal:
            return f"Literal[{', '.join(map(repr, inside))}]".replace("'", '"')
        if origin in (list, dict):
            return f"{origin.__name__}[{', '.join(self._kind(one) for one in inside)}]"
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            return self._name(hint) if issubclass(hint, answers.Answer) else "dict[str, Any]"
        if hint is Any or hint is msgspec.Raw:
            return "Any"
        return "None" if hint is type(None) else str(hint.__name__)

    def _parts(self, hints: tuple[Any, ...]) -> Iterator[str]:
        last = [self._kind(one) for one in hints if one is type(None)]
        yield from dict.fromkeys([self._kind(one) for one in hints if one is not type(None)] + last)


def text() -> str:
    """Return the text of the file."""
    return Writer().text()


def main() -> None:
    """Write the file."""
    FILE.write_text(text(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
