"""What goes through the pipe between a process and those that work for it: frames, and rows as lines of JSON.

JSON holds what Arrow's strings do not: a file's name that is not UTF-8.
"""

from __future__ import annotations

import json
import os
import select
import struct
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tuneloop.records import Record

R = TypeVar("R", bound=Record)

HEAD = struct.Struct("<cQ")  # what it is, and how many bytes follow
BATCH, ROWS, DONE, FAILED, PROGRESS = b"B", b"R", b"D", b"F", b"P"
PART = 1 << 20  # bytes of rows in one frame


def lines_of(rows: Iterable[Record]) -> Iterator[bytes]:
    """Rows as JSON, one a line, in parts of about ``PART`` bytes."""
    lines: list[bytes] = []
    size = 0
    for row in rows:
        line = json.dumps(row.model_dump()).encode() + b"\n"  # in ASCII, so that surrogates are escapes
        lines.append(line)
        size += len(line)
        if size >= PART:
            yield b"".join(lines)
            lines, size = [], 0
    if lines:
        yield b"".join(lines)


def rows_of(part: bytes, record: type[R]) -> Iterator[R]:
    start = 0
    while start < len(part):
        end = part.index(b"\n", start) + 1
        yield record.model_validate(json.loads(part[start:end]))
        start = end


def send(pipe: int, kind: bytes, body: bytes = b"") -> None:
    """Write a frame. Raises ``OSError`` where nobody reads."""
    data = memoryview(HEAD.pack(kind, len(body)) + body)
    while data:
        data = data[os.write(pipe, data) :]


def receive(pipe: int, until: float | None = None) -> tuple[bytes, bytes]:
    """Read a frame. Raises ``EOFError`` where no more come, and ``TimeoutError`` at ``until`` (monotonic seconds)."""
    kind, size = HEAD.unpack(exactly(pipe, HEAD.size, until))
    return kind, exactly(pipe, size, until)


def exactly(pipe: int, size: int, until: float | None) -> bytes:
    data = bytearray()
    while len(data) < size:
        if until is not None:
            left = until - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise TimeoutError
        if not (piece := os.read(pipe, min(size - len(data), PART))):
            raise EOFError
        data += piece
    return bytes(data)
