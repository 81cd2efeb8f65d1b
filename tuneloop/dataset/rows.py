"""The rows of a file, one at a time, each with its place: JSONL, a JSON array, CSV, TSV, Parquet.

What cannot be read as a row comes out as ``Broken``, in its place, and reading goes on behind it.
"""

from __future__ import annotations

import csv
import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from tuneloop.errors import TuneloopError
from tuneloop.foreign import quoted
from tuneloop.language import _, shown, stored
from tuneloop.text.delimiters import find_delimiter
from tuneloop.text.encodings import NotText, detect, readable_name

BLOCK = 1 << 20  # characters read at once from a JSON array
LONGEST_ROW = 16 << 20  # characters; a JSON value that is longer is taken for a broken one
LONGEST_RECORD = 400  # lines; a quotation mark that is still open after so many was never meant to be one
LONGEST_OBJECT = 512 << 20  # characters of one object that holds all rows
LISTS = ("data", "rows", "examples", "train", "items")
CUT_SHORT = stored("the file is cut short, or a bracket or quotation mark is never closed")
NEXT_OBJECT = re.compile(r"[\n,]\s*\{")


@dataclass(frozen=True)
class Row:
    """A row as it came: column or key to value."""

    where: str  # file:line, or file:row N for Parquet
    values: dict[str, Any]


@dataclass(frozen=True)
class Broken:
    """What stands where a row should."""

    where: str
    reason: str
    detail: str
    text: str


@dataclass(frozen=True)
class Table:
    """A file that was looked at: how it is written, and in which encoding."""

    path: Path
    form: str  # jsonl json csv parquet
    encoding: str = ""
    delimiter: str = ","

    @cached_property
    def name(self) -> str:
        return readable_name(self.path.name)


def open_table(path: Path, encoding: str = "") -> Table:
    """Look at a file, whose encoding is detected where none is given.

    Raises ``TuneloopError`` where it is missing, empty, or of a kind that holds no rows.
    """
    if not path.is_file():
        what = _("this is a folder, not a file") if path.is_dir() else _("there is no such file")
        raise TuneloopError(what, where=readable_name(str(path)))
    if path.stat().st_size == 0:
        raise TuneloopError(_("the file is empty"), where=readable_name(str(path)))
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return Table(path, "parquet")
    encoding = encoding or text_encoding(path)
    with open_text(Table(path, "", encoding)) as text:
        start = text.read(BLOCK).lstrip("\ufeff \t\r\n")
    if not start:
        raise TuneloopError(_("the file is empty"), where=readable_name(str(path)))
    if start[0] == "[":
        return Table(path, "json", encoding)
    if start[0] == "{":
        return Table(path, "jsonl" if is_json_lines(start) else "json", encoding)
    return Table(path, "csv", encoding, find_delimiter(start))


def text_encoding(path: Path) -> str:
    """The encoding of a file. Raises ``TuneloopError`` for a file that is not text."""
    try:
        return detect(path)
    except NotText as problem:
        message = (
            _("this is a file of another kind: {}").format(problem.kind) if problem.kind else shown(problem.reason)
        )
        raise TuneloopError(message, where=readable_name(path.name), hint=_("Export it as CSV or JSONL.")) from None


def read_rows(table: Table) -> Iterator[Row | Broken]:
    """Every row of the file, in order."""
    readers = {"jsonl": read_jsonl, "json": read_json, "csv": read_csv, "parquet": read_parquet}
    return readers[table.form](table)


def open_text(table: Table) -> TextIO:
    return table.path.open(encoding=table.encoding, errors="replace", newline="")


def is_json_lines(start: str) -> bool:
    """Whether the file that starts so has an object a line, rather than one object, or some, over several lines."""
    first, newline, _rest = start.partition("\n")
    try:
        value, end = json.JSONDecoder().raw_decode(start)
    except ValueError:
        return bool(newline) and not first.rstrip().endswith(("{", "[", ","))
    return "\n" not in start[:end] and not list_of_rows(value)


def list_of_rows(value: dict[str, Any]) -> str:
    """The key under which an object holds the rows of the whole file; "" where it is a row itself."""
    return next(
        (k for k in LISTS if isinstance(value.get(k), list) and all(isinstance(v, dict) for v in value[k][:20])), ""
    )


# -- JSON ----------------------------------------------------------------------------------------------------------


def as_row(where: str, value: Any, text: str) -> Row | Broken:
    if isinstance(value, dict):
        return Row(where, value)
    return Broken(where, stored("a row must be a JSON object"), type(value).__name__, text)


def read_jsonl(table: Table) -> Iterator[Row | Broken]:
    with open_text(table) as file:
        for number, line in enumerate(file, 1):
            line = line.strip("\ufeff \t\r\n")
            if not line:
                continue
            where = f"{table.name}:{number}"
            try:
                yield as_row(where, json.loads(line), line)
            except (ValueError, RecursionError) as error:
                yield Broken(where, stored("not valid JSON"), json_problem(error), line)


def json_problem(error: Exception) -> str:
    return f"{error.msg} ({error.colno})" if isinstance(error, json.JSONDecodeError) else type(error).__name__


def read_json(table: Table) -> Iterator[Row | Broken]:
    """The elements of an array, the objects that stand one after the other, or the list of rows in one object."""
    with open_text(table) as file:
        stream = JsonStream(file, table.name)
        if stream.peek() == "[":
            stream.at, stream.open = stream.at + 1, True
            yield from stream
            return
        stream.longest = LONGEST_OBJECT
        for row in stream:
            if isinstance(row, Row) and (key := list_of_rows(row.values)):
                for number, element in enumerate(row.values[key], 1):
                    yield as_row(f"{table.name}:{key}[{number}]", element, str(element))
            else:
                yield row


