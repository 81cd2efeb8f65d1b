"""Reads files in child processes with a limit of time; a child that dies or hangs is replaced."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue

from tuneloop.documents.read import Outcome
from tuneloop.language import stored
from tuneloop.processes import PACKAGE_ROOT, module_command
from tuneloop.records import Document

FILES_PER_CHILD = 300  # after which it is replaced, whatever the libraries have leaked


@dataclass(frozen=True)
class Job:
    """One file to read, and the file that its outcome is kept in."""

    path: Path
    name: str
    sha256: str
    size: int
    out: Path


class ChildDied(Exception):
    """A reader ended in the middle of a file."""


class Reader:
    """One child process."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, (PACKAGE_ROOT, os.environ.get("PYTHONPATH"))))
        self.process = subprocess.Popen(
            module_command("tuneloop.documents.reader"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        self.files = 0

    def read(self, job: Job, seconds: float) -> None:
        """Have one file read. Raises ``TimeoutError`` or ``ChildDied``."""
        assert self.process.stdin and self.process.stdout
        request = {
            "path": str(job.path),
            "name": job.name,
            "sha256": job.sha256,
            "out": str(job.out),
            "seconds": seconds,
        }
        self.files += 1
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise ChildDied from None
        readable, _, _ = select.select([self.process.stdout], [], [], seconds)
        if not readable:
            raise TimeoutError
        if not self.process.stdout.readline():
            raise ChildDied

    def close(self) -> int:
        """End the child; the exit status, negative for the signal that ended it."""
        try:
            self.process.wait(0.05)  # one that died by itself keeps its own status
        except subprocess.TimeoutExpired:
            self.process.kill()
        code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError, AttributeError):
                pipe.close()  # type: ignore[union-attr]
        return code


class Pool:
    """Several readers at once. Outcomes come in the order in which they are ready."""

    def __init__(self, workers: int, seconds: float) -> None:
        self.workers, self.seconds = workers, seconds
        self.readers: set[Reader] = set()
        self.lock, self.closed = threading.Lock(), False
        self.waiting: Queue[Job] = Queue()
        self.ready: Queue[Job | BaseException] = Queue()

    def run(self, jobs: list[Job]) -> Iterator[Job]:
        """Read all files; each job is given back when its outcome is kept. Closing the iterator ends the children."""
        for job in jobs:
            self.waiting.put(job)
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(min(self.workers, len(jobs)))]
        for thread in threads:
            thread.start()
        try:
            for _ in jobs:
                done = self.ready.get()
                if isinstance(done, BaseException):
                    raise done
                yield done
        finally:
            self._close()
            for thread in threads:
                thread.join(10)

    def _close(self) -> None:
        with self.lock:
            self.closed = True
            for reader in self.readers:
                reader.process.kill()

    def _open_reader(self) -> Reader:
        with self.lock:
            if self.closed:
                raise ChildDied
            reader = Reader()
            self.readers.add(reader)
            return reader

    def _close_reader(self, reader: Reader) -> int:
        with self.lock:
            self.readers.discard(reader)
        return reader.close()

    def _work(self) -> None:
        reader: Reader | None = None
        try:
            while not self.closed:
                job = self.waiting.get_nowait()
                if reader and reader.files >= FILES_PER_CHILD:
                    self._close_reader(reader)
                    reader = None
                reader = self._read(reader or self._open_reader(), job)
                self.ready.put(job)
        except (Empty, ChildDied):
            pass
        except BaseException as error:
            self.ready.put(error)
        finally:
            if reader:
                self._close_reader(reader)

    def _read(self, reader: Reader, job: Job) -> Reader | None:
        """Read one file, again in a fresh child where the first died of it. Returns the child to go on with."""
        seconds = self.seconds + job.size / 1_000_000  # a second more for each megabyte
        for last_try in (False, True):
            try:
                reader.read(job, seconds)
                return reader
            except TimeoutError:
                self._close_reader(reader)
                set_aside(job, stored("not read within {} seconds").format(f"{seconds:.0f}"))
                return None
            except ChildDied:
                code = self._close_reader(reader)
                if not last_try:
                    reader = self._open_reader()
        set_aside(job, stored("the reader crashed on it ({})").format(end_of(code)))
        return None


def set_aside(job: Job, reason: str) -> None:
    from tuneloop.documents.reader import save_outcome

    save_outcome(job.out, Outcome(set_aside=[("", reason)]))


def end_of(code: int) -> str:
    """How a process ended, in words."""
    try:
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"
    except ValueError:
        return f"signal {-code}"


def load_outcome(path: Path) -> Outcome | None:
    """What a reader kept; ``None`` where there is nothing whole."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        document = Document.model_validate(kept["document"]) if kept["document"] else None
        return Outcome(document, [(where, reason) for where, reason in kept["set_aside"]], kept["left_out"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
