"""The chat client against a server that misbehaves in every way the product must survive."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tuneloop.chat import ChatClient, ChatError, Completion, Delta, error_text, read_event, retry_after
from tuneloop.records import Message
from tuneloop.sse import Event

USAGE = {"prompt_tokens": 5, "completion_tokens": 2}
ANSWER = {"choices": [{"message": {"role": "assistant", "content": "two"}, "finish_reason": "stop"}], "usage": USAGE}
ASK = [Message(role="user", content="one plus one?")]


class Server(ThreadingHTTPServer):
    """Plays its script, one step a request (the last one again and again), and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Callable[[Handler, dict[str, Any]], None]] = []
        self.asked: list[tuple[str, dict[str, Any], str]] = []
        self.active = self.most_active = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body, self.headers.get("authorization", "")))
        step = self.server.script[min(len(self.server.asked), len(self.server.script)) - 1]
        self.server.active += 1
        self.server.most_active = max(self.server.most_active, self.server.active)
        step(self, body)
        self.server.active -= 1

    def log_message(self, *_: Any) -> None:
        pass

    def reply(self, status: int, data: bytes, *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(data) if length is None else length))
        self.end_headers()
        self.wfile.write(data)
        if length is not None:
            self.close_connection = True


def ok(answer: Any = ANSWER, status: int = 200, **headers: str):
    return lambda handler, body: handler.reply(status, json.dumps(answer).encode(), **headers)


def hang(handler: Handler, body: dict[str, Any]) -> None:
    time.sleep(0.6)
    handler.close_connection = True


def events(*pieces: Any, done: bool = True):
    lines = [f"data: {json.dumps(p) if not isinstance(p, str) else p}\n\n" for p in pieces]
    text = "".join(lines) + ("data: [DONE]\n\n" if done else "")
    return lambda handler, body: handler.reply(200, text.encode(), content_type="text/event-stream")


def piece(text: str | None = None, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text, **delta}, "finish_reason": finish}]}


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()


def client(server: Server, **options: Any) -> ChatClient:
    return ChatClient(server.url, "m", "secret", **{"backoff": 0.001, "timeout": 5.0, **options})


def complete(client: ChatClient, messages: Any = ASK, **options: Any) -> Completion:
    async def go() -> Completion:
        async with client:
            return await client.complete(messages, max_tokens=8, **options)

    return asyncio.run(go())


def stream(client: ChatClient, seen: list[Delta] | None = None) -> list[Delta]:
    seen = [] if seen is None else seen

    async def go() -> None:
        async with client:
            async for delta in client.stream(ASK, max_tokens=8):
                seen.append(delta)

    asyncio.run(go())
    return seen


def test_complete_sends_what_the_format_asks_and_reads_the_answer(server: Server) -> None:
    server.script = [ok()]
    c = client(server, system_prompt="Be brief.", extra={"top_k": 1})
    answer = complete(c, seed=7, stop=["END"])
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens, answer.finish_reason) == ("two", 5, 2, "stop")
    path, body, authorization = server.asked[0]
    assert path == "/v1/chat/completions" and authorization == "Bearer secret" and "secret" not in repr(c)
    assert body == {
        "model": "m", "max_tokens": 8, "temperature": 0.0, "seed": 7, "stop": ["END"], "top_k": 1,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one plus one?"}],
    }  # fmt: skip
    complete(c, [{"role": "system", "content": "Mine."}, {"role": "user", "content": "?"}])  # a second event loop, too
    assert [m["content"] for m in server.asked[1][1]["messages"]] == ["Mine.", "?"]


def test_a_client_left_open_works_in_the_next_event_loop(server: Server) -> None:
    server.script = [ok()]
    c = client(server, retries=0)
    for _attempt in range(2):
        assert asyncio.run(c.complete(ASK, max_tokens=8)).text == "two"


def half(handler: Handler, body: dict[str, Any]) -> None:
    data = json.dumps(ANSWER).encode()
    handler.reply(200, data[:20], length=len(data))


@pytest.mark.parametrize(
    "trouble",
    [ok({}, 500), ok({}, 503), ok({}, 429), hang, half, ok("half", 200), ok({"choices": []}), ok([1])],
    ids=["500", "503", "429", "hang", "cut", "not-an-object", "no-choice", "a-list"],
)
def test_passing_trouble_is_retried(server: Server, trouble: Any) -> None:
    server.script = [trouble, trouble, ok()]
    assert complete(client(server, timeout=0.3)).text == "two"
    assert len(server.asked) == 3


def test_retry_after_is_honoured(server: Server) -> None:
    server.script = [ok({}, 429, retry_after="0.4"), ok()]
    start = time.perf_counter()
    assert complete(client(server)).text == "two"
    assert 0.4 <= time.perf_counter() - start < 2.0


