"""A client for any OpenAI-compatible endpoint: teacher, judge, peer, or an engine of our own.

Retries what may pass (429, 5xx, a lost connection, a hang, half an answer) and nothing else. A streamed answer is
retried only until its first text: what a reader has seen is never taken back.
"""

from __future__ import annotations

import asyncio
import copy
import email.utils
import json
import math
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tuneloop import sse
from tuneloop.errors import TuneloopError
from tuneloop.foreign import told
from tuneloop.language import _, marked
from tuneloop.loopback import is_local
from tuneloop.records import Message

if TYPE_CHECKING:
    import httpx

PASSING = frozenset({408, 409, 425, 429})  # with 5xx: statuses that a later attempt may not meet
LONGEST_WAIT = 60.0  # seconds between two attempts, whatever Retry-After says
EMBEDDING_BATCH = 32
COUNTS_AS_IT_WRITES = {"timings_per_token": True}  # of llama.cpp; another server may refuse what it does not know


class ChatError(TuneloopError):
    """The endpoint did not answer. ``status`` is its HTTP status; 502 where it gave none, or no readable answer."""

    def __init__(self, message: str, *, where: str = "", hint: str = "", status: int = 502) -> None:
        super().__init__(message, where=where, hint=hint)
        self.status = status


class Passing(Exception):
    """An attempt failed in a way that another may not; ``wait`` is the endpoint's Retry-After in seconds."""

    def __init__(self, reason: str, *, status: int = 502, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.status, self.wait = reason, status, wait


@dataclass(frozen=True)
class Completion:
    """A whole answer. ``seconds`` covers the successful attempt alone."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str = ""
    seconds: float = 0.0
    time_to_first_token: float | None = None  # seconds; known only where the answer was streamed
    reasoning: str = ""


@dataclass(frozen=True)
class Delta:
    """A piece of a streamed answer. The last one has the finish reason and the token counts, where they are told.

    Asked with ``COUNTS_AS_IT_WRITES``, llama.cpp tells the counts so far in every piece.
    """

    text: str = ""
    reasoning: str = ""
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ChatClient:
    """One model on one endpoint. All its methods belong to the event loop that is running when they are called."""

    def __init__(
        self, base_url: str, model: str, api_key: str = "", *, timeout: float = 120.0, concurrency: int = 8,
        retries: int = 4, system_prompt: str | None = None, extra: dict[str, Any] | None = None, backoff: float = 0.5,
        context_length: int = 0,
    ) -> None:  # fmt: skip
        """``context_length``: tokens that a request may have, prompt and answer; 0 where it is not known."""
        self.base_url, self.model, self.timeout = base_url.rstrip("/"), model, timeout
        self.concurrency, self.retries, self.backoff = concurrency, retries, backoff
        self.system_prompt, self.extra, self.context_length = system_prompt, dict(extra or {}), context_length
        self._api_key = api_key
        self._schemas = True  # False once the endpoint has refused response_format json_schema
        self._http: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._slots = asyncio.Semaphore(concurrency)

    def __repr__(self) -> str:  # never the key
        return f"ChatClient({self.base_url!r}, {self.model!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ):
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; the next call opens new ones."""
        http, self._http = self._http, None
        if http is not None and self._loop is asyncio.get_running_loop():
            await http.aclose()

    async def complete(
        self, messages: Sequence[Message | dict[str, Any]], *, max_tokens: int, temperature: float = 0.0,
        schema: dict[str, Any] | None = None, seed: int | None = None, stop: list[str] | None = None, **extra: Any,
    ) -> Completion:  # fmt: skip
        """The answer to a conversation; ``schema`` is the JSON schema it must follow. Raises ``ChatError``."""
        body = self._body(messages, max_tokens=max_tokens, temperature=temperature, seed=seed, stop=stop, **extra)
        if schema is None:
            return await self._retry(lambda: self._complete_once(body))
        if self._schemas:
            try:
                return await self._retry(lambda: self._complete_once(with_schema(body, schema)))
            except ChatError as error:
                if error.status not in (400, 422) or not refuses_schema(error.message):
                    raise
                self._schemas = False
        return await self._retry(lambda: self._complete_once(with_described_schema(body, schema)))

    async def stream(
        self, messages: Sequence[Message | dict[str, Any]], *, max_tokens: int, temperature: float = 0.0,
        seed: int | None = None, stop: list[str] | None = None, **extra: Any,
    ) -> AsyncGenerator[Delta, None]:  # fmt: skip
        """The answer, piece by piece. A failure before the first text is retried; later it is a ``ChatError``."""
        body = self._body(messages, max_tokens=max_tokens, temperature=temperature, seed=seed, stop=stop, **extra)
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        for attempt in range(self.retries + 1):
            spoken = False
            try:
                async with self._slot(), aclosing(self._stream_once(body)) as deltas:
                    async for delta in deltas:
                        spoken = spoken or bool(delta.text or delta.reasoning)
                        yield delta
                return
            except Passing as problem:
                if spoken:
                    raise self._failure(problem, 1) from None
                await self._pause(problem, attempt)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, in order."""
        batches = [list(texts[i : i + EMBEDDING_BATCH]) for i in range(0, len(texts), EMBEDDING_BATCH)]
        parts = await asyncio.gather(*(self._retry(lambda b=b: self._embed_once(b)) for b in batches))
        return [vector for part in parts for vector in part]

    async def rerank(self, query: str, documents: Sequence[str]) -> list[float]:
        """How well each document answers the query, in their order, by the endpoint's ``/rerank``; more is better."""
        return await self._retry(lambda: self._rerank_once(query, list(documents)))

    def _body(self, messages: Sequence[Message | dict[str, Any]], **options: Any) -> dict[str, Any]:
        said = [m.as_said(wire=True) if isinstance(m, Message) else m for m in messages]
        if self.system_prompt and not any(m.get("role") == "system" for m in said):
            said.insert(0, {"role": "system", "content": self.system_prompt})
        given = {key: value for key, value in {**self.extra, **options}.items() if value is not None}
        return {"model": self.model, "messages": said, **given}

    async def _complete_once(self, body: dict[str, Any]) -> Completion:
        start = time.perf_counter()
        answer = await self._post("/chat/completions", body)
        try:
            choice = answer["choices"][0]
            message, usage = choice["message"], answer.get("usage") or {}
            return Completion(
                text=message.get("content") or "", reasoning=message.get("reasoning_content") or "",
                prompt_tokens=usage.get("prompt_tokens", 0), completion_tokens=usage.get("completion_tokens", 0),
                finish_reason=choice.get("finish_reason") or "", seconds=time.perf_counter() - start,
            )  # fmt: skip
        except (KeyError, IndexError, TypeError, AttributeError):
            raise Passing(_("the answer is not a chat completion")) from None

    async def _embed_once(self, texts: list[str]) -> list[list[float]]:
        answer = await self._post("/embeddings", {"model": self.model, "input": texts, **self.extra})
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            vectors = [[float(x) for x in row["embedding"]] for row in rows]
        except (KeyError, TypeError, ValueError):
            raise Passing(_("the answer is not a list of embeddings")) from None
        if len(vectors) != len(texts):
            raise Passing(_("asked for {} embeddings, got {}").format(len(texts), len(vectors)))
        return vectors

    async def _rerank_once(self, query: str, documents: list[str]) -> list[float]:
        body = {"model": self.model, "query": query, "documents": documents, **self.extra}
        answer = await self._post("/rerank", body)
        try:
            rows = answer["results"] if "results" in answer else answer["data"]
            scores = {row["index"]: float(row["relevance_score"]) for row in rows}
        except (KeyError, TypeError, ValueError):
            raise Passing(_("the answer is not a list of relevance scores")) from None
        if set(scores) != set(range(len(documents))) or not all(map(math.isfinite, scores.values())):
            raise Passing(_("asked for {} relevance scores, got {}").format(len(documents), len(scores)))
        return [scores[place] for place in range(len(documents))]

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        import httpx

        try:
            async with asyncio.timeout(self.timeout):
                response = await self._client().post(self.base_url + path, json=body)
            if response.status_code != 200:
                raise self._refusal(response.status_code, response.headers, response.text)
            answer = response.json()
        except (httpx.TimeoutException, TimeoutError):
            raise Passing(_("no answer within {:g} s").format(self.timeout), status=504) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from None
        except ValueError:
            raise Passing(_("the answer is not whole JSON")) from None
        if not isinstance(answer, dict):
            raise Passing(_("the answer is not a JSON object"))
        return answer

    async def _stream_once(self, body: dict[str, Any]) -> AsyncGenerator[Delta, None]:
        import httpx

        finished = False
        try:
            async with self._client().stream("POST", f"{self.base_url}/chat/completions", json=body) as response:
                if response.status_code != 200:
                    text = (await response.aread()).decode("utf-8", "replace")
                    raise self._refusal(response.status_code, response.headers, text)
                async with aclosing(events_of(response)) as events:
                    async for event in events:
                        if event.done:
                            return
                        delta = read_event(event)
                        finished = finished or bool(delta.finish_reason)
                        yield delta
        except httpx.TimeoutException:
            raise Passing(_("nothing heard for {:g} s").format(self.timeout), status=504) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from None
        if not finished:
            raise Passing(_("the answer broke off"))

    def _client(self) -> httpx.AsyncClient:
        """The connections of the running event loop."""
        import httpx

        loop = asyncio.get_running_loop()
        if self._http is None or self._loop is not loop:
            headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
            self._loop, self._http = loop, httpx.AsyncClient(
                headers=headers, timeout=httpx.Timeout(self.timeout, connect=min(10.0, self.timeout)),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=self.concurrency),
                trust_env=not is_local(self.base_url),  # a proxy cannot reach loopback
            )  # fmt: skip
        return self._http

    def _slot(self) -> asyncio.Semaphore:
        if self._loop is not asyncio.get_running_loop():
            self._slots = asyncio.Semaphore(self.concurrency)
            self._client()
        return self._slots

    async def _retry(self, once: Any) -> Any:
        for attempt in range(self.retries + 1):
            try:
                async with self._slot():
                    return await once()
            except Passing as problem:
                await self._pause(problem, attempt)
        raise AssertionError("unreachable")

    async def _pause(self, problem: Passing, attempt: int) -> None:
        """Wait before the next attempt; raise where there is none."""
        if attempt >= self.retries:
            raise self._failure(problem, attempt + 1) from None
        wait = self.backoff * 2**attempt * random.uniform(0.5, 1.5)
        await asyncio.sleep(min(LONGEST_WAIT, max(wait, problem.wait or 0.0)))

    def _failure(self, problem: Passing, attempts: int) -> ChatError:
        tried = _("each of {count} attempts failed: {reason}").format(count=attempts, reason=problem.reason)
        return ChatError(tried if attempts > 1 else problem.reason, where=self.base_url, status=problem.status)

    def _refusal(self, status: int, headers: Any, text: str) -> Exception:
        said = error_text(text)
        message = _("the endpoint answered {}").format(status)
        if said:
            message = _("the endpoint answered {status}: {said}").format(status=status, said=marked(said))
        if status in PASSING or status >= 500:
            return Passing(message, status=status, wait=retry_after(headers.get("retry-after", "")))
        hints = {
            401: _("Check the API key."),
            403: _("Check the API key."),
            404: _("Check the URL, which ends in /v1, and the model's name."),
        }
        return ChatError(message, where=self.base_url, hint=hints.get(status, ""), status=status)

    def _unreachable(self, error: Exception) -> Exception:
        import httpx

        if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
            return ChatError(_("not a URL"), where=self.base_url, hint=_("Expected https://HOST/v1."), status=400)
        return Passing(_("cannot be reached: {reason}").format(reason=told(error)))


