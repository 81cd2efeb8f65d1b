"""A route without knowledge: the upstream's bytes go to the caller as they come, but for the id of the completion."""

import json
import re
from typing import Any

import httpx
from starlette.types import Send

from tuneloop import sse
from tuneloop.chat import error_text
from tuneloop.gateway.ask import Ask
from tuneloop.gateway.problem import Problem, error_body, error_event, for_record
from tuneloop.gateway.record import Record
from tuneloop.gateway.upstream import OF_CALLER, Upstream, refused
from tuneloop.language import _

OF_REQUEST = ("invalid_request_error", "BadRequestError")  # types of errors, of OpenAI and of vLLM
LONGEST = 64 << 20  # bytes of an answer that is not streamed


async def relay(upstream: Upstream, ask: Ask, record: Record, send: Send) -> None:
    """Pass a request on and its answer back, under the id of the record."""
    response = await upstream.post("/chat/completions", upstream.chat_body(ask))
    try:
        if ask.stream and is_stream(response):
            return await relay_stream(upstream, response, record, send)
        data = await read_whole(upstream, response)
        check_answer(data, response, "choices", _("the model's server answered with what is no completion"))
        renamed = Renamed(record.id)
        body = renamed.event(data)
        record.error = renamed.said or None
        record.add(body)
        await send_start(send, record, response, len(body))
        await send({"type": "http.response.body", "body": body})
    finally:
        await response.aclose()


def is_stream(response: httpx.Response) -> bool:
    """Whether an answer comes in events. One that was asked to, and is JSON or a page, is an error or comes whole."""
    kind = response.headers.get("Content-Type", "").lower()
    return not kind.startswith(("application/json", "text/html")) and response.headers.get("Content-Length") != "0"


