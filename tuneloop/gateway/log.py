"""The traffic log: requests queue up in memory and a thread writes them in batches, so that no answer waits for a disk.

The queue is bounded, in requests and in bytes. What does not fit, or what the database refuses again and again, is
dropped, counted and told.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from tuneloop.gateway.record import Record
from tuneloop.store import Traffic

LOGGER = logging.getLogger("tuneloop.gateway")
BATCH = 200
EVERY = 0.5  # seconds between batches
ATTEMPTS = 4
MOST_BYTES = 64 << 20  # of requests and answers that wait for the database
KEYS_EVERY = 30.0  # seconds between notes of when keys were used


class TrafficLog:
    """A bounded queue and the thread that empties it."""

    def __init__(
        self, traffic: Traffic, *, capacity: int = 10_000, most_bytes: int = MOST_BYTES,
        beside: Callable[[], None] | None = None,
        seen: Callable[[Record], None] | None = None,
    ) -> None:  # fmt: skip
        """``seen`` is called with each complete record, ``beside`` now and then; both in the log's thread."""
        self.traffic, self.beside, self.seen = traffic, beside, seen
        self.dropped = self.written = self.waiting = 0
        self._most, self._counting = most_bytes, threading.Lock()
        self._queue: queue.Queue[Record | None] = queue.Queue(capacity)
        self._thread = threading.Thread(target=self._work, name="traffic-log", daemon=True)
        self._thread.start()

    def add(self, record: Record) -> None:
        """Log a request; never waits."""
        size = record.size
        with self._counting:
            full = self.waiting and self.waiting + size > self._most
            self.waiting += 0 if full else size
        if full:
            self.dropped += 1
            return
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1
            self._written_off(size)

    def _written_off(self, size: int) -> None:
        with self._counting:
            self.waiting -= size

    def close(self, timeout: float = 10.0) -> None:
        """Write what is there and stop."""
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            self.dropped += self._queue.qsize()
        self._thread.join(timeout)
        if self.dropped:
            LOGGER.warning("the traffic log dropped %d of %d requests", self.dropped, self.dropped + self.written)

    def _work(self) -> None:
        noted, going_on = time.monotonic(), True
        while going_on:
            records, going_on = self._next_batch()
            if records:
                size = sum(record.size for record in records)
                self._write(records)
                self._written_off(size)
            if self.beside and (not going_on or time.monotonic() - noted > KEYS_EVERY):
                noted = time.monotonic()
                try:
                    self.beside()
                except Exception:  # the next time will do
                    LOGGER.exception("could not note when keys were used")

    def _next_batch(self) -> tuple[list[Record], bool]:
        """What came in half a second, at most a batch; False when this is the end."""
        records: list[Record] = []
        end = time.monotonic() + EVERY
        while len(records) < BATCH:
            try:
                record = self._queue.get(timeout=max(0.001, end - time.monotonic()))
            except queue.Empty:
                break
            if record is None:
                return records, False
            records.append(record)
        return records, True

    def _write(self, records: list[Record]) -> None:
        rows = []
        for record in records:
            try:
                rows.append(record.row())
                if self.seen:
                    self.seen(record)
            except Exception:  # one odd request must not end the log
                self.dropped += 1
                LOGGER.exception("a request could not be logged")
        if self._insert(rows):
            return
        for row in rows:  # find the one that the database does not take
            self.dropped += 0 if self._insert([row], attempts=1) else 1

    def _insert(self, rows: list[dict[str, Any]], attempts: int = 0) -> bool:
        attempts = attempts or ATTEMPTS
        for attempt in range(attempts):
            try:
                self.traffic.log(rows)
                self.written += len(rows)
                return True
            except Exception as error:  # a locked or restarting database: a moment later it may work
                LOGGER.warning("the traffic log cannot write: %s", type(error).__name__)
                time.sleep(0.1 * 4**attempt if attempt + 1 < attempts else 0)
        return False
