"""What ``docs/design/add-*.md`` tell an engineer to do is done, word for word, in a package that pip would leave."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tuneloop.processes import free_port

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


class Package:
    """A guide's modules and entry points, installed where nothing else sees them."""

    def __init__(self, guide: str, folder: Path) -> None:
        self.folder, self.site = folder, folder / "site"
        blocks = BLOCK.findall((ROOT / "docs" / "design" / f"{guide}.md").read_text(encoding="utf-8"))
        facts = self.site / "guided-1.0.dist-info"
        facts.mkdir(parents=True)
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: guided\nVersion: 1.0\n")
        points = "".join(text for kind, text in blocks if kind == "toml")
        (facts / "entry_points.txt").write_text(re.sub(r'project\.entry-points\."([^"]+)"|"', r"\1", points))
        for kind, text in blocks:
            if kind == "python":
                (self.site / text.splitlines()[0].removeprefix("# ")).write_text(text, encoding="utf-8")
        path = os.pathsep.join([str(self.site), str(ROOT)])
        self.environment = os.environ | {"PYTHONPATH": path, "TUNELOOP_LANGUAGE": "en"}
        self.commands = [line for kind, text in blocks if kind == "sh" for line in text.splitlines()]

    def run(self, line: str, status: int = 0) -> dict[str, Any]:
        """What a command of the guide prints with ``--json``."""
        command = [sys.executable, "-m", *line.split(), "--json"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Package:
    return Package(request.param, tmp_path)


guide = pytest.mark.parametrize


@guide("package", ["add-a-reader"], indirect=True)
def test_a_reader(package: Package) -> None:
    (package.folder / "team.minutes").write_text("# Monday\nAnna: The pump is green.\n\n---\n张伟: 水泵是绿色的。\n")
    (package.folder / "none.minutes").write_text("nothing")
    (command,) = package.commands
    found = package.run(command)
    assert found["summary"]["types"] == {"minutes": 1}
    assert found["summary"]["left_out"] == {"lines that nobody said": 3}
    rows = package.run("tuneloop show documents:team --rows documents")["rows"]
    assert "Anna said: The pump is green." in rows[0]["text"] and rows[0]["sections"][0]["heading"] == ["Monday"]
    both = package.run("tuneloop parse .", status=3)
    assert [one["reason"] for one in both["lost"]["first"]] == ["these are no minutes"]
    (package.site / "minutes_reader.py").write_text("raise RuntimeError('no luck')")
    refused = package.run("tuneloop parse team.minutes --rerun", status=2)
    assert "guided" in refused["error"] and "no luck" in refused["error"]


@guide("package", ["add-an-importer"], indirect=True)
def test_an_importer(package: Package) -> None:
    rows = [{"frage": "Wann schließt sie?", "antwort": "Um acht.", "thema": "Zeiten", "von": "Anna"}, {"frage": "Wo?"}]
    rows += [{"frage": f"Was ist {n}?", "antwort": {"n": n} if n == 3 else f"Es ist {n}."} for n in range(5)]
    (package.folder / "faq.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (command,) = package.commands
    found = package.run(command, status=3)
    assert found["summary"]["format"] == "frage" and found["summary"]["examples"] == 5
    assert found["summary"]["extra"] == {"von": 1}
    reasons = found["summary"]["reasons"]
    assert reasons == {"the format frage of the package guided failed": 1, "a value is not text": 1}
    first, *_rest = package.run("tuneloop show dataset:faq --rows examples")["rows"]
    assert first["tags"] == ["Zeiten"] and first["messages"][0]["content"] == "Wann schließt sie?"
    refused = package.run("tuneloop import faq.jsonl --format fragen", status=2)
    assert "frage" in refused["error"], "what was meant is said"


@guide("package", ["add-an-exporter"], indirect=True)
def test_an_exporter(package: Package) -> None:
    turns = [{"role": role, "content": text} for role, text in (("user", "Wann?"), ("assistant", "Um acht."))]
    rows = [{"messages": turns, "tags": ["Zeiten"]}, {"messages": turns * 2, "tags": ["a"]}]
    rows += [{"messages": [{"role": "user", "content": "Wo?"}, turns[1]], "tags": ["Orte", "Wege"], "von": "Anna"}]
    (package.folder / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    package.run("tuneloop import rows.jsonl --name faq")
    (command,) = package.commands
    found = package.run(command, status=3)
    assert found["not_carried"] == {"tags": 1, "extra": 1} and found["examples"] == 2
    assert found["left_out"] == {"more than one question has no place in it": 1}
    first, second = map(json.loads, (package.folder / "faq.jsonl").read_text().splitlines())
    assert first == {"frage": "Wann?", "antwort": "Um acht.", "thema": "Zeiten"} and second["thema"] == "Orte"
    (package.site / "frage_export.py").write_text(
        (package.site / "frage_export.py").read_text().replace("return found", "return found | 1 / 0")
    )
    failed = package.run(f"{command} --force", status=2)
    assert "the format frage of the package guided failed" in failed["error"]


@guide("package", ["add-a-stage"], indirect=True)
def test_a_stage_and_its_own_test(package: Package) -> None:
    (command,) = package.commands
    words = [sys.executable, *command.split()[1:], "-q", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=package.site, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_context_of_a_plug_ins_tests(tmp_path: Path) -> None:
    import asyncio

    from tuneloop.chat import ChatError
    from tuneloop.errors import NotFound
    from tuneloop.testing import StubModel, stage_context

    ctx = stage_context(tmp_path)
    with pytest.raises(NotFound, match="no table 'exampels'") as found:
        ctx.add_rows("dataset", exampels=[])
    assert "examples" in found.value.hint
    ctx.checkpoint("half").write_text("done")
    assert stage_context(tmp_path).checkpoint("half").read_text() == "done"

    def fail(messages: list[dict[str, Any]]) -> str:
        raise ChatError("overloaded", status=503)

    async def used() -> None:
        deltas = [delta async for delta in StubModel("one\ntwo").stream([], max_tokens=9)]
        assert "".join(delta.text for delta in deltas) == "one\ntwo" and deltas[-1].finish_reason == "stop"
        first, second, other = await StubModel().embed(["a port", "a port", "张伟"])
        assert first == second != other
        with pytest.raises(ChatError, match="overloaded"):
            await StubModel(fail).complete([], max_tokens=9)

    asyncio.run(used())


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that is asked to answer and says that the pump is hot."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            said = {"choices": [{"delta": {"content": "The pump is hot."}, "finish_reason": "stop"}]}
            text = f"data: {json.dumps(said)}\n\ndata: [DONE]\n\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1#any"
    server.shutdown()
    server.server_close()


def found_by_gateway(package: Package, upstream: str, question: str, **more: str) -> tuple[list[str], str]:
    """The passages that ``tuneloop serve`` shows a model, and what the gateway's log says."""
    port, words = free_port(), [word for name, value in more.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "tuneloop", "serve", "--upstream", upstream, "--knowledge", "index:manual"]
    server = subprocess.Popen(
        [*command, "--no-auth", "--json", "--port", str(port), *words], cwd=package.folder, env=package.environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout and server.stderr
        if not (line := server.stdout.readline().strip()):
            return [], server.stderr.read()
        ready = json.loads(line)
        if "url" not in ready:
            return [], line
        body = {"model": ready["models"][0], "messages": [{"role": "user", "content": question}]}
        said = httpx.post(f"{ready['url']}/v1/chat/completions", json=body, timeout=60).json()
        log = "".join(path.read_text(encoding="utf-8") for path in package.folder.rglob(f"gateway-{port}.log"))
        return [p["text"] for p in said["tuneloop"]["passages"]], log
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)


@guide("package", ["add-a-retriever"], indirect=True)
def test_a_retriever_and_a_reranker(package: Package, silent: str) -> None:
    text = "# Pump\n\nWhy does the pump stop? Because of error and error again.\n\n# List\n\nE-42: the pump is hot.\n"
    (package.folder / "manual.md").write_text(text)
    package.run("tuneloop parse manual.md")
    package.run("tuneloop chunk documents:manual --tokens 20 --overlap 0")
    question = "Why does the pump stop with error E-42?"
    codes, brief = package.commands
    assert package.run(codes)["summary"]["retriever"] == "codes"
    assert package.run(brief)["summary"]["reranker"] == "brief"
    found, log = found_by_gateway(package, silent, question)
    assert "E-42" in found[0] and "tuneloop.retrievers" not in log
    module = package.site / "codes_retriever.py"
    module.write_text(module.read_text().replace("asked = set(", "asked = {}[query.text] or set("))
    with next(package.site.glob("*.dist-info/entry_points.txt")).open("a") as points:
        points.write("[tuneloop.verifiers]\ndoubt = doubt:prepare\n")
    (package.site / "doubt.py").write_text("def prepare(passages, idf):\n    return 1 / 0\n")
    plain, log = found_by_gateway(package, silent, question, verifier="doubt")
    assert "verifier doubt of the package guided: ZeroDivisionError; a sentence is not checked" in log
    assert plain == found[::-1], "as by default"
    assert (
        "codes of the package guided in tuneloop.retrievers: KeyError; searched as fused" in log and "E-42" not in log
    )
    failed = package.run(f"{codes} --rerun", status=2)
    assert "'codes' of the package guided has failed" in failed["error"]
    module.unlink()
    _none, refused = found_by_gateway(package, silent, question)
    assert "codes" in refused and "guided" in refused
