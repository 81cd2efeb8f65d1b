"""Reading a request's body, and noticing when its caller has gone."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.types import Message, Receive, Send

from tuneloop import sse
from tuneloop.gateway.problem import Problem
from tuneloop.language import _


class CallerGone(Exception):
    """The caller closed the connection: nobody waits for the answer."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises ``Problem`` 413 for one that is too long."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise Problem(413, _("the request is longer than {} bytes").format(limit))
        if not message.get("more_body"):
            return b"".join(parts)


async def while_connected(work: Coroutine[Any, Any, Any], receive: Receive) -> Any:
    """The result of ``work``, which is cancelled, upstream request and all, when the caller goes away."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(until_gone(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise CallerGone
        return task.result()
    finally:
        for other in (task, gone):
            if not other.done():
                other.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Reply:
    """``send`` that knows whether an answer has begun, and whether all of it was sent, streamed or not."""

    def __init__(self, send: Send) -> None:
        self.send, self.begun, self.whole = send, False, False

    async def __call__(self, message: Message) -> None:
        self.begun = True
        await self.send(message)
        if message["type"] == "http.response.body":
            last = sse.says_done(message.get("body", b"")) or not message.get("more_body")
            self.whole = self.whole or bool(last)
