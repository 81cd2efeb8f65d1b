"""The engine: a real small model served, drained, killed, restarted; and what it refuses before loading."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tuneloop import engines, machine, processes
from tuneloop.chat import COUNTS_AS_IT_WRITES, ChatClient, Completion, Delta
from tuneloop.engines import memory
from tuneloop.engines.engine import RESTARTS, Engine, check_memory
from tuneloop.errors import Conflict, NotFound, TuneloopError
from tuneloop.models import ModelCard, TokenCheck, read_gguf, read_gguf_card, render, template_hash, write_card
from tuneloop.records import Message

QUESTION = [Message(role="user", content="What is the capital of France?")]


def ask(engine: Engine, max_tokens: int = 8, **options: Any) -> Completion:
    async def go() -> Completion:
        async with ChatClient(engine.base_url, "any", **options) as client:
            return await client.complete(QUESTION, max_tokens=max_tokens)

    return asyncio.run(go())


@pytest.fixture(scope="module")
def engine(smollm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    log = tmp_path_factory.mktemp("engine") / "engine.log"
    with engines.start(smollm, log=log, context=2048, parallel=2, threads=1) as running:
        yield running


def test_it_answers_and_shows_what_it_does(engine: Engine) -> None:
    answer = ask(engine)
    assert answer.text and answer.completion_tokens == 8 and answer.prompt_tokens > 8
    seen = engine.inspect()
    assert (seen["slots"], seen["context"], seen["restarts"]) == (2, 2048, 0)
    assert seen["counters"]["tokens_predicted_total"] >= 8
    again = ask(engine)  # the prompt is in the cache
    assert again.text == answer.text
    assert engine.inspect()["counters"]["prompt_tokens_cached_total"] > 0


def test_an_answer_that_is_ended_early_has_its_true_counts(engine: Engine) -> None:
    whole = ask(engine)

    async def first(pieces: int) -> Delta:
        async with ChatClient(engine.base_url, "any", extra=COUNTS_AS_IT_WRITES) as client:
            seen: list[Delta] = []
            async with aclosing(client.stream(QUESTION, max_tokens=8)) as deltas:
                async for delta in deltas:
                    seen += [delta] if delta.text else []
                    if len(seen) == pieces:
                        break
            return seen[-1]

    for pieces in (1, 4):
        told = asyncio.run(first(pieces))
        assert (told.prompt_tokens, told.completion_tokens) == (whole.prompt_tokens, pieces)


def test_one_request_may_use_the_whole_context(engine: Engine) -> None:
    with engine.http() as http:
        assert [slot["n_ctx"] for slot in http.get("/slots").json()] == [2048, 2048]


def test_it_listens_on_loopback_only_and_lets_no_other_site_read(engine: Engine) -> None:
    with engine.http() as http:
        reply = http.get("/v1/models", headers={"origin": "https://evil.example"})
    assert reply.headers["access-control-allow-origin"] not in ("*", "https://evil.example")
    sockets = Path(f"/proc/{engine.child.pid}/net/tcp")
    if sockets.exists():
        inodes = {str(f.readlink()) for f in Path(f"/proc/{engine.child.pid}/fd").iterdir() if f.is_symlink()}
        rows = [line.split() for line in sockets.read_text(encoding="ascii").splitlines()[1:]]
        own = [row for row in rows if f"socket:[{row[9]}]" in inodes]
        assert own and all(row[1].startswith("0100007F:") for row in own)


def test_the_log_holds_no_prompt(engine: Engine) -> None:
    ask(engine)
    assert "France" not in engine.log.read_text(encoding="utf-8")


def test_parity_accepts_the_same_tokens_and_refuses_others(engine: Engine) -> None:
    card = engine.card
    talk = [*QUESTION, Message(role="assistant", content="Paris.")]
    with engine.http() as http:

        def check(messages: list[Message], open_end: bool) -> TokenCheck:
            text = render(card.chat_template, messages, open_end, **card.template_variables())
            ids = http.post("/tokenize", json={"content": text, "add_special": False}).json()["tokens"]
            return TokenCheck(messages=messages, text=text, token_ids=ids)

        checks = [check(QUESTION, True), check(talk, False)]
    good = card.model_copy(update={"token_check": checks})
    with engine.http() as http:
        assert engines.parity(http, good) == 2
        for index in (0, 1):
            bad = good.model_copy(deep=True)
            bad.token_check[index].token_ids[-1] += 1
            with pytest.raises(TuneloopError, match=f"probe {index + 1} differently"):
                engines.parity(http, bad)
        other = card.model_copy(update={"template_sha256": template_hash("another")})
        with pytest.raises(TuneloopError, match="chat template is not the one"):
            engines.parity(http, other)


def test_the_cards_template_is_what_is_served(smollm: Path, tmp_path: Path) -> None:
    """A model trained with another template, and with thinking off, gets both; its probe shows it."""
    template = (
        "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{{ '' if enable_thinking else '<quiet>' }}"
    )
    (tmp_path / "model.gguf").symlink_to(smollm)
    card = read_gguf_card(smollm).model_copy(
        update={
            "file": "model.gguf",
            "chat_template": template,
            "template_sha256": template_hash(template),
            "thinking": False,
        }
    )
    write_card(tmp_path, card)
    with engines.start(tmp_path, log=tmp_path / "e.log", context=512, parallel=1, threads=1, watch=False) as engine:
        with engine.http() as http:
            said = http.post("/apply-template", json={"messages": [QUESTION[0].model_dump()]}).json()["prompt"]
        assert (
            said
            == render(template, QUESTION, True, **card.template_variables())
            == f"[user] {QUESTION[0].content}\n<quiet>"
        )
        probe = TokenCheck(messages=QUESTION, text=said, token_ids=[1, 2, 3])
        pid = engine.child.pid
    write_card(tmp_path, card.model_copy(update={"token_check": [probe]}))
    with pytest.raises(TuneloopError, match="probe 1 differently"):
        engines.start(tmp_path, log=tmp_path / "e.log", context=512, parallel=1, threads=1)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not processes.RUNNING or all(child.log != tmp_path / "e.log" for child in processes.RUNNING)


def test_a_crashed_engine_comes_back_on_its_port_and_the_client_notices_nothing(engine: Engine) -> None:
    before = engine.child.pid
    os.kill(before, signal.SIGKILL)
    assert ask(engine, retries=8, backoff=0.2).text
    assert engine.child.pid != before and len(engine.restarts) == 1


def test_stop_drains_what_is_in_flight(smollm: Path, tmp_path: Path) -> None:
    engine = engines.start(smollm, log=tmp_path / "e.log", context=1024, parallel=1, threads=1)
    got: list[Completion] = []
    asking = threading.Thread(target=lambda: got.append(ask(engine, 40, retries=0)))
    asking.start()
    end = time.monotonic() + 10
    while not engine.inspect()["busy"] and time.monotonic() < end:
        time.sleep(0.01)
    engine.stop(grace=60)
    asking.join(60)
    assert got and got[0].text and got[0].finish_reason
    assert engine.child.code == 0 and not engine.healthy()


def test_a_child_that_crashes_again_and_again_stays_down(tmp_path: Path) -> None:
    dead = SimpleNamespace(alive=False, code=-11)
    engine = Engine(ModelCard(), {"host": "127.0.0.1", "port": 1}, tmp_path / "e.log", dead)  # type: ignore[arg-type]
    engine.restarts = [time.monotonic()] * RESTARTS
    with pytest.raises(TuneloopError, match="ended 6 times, the last time with killed by SIGSEGV"):
        engine.ensure()
    assert engine.failure


def test_refused_before_loading(smollm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "e.log"
    cut, text = tmp_path / "cut.gguf", tmp_path / "text.gguf"
    with smollm.open("rb") as file:
        cut.write_bytes(file.read(5_000_000))
    text.write_text("hello", encoding="utf-8")
    for path, kind, message in ((cut, TuneloopError, "cut short"), (text, TuneloopError, "not a GGUF file"),
                                (tmp_path / "no.gguf", NotFound, "no such file")):  # fmt: skip
        with pytest.raises(kind, match=message):
            engines.start(path, log=log)
    with socket.create_server(("127.0.0.1", 0)) as holder, pytest.raises(Conflict, match="in use"):
        engines.start(smollm, log=log, port=holder.getsockname()[1])
    monkeypatch.setenv("TUNELOOP_MEMORY", "1e8")
    with pytest.raises(TuneloopError, match=r"needs about \d+ MiB of memory .* and 95 MiB are free"):
        engines.start(smollm, log=log)
    write_card(tmp_path, ModelCard(format="hf"))
    with pytest.raises(TuneloopError, match="tuneloop compress"):
        engines.start(tmp_path, log=log)
    assert not log.exists()


def test_the_memory_estimate(smollm: Path, tmp_path: Path) -> None:
    header = read_gguf(smollm)
    assert memory.cache_bytes_per_token(header) == 30 * 2 * 3 * 64 * 2  # layers, key and value, heads, width, 16 bits
    need = memory.engine_memory(header, 8192)
    check_memory(header, 8192, need, smollm)
    with pytest.raises(TuneloopError):
        check_memory(header, 8192, need - 1, smollm)
    assert machine.system_memory() > 0 and machine.container_memory(tmp_path) == float("inf")
    for name, said in (("max", "1000"), ("current", "900"), ("stat", "anon 1\ninactive_file 300\nactive_file 50")):
        (tmp_path / f"memory.{name}").write_text(said, encoding="ascii")
    assert machine.container_memory(tmp_path) == 450
    (tmp_path / "cpu.max").write_text("150000 100000\n", encoding="ascii")
    assert machine.cores(tmp_path) in (1, 2)
    assert machine.mac_memory(
        "Mach (page size of 16384 bytes)\nPages free: 10.\nPages wired down: 99.\n"
    ) == 10 * os.sysconf("SC_PAGE_SIZE")


def test_the_measured_process_stays_below_the_estimate(engine: Engine) -> None:
    status = Path(f"/proc/{engine.child.pid}/status")
    if not status.exists():
        pytest.skip("no /proc here")
    peak = next(
        int(line.split()[1]) * 1024 for line in status.read_text(encoding="ascii").splitlines() if "VmHWM" in line
    )
    assert peak < memory.engine_memory(read_gguf(Path(engine.config["file"])), engine.context)
