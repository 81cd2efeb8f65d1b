"""A chat server whose timing is known: it notes when it really sent each first token.

    python benchmarks/mock_chat_server.py --first 0.05 --gap 0.005 --tokens 20

Prints its URL as one JSON line. ``GET /truth`` gives, for every finished request, the seconds between its arrival and
its first token, and ``POST /truth`` forgets them. The model's name chooses what happens: ``ok``, ``status-503``,
``broken``, ``hang``, ``silent``, ``error-event``; as a gateway with knowledge, ``refused`` (without asking a model),
``half-refused`` (every second request) and ``doubted`` (not found, but written by a model); anything else is ``ok``.
"""

import argparse
import asyncio
import contextlib
import json
import time

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(delta: dict, finish: str | None = None, **more) -> bytes:
    body = {"id": "x", "object": "chat.completion.chunk", "model": "mock", **more}
    body["choices"] = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return chunk(b"data: " + json.dumps(body).encode() + b"\n\n")


class Mock:
    def __init__(self, first: float, gap: float, tokens: int, slots: int) -> None:
        self.first, self.gap, self.tokens = first, gap, tokens
        self.slots = asyncio.Semaphore(slots) if slots else None
        self.refusals = 0
        self.truth: list[float] = []
        self.gaps: list[float] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, path, _rest = head.split(" ", 2)
                length = next(
                    (int(h.split(":")[1]) for h in head.lower().split("\r\n") if h.startswith("content-length")), 0
                )
                body = await reader.readexactly(length)
                arrived = time.perf_counter()
                if path.endswith("/chat/completions"):
                    if not await self.chat(json.loads(body), arrived, writer):
                        break
                elif path.endswith("/models"):
                    self.reply(writer, 200, {"object": "list", "data": [{"id": "ok", "object": "model"}]})
                elif path.endswith("/health"):
                    self.reply(writer, 200, {"status": "ok"})
                elif path == "/truth":
                    if method == "POST":
                        self.truth, self.gaps = [], []
                    self.reply(writer, 200, {"first": self.truth, "gaps": self.gaps})
                else:
                    self.reply(writer, 404, {"error": {"message": "no such path"}})
        writer.close()

    def reply(self, writer: asyncio.StreamWriter, status: int, value: dict) -> None:
        data = json.dumps(value).encode()
        writer.write(
            b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(data))
        )
        writer.write(data)

    async def chat(self, asked: dict, arrived: float, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False where the connection is to be closed."""
        behaviour = asked.get("model", "ok")
        if behaviour.startswith("status-"):
            self.reply(writer, int(behaviour[7:]), {"error": {"message": "as you wish"}})
            return True
        if not asked.get("stream"):
            await asyncio.sleep(self.first + self.gap * (self.tokens - 1))
            message = {"role": "assistant", "content": "word " * self.tokens}
            self.reply(writer, 200, {"choices": [{"message": message, "finish_reason": "stop"}], "usage": self.usage()})
            return True
        async with self.slots or contextlib.nullcontext():
            return await self.stream(behaviour, time.perf_counter() if self.slots else arrived, arrived, writer)

    async def stream(self, behaviour: str, begin: float, arrived: float, writer: asyncio.StreamWriter) -> bool:
        writer.write(HEAD + event({"role": "assistant", "content": ""}))  # at once; not a token
        if behaviour == "hang":
            await asyncio.sleep(3600)
        if behaviour == "error-event":
            writer.write(chunk(b'data: {"error": {"message": "out of memory"}}\n\n'))
        if behaviour == "refused" or (behaviour == "half-refused" and self.turn()):
            return await self.refuse(writer)
        last = 0.0
        for number in range(0 if behaviour in ("silent", "error-event") else self.tokens):
            await asyncio.sleep(max(0.0, begin + self.first + number * self.gap - time.perf_counter()))
            if behaviour == "broken" and number == 3:
                return False
            writer.write(event({"content": f"word{number} "}))
            now = time.perf_counter()
            self.truth.append(now - arrived) if number == 0 else self.gaps.append(now - last)
            last = now
        usage = self.usage() if behaviour != "silent" else None
        doubt = {"tuneloop": {"answerable": False}} if behaviour == "doubted" else {}
        writer.write(event({}, "stop", **doubt) + event({}, usage=usage) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()
        return True

    def turn(self) -> bool:
        self.refusals += 1
        return self.refusals % 2 == 0

    async def refuse(self, writer: asyncio.StreamWriter) -> bool:
        """What a gateway sends whose search has found nothing: at once, and with no tokens of a model."""
        told = {"tuneloop": {"answerable": False, "passages": []}}
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        writer.write(event({"content": "The documents do not answer this."}) + event({}, "stop", **told))
        writer.write(event({}, usage=usage) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()
        return True

    def usage(self) -> dict:
        return {"prompt_tokens": 12, "completion_tokens": self.tokens, "total_tokens": 12 + self.tokens}


async def main() -> None:
    options = argparse.ArgumentParser(description="A chat server whose timing is known.")
    options.add_argument("--first", type=float, default=0.05, help="seconds to the first token")
    options.add_argument("--gap", type=float, default=0.005, help="seconds between tokens")
    options.add_argument("--tokens", type=int, default=20)
    options.add_argument("--slots", type=int, default=0, help="requests answered at once; the others wait; 0: all")
    options.add_argument("--port", type=int, default=0)
    chosen = options.parse_args()
    mock = Mock(chosen.first, chosen.gap, chosen.tokens, chosen.slots)
    server = await asyncio.start_server(mock.serve, "127.0.0.1", chosen.port)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"ready": True, "url": f"http://127.0.0.1:{port}/v1"}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
