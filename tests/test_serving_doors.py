"""An engine and a guardrail of an installed package, through the real ``tuneloop serve``."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tuneloop.models import ModelCard, write_card
from tuneloop.processes import free_port
from tuneloop.runner import Workspace


def a_model(root: Path, name: str) -> None:
    store, folder = Workspace(root).store, root / "made"
    folder.mkdir()
    write_card(folder, ModelCard(format="hf", architecture="parrot", name=name))
    store.artifacts.tag(name, store.artifacts.save("model", folder, {}))


def serve(root: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tuneloop", "serve", *words, "--no-auth", "--json", "--port", str(free_port())]
    return subprocess.Popen(
        command, env={**os.environ, "TUNELOOP_WORKSPACE": str(root)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    root = tmp_path_factory.mktemp("parrots") / "ws"
    a_model(root, "polly")
    server = serve(root, "polly", "--guardrail", "manners")
    assert server.stdout and server.stderr
    line = server.stdout.readline()
    assert line, server.stderr.read()
    yield json.loads(line)["url"], root
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=20)


def ask(url: str, question: str, **more: Any) -> httpx.Response:
    body = {"model": "polly", "messages": [{"role": "user", "content": question}], **more}
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=20)


def test_an_engine_of_a_package_serves_what_it_can_as_it_is(served: tuple[str, Path]) -> None:
    answer = ask(served[0], "a cracker, please").json()
    assert answer["choices"][0]["message"]["content"] == "Parrot says: a cracker, please"
    assert answer["usage"]["total_tokens"] == 7


def test_a_guardrail_refuses_a_question_and_replaces_an_answer(served: tuple[str, Path]) -> None:
    refused = ask(served[0], "a cracker!")
    assert refused.status_code == 400
    assert refused.json()["error"] == {
        "message": "the question is refused: say please", "type": "invalid_request_error", "param": None,
        "code": "content_filter",
    }  # fmt: skip
    assert ask(served[0], "42 please").json()["choices"][0]["message"]["content"] == "Parrot says: ## please"
    streamed = ask(served[0], "42 please", stream=True, stream_options={"include_usage": True}).text
    assert "says: 42" not in streamed and "## please" in streamed and streamed.endswith("data: [DONE]\n\n")
    assert '"total_tokens": 7' in streamed


@pytest.mark.parametrize("trouble", ["crash 4711 please", "sleep 4711 please"])
def test_a_guardrail_that_fails_or_hangs_does_as_it_says_and_the_log_holds_no_text(
    trouble: str, served: tuple[str, Path]
) -> None:
    url, root = served
    refused = ask(url, trouble)
    assert refused.status_code == 400 and "a guardrail has failed" in refused.json()["error"]["message"]
    log = "".join(path.read_text(encoding="utf-8") for path in root.rglob("gateway-*.log"))
    assert "guardrail manners of the package toyserving (before)" in log and "4711" not in log


def test_what_goes_wrong_in_a_package_is_said_to_be_its_own(tmp_path: Path) -> None:
    a_model(tmp_path / "ws", "dead")
    out, said = (server := serve(tmp_path / "ws", "dead")).communicate(timeout=60)
    told = " ".join((out + said).split())
    assert "'parrot' of the package toyserving has failed: ZeroDivisionError: it has ceased to be" in told
    assert "a bug of the package toyserving, not of Tuneloop" in told and server.returncode == 2
    _out, said = serve(tmp_path / "ws", "dead", "--guardrail", "maners").communicate(timeout=60)
    assert "Did you mean 'manners'?" in " ".join((_out + said).split())
    _out, said = serve(tmp_path / "ws", "dead", "--verifier", "rulez").communicate(timeout=60)
    assert "Did you mean 'rules'?" in " ".join((_out + said).split())
