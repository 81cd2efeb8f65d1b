"""Files read one by one in processes of their own, each outcome kept in a file: a crash costs one file, a kill none."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tuneloop.documents.read import Outcome, read_file
from tuneloop.language import stored
from tuneloop.records import Document, Record
from tuneloop.rows import Limits, map_batches

MEMORY = 6 * 1024**3  # bytes of address space for one file: a decompression bomb ends the process, not the machine
FILES = 300  # after which a process is replaced, whatever the libraries have leaked
PART = 1 << 20  # characters of a text in one line of what is kept
DEEPEST = 50_000  # calls: a page whose tags are never closed nests two thousand elements deep


class Job(Record):
    """One file to read, and the file that its outcome is kept in. Paths are as the system has them: see ``as_path``."""

    path: str
    name: str
    sha256: str
    size: int  # bytes
    out: str

    @classmethod
    def of(cls, path: Path, name: str, sha256: str, size: int, out: Path) -> Job:
        return cls(path=as_text(path), name=name, sha256=sha256, size=size, out=as_text(out))


def as_text(path: Path) -> str:
    """A path's bytes as text, one character each: not every name is UTF-8."""
    return os.fsencode(path).decode("latin-1")


def as_path(text: str) -> Path:
    return Path(os.fsdecode(text.encode("latin-1")))


def read_files(jobs: Sequence[Job], seconds: float, told: Callable[[float], None]) -> Iterator[Job]:
    """Have all files read; each job is given back when its outcome is kept, in any order.

    ``seconds``: what one file may take, and one more for each megabyte. ``told``: how many of the files in hand are
    done, parts of them counted.
    """

    def allowed(batch: Sequence[Job]) -> float:
        return seconds + batch[0].size / 1_000_000

    limits = Limits(seconds=allowed, memory=MEMORY, batches=FILES)
    for done in map_batches(
        keep_outcomes, jobs, takes=Job, gives=Job, batch=1, ordered=False, limits=limits, told=told
    ):
        (job,) = done.batch.rows
        if done.problem:
            reasons = {
                "slow": stored("not read within {} seconds").format(f"{allowed([job]):.0f}"),
                "died": stored("the reader crashed on it ({})").format(done.problem),
                "failed": stored("the reader failed: {}").format(done.problem),
            }
            save_outcome(as_path(job.out), Outcome(set_aside=[("", reasons[done.how])]))
        yield job


def keep_outcomes(jobs: Sequence[Job]) -> Iterator[Job]:
    """What a process does with each batch of jobs."""
    sys.setrecursionlimit(DEEPEST)
    for job in jobs:
        save_outcome(as_path(job.out), read_file(as_path(job.path), job.name, job.sha256))
    yield from ()


def save_outcome(path: Path, outcome: Outcome) -> None:
    """Write an outcome so that it is either whole or absent: a line of JSON, and a line for each part of the text."""
    text = outcome.document.text if outcome.document else ""
    document = outcome.document.model_dump() | {"text": ""} if outcome.document else None
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    with temporary.open("w", encoding="utf-8", errors="surrogatepass") as file:
        kept = {"document": document, "set_aside": outcome.set_aside, "left_out": outcome.left_out}
        file.write(json.dumps(kept) + "\n")
        for start in range(0, len(text), PART):
            file.write(json.dumps(text[start : start + PART]) + "\n")
    temporary.replace(path)


def load_outcome(path: Path) -> Outcome | None:
    """What a reader kept; ``None`` where there is nothing whole."""
    try:
        with path.open("rb") as file:
            kept = json.loads(file.readline())
            document = Document.model_validate(kept["document"]) if kept["document"] else None
            if document:
                document.text += "".join(map(json.loads, file))
        return Outcome(document, [(where, reason) for where, reason in kept["set_aside"]], kept["left_out"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
