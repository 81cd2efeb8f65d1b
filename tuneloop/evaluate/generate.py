"""Answers of a model to a list of questions, each kept as it comes, so that a kill costs only those in hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from tuneloop.errors import TuneloopError
from tuneloop.journal import Journal
from tuneloop.language import _, shown, speaking

REFUSED = (401, 403, 404)
ALLOWED = 0.1  # of the questions may fail: they are left out. With more, what is left would be another exam
DOWN = 10  # questions that fail one after the other, for no fault of theirs, before the model counts as down
Ask = Callable[[int], Awaitable[dict[str, Any]]]


def ask_all(
    keys: Sequence[str], ask: Ask, journal: Journal, *, concurrency: int, told: Callable[[int], None]
) -> list[dict[str, Any]]:
    """The answer to every item, in order: from the journal, or by ``ask(number)``, ``concurrency`` at once.

    An item that fails is ``{"error": reason}`` and is not kept, so the next run asks it again. Raises where more than
    ``ALLOWED`` of them fail, where ``DOWN`` do one after the other, however many there are, or where the failure is a
    refusal that no other item can escape; the rest is not asked.
    """
    found: list[dict[str, Any]] = [{} for _key in keys]
    failures: list[TuneloopError] = []
    done = in_a_row = 0
    hopeless = False

    async def one(number: int, key: str) -> None:
        nonlocal in_a_row, hopeless
        try:
            with speaking("en"):  # a failure is kept with its item
                found[number] = await ask(number)
            journal.put(key, found[number])
            in_a_row = 0
        except TuneloopError as error:
            failures.append(error)
            in_a_row = in_a_row + 1 if is_server_fault(error) else 0
            refused, many = error.status in REFUSED, too_many(len(failures), len(keys))
            hopeless = hopeless or refused or many or in_a_row >= DOWN
            found[number] = {"error": str(error)}

    async def work(left: Iterator[tuple[int, str]]) -> None:
        nonlocal done
        for number, key in left:
            if key in journal:
                found[number] = journal.get(key)
            elif hopeless:
                continue
            else:
                await one(number, key)
            done += 1
            told(done)

    async def everything() -> None:
        left = iter(enumerate(keys))
        await asyncio.gather(*(work(left) for _ in range(min(concurrency, len(keys)))))

    asyncio.run(everything())
    refusal = next((failure for failure in failures if failure.status in REFUSED), None)
    if refusal:
        refusal.message, refusal.hint = shown(refusal.message), shown(refusal.hint)
        raise refusal
    if hopeless:
        raise unanswered(len(failures), len(keys), failures[0].message, failures[0].where, failures[0].hint)
    return found


def is_server_fault(error: TuneloopError) -> bool:
    """Whether another question would fare no better: what a server says of a question (4xx) is of that one alone."""
    return not (error.status and 400 <= error.status < 500) or error.status in (408, 429)


def too_many(failed: int, count: int) -> bool:
    return failed > ALLOWED * count


def unanswered(failed: int, count: int, reason: str, where: str = "", hint: str = "") -> TuneloopError:
    """The error that ends an evaluation in which too many questions failed."""
    message = _("{failed} of {count} questions were not answered: {reason}")
    kept = _("What it has answered is kept: run the same command again to go on.")
    text = message.format(failed=failed, count=count, reason=shown(reason))
    return TuneloopError(text, where=where, hint=f"{shown(hint)} {kept}".strip())
