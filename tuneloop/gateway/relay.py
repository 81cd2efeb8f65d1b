"""A route without knowledge: the upstream's bytes go to the caller as they come."""

import httpx
from starlette.types import Send

from tuneloop.gateway.ask import Ask
from tuneloop.gateway.problem import Problem, error_event
from tuneloop.gateway.record import Record, completion_id
from tuneloop.gateway.upstream import Upstream
from tuneloop.language import _

LONGEST = 64 << 20  # bytes of an answer that is not streamed


async def relay(upstream: Upstream, ask: Ask, record: Record, send: Send) -> str:
    """Pass a request on and its answer back; returns the id that the upstream gave the answer."""
    response = await upstream.post("/chat/completions", upstream.chat_body(ask))
    try:
        if ask.stream:
            return await relay_stream(upstream, response, record, send)
        body = await read_whole(upstream, response)
        record.add(body)
        await send_start(send, record, response, len(body))
        await send({"type": "http.response.body", "body": body})
        return completion_id(body)
    finally:
        await response.aclose()


async def relay_stream(upstream: Upstream, response: httpx.Response, record: Record, send: Send) -> str:
    identity = ""
    await send_start(send, record, response)
    try:
        async for chunk in response.aiter_raw():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            record.add(chunk)
            identity = identity or completion_id(chunk)
    except httpx.HTTPError as error:  # the caller has seen a part: it is told in the stream
        problem = upstream.failure(error)
        record.error, record.status = str(problem), problem.status
        await send({"type": "http.response.body", "body": error_event(problem), "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    return identity


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