async def events_of(response: httpx.Response) -> AsyncGenerator[sse.Event, None]:
    """The events of an answer, each as it comes."""
    reader = sse.Reader()
    async for data in response.aiter_bytes():
        for event in reader.feed(data):
            yield event
    for event in reader.close():
        yield event


def read_event(told: sse.Event) -> Delta:
    """What one event adds to the answer. Raises ``Passing``."""
    try:
        event = json.loads(told.data)
        if error := event.get("error"):
            raise Passing(_("the stream says: {said}").format(said=marked(error_text(json.dumps({"error": error})))))
        choice = (event.get("choices") or [{}])[0]
        delta, (prompt_tokens, completion_tokens) = choice.get("delta") or {}, counts_of(event)
        return Delta(
            text=delta.get("content") or "", reasoning=delta.get("reasoning_content") or "",
            finish_reason=choice.get("finish_reason") or "", prompt_tokens=prompt_tokens or 0,
            completion_tokens=completion_tokens or 0,
        )  # fmt: skip
    except (ValueError, AttributeError, TypeError):
        raise Passing(_("the stream holds a line that is not whole JSON")) from None


def counts_of(event: dict[str, Any]) -> tuple[int | None, int | None]:
    """Tokens of the prompt and of the answer so far: ``usage``, or llama.cpp's ``timings``; None where not told."""
    usage, timings = event.get("usage"), event.get("timings")
    if isinstance(usage, dict):
        return whole(usage.get("prompt_tokens")), whole(usage.get("completion_tokens"))
    if isinstance(timings, dict):
        prompt = (whole(timings.get("prompt_n")) or 0) + (whole(timings.get("cache_n")) or 0)
        return prompt, whole(timings.get("predicted_n"))
    return None, None


def whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def with_schema(body: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    return {**body, "response_format": form}


def with_described_schema(body: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """For endpoints that know only ``json_object``: the schema is told in the last message."""
    messages = copy.deepcopy(body["messages"])
    messages[-1]["content"] += (
        "\n\n" + "Answer with one JSON object of this JSON schema: " + json.dumps(schema, ensure_ascii=False)
    )
    return {**body, "messages": messages, "response_format": {"type": "json_object"}}


def refuses_schema(message: str) -> bool:
    return any(word in message for word in ("response_format", "json_schema"))


def error_text(text: str, limit: int = 300) -> str:
    """What an error body says, in one line."""
    try:
        value = json.loads(text)
        for key in ("error", "message", "detail"):
            value = value.get(key, value) if isinstance(value, dict) else value
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = "" if text.lstrip().startswith("<") else text  # a proxy's HTML page tells a user nothing
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def retry_after(value: str) -> float | None:
    """Seconds of a Retry-After header, given as a number or as a date."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
