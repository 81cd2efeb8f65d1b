"""Answers of a model to a list of questions, each kept as it comes, so that a kill costs only those in hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tuneloop.errors import TuneloopError
from tuneloop.journal import Journal
from tuneloop.language import shown, speaking

REFUSED = (401, 403, 404)
Ask = Callable[[int], Awaitable[dict[str, Any]]]


def ask_all(
    keys: Sequence[str], ask: Ask, journal: Journal, *, concurrency: int, told: Callable[[int], None]
) -> list[dict[str, Any]]:
    """The answer to every item, in order: from the journal, or by ``ask(number)``, ``concurrency`` at once.

    An item that fails is ``{"error": reason}`` and is not kept, so the next run asks it again. Raises the failure
    where not one of the items was answered, or where it is a refusal that no other item can escape.
    """
    found: list[dict[str, Any]] = [{} for _key in keys]
    failures: list[TuneloopError] = []
    done = 0

    async def one(number: int, slots: asyncio.Semaphore) -> None:
        nonlocal done
        key = keys[number]
        if key in journal:
            found[number] = journal.get(key)
        else:
            async with slots:
                if any(failure.status in REFUSED for failure in failures):
                    return
                try:
                    with speaking("en"):  # a failure is kept with its item
                        found[number] = await ask(number)
                    journal.put(key, found[number])
                except TuneloopError as error:
                    failures.append(error)
                    found[number] = {"error": str(error)}
        done += 1
        told(done)

    async def everything() -> None:
        slots = asyncio.Semaphore(concurrency)
        await asyncio.gather(*(one(number, slots) for number in range(len(keys))))

    asyncio.run(everything())
    for failure in failures:
        if failure.status in REFUSED or len(failures) == len(keys):
            failure.message, failure.hint = shown(failure.message), shown(failure.hint)
            raise failure
    return found
