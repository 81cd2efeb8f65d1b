"""Many lessons: on disk, in a file without a name, which is gone with the process. In memory 28 bytes of each."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Self, overload

from tuneloop.train.lesson import Lesson

HEAD = struct.Struct("<HIII?")  # number of the dataset; bytes of the id and of the text; tokens; whether weights follow


class Lessons(Sequence[Lesson]):
    """Lessons in the order in which they were added. Those that come out have no ``offsets``: see ``Tokenizer``."""

    def __init__(self, folder: Path) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (it lives as long as the lessons)
        self.datasets: list[str] = []
        self.starts, self.sizes, self.end = array("Q"), array("I"), 0
        self.tokens, self.learned = array("I"), array("I")  # of each: its length, and how many are learned
        self.weights = array("d")  # of each: what those weigh together in the loss
        self.digest = hashlib.sha256()  # of the ids

    def add(self, lesson: Lesson) -> None:
        """Raises ``OSError`` where the disk is full."""
        if lesson.dataset not in self.datasets:
            self.datasets.append(lesson.dataset)
        name, text = lesson.id.encode("utf-8", "surrogatepass"), lesson.text.encode("utf-8", "surrogatepass")
        head = HEAD.pack(self.datasets.index(lesson.dataset), len(name), len(text), len(lesson), bool(lesson.weights))
        data = b"".join((head, name, text, array("I", lesson.ids).tobytes(), bytes(lesson.learned),
                         array("d", lesson.weights).tobytes()))  # fmt: skip
        self.file.write(data)
        self.starts.append(self.end)
        self.sizes.append(len(data))
        self.end += len(data)
        self.tokens.append(len(lesson))
        self.learned.append(lesson.learned_tokens)
        self.weights.append(lesson.learned_weight)
        self.digest.update(len(name).to_bytes(8) + name)

    def part(self, numbers: Iterable[int]) -> Self:
        """Some of the lessons, in the order given; they share the file."""
        part = object.__new__(type(self))
        part.file, part.datasets, part.end, part.digest = self.file, self.datasets, self.end, hashlib.sha256()
        part.starts, part.sizes, part.tokens, part.learned = array("Q"), array("I"), array("I"), array("I")
        part.weights = array("d")
        for number in numbers:
            part.starts.append(self.starts[number])
            part.sizes.append(self.sizes[number])
            part.tokens.append(self.tokens[number])
            part.learned.append(self.learned[number])
            part.weights.append(self.weights[number])
            part.digest.update(number.to_bytes(8))
        part.digest.update(self.digest.digest())
        return part

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> Lesson: ...
    @overload
    def __getitem__(self, index: slice) -> list[Lesson]: ...
    def __getitem__(self, index: int | slice) -> Lesson | list[Lesson]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        self.file.flush()
        data = os.pread(self.file.fileno(), self.sizes[index], self.starts[index])
        dataset, name, text, tokens, weighted = HEAD.unpack_from(data)
        text_at = HEAD.size + name
        ids_at = text_at + text
        learned_at = ids_at + 4 * tokens
        weights_at = learned_at + tokens
        weights = array("d", data[weights_at:]).tolist() if weighted else []
        return Lesson(
            data[HEAD.size : text_at].decode("utf-8", "surrogatepass"), self.datasets[dataset],
            array("I", data[ids_at:learned_at]).tolist(), [flag == 1 for flag in data[learned_at:weights_at]],
            data[text_at:ids_at].decode("utf-8", "surrogatepass"), weights=weights,
        )  # fmt: skip
