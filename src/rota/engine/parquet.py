"""Lines of the archive as Parquet, column by column, and back again to the same bytes.  Needs ``rota[parquet]``."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

import msgspec

from rota.model import Job

if TYPE_CHECKING:
    from arro3.core import Array, RecordBatch

EXTRA = "pip install 'rota[parquet]'"
MAGIC = b"PAR1"
BATCH_ROWS = 500
GROUP_BYTES = 32 << 20
"""About so many bytes of lines are held until a group of rows is written."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
JSON_FIELDS = frozenset(
    ("target", "retry", "args", "result", "error_detail", "tags", "run_on", "depends_on", "checkpoint", "exchange")
)
INTERNAL = frozenset(("rank", "ring", "lost_count", "awaited", "turn_key", "worker_id", "cancel_mode"))
Kind = Literal["text", "json", "time", "int", "float"]
PYTHON: dict[Kind, Any] = {"text": str | None, "json": msgspec.Raw, "time": datetime | None, "int": int | None}
PYTHON["float"] = float | None
NOTHING = msgspec.Raw(b"")


def camel(name: str) -> str:
    """Return the name that the API has for a field of a job."""
    first, *others = {"type": "job_type"}.get(name, name).split("_")
    return first + "".join(one.capitalize() for one in others)


def is_time(name: str) -> bool:
    """Tell whether a field of a job is an instant that is shown as one."""
    return name.endswith("_at") or name == "scheduled_for"


def _kind(name: str, hint: object) -> Kind:
    if name in JSON_FIELDS:
        return "json"
    if is_time(name):
        return "time"
    if hint in (int, int | None):
        return "int"
    return "float" if hint in (float, float | None) else "text"


@cache
def columns(of: str) -> dict[str, Kind]:
    """Return the columns of ``jobs`` or of ``logs``, as their lines name them."""
    if of == "logs":
        return {"jobId": "text", "attempt": "int", "n": "int", "at": "time", "stream": "text", "text": "text"}
    fields = get_type_hints(Job).items()
    found = {camel(name): _kind(name, hint) for name, hint in fields if name not in INTERNAL}
    return {**found, "attempts": "json"}


def installed() -> bool:
    """Tell whether Parquet can be written here."""
    return importlib.util.find_spec("arro3") is not None and importlib.util.find_spec("arro3.io") is not None


@cache
def _decoder(of: str) -> msgspec.json.Decoder[msgspec.Struct]:
    fields = [(name, PYTHON[kind], NOTHING if kind == "json" else None) for name, kind in columns(of).items()]
    return msgspec.json.Decoder(msgspec.defstruct(of, fields, forbid_unknown_fields=True))


def write(lines: Callable[[], Generator[bytes, None, None]], path: Path, of: str, turn: Callable[[], None]) -> int:
    """Write lines as a file, which has reached the disk then; return how many.  ``turn`` is called now and then.

    Raises OSError, and ValueError where a line is not of this version's columns.
    """
    from arro3.core import RecordBatchReader, Schema
    from arro3.io import write_parquet

    rows = size = 0
    for line in lines():
        rows, size = rows + 1, size + len(line)
    schema = Schema([_field(name, kind) for name, kind in columns(of).items()])
    group = max(10, min(50_000, rows * GROUP_BYTES // max(1, size)))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    failed: list[BaseException] = []
    with os.fdopen(descriptor, "wb") as file, closing(lines()) as source:
        batches = RecordBatchReader.from_batches(schema, _batches(source, of, turn, failed))
        try:
            write_parquet(batches, file, compression="zstd(3)", max_row_group_size=group)
        except Exception as error:  # noqa: BLE001 - what went wrong within comes as text only
            raise (failed[0] if failed else ValueError(str(error))) from None
        file.flush()
        os.fsync(file.fileno())
    return rows


def _field(name: str, kind: Kind) -> Any:
    from arro3.core import DataType, Field

    types = {"int": DataType.int64(), "float": DataType.float64(), "time": DataType.timestamp("ms", tz="UTC")}
    return Field(name, types.get(kind, DataType.string()))


def _batches(
    lines: Iterator[bytes], of: str, turn: Callable[[], None], failed: list[BaseException]
) -> Iterator[RecordBatch]:
    decode = _decoder(of).decode
    try:
        while rows := [decode(line) for line in islice(lines, BATCH_ROWS)]:
            turn()
            yield _batch(rows, of)
    except msgspec.MsgspecError as error:
        failed.append(ValueError(str(error)))
        raise
    except BaseException as error:
        failed.append(error)
        raise


def _batch(rows: list[msgspec.Struct], of: str) -> RecordBatch:
    from arro3.core import RecordBatch, Schema

    kinds = columns(of)
    schema = Schema([_field(name, kind) for name, kind in kinds.items()])
    arrays = [_array([getattr(row, name) for row in rows], kind) for name, kind in kinds.items()]
    return RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: list[Any], kind: Kind) -> Array:
    from arro3.core import Array, DataType

    if kind == "json":
        return Array([bytes(value).decode() or None for value in values], type=DataType.string())
    if kind == "time":
        passed = [None if value is None else (value - EPOCH) // timedelta(milliseconds=1) for value in values]
        return Array(passed, type=DataType.int64()).cast(DataType.timestamp("ms", tz="UTC"))
    return Array(values, type=_field("", kind).type)


def read(path: Path, of: str) -> Generator[bytes, None, None]:
    """Yield what was written as lines.  Raises OSError and ValueError where it is no such file."""
    from arro3.io import read_parquet

    kinds, encode = columns(of), msgspec.json.encode
    _check_ends(path)
    try:
        for batch in read_parquet(str(path)):
            names = batch.schema.names
            values = [column.to_pylist() for column in batch.columns]
            shown = [
                [_shown(one, kinds.get(name, "text")) for one in column]
                for name, column in zip(names, values, strict=True)
            ]
            for row in zip(*shown, strict=True):
                yield encode({name: value for name, value in zip(names, row, strict=True) if value is not None}) + b"\n"
    except (OSError, GeneratorExit):
        raise
    except BaseException as error:  # it has no better name for what is wrong with a file, such as a panic of its own
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise ValueError(str(error)) from None
        raise


def _check_ends(path: Path) -> None:
    """Raise ValueError where a file is surely no Parquet: its reader would not only say so, but print its stack."""
    with path.open("rb") as file:
        begins, size = file.read(4), file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 8))
        length, ends = file.read(4), file.read(4)
    if size < 12 or begins != MAGIC or ends != MAGIC or int.from_bytes(length, "little") > size - 12:
        raise ValueError("it is no whole Parquet file")


def _shown(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    if kind == "json":
        return msgspec.Raw(value.encode())
    return time_text(value) if kind == "time" else value


def time_text(value: datetime) -> str:
    """Return an instant as the API shows it."""
    return value.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
