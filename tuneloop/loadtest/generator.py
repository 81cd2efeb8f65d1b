"""Send requests at their intended starts and note what happens to each.

A request that is late because this program, the connection or the server is late has that delay in its latency:
every time here counts from the intended start. What has not ended at the deadline is kept as ``in_flight``, with the
time it had taken so far; leaving it out would make an overloaded server look fast (coordinated omission).
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from tuneloop.loadtest.stream import Stream
from tuneloop.loadtest.wire import Lost, Pool, Target
from tuneloop.records import Record

SPIN = 0.0015  # the event loop's timers are up to 1.1 ms late, so the end of every wait is spent polling


class Request(Record):
    """One request. Times are seconds from its intended start, except ``scheduled``, which counts from the test's."""

    number: int
    scheduled: float
    state: Literal["ok", "refused", "error", "in_flight"]  # refused: by the gateway's search, no model was asked
    error: str = ""  # kind: http_503, connection, broken_stream, …
    prompt: int = 0  # which conversation was asked
    started: float = 0.0  # how late this program was
    time_to_first_token: float | None = None
    latency: float = 0.0  # until the end of the answer; for in_flight, so far
    prompt_tokens: int = 0
    output_tokens: int = 0
    counted: Literal["server", "events", ""] = ""  # who counted output_tokens
    finish_reason: str = ""
    token_times: list[float] = []  # arrival of every event with text


@dataclass
class Plan:
    """A whole test, ready to be sent."""

    target: Target
    starts: list[float]
    prompts: list[int]
    bodies: list[bytes]  # one for each conversation
    drain: float  # seconds after the last start in which answers may still end


@dataclass
class Progress:
    """What can be seen while the test runs, from another thread."""

    sent: int = 0
    ended: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    rows: list[Request] = field(default_factory=list)

    def begin(self) -> None:
        self.sent += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def end(self, row: Request) -> None:
        self.rows.append(row)
        self.ended += 1
        self.in_flight -= 1


class Generator(threading.Thread):
    """The event loop of a test in a thread of its own: reporting never stands in its way."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(name="load-generator", daemon=True)
        self.plan, self.progress = plan, Progress()
        self.seconds = 0.0  # from the first intended start to the last event
        self.failure: BaseException | None = None
        self._stopped = threading.Event()

    def run(self) -> None:
        try:
            with quiet_interpreter():
                asyncio.run(self._run())
        except BaseException as error:
            self.failure = error

    def cancel(self) -> None:
        """Stop sending; what is in flight is broken off."""
        self._stopped.set()

    async def _run(self) -> None:
        pool = Pool(self.plan.target)
        begin = time.perf_counter() + 0.05
        deadline = begin + self.plan.starts[-1] + self.plan.drain
        tasks: set[asyncio.Task[None]] = set()
        for number, at in enumerate(self.plan.starts):
            await wait_until(begin + at, self._stopped)
            if self._stopped.is_set():
                break
            tasks.add(asyncio.create_task(self._send(pool, number, begin, at)))
        while (open_tasks := [t for t in tasks if not t.done()]) and not self._stopped.is_set():
            left = deadline - time.perf_counter()
            if left <= 0:
                break
            await asyncio.wait(open_tasks, timeout=min(left, 0.25))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await pool.close()
        self.progress.rows.sort(key=lambda row: row.number)
        self.seconds = max((row.scheduled + row.latency for row in self.progress.rows), default=0.0)

    async def _send(self, pool: Pool, number: int, begin: float, at: float) -> None:
        intended, prompt, stream = begin + at, self.plan.prompts[number], Stream()
        row = Request(number=number, scheduled=at, state="ok", prompt=prompt, started=time.perf_counter() - intended)
        self.progress.begin()
        try:
            status = await pool.request("POST", "/chat/completions", self.plan.bodies[prompt], stream.feed)
            stream.close(time.perf_counter())
            row.error = verdict(status, stream)
        except Lost as lost:
            row.error = lost.kind
        except asyncio.CancelledError:
            row.state = "in_flight"
        row.latency = time.perf_counter() - intended
        row.state = "error" if row.error else "refused" if row.state == "ok" and stream.refused() else row.state
        describe(row, stream, intended)
        self.progress.end(row)


def verdict(status: int, stream: Stream) -> str:
    """The kind of error of an answer that has ended, or ""."""
    if status != 200:
        return f"http_{status}"
    if stream.trouble:
        return stream.trouble
    if not stream.whole():
        return "broken_stream"
    return "" if stream.times or stream.tokens else "no_text"


def describe(row: Request, stream: Stream, intended: float) -> None:
    """Fill in what the stream has told."""
    row.token_times = [round(t - intended, 6) for t in stream.times]
    row.time_to_first_token = row.token_times[0] if row.token_times else None
    row.prompt_tokens, row.finish_reason = stream.prompt_tokens, stream.finish_reason
    if row.state != "refused":  # what no model wrote has no tokens
        row.output_tokens = stream.tokens or len(stream.times)
        row.counted = "server" if stream.tokens else "events" if stream.times else ""
    row.started, row.latency = round(row.started, 6), round(row.latency, 6)


async def wait_until(moment: float, stopped: threading.Event) -> None:
    """Return at ``moment`` of ``time.perf_counter()``, within some ten microseconds of it on an idle machine."""
    while (left := moment - time.perf_counter()) > 0 and not stopped.is_set():  # noqa: ASYNC110 (set in another thread)
        await asyncio.sleep(min(left - SPIN, 0.25) if left > SPIN else 0)


@contextmanager
def quiet_interpreter() -> Iterator[None]:
    """No garbage collection in the middle of a measurement, and a short wait for Python's lock."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        sys.setswitchinterval(interval)