def test_lasting_trouble_is_one_clear_error(server: Server) -> None:
    server.script = [ok({"error": {"message": "overloaded,\ntry later"}}, 503)]
    with pytest.raises(
        ChatError, match=r"each of 3 attempts failed: the endpoint answered 503: overloaded, try later"
    ) as caught:
        complete(client(server, retries=2))
    assert caught.value.status == 503 and len(server.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_cannot_pass_is_not_retried(server: Server, status: int) -> None:
    server.script = [ok({"error": {"message": "no"}}, status)]
    with pytest.raises(ChatError) as caught:
        complete(client(server))
    assert caught.value.status == status and len(server.asked) == 1


def test_nobody_there_and_not_a_url() -> None:
    with pytest.raises(ChatError, match="cannot be reached"):
        complete(ChatClient("http://127.0.0.1:9/v1", "m", retries=1, backoff=0.001))
    with pytest.raises(ChatError, match="not a URL"):
        complete(ChatClient("127.0.0.1/v1", "m"))


def test_schema_and_the_endpoint_that_refuses_it(server: Server) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    server.script = [ok(), ok({"error": {"message": "This response_format type is unavailable now"}}, 400), ok(), ok()]
    c = client(server)
    complete(c, schema=schema)
    assert server.asked[0][1]["response_format"]["json_schema"]["schema"] == schema
    assert complete(c, schema=schema).text == "two"
    assert server.asked[2][1]["response_format"] == {"type": "json_object"}
    assert json.dumps(schema) in server.asked[2][1]["messages"][-1]["content"]
    complete(c, schema=schema)  # remembered: no second refusal
    assert server.asked[3][1]["response_format"] == {"type": "json_object"} and len(server.asked) == 4


def test_stream_yields_text_and_counts(server: Server) -> None:
    pieces = [piece("", role="assistant"), piece("t"), piece("wo"), piece(finish="length")]
    server.script = [events(*pieces, {"choices": [], "usage": USAGE})]
    deltas = stream(client(server))
    assert "".join(d.text for d in deltas) == "two"
    assert [d.finish_reason for d in deltas if d.finish_reason] == ["length"]
    assert (deltas[-1].prompt_tokens, deltas[-1].completion_tokens) == (5, 2)
    assert server.asked[0][1]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_stream_without_empty_lines_is_read(server: Server, end: str) -> None:
    pieces = [piece("t"), piece("wo"), piece(finish="stop"), {"choices": [], "usage": USAGE}]
    text = "".join(f"data: {json.dumps(p)}{end}" for p in pieces) + f"data: [DONE]{end}"
    server.script = [lambda handler, body: handler.reply(200, text.encode(), content_type="text/event-stream")]
    deltas = stream(client(server))
    assert "".join(d.text for d in deltas) == "two" and deltas[-1].completion_tokens == 2


def test_stream_is_retried_before_the_first_text_only(server: Server) -> None:
    whole = events(piece("two", "stop"))
    server.script = [ok({}, 500), events(piece("", role="assistant"), done=False), events('{"choi'), whole]
    assert "".join(d.text for d in stream(client(server))) == "two"
    assert len(server.asked) == 4
    server.script, server.asked, seen = [events(piece("tw"), done=False), whole], [], []
    with pytest.raises(ChatError, match="broke off"):
        stream(client(server), seen)
    assert [d.text for d in seen] == ["tw"] and len(server.asked) == 1


def test_embeddings_keep_their_order(server: Server) -> None:
    def embed(handler: Handler, body: dict[str, Any]) -> None:
        rows = [{"index": i, "embedding": [float(t)]} for i, t in enumerate(body["input"])]
        handler.reply(200, json.dumps({"data": rows[::-1]}).encode())

    server.script = [embed]

    async def go() -> list[list[float]]:
        async with client(server) as c:
            return await c.embed([str(i) for i in range(70)])

    assert asyncio.run(go()) == [[float(i)] for i in range(70)]
    assert [len(body["input"]) for _, body, _ in server.asked] and len(server.asked) == 3
    server.script, server.asked = [ok({"data": []})], []
    with pytest.raises(ChatError, match="got 0"):
        asyncio.run(client(server, retries=0).embed(["x"]))


def test_no_more_requests_at_once_than_asked_for(server: Server) -> None:
    def slow(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(0.05)
        ok()(handler, body)

    server.script = [slow]

    async def go() -> None:
        async with client(server, concurrency=3) as c:
            await asyncio.gather(*(c.complete(ASK, max_tokens=1) for _ in range(9)))

    asyncio.run(go())
    assert server.most_active == 3 and len(server.asked) == 9


def test_small_readers() -> None:
    assert read_event(Event(b'{"choices":[{"delta":{"reasoning_content":"hm"}}]}')) == Delta(reasoning="hm")
    assert error_text("[" * 100_000).startswith("[[")  # no bug of ours, however odd the endpoint
    assert error_text("<html>Bad gateway</html>") == "" and error_text('{"detail": "no"}') == "no"
    assert error_text("x" * 999).endswith("…") and len(error_text("x" * 999)) == 300
    assert retry_after("2") == 2.0 and retry_after("soon") is None
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
