"""Answers of a model to a list of questions, each kept as it comes, so that a kill costs only those in hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tuneloop.errors import TuneloopError
from tuneloop.journal import Journal
from tuneloop.language import _, shown, speaking

REFUSED = (401, 403, 404)
ALLOWED = 0.1  # of the questions may fail: they are left out. With more, what is left would be another exam
Ask = Callable[[int], Awaitable[dict[str, Any]]]


def ask_all(
    keys: Sequence[str], ask: Ask, journal: Journal, *, concurrency: int, told: Callable[[int], None]
) -> list[dict[str, Any]]:
    """The answer to every item, in order: from the journal, or by ``ask(number)``, ``concurrency`` at once.

    An item that fails is ``{"error": reason}`` and is not kept, so the next run asks it again. Raises where more than
    ``ALLOWED`` of them fail, or where the failure is a refusal that no other item can escape; the rest is not asked.
    """
    found: list[dict[str, Any]] = [{} for _key in keys]
    failures: list[TuneloopError] = []
    done = 0

    def hopeless() -> bool:
        return too_many(len(failures), len(keys)) or any(failure.status in REFUSED for failure in failures)

    async def one(number: int, slots: asyncio.Semaphore) -> None:
        nonlocal done
        key = keys[number]
        if key in journal:
            found[number] = journal.get(key)
        else:
            async with slots:
                if hopeless():
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
    refusal = next((failure for failure in failures if failure.status in REFUSED), None)
    if refusal:
        refusal.message, refusal.hint = shown(refusal.message), shown(refusal.hint)
        raise refusal
    if hopeless():
        raise unanswered(len(failures), len(keys), failures[0].message, failures[0].where, failures[0].hint)
    return found


def too_many(failed: int, count: int) -> bool:
    return failed > ALLOWED * count


def unanswered(failed: int, count: int, reason: str, where: str = "", hint: str = "") -> TuneloopError:
    """The error that ends an evaluation in which too many questions failed."""
    message = _("{failed} of {count} questions were not answered: {reason}")
    kept = _("What it has answered is kept: run the same command again to go on.")
    text = message.format(failed=failed, count=count, reason=shown(reason))
    return TuneloopError(text, where=where, hint=f"{shown(hint)} {kept}".strip())
