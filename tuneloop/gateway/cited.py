"""A route with knowledge: answers with markers, and annotations that say what stands behind each sentence."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse

from tuneloop import sse
from tuneloop.answer import Answer, Answerer, Citation, Cited, Done, Passages, Text
from tuneloop.chat import COUNTS_AS_IT_WRITES, ChatClient, ChatError
from tuneloop.gateway.ask import Ask, latest, plain_messages
from tuneloop.gateway.body import Reply
from tuneloop.gateway.embedding import LocalEmbedding
from tuneloop.gateway.passage import Shelf
from tuneloop.gateway.problem import Problem
from tuneloop.gateway.record import Record, clean
from tuneloop.gateway.upstream import OF_CALLER, Upstream
from tuneloop.knowledge import Passage, open_index
from tuneloop.language import _

PASSED_ON = (  # options of a request that a cited answer takes over; what it cannot keep to is left out
    "temperature", "top_p", "top_k", "min_p", "typical_p", "seed", "stop", "frequency_penalty", "presence_penalty",
    "repeat_penalty", "repeat_last_n", "repetition_penalty", "logit_bias", "user", "cache_prompt",
    "chat_template_kwargs", "reasoning_effort",
)  # fmt: skip
LONGEST_ANSWER = 512  # tokens, where the request does not say, and at most a third of the context
PASSAGE = 175  # tokens that a passage has, on average, in the prompt


class CitedRoute:
    """One route's index and model, opened once. Answers many callers at once."""

    def __init__(self, upstream: Upstream, embedding: LocalEmbedding | None, concurrency: int) -> None:
        route = upstream.route
        self.name, self.defaults, self.folder = route.name, route.defaults, Path(route.knowledge_path)
        self.knowledge = open_knowledge(self.folder, embedding)
        self.shelf = Shelf(self.folder)
        self.client = ChatClient(
            route.upstream_url, upstream.model, upstream.key, timeout=route.timeout, retries=1,
            concurrency=concurrency,  # as many as come in: what waits here would wait without a word
            system_prompt=route.system_prompt or None, extra=COUNTS_AS_IT_WRITES if route.engine else None,
        )  # fmt: skip
        self.answerer = Answerer(
            self.knowledge, self.client, k=route.passages, passage_tokens=max(4, route.passages) * PASSAGE,
            context_length=route.context_length, abstain=route.abstain, mark_text=route.mark_unsupported,
            verifier=route.verifier,
        )  # fmt: skip

    async def close(self) -> None:
        await self.client.aclose()

    async def answer(self, ask: Ask, record: Record, reply: Reply) -> None:
        """Answer a request. Raises ``Problem`` before the answer has begun."""
        events = self.events(ask, record)
        completion = Completion(record.id, ask.model)
        if ask.stream:
            usage = bool((ask.body.get("stream_options") or {}).get("include_usage"))
            await send_stream(events, completion, record, reply, usage)
        else:
            async for event in events:
                if isinstance(event, Done):
                    headers = {"X-Request-Id": record.id}
                    scope: Any = {"type": "http", "headers": []}
                    response = JSONResponse(completion.whole(event.answer, record.id), headers=headers)
                    await response(scope, no_more, reply)

    async def events(self, ask: Ask, record: Record) -> AsyncIterator[Passages | Text | Cited | Done]:
        """The answerer's events, noted in the record. Raises ``Problem`` where the model fails."""
        body = {**self.defaults, **ask.body}
        if body.get("n") not in (None, 1):
            raise Problem(400, _("a cited answer comes once: 'n' must be 1"), param="n")
        options = clean({name: body[name] for name in PASSED_ON if body.get(name) is not None})
        context = self.answerer.context_length
        most = options["max_tokens"] = most_tokens(body, context)
        messages = plain_messages(ask.messages)
        if context:
            messages = latest(messages, (context - most) // 2)  # the other half is for the passages
        try:
            async for event in self.answerer.stream(messages, **options):
                note(record, event)
                yield event
        except ChatError as error:
            raise as_problem(error) from None


def open_knowledge(folder: Path, embedding: LocalEmbedding | None) -> Any:
    """The index, with the embedding model that is loaded already, where it is the same; searched once to warm it up.

    What fails in a search later is forgiven: its callers cannot repair it.
    """
    from tuneloop.knowledge.opened import read_info

    shared = embedding if embedding and read_info(folder)["embedding"] == embedding.name else None
    knowledge = open_index(folder, embedder=shared.embedder if shared else None, forgiving=True)
    knowledge.search("tuneloop")
    return knowledge


def most_tokens(body: dict[str, Any], context: int = 0) -> int:
    usual = min(LONGEST_ANSWER, context // 3) if context else LONGEST_ANSWER
    return body.get("max_completion_tokens") or body.get("max_tokens") or usual


def as_problem(error: ChatError) -> Problem:
    """A model's failure without its address and what it says of itself, which callers need not know."""
    if error.status in OF_CALLER:
        return Problem(error.status, error.message)
    status = error.status if error.status in (429, 503, 504) else 502
    headers = {"Retry-After": "1"} if status in (429, 503) else {}
    return Problem(status, _("the model's server does not answer"), headers=headers, detail=error.message)


def note(record: Record, event: Passages | Text | Cited | Done) -> None:
    """Put what an event tells into the record."""
    if isinstance(event, Passages):
        record.answerable = event.answerable
        record.passages = [
            {"chunk": p.chunk.id, "name": p.chunk.name, "score": round(p.score, 4)} for p in event.passages
        ]
        record.answer, record.citations = "", []
    elif isinstance(event, Text):
        record.first_token()
        record.answer = (record.answer or "") + event.delta
    elif isinstance(event, Cited):
        record.citations = [*(record.citations or []), annotation(event.annotation)]
    else:
        record.prompt_tokens = event.answer.prompt_tokens or None
        record.completion_tokens = event.answer.completion_tokens or None


def annotation(citation: Citation) -> dict[str, Any]:
    """A citation as clients see it; ``text_start`` and ``text_end`` are the sentence in the message's content."""
    return {
        "type": "citation", "index": citation.number, "supported": citation.supported, "problem": citation.problem,
        "score": citation.score, "document": citation.document, "name": citation.name, "heading": citation.heading,
        "page": citation.page, "chunk": citation.chunk, "start": citation.start, "end": citation.end,
        "quote": citation.quote, "text_start": citation.answer_start, "text_end": citation.answer_end,
    }  # fmt: skip


def passage_row(number: int, passage: Passage) -> dict[str, Any]:
    chunk = passage.chunk
    return {
        "index": number, "chunk": chunk.id, "document": chunk.document, "name": chunk.name, "heading": chunk.heading,
        "page": chunk.page, "start": chunk.start, "end": chunk.end, "text": chunk.text,
        "score": round(passage.score, 4),
    }  # fmt: skip


class Completion:
    """The JSON of one answer, whole or in chunks."""

    def __init__(self, identity: str, model: str) -> None:
        self.common = {"id": identity, "created": int(time.time()), "model": model}

    def whole(self, answer: Answer, request_id: str) -> dict[str, Any]:
        notes = [annotation(c) for c in answer.citations]
        message = {"role": "assistant", "content": answer.text, "annotations": notes}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason or "stop"}
        return self.common | {
            "object": "chat.completion", "choices": [choice], "usage": usage_of(answer),
            "tuneloop": extension(answer, request_id),
        }  # fmt: skip

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self.line({"choices": [choice], **more})

    def line(self, body: dict[str, Any]) -> bytes:
        chunk = self.common | {"object": "chat.completion.chunk"} | body
        return sse.written(json.dumps(chunk).encode())


def usage_of(answer: Answer) -> dict[str, int]:
    prompt, completion = answer.prompt_tokens, answer.completion_tokens
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def extension(answer: Answer, request_id: str) -> dict[str, Any]:
    """What an answer with knowledge tells beside OpenAI's fields."""
    return {
        "request_id": request_id, "answerable": answer.answerable, "confidence": round(answer.confidence, 4),
        "supported_share": answer.supported_share,
        "passages": [passage_row(n, p) for n, p in enumerate(answer.passages, 1)],
    }  # fmt: skip


async def send_stream(
    events: AsyncIterator[Any], completion: Completion, record: Record, reply: Reply, usage: bool
) -> None:
    """Send the events as they come. Nothing is sent before the first text, so that a failure still has its status."""
    async for event in events:
        if isinstance(event, Text):
            if not reply.begun:
                await begin(reply, record)
                await send(reply, completion.chunk({"role": "assistant", "content": ""}))
            await send(reply, completion.chunk({"content": event.delta}))
        elif isinstance(event, Cited):
            await send(reply, completion.chunk({"annotations": [annotation(event.annotation)]}))
        elif isinstance(event, Done):
            if not reply.begun:
                await begin(reply, record)
            last = event.answer
            await send(reply, completion.chunk({}, last.finish_reason or "stop", tuneloop=extension(last, record.id)))
            if usage:
                await send(reply, completion.line({"choices": [], "usage": usage_of(last)}))
    await reply({"type": "http.response.body", "body": sse.written(sse.DONE)})


async def begin(reply: Reply, record: Record) -> None:
    headers = [*sse.HEADERS, (b"x-request-id", record.id.encode())]
    await reply({"type": "http.response.start", "status": 200, "headers": headers})


async def send(reply: Reply, data: bytes) -> None:
    await reply({"type": "http.response.body", "body": data, "more_body": True})


async def no_more() -> Any:
    return {"type": "http.disconnect"}
