"""A child process that reads one file after another, so that a file that crashes or hangs a library ends only itself.

One JSON object a line on standard input names a file and where its outcome goes; one on standard output says that the
outcome is there. The end of standard input, which the parent's death brings too, ends the child.
"""

import json
import os
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any, TextIO

from tuneloop.documents.read import Outcome, read_file
from tuneloop.language import stored

MEMORY = 6 * 1024**3  # bytes of address space for one file: a decompression bomb ends the child, not the machine

DEEPEST = 50_000  # calls: a page whose tags are never closed nests two thousand elements deep


def main() -> None:
    """Read files until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    limit(resource.RLIMIT_AS, MEMORY)
    sys.setrecursionlimit(DEEPEST)
    for job in jobs(sys.stdin):
        allow_seconds(job["seconds"])
        answers.write(json.dumps(answer(job)) + "\n")
        answers.flush()


def jobs(source: TextIO) -> Iterator[dict[str, Any]]:
    """The lines of ``source`` as they come. When it ends this process does too, even in the middle of a file."""
    waiting: Queue[str] = Queue()

    def listen() -> None:
        for line in source:
            waiting.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        yield json.loads(waiting.get())


def answer(job: dict[str, Any]) -> dict[str, Any]:
    try:
        outcome = read_file(Path(job["path"]), job["name"], job["sha256"])
    except Exception as error:
        reason = stored("the reader failed: {}").format(f"{type(error).__name__}: {error}")
        outcome = Outcome(set_aside=[("", reason[:300])])
    save_outcome(Path(job["out"]), outcome)
    return {"done": True}


def save_outcome(path: Path, outcome: Outcome) -> None:
    """Write an outcome so that it is either whole or absent."""
    document = outcome.document.model_dump() if outcome.document else None
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    with temporary.open("w", encoding="utf-8", errors="surrogatepass") as file:
        kept = {"document": document, "set_aside": outcome.set_aside, "left_out": outcome.left_out}
        json.dump(kept, file, ensure_ascii=True)
    temporary.replace(path)


def allow_seconds(seconds: float) -> None:
    """A second line of defence: where the parent that keeps the time is gone, the system ends an endless file."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + 2 * seconds + 10))


def limit(what: int, value: int) -> None:
    try:
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    except (ValueError, OSError):
        pass  # not every system limits this


if __name__ == "__main__":
    main()
