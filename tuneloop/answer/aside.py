"""Where checks run: in threads of their own, so that no check holds up the event loop or takes a thread from others.

A thread cannot be ended, so the check itself is bounded (``Statement.spend``); what waits too long for one is not
checked, and neither is what comes while too many wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

THREADS = 2
WAITING = 64  # checks, with those that run
SECONDS = 3.0  # from the end of a sentence to its mark

T = TypeVar("T")


class Aside:
    """A small pool of threads with a bounded queue. Used from one event loop at a time."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING, seconds: float = SECONDS) -> None:
        self.threads, self.waiting, self.seconds = threads, waiting, seconds
        self.pending = 0

    @cached_property
    def pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, thread_name_prefix="check")

    async def run(self, work: Callable[[], T], instead: T) -> T:
        """What ``work`` gives, or ``instead`` where it takes too long or too much waits already."""
        if self.pending >= self.waiting:
            return instead
        self.pending += 1
        future = self.pool.submit(work)
        future.add_done_callback(self.ended)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.seconds)
        except TimeoutError:
            return instead

    def ended(self, future: Future[T]) -> None:
        self.pending -= 1


CHECKS = Aside()
