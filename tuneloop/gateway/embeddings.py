"""``POST /v1/embeddings``: by the small model on this machine, or by a route's server."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from tuneloop.gateway.ask import parse_object
from tuneloop.gateway.problem import Problem
from tuneloop.gateway.record import Record, clean
from tuneloop.gateway.relay import check_answer, read_whole
from tuneloop.language import _
from tuneloop.tokens import estimate_tokens

if TYPE_CHECKING:
    from tuneloop.gateway.state import Gateway
    from tuneloop.gateway.upstream import Upstream

MOST_TEXTS = 256


async def embed(gateway: Gateway, data: bytes, record: Record) -> Response:
    """Answer an embeddings request. ``input_type: "query"`` asks for vectors of questions instead of passages."""
    body = parse_object(data)
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Problem(400, _("'model' must name a model; GET /v1/models lists them"), param="model")
    record.route = model
    if gateway.embedding is None or model != gateway.embedding.name or model in gateway.upstreams:
        return await embed_upstream(gateway.upstream(model), body)
    texts = input_texts(body.get("input"))
    form = body.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise Problem(400, _("'encoding_format' must be float or base64"), param="encoding_format")
    asked = gateway.embedding.threads, gateway.embedding.vectors, texts, body.get("input_type") == "query"
    vectors = await asyncio.get_running_loop().run_in_executor(*asked)
    rows = [
        {"object": "embedding", "index": n, "embedding": packed(v) if form == "base64" else v}
        for n, v in enumerate(vectors)
    ]
    tokens = record.prompt_tokens = sum(estimate_tokens(text) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JSONResponse({"object": "list", "data": rows, "model": model, "usage": usage})


async def embed_upstream(upstream: Upstream, body: dict[str, Any]) -> Response:
    response = await upstream.post("/embeddings", json.dumps({**body, "model": upstream.model}).encode())
    try:
        data = await read_whole(upstream, response)
        check_answer(data, response, "data", _("the model's server answered with what are no embeddings"))
        return Response(data, media_type="application/json")
    finally:
        await response.aclose()


def input_texts(value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) and t for t in texts):
        raise Problem(400, _("'input' must be a text or a list of texts, none of them empty"), param="input")
    if len(texts) > MOST_TEXTS:
        raise Problem(400, _("at most {} texts in one request").format(MOST_TEXTS), param="input")
    return [clean(text) or " " for text in texts]


def packed(vector: list[float]) -> str:
    """A vector as base64 of little-endian float32: what the openai client asks for."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