def check_answer(data: bytes, response: httpx.Response, rows: str, message: str) -> None:
    """Raise ``Problem`` 502 for an answer with a good status but without its ``rows``: an error, a page, nothing."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return  # asked for as it is, and sent otherwise: the caller may be able to read it
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or not isinstance(body.get(rows), list):
        said = error_text(data.decode("utf-8", "replace")) if isinstance(body, dict) and body.get("error") else ""
        raise Problem(502, message, detail=said)


async def relay_stream(upstream: Upstream, response: httpx.Response, record: Record, send: Send) -> None:
    renamed = Renamed(record.id)
    await send_start(send, record, response)
    try:
        async for chunk in response.aiter_raw():
            chunk = renamed.feed(chunk)
            record.error = renamed.said or None
            if chunk:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                record.add(chunk)
        if rest := renamed.close():
            await send({"type": "http.response.body", "body": rest, "more_body": True})
            record.add(rest)
    except httpx.HTTPError as error:  # the caller has seen a part: it is told in the stream
        problem = upstream.failure(error)
        record.error, record.status = for_record(problem), problem.status
        await send({"type": "http.response.body", "body": error_event(problem), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class Renamed:
    """Gives a completion our id: those of upstreams come again, and are forgotten with a restart of the gateway.

    An error within it is told as one with a status of its own is; ``said`` is what the record keeps of it.
    The first event is parsed; in the later ones the same bytes are replaced, and all others are left as they are.
    """

    def __init__(self, identity: str) -> None:
        self.identity, self.theirs, self.ours = identity, b"", b""
        self.said = ""
        self.lines = sse.Lines()
        self.held: list[sse.Line] = []  # of the event that has begun
        self.size = 0

    def feed(self, chunk: bytes) -> bytes:
        """The events of a stream that have come to their end, and what stands between them."""
        return b"".join(map(self.line, self.lines.feed(chunk)))

    def close(self) -> bytes:
        """What is left at the end of a stream."""
        return b"".join(map(self.line, self.lines.close())) + self.told()

    def line(self, line: sse.Line) -> bytes:
        """What goes on once a line has come: nothing before its event is whole. What is too long goes on as it is."""
        before = self.told() if self.ends(line) else b""
        self.held.append(line)
        self.size += len(line.text)
        alone = len(self.held) == 1 and not line.text.startswith((b"data", b"event", sse.BOM))
        blank = not line.text and not line.part
        done = not line.part and (value_of(line) or b"").strip() == sse.DONE and len(self.held) == 1
        return before + (self.told() if blank or done or alone or self.size > sse.MOST else b"")

    def ends(self, line: sse.Line) -> bool:
        """Whether a line begins an event though no empty line ended the one that is held."""
        if not self.held or line.part or not line.text.startswith(b"data:") or any(part.part for part in self.held):
            return False
        return sse.parted([value for held in self.held if (value := value_of(held)) is not None], line.text[5:])

    def told(self) -> bytes:
        """The event that is held, its ``data`` changed where it is a completion or an error."""
        held, self.held, self.size = self.held, [], 0
        said = [line for line in held if value_of(line) is not None]
        plain = b"".join(line.text + line.end for line in held)
        values = [line.text.removeprefix(sse.BOM)[5:] for line in said]
        if not said or any(line.part and line.text for line in held) or values[0].strip() == sse.DONE:
            return plain
        data = values[0] if len(values) == 1 else b"\n".join(value.removeprefix(b" ") for value in values)
        if (ours := self.event(data)) == data:
            return plain
        new = {id(said[0]): b"data:" + ours.replace(b"\n", said[0].end + b"data:")} | {
            id(line): None for line in said[1:]
        }
        texts = ((new.get(id(line), line.text), line.end) for line in held)
        return b"".join(text + end for text, end in texts if text is not None)

    def event(self, data: bytes) -> bytes:
        """One JSON object, of a stream or a whole answer, with our id. What is no completion stays as it is."""
        failed = b'"error"' in data
        if self.theirs and data.count(self.theirs) == 1 and not failed:
            return data.replace(self.theirs, self.ours)
        try:
            body: Any = json.loads(data)
        except (ValueError, RecursionError):
            return data
        if failed and isinstance(body, dict) and (problem := problem_within(body)):
            self.said = self.said or for_record(problem)
            whole = body | {"id": self.identity} if "choices" in body else {}
            return b" " * data.startswith(b" ") + json.dumps(whole | error_body(problem)).encode()
        if not isinstance(body, dict) or "choices" not in body:
            return data
        known = isinstance(body.get("id"), str)
        found = known and re.search(rb'"id"\s*:\s*' + re.escape(json.dumps(body["id"]).encode()), data)
        if found and data.count(found[0]) == 1:
            self.theirs, self.ours = found[0], b'"id":' + json.dumps(self.identity).encode()
            return data.replace(self.theirs, self.ours)
        return b" " * data.startswith(b" ") + json.dumps(body | {"id": self.identity}).encode()


def value_of(line: sse.Line) -> bytes | None:
    """The data of a line; ``None`` where it has none."""
    text = line.text.removeprefix(sse.BOM)
    return text[5:] if text.startswith(b"data:") else None


def problem_within(body: dict[str, Any]) -> Problem | None:
    """The problem that an answer with a good status tells; None where there is none, or it is about the request."""
    error = body.get("error")
    facts = error if isinstance(error, dict) else {}
    status = facts["code"] if isinstance(facts.get("code"), int) else 0
    about_request = status in OF_CALLER or facts.get("type") in OF_REQUEST
    return None if not error or about_request else refused(status, error_text(json.dumps(body)))


async def read_whole(upstream: Upstream, response: httpx.Response) -> bytes:
    parts, size = [], 0
    try:
        async for chunk in response.aiter_raw():
            parts.append(chunk)
            size += len(chunk)
            if size > LONGEST:
                raise Problem(502, _("the model's server sends more than {} bytes").format(LONGEST))
    except httpx.HTTPError as error:
        raise upstream.failure(error) from None
    return b"".join(parts)


async def send_start(send: Send, record: Record, response: httpx.Response, length: int | None = None) -> None:
    kind = response.headers.get("Content-Type", "application/json")
    headers = [(b"content-type", kind.encode("latin-1", "replace")), (b"x-request-id", record.id.encode())]
    if length is None:
        headers += [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
    else:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
