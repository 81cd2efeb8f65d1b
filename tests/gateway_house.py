"""A misbehaving engine and a gateway before it, on real connections: what the gateway's tests stand on."""

import asyncio
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import sqlalchemy as sa
import uvicorn

from tuneloop import processes
from tuneloop.gateway.app import build_app
from tuneloop.gateway.config import GatewayConfig
from tuneloop.gateway.state import Gateway, workspace

PARTS = ["The ", "gate", "way ", "listens ", "on port 8000."]
PLACE = "at http://10.0.0.7:8081 with the prompt 'secret'"


class Engine:
    """An OpenAI-compatible server that does what its model's name says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.left: queue.Queue[bool] = queue.Queue()  # a caller that went away before the end
        self.parts = PARTS
        self.pause = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        data = b""
        while True:
            message = await receive()
            data += message.get("body", b"")
            if not message.get("more_body"):
                break
        body = json.loads(data)
        self.asked.append(body)
        self.headers.append({k.decode(): v.decode() for k, v in scope["headers"]})
        if scope["path"].endswith("/embeddings") and body["model"] not in ("down", "wrong"):
            return await answer_json(send, 200, {"object": "list", "data": [], "model": body["model"]})
        await getattr(self, body["model"])(body, receive, send)

    async def good(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        usage = {"prompt_tokens": 7, "completion_tokens": len(self.parts), "total_tokens": 7 + len(self.parts)}
        if not body.get("stream"):
            message = {"role": "assistant", "content": "".join(self.parts)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return await answer_json(send, 200, {
                "choices": [choice], "created": 1, "model": "good", "object": "chat.completion", "usage": usage,
                "id": "chatcmpl-engine", "odd": "extra",
            })  # fmt: skip
        await start(send, 200, b"text/event-stream")
        watch = asyncio.ensure_future(receive())
        for number, part in enumerate(self.parts, 1):
            so_far = {"timings": {"prompt_n": 5, "cache_n": 2, "predicted_n": number}}
            told = event({"content": part}, **(so_far if body.get("timings_per_token") else {}))
            await send({"type": "http.response.body", "body": told, "more_body": True})
            await asyncio.sleep(self.pause)
            if watch.done():
                self.left.put(True)
                return
        watch.cancel()
        end = event({}, finish_reason="stop") + event({}, choices=[], usage=usage) + b"data: [DONE]\n\n"
        await send({"type": "http.response.body", "body": end})

    async def broken(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        await start(send, 200, b"text/event-stream")
        await send({"type": "http.response.body", "body": event({"content": "half"}), "more_body": True})
        raise RuntimeError("the engine dies")

    async def silent(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        await asyncio.sleep(5)

    async def busy(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        await answer_json(send, 429, {"error": {"message": f"slow down {PLACE}"}}, (b"retry-after", b"3"))

    async def picky(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        await answer_json(send, 400, {"error": {"message": "the context is too long"}})

    async def locked(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        await answer_json(send, 401, {"error": {"message": "who are you?"}})

    async def wrong(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        await answer_json(send, 200, {"error": {"message": f"overloaded {PLACE}", "code": 503}})

    async def down(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        await answer_json(send, 503, {"error": {"message": f"cannot load {PLACE}"}})

    async def spills(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        """Fails with a good status: before the first text, and with a choice beside it."""
        error = {"error": {"message": f"crashed {PLACE}", "code": "server_error"}}
        if not body.get("stream"):
            return await answer_json(send, 200, {"id": "1", "choices": [{"message": {"content": ""}}], **error})
        await start(send, 200, b"text/event-stream")
        await send({"type": "http.response.body", "body": f"data: {json.dumps(error)}\n\n".encode()})

    async def spills_late(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        if not body.get("stream"):
            return await self.spills(body, receive, send)
        await start(send, 200, b"text/event-stream")
        error = event({}, finish_reason="error", error={"message": f"crashed {PLACE}", "code": 502})
        await send({"type": "http.response.body", "body": event({"content": "half"}) + error})

    async def page(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        await start(send, 200, b"text/html; charset=utf-8", (b"content-length", b"22"))
        await send({"type": "http.response.body", "body": b"<html>log in</html>\n\n\n"})

    async def empty(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        await start(send, 200, b"application/json", (b"content-length", b"0"))
        await send({"type": "http.response.body", "body": b""})

    async def parts_of(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        content = [{"type": "text", "text": "Port "}, {"type": "image_url"}, {"type": "text", "text": " 8000"}]
        usage = {"prompt_tokens": 10**30, "completion_tokens": -1}
        await answer_json(send, 200, {"choices": [{"message": {"content": content}}], "usage": usage})

    async def sick(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        await start(send, 500, b"text/html")
        await send({"type": "http.response.body", "body": b"<html>oops</html>"})


async def start(send: Any, status: int, kind: bytes, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind), *headers]})


async def answer_json(send: Any, status: int, body: Any, *headers: tuple[bytes, bytes]) -> None:
    await start(send, status, b"application/json", *headers)
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def event(delta: dict[str, Any], *, finish_reason: str | None = None, **more: Any) -> bytes:
    chunk = {
        "id": "chatcmpl-engine", "object": "chat.completion.chunk", "created": 1, "model": "good",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    } | more  # fmt: skip
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


class Running:
    """An ASGI application on a port of its own, in a thread."""

    def __init__(self, app: Any) -> None:
        self.port = processes.free_port()
        settings = uvicorn.Config(app, port=self.port, log_level="critical", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(settings)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        end = time.monotonic() + 20
        while not self.server.started and time.monotonic() < end and self.thread.is_alive():
            time.sleep(0.01)
        assert self.server.started
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)


MODELS = (
    "good",
    "broken",
    "silent",
    "busy",
    "picky",
    "locked",
    "sick",
    "wrong",
    "page",
    "empty",
    "parts_of",
    "down",
    "spills",
    "spills_late",
)


class House:
    """An engine with a gateway before it."""

    def __init__(self, folder: Path, knowledge: Path | None = None, route: Any = None, **more: Any) -> None:
        self.engine, self.clients = Engine(), list[openai.OpenAI]()
        self.below = Running(self.engine)
        routes = [
            {"name": m, "upstream_url": f"{self.below.url}/v1", "model_address": "model:" + "0" * 64, "timeout": 1.0}
            for m in MODELS
        ]
        routes[0] |= {"system_prompt": "Be brief.", "aliases": ["help"], "defaults": {"temperature": 0.1}}
        routes[0] |= route or {}
        if knowledge:
            routes[0] |= {"knowledge_path": str(knowledge), "knowledge_address": "index:" + "1" * 64}
        routes.append({"name": "gone", "upstream_url": "http://127.0.0.1:9/v1"})
        self.config = GatewayConfig(workspace=str(folder), **{"routes": routes, "auth": False, **more})
        self.store = workspace(self.config)
        self.gateway = Gateway(self.config, self.store)
        self.above = Running(build_app(self.config, self.gateway))
        self.url = self.above.url

    def client(self, key: str = "none") -> openai.OpenAI:
        self.clients.append(openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=20))
        return self.clients[-1]

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        self.above.stop()
        self.below.stop()

    def logged(self, count: int = 1) -> list[sa.Row[Any]]:
        """The traffic log, once it has ``count`` rows, oldest first."""
        end = time.monotonic() + 5
        rows: list[sa.Row[Any]] = []
        while time.monotonic() < end and len(rows) < count:
            time.sleep(0.05)
            rows = list(self.store.traffic.requests())
        assert len(rows) == count
        return rows[::-1]


@pytest.fixture
def make_house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    made: list[House] = []

    def make(**more: Any) -> House:
        made.append(House(tmp_path, **more))
        return made[-1]

    yield make
    for house in made:
        house.stop()
