"""A teacher that is asked about many chunks: a few at once, from a cache where it can be, and left when it is down.

What has been answered is kept at once, keyed by all that went into the question, so that a run that was killed or
repeated pays for nothing twice. An answer without one whole pair is asked for again with another seed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuneloop.dataset.task import Reply, Task
from tuneloop.errors import TuneloopError
from tuneloop.journal import Journal
from tuneloop.language import _, shown, speaking, stored

if TYPE_CHECKING:
    from tuneloop.chat import ChatClient

NO_ANSWER = stored("the teacher did not answer")
NO_ANSWER_WHY = stored("the teacher did not answer: {reason}")
ATTEMPTS = 3  # seeds tried for a request before it is set aside
HEAT = 0.3  # added to the temperature with each further seed, since the likeliest words were no good
DOWN = 6  # chunks that fail one after the other before the teacher counts as down
REFUSED = (401, 403, 404)  # no later chunk will fare better


@dataclass
class Teacher:
    """``identity`` names the model in the cache's keys."""

    identity: str
    journal: Journal
    max_tokens: int
    temperature: float
    seed: int
    tokens: int = 0  # written by the teacher in this run
    seconds: float = 0.0
    failed: int = 0  # chunks in a row

    def key(self, task: Task, attempt: int) -> str:
        parts = [self.identity, task.messages, task.schema, self.max_tokens, self.heat(attempt), self.seed + attempt]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode("utf-8", "replace")).hexdigest()

    def heat(self, attempt: int) -> float:
        return round(self.temperature + HEAT * attempt, 3)

    def known(self, task: Task) -> Reply | None:
        """The reply to a task, where the cache has all of it."""
        rest = ""
        for attempt in range(ATTEMPTS):
            text = self.journal.get(self.key(task, attempt))
            if text is None:
                return None
            reply = task.read(text)
            if reply.pairs:
                return reply
            rest = text
        return Reply(rest=rest, problem=stored("the teacher's reply holds no question"))

    async def ask_all(
        self, client: ChatClient, tasks: Sequence[Task], told: Callable[[int], None], width: int
    ) -> list[Reply]:
        """The replies to all tasks, in their order. Raises ``TuneloopError`` when the teacher is down."""
        replies = [Reply() for _task in tasks]
        queue, done, started = iter(enumerate(tasks)), 0, time.monotonic()

        async def work() -> None:
            nonlocal done
            for number, task in queue:
                replies[number] = await self.ask(client, task)
                done += 1
                told(done)

        async with client:
            workers = [asyncio.create_task(work()) for _n in range(min(width, len(tasks)))]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
        self.seconds = time.monotonic() - started
        return replies

    async def ask(self, client: ChatClient, task: Task) -> Reply:
        """One task, with another seed for an answer that holds no pair."""
        from tuneloop.chat import ChatError

        try:
            with speaking("en"):  # the reason of a failure may end among the rows that are set aside
                for attempt in range(ATTEMPTS):
                    if self.journal.get(self.key(task, attempt)) is None:
                        await self.fill(client, task, attempt)
                    if reply := self.known(task):
                        break
        except ChatError as error:
            self.failed += 1
            if error.status in REFUSED or self.failed >= DOWN:
                raise self.down(error) from None
            return Reply(problem=NO_ANSWER, detail=error.message)
        self.failed = 0
        assert reply is not None
        return reply

    async def fill(self, client: ChatClient, task: Task, attempt: int) -> None:
        completion = await client.complete(
            task.messages, schema=task.schema, max_tokens=self.max_tokens,
            temperature=self.heat(attempt), seed=self.seed + attempt,
        )  # fmt: skip
        self.tokens += completion.completion_tokens
        self.journal.put(self.key(task, attempt), completion.text)

    def down(self, error: Any) -> TuneloopError:
        hint = shown(error.hint) or _("What it has answered is kept: run the same command again to go on.")
        return TuneloopError(_("the teacher fails: {}").format(shown(error.message)), where=error.where, hint=hint)
