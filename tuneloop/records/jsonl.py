"""Rows as JSON lines in UTF-8: an object a line, without what is empty, so that each shape shows what it has."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from tuneloop.errors import TuneloopError
from tuneloop.records.columns import to_text
from tuneloop.records.record import Record
from tuneloop.settings import describe_invalid

R = TypeVar("R", bound=Record)


def as_object(row: Record) -> dict[str, Any]:
    """A row without the fields that are as they are by default; its shape is always named."""
    shape = getattr(row, "shape", None)
    return row.model_dump(exclude_defaults=True) | ({"shape": shape} if shape else {})


def write_jsonl(path: Path, rows: Iterable[Record]) -> int:
    """Write rows as JSON lines in UTF-8 and return how many there were."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(to_text(as_object(row)) + "\n")
            count += 1
    return count


def read_jsonl(path: Path, record: type[R]) -> Iterator[R]:
    """The rows that ``write_jsonl`` wrote. Raises ``TuneloopError`` with the line of one that is none."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, 1):
            try:
                yield record.model_validate(json.loads(line))
            except (ValidationError, ValueError) as error:
                reason = describe_invalid(error) if isinstance(error, ValidationError) else str(error)
                raise TuneloopError(reason, where=f"{path.name}:{number}") from None
