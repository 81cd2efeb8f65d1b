"""Rows that are set aside while a stage runs: on disk from the first, however many there are."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tuneloop.records import Rejected

LONGEST = 20_000  # characters that are kept of a row


class Aside:
    """Writes two files in a folder: what is lost, and what it was the work to leave out.

    Neither they nor the folder are there before a row is, and what an earlier attempt left of them counts for nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.paths = {lost: folder / f"aside-{'lost' if lost else 'left-out'}.jsonl" for lost in (True, False)}
        self.counts = {True: 0, False: 0}
        self.files: dict[bool, BinaryIO] = {}
        self.lock = threading.Lock()

    def __len__(self) -> int:
        return sum(self.counts.values())

    @property
    def lost(self) -> int:
        return self.counts[True]

    def add(self, where: str, reason: str, row: str, *, lost: bool) -> None:
        """Keep a row. Raises ``OSError`` where the disk is full."""
        line = json.dumps([where, reason, row[:LONGEST]]).encode() + b"\n"
        with self.lock:
            if lost not in self.files:
                self.paths[lost].parent.mkdir(parents=True, exist_ok=True)
                self.files[lost] = self.paths[lost].open("wb")
            self.files[lost].write(line)
            self.counts[lost] += 1

    def rows(self) -> Iterator[Rejected]:
        """What is lost in the order it came, then the rest."""
        for lost, path in self.paths.items():
            if lost not in self.files:
                continue
            self.files[lost].flush()
            with path.open("rb") as file:
                for line in file:
                    where, reason, row = json.loads(line)
                    yield Rejected(where=where, reason=reason, row=row, lost=lost)

    def drop(self) -> None:
        """Forget all, and give its place on disk back."""
        with self.lock:
            for file in self.files.values():
                with contextlib.suppress(OSError):  # what did not fit on the disk is not wanted either
                    file.close()
            self.files.clear()
            self.counts = {True: 0, False: 0}
            for path in self.paths.values():
                path.unlink(missing_ok=True)
