"""Work of others within a time: what takes longer is left behind in a thread that keeps no process alive."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread
from typing import TypeVar

SECONDS = 10.0  # that one search may wait for a part of a package, or for a server that reranks
PLACES = 16  # calls at once; one that hangs keeps its place

T = TypeVar("T")


class Bounded:
    """A few places for work that may hang. Safe from many threads."""

    def __init__(self, places: int = PLACES) -> None:
        self.places = BoundedSemaphore(places)

    def run(self, work: Callable[[], T], seconds: float = SECONDS) -> T:
        """What ``work`` gives or raises. Raises ``TimeoutError`` where that, or a place for it, takes too long."""
        end = time.monotonic() + seconds
        if not self.places.acquire(timeout=seconds):
            raise TimeoutError
        future: Future[T] = Future()

        def fill() -> None:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
            finally:
                self.places.release()

        Thread(target=fill, name="bounded", daemon=True).start()
        return future.result(max(0.0, end - time.monotonic()))
