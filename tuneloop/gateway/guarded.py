"""A request between the guardrails of its route: they look in threads, each as long as it may take."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal

from starlette.types import Message, Send

from tuneloop import logbook, sse
from tuneloop.gateway.ask import Ask, text_of
from tuneloop.gateway.problem import Problem
from tuneloop.gateway.record import Record, read_whole
from tuneloop.guardrails import ALLOW, GUARDRAILS, Verdict
from tuneloop.language import _

LOGGER = logging.getLogger("tuneloop.gateway")
THREADS = 16  # of each guardrail: what hangs holds up its own place, and the others' only when all are taken


class Guards:
    """A route's guardrails, in order."""

    def __init__(self, names: Sequence[str]) -> None:
        self.parts = {name: GUARDRAILS.find(name) for name in names}
        self.threads = {name: ThreadPoolExecutor(THREADS, thread_name_prefix=f"guardrail-{name}") for name in names}

    def close(self) -> None:
        for threads in self.threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    async def passed(self, text: str, side: Literal["before", "after"]) -> str:
        """The text as it may go on. Raises ``Problem`` 400 where it is refused."""
        for name in self.parts:
            verdict = await self.look(name, text, side)
            if verdict.action == "deny":
                message = (
                    _("the question is refused: {reason}")
                    if side == "before"
                    else _("the answer is withheld: {reason}")
                )
                reason = verdict.reason or _("the guardrail {name} gives no reason").format(name=name)
                raise Problem(400, message.format(reason=reason), code="content_filter")
            if verdict.action == "replace":
                text = verdict.text
        return text

    async def look(self, name: str, text: str, side: str) -> Verdict:
        """One guardrail's verdict; where it fails, what it says is to be done then. The log is told no text."""
        part = self.parts[name]
        try:
            work = asyncio.get_running_loop().run_in_executor(self.threads[name], getattr(part, side), text)
            verdict = await asyncio.wait_for(work, part.seconds)
            if isinstance(verdict, Verdict) and verdict.action in ("allow", "deny", "replace"):
                return verdict
            problem = "no verdict"
        except TimeoutError:
            problem = "too slow"
        except Exception as error:
            problem = logbook.kind(error)
        package = GUARDRAILS.package(name)
        LOGGER.warning("guardrail %s of the package %s (%s): %s; %s", name, package, side, problem, part.on_failure)
        return ALLOW if part.on_failure == "allow" else Verdict("deny", _("a guardrail has failed"))


class Held:
    """An answer that is not sent yet."""

    def __init__(self) -> None:
        self.begun, self.status, self.headers, self.data = False, 200, list[tuple[bytes, bytes]](), b""

    async def __call__(self, message: Message) -> None:
        self.begun = True
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", []))
        else:
            self.data += message.get("body", b"")


async def guarded(guards: Guards, answer: Callable[[Ask, Any], Awaitable[None]], ask: Ask, record: Record,
                  send: Send) -> None:  # fmt: skip
    """Answer a request between its route's guardrails. Raises ``Problem`` before anything is sent."""
    asked = await passed_question(guards, ask)
    held = Held()
    await answer(asked, held)
    if record.chunks:
        read_whole(record)
        record.chunks.clear()
    body = await passed_answer(guards, json.loads(held.data), record)
    data = as_stream(body, ask) if ask.stream else json.dumps(body).encode()
    kind = b"text/event-stream; charset=utf-8" if ask.stream else b"application/json"
    kept = [(name, value) for name, value in held.headers if name not in (b"content-type", b"content-length")]
    headers = [*kept, (b"content-type", kind), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": held.status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def passed_question(guards: Guards, ask: Ask) -> Ask:
    """The request, to be answered whole, with its last question as the guardrails leave it."""
    messages = list(ask.messages)
    places = [n for n, message in enumerate(messages) if message["role"] == "user"]
    if places:
        last = places[-1]
        question = text_of(messages[last].get("content"), f"messages[{last}]")
        passed = await guards.passed(question, "before")
        if passed != question:
            messages[last] = {**messages[last], "content": passed}
    body = {k: v for k, v in ask.body.items() if k != "stream_options"} | {"messages": messages, "stream": False}
    return replace(ask, body=body, messages=messages, stream=False)


async def passed_answer(guards: Guards, body: dict[str, Any], record: Record) -> dict[str, Any]:
    """A completion with its texts as the guardrails leave them. Citations of a text that is replaced go with it."""
    for choice in body.get("choices", []):
        message = choice.get("message") or {}
        text = message.get("content")
        if isinstance(text, str) and text:
            passed = await guards.passed(text, "after")
            if passed != text:
                message["content"], record.answer = passed, passed
                if message.pop("annotations", None) is not None:
                    record.citations = []
    return body


def as_stream(body: dict[str, Any], ask: Ask) -> bytes:
    """A whole completion as the events of a stream."""
    common = {**{k: v for k, v in body.items() if k not in ("choices", "usage")}, "object": "chat.completion.chunk"}
    pieces = [{"index": c.get("index", 0), "delta": c.get("message") or {}, "finish_reason": None}
              for c in body.get("choices", [])]  # fmt: skip
    ends = [{"index": c.get("index", 0), "delta": {}, "finish_reason": c.get("finish_reason")}
            for c in body.get("choices", [])]  # fmt: skip
    events: list[dict[str, Any]] = [{**common, "choices": pieces}, {**common, "choices": ends}]
    if (ask.body.get("stream_options") or {}).get("include_usage"):
        events.append({**common, "choices": [], "usage": body.get("usage")})
    return b"".join(sse.written(json.dumps(event).encode()) for event in events) + sse.written(sse.DONE)