class CutShort(ValueError):
    """The file ends in the middle of a value."""


class JsonStream:
    """JSON values one after the other, with the line on which each begins, from a file too large to load."""

    def __init__(self, file: TextIO, name: str) -> None:
        self.file, self.name, self.longest = file, name, LONGEST_ROW
        self.buffer, self.at, self.line, self.counted, self.ended = "", 0, 1, 0, False
        self.open = False  # a list whose end has not been seen
        self.decoder = json.JSONDecoder()

    def __iter__(self) -> Iterator[Row | Broken]:
        while mark := self.peek():
            if mark in ",]}":  # between values, at the end, or left over from a broken one
                self.at += 1
                self.open = self.open and mark != "]"
                continue
            where = f"{self.name}:{self.line_here()}"
            try:
                value, end = self.value()
            except (ValueError, RecursionError) as error:
                reason, detail = stored("not valid JSON"), json_problem(error)
                if isinstance(error, CutShort):
                    reason, detail = CUT_SHORT, ""
                yield Broken(where, reason, detail, self.buffer[self.at : self.at + 2000])
                self.skip_to_object()
                self.open = self.open and self.at < len(self.buffer)  # the end was looked for, and told of
                continue
            yield as_row(where, value, self.buffer[self.at : end])
            self.at = end
        if self.open:
            yield Broken(f"{self.name}:{self.line_here()}", CUT_SHORT, "", "")

    def peek(self) -> str:
        """The next character that is not space; "" at the end of the file."""
        while True:
            while self.at < len(self.buffer):
                if self.buffer[self.at] not in "\ufeff \t\r\n":
                    return self.buffer[self.at]
                self.at += 1
            if not self.more():
                return ""

    def value(self) -> tuple[Any, int]:
        """The value at this place and where it ends, reading on while it is not whole. Raises ``ValueError``."""
        while True:
            try:
                return self.decoder.raw_decode(self.buffer, self.at)
            except ValueError as error:
                at, message = (error.pos, error.msg) if isinstance(error, json.JSONDecodeError) else (0, "")
                broken = at < len(self.buffer) - 64 and not message.startswith("Unterminated")
                if broken or len(self.buffer) - self.at > self.longest:
                    raise
                at_end = message.startswith("Unterminated") or (message and not self.buffer[at:].strip())
                if not self.more():
                    raise (CutShort() if at_end else error) from None

    def skip_to_object(self) -> None:
        """Past a broken value, to the next line or comma behind which an object begins, or to the end."""
        while True:
            if found := NEXT_OBJECT.search(self.buffer, self.at + 1):
                self.at = found.end() - 1
                return
            self.at = max(self.at, len(self.buffer) - 200)
            if not self.more():
                self.at = len(self.buffer)
                return

    def line_here(self) -> int:
        self.line += self.buffer.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.line

    def more(self) -> bool:
        """Read on, and let go of what is behind."""
        self.line_here()
        block = "" if self.ended else self.file.read(max(BLOCK, len(self.buffer) - self.at))
        self.ended = not block
        self.buffer, self.at, self.counted = self.buffer[self.at :] + block, 0, 0
        return bool(block)


# -- tables --------------------------------------------------------------------------------------------------------


def read_csv(table: Table) -> Iterator[Row | Broken]:
    csv.field_size_limit(LONGEST_ROW)
    with open_text(table) as file:
        records = csv_records(file, table.delimiter)
        line, header = next(records)
        names = [name.strip("\ufeff \t\r\n") for name in header] if isinstance(header, list) else []
        if len([n for n in names if n]) < 1 or len(set(names)) < len(names):
            raise TuneloopError(
                _("the first line must name the columns, each once"),
                where=f"{table.name}:{line}",
                hint=_("Add a header line such as: question,answer"),
            )
        for line, record in records:
            where = f"{table.name}:{line}"
            if isinstance(record, str):
                yield Broken(where, stored("a quotation mark is opened and never closed"), "", record)
            elif len(record) != len(names):
                detail = f"{len(record)} / {len(names)}"
                reason = stored("the row has more or fewer fields than the header")
                yield Broken(where, reason, detail, table.delimiter.join(record))
            else:
                yield Row(where, dict(zip(names, record, strict=True)))


def csv_records(file: TextIO, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Each record with the line on which it begins; as text where its quotation marks do not close."""
    waiting: deque[str] = deque()
    number = 1
    while first := (waiting.popleft() if waiting else file.readline()):
        lines = [first]
        while (fields := parse_csv("".join(lines), delimiter)) is None and len(lines) < LONGEST_RECORD:
            if not (line := waiting.popleft() if waiting else file.readline()):
                break
            lines.append(line)
        if fields is None:  # take the first line alone, and look at the others again
            waiting.extendleft(reversed(lines[1:]))
            lines = lines[:1]
        if fields is None or fields:
            yield number, fields if fields is not None else first.rstrip("\r\n")
        number += len(lines)


def parse_csv(text: str, delimiter: str) -> list[str] | None:
    """The fields of one record; None where a quotation mark is still open; [] for an empty line."""
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=text.count('"') % 2 == 1), [])
    except csv.Error:
        return None


def read_parquet(table: Table) -> Iterator[Row | Broken]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(table.path) as file:
            for batch in file.iter_batches(1024):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{table.name}:row {number}", values)
    except (pa.ArrowException, OSError) as error:
        reason = quoted(str(error).splitlines()[0][:200])
        raise TuneloopError(
            _("not a whole Parquet file: {}").format(reason), where=readable_name(str(table.path))
        ) from None
