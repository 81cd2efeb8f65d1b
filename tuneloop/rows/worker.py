"""A process that does one batch after the other, so that a row that crashes or hangs a library ends only itself.

``python -m tuneloop.rows.worker TASK``: the task as JSON. Batches come on standard input, results go to standard
output, both as frames. The end of standard input, which the parent's death brings too, ends the process.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from queue import Queue
from typing import Any

from tuneloop import logbook, rows
from tuneloop.rows.wire import BATCH, DONE, FAILED, PROGRESS, ROWS, lines_of, receive, rows_of, send

OFTEN = 0.2  # seconds between two words on how far a batch is
LONGEST_REASON = 300  # characters


def main() -> None:
    """Do batches until standard input ends."""
    task = json.loads(sys.argv[1])
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not be taken for a result
    if task["memory"]:
        limit(resource.RLIMIT_AS, task["memory"])
    for seconds, data in batches():
        if seconds:
            allow_seconds(seconds)
        rows.teller = Teller(out)
        do(out, task, data)


def do(out: int, task: dict[str, Any], data: bytes) -> None:
    """One batch. Whatever is raised, where the function is looked for too, is told."""
    try:
        given = list(rows_of(data, named(task["takes"])))
        for part in lines_of(named(task["function"])(given, **task["arguments"])):
            send(out, ROWS, part)
    except Exception as error:
        reason = " ".join((f"{type(error).__name__}: {error}" if str(error) else type(error).__name__).split())
        told = "\n".join([reason[:LONGEST_REASON], *logbook.places(error)])
        send(out, FAILED, told.encode("utf-8", "backslashreplace"))
        return
    send(out, DONE)


def named(place: str) -> Any:
    module, _colon, name = place.partition(":")
    return getattr(import_module(module), name)


def batches() -> Iterator[tuple[float, bytes]]:
    """The batches as they come, with the seconds that each may take. When they end this process does too, even in the
    middle of one."""
    waiting: Queue[bytes] = Queue()

    def listen() -> None:
        try:
            while True:
                kind, body = receive(0)
                assert kind == BATCH
                waiting.put(body)
        except (EOFError, OSError):
            os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        head, _newline, data = waiting.get().partition(b"\n")
        yield float(head), data


class Teller:
    """Tells how far a batch is, not too often."""

    def __init__(self, out: int) -> None:
        self.out, self.last = out, time.monotonic()

    def __call__(self, share: float) -> None:
        if (now := time.monotonic()) - self.last >= OFTEN:
            self.last = now
            send(self.out, PROGRESS, f"{share:.4f}".encode())


def allow_seconds(seconds: float) -> None:
    """A second line of defence: where the parent that keeps the time is gone, the system ends an endless batch."""
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
