"""Batches in processes of this machine: order kept, few in hand, and one that dies or hangs takes no other with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from typing import Any

from tuneloop.language import stored
from tuneloop.machine import cores
from tuneloop.processes import PACKAGE_ROOT, module_command
from tuneloop.rows import Batch, Done, Limits, Task
from tuneloop.rows.wire import BATCH, DONE, FAILED, PROGRESS, lines_of, receive, send

MOST = 4  # processes where nobody says how many: each holds its libraries
AHEAD = 2  # batches in hand for each process
TICK = 0.2  # seconds between two words on how far the batches in hand are


class Died(Exception):
    """A process ended in the middle of a batch."""


class Closed(Exception):
    """Nobody wants the results any more."""


class Worker:
    """One process."""

    def __init__(self, task: Task, limits: Limits) -> None:
        path = os.pathsep.join(filter(None, (PACKAGE_ROOT, os.environ.get("PYTHONPATH"))))
        takes = f"{task.takes.__module__}:{task.takes.__qualname__}"
        said = {
            "function": task.function, "takes": takes, "arguments": dict(task.arguments), "memory": limits.memory,
        }  # fmt: skip
        self.process = subprocess.Popen(
            [*module_command("tuneloop.rows.worker"), json.dumps(said)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": path}, bufsize=0,
        )  # fmt: skip
        self.done = 0  # batches

    def do(self, batch: Batch[Any], seconds: float, told: Callable[[float], None]) -> tuple[list[bytes], str]:
        """The rows of a batch, and why there are none. Raises ``TimeoutError`` or ``Died``."""
        assert self.process.stdin and self.process.stdout
        self.done += 1
        until = time.monotonic() + seconds if seconds else None
        parts: list[bytes] = []
        try:
            send(self.process.stdin.fileno(), BATCH, b"%f\n" % seconds + b"".join(lines_of(batch.rows)))
            while True:
                kind, body = receive(self.process.stdout.fileno(), until)
                if kind == DONE:
                    return parts, ""
                if kind == FAILED:
                    problem, _newline, places = body.decode().partition("\n")
                    print(places, file=sys.stderr, flush=True)  # of a bug, in the log of the run
                    return [], problem
                if kind == PROGRESS:
                    told(float(body))
                else:
                    parts.append(body)
        except (EOFError, OSError, ValueError) as error:  # ValueError: the pipe was closed by who wants no more
            if isinstance(error, TimeoutError):
                raise
            raise Died from None

    def close(self) -> int:
        """End the process; the exit status, negative for the signal that ended it."""
        try:
            self.process.wait(0.05)  # one that died by itself keeps its own status
        except subprocess.TimeoutExpired:
            self.process.kill()
        code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError, AttributeError):
                pipe.close()  # type: ignore[union-attr]
        return code


class Workers:
    """The processes of one task. Each thread that does a batch has one of them to itself."""

    def __init__(self, task: Task, limits: Limits) -> None:
        self.task, self.limits = task, limits
        self.all: set[Worker] = set()
        self.idle: list[Worker] = []
        self.lock, self.closed = threading.Lock(), False
        self.shares: dict[int, float] = {}  # of the batches in hand, by number: rows that are done

    def take(self, *, fresh: bool = False) -> Worker:
        with self.lock:
            if self.closed:
                raise Closed
            if self.idle and not fresh:
                return self.idle.pop()
            worker = Worker(self.task, self.limits)
            self.all.add(worker)
            return worker

    def give(self, worker: Worker) -> None:
        """Back to the others; where it has done its share it is replaced."""
        if self.limits.batches and worker.done >= self.limits.batches:
            self.drop(worker)
            return
        with self.lock:
            self.idle.append(worker)

    def drop(self, worker: Worker) -> int:
        with self.lock:
            self.all.discard(worker)
        return worker.close()

    def close(self) -> None:
        with self.lock:
            self.closed, left = True, list(self.all)
            for worker in left:
                worker.process.kill()

    def told(self, batch: Batch[Any], share: float) -> None:
        self.shares[batch.number] = share * len(batch.rows)

    def do(self, batch: Batch[Any]) -> Done[Any, Any]:
        """One batch, again in a fresh process where the first died of it."""
        seconds = self.limits.seconds(batch.rows) if self.limits.seconds else 0.0
        worker, code = self.take(), 0
        for again in (True, False):
            try:
                parts, problem = worker.do(batch, seconds, partial(self.told, batch))
                self.give(worker)
                return Done(batch, self.task, parts, problem, "failed" if problem else "")
            except TimeoutError:
                self.drop(worker)
                problem = stored("not done within {} seconds").format(f"{seconds:.0f}")
                return Done(batch, self.task, (), problem, "slow")
            except Died:
                code = self.drop(worker)
                if again:
                    worker = self.take(fresh=True)
            except BaseException:
                self.drop(worker)
                raise
            finally:
                self.shares.pop(batch.number, None)
        return Done(batch, self.task, (), end_of(code), "died")


def run_here(
    task: Task, batches: Iterator[Batch[Any]], limits: Limits, *, ordered: bool, told: Callable[[float], None]
) -> Iterator[Done[Any, Any]]:
    """See ``tuneloop.rows.Runner``."""
    count = limits.workers or min(cores(), MOST)
    workers, threads = Workers(task, limits), ThreadPoolExecutor(count, thread_name_prefix="rows")
    waiting: list[Future[Done[Any, Any]]] = []  # in the order of the batches
    try:
        while True:
            for batch in islice(batches, count * AHEAD - len(waiting)):
                waiting.append(threads.submit(workers.do, batch))
            if not waiting:
                return
            wait(waiting[:1] if ordered else waiting, TICK, FIRST_COMPLETED)
            told(sum(list(workers.shares.values())))
            for future in [f for f in (waiting[:1] if ordered else waiting) if f.done()]:
                waiting.remove(future)
                yield future.result()
    finally:
        workers.close()
        threads.shutdown(cancel_futures=True)
        for worker in list(workers.all):
            workers.drop(worker)


def end_of(code: int) -> str:
    """How a process ended, in words."""
    try:
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"
    except ValueError:
        return f"signal {-code}"
