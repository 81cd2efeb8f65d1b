"""``language = "zh"`` in tuneloop.toml reaches every surface, with no English in a Chinese line; JSON is the same."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_house import Engine, Running, answer_json

from tuneloop import language, processes, serving
from tuneloop.cli import main
from tuneloop.foreign import told
from tuneloop.registry import find_stage
from tuneloop.runner import Workspace
from tuneloop.settings import load_settings
from tuneloop.store import Store

CHINESE = re.compile(r"[\u4e00-\u9fff]")
LOCALE = ("TUNELOOP_LANGUAGE", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
# What stays as it is in a Chinese line: what is quoted, typed, or the name of something.
KEPT = re.compile(
    r"""'[^']*'|“[^”]*”|`[^`]*`|https?://[^\s：，。；“]+|(?<![\w])[\w.~-]*[/\\][\w./\\~…-]*|--?[a-z][\w-]*|[A-Z][A-Z_]+\b"""
    r"|\b[a-z_]+(?=：)|\b\w*[._:\d-][\w.:-]*|\btuneloop( [a-z]+)*|\b\w+="
)
CARE = (
    "水泵在压力达到 40 bar 时自动停止运行。再次启动时，请按下控制面板上的红色按钮，并等待三分钟。"
    "每周应清洗一次过滤器，每年应更换一次密封圈。操作人员必须佩戴手套，并在维护之前切断电源。"
)
# Half-width punctuation between Chinese words, a stop behind a stop, a foreign bracket, or two signs in a row.
HALF = re.compile(
    r"(?<!^tuneloop)[,;:](?=\s|$)|[\u4e00-\u9fff）”][.!?]|[。，；：、！？]([。，；：、]|[.,;:](?=\s|$))"
    r"|[\u4e00-\u9fff）”] ?\(|\([^()]*[\u4e00-\u9fff][^()]*\)"
)
NAMES = """Tuneloop Python SQLite PostgreSQL GiB MiB GB MB kB Ctrl torch transformers peft trl accelerate datasets
    psycopg
    xllamacpp huggingface modelscope pypi admin member caller documents chunks dataset model index evaluation safety
    loadtest traffic filing runs parse chunk md pip synthesize split train compress evaluate pull count import cpu toml
    tokens paths name stage en zh Unicode bar id HTTP qa torn Bearer"""


@pytest.fixture
def chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace that is Chinese by its file alone, on a machine that speaks English."""
    for name in LOCALE:
        monkeypatch.setenv(name, "en_US.UTF-8" if name == "LANG" else "")
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "tuneloop.toml").write_text('language = "zh"\n', encoding="utf-8")
    yield tmp_path
    language.use("")


@pytest.fixture(scope="module")
def worked_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which something was parsed, cut and imported."""
    folder = tmp_path_factory.mktemp("worked")
    (folder / "pump.md").write_text("# 水泵\n\n水泵在 40 bar 时停止。\n", encoding="utf-8")
    (folder / "torn.jsonl").write_text('{"question": "a", "answer": "b"}\n{torn\n', encoding="utf-8")
    (folder / "loop.toml").write_text(f'[[stage]]\nstage = "parse"\nname = "p"\npaths = ["{folder / "pump.md"}"]\n')
    (folder / "tuneloop.toml").write_text('language = "zh"\n', encoding="utf-8")
    workspace = Workspace(folder)
    workspace.run(find_stage("parse").model_validate({"paths": [str(folder / "pump.md")]}), name="p")
    workspace.run(find_stage("chunk").model_validate({"documents": "documents:p"}))
    workspace.run(find_stage("import").model_validate({"file": str(folder / "torn.jsonl")}), name="t")
    return folder


@pytest.fixture
def worked(worked_in: Path, chinese: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(worked_in))
    return worked_in


def english(text: str) -> list[str]:
    """The English words in Chinese lines of a text, which are no names."""
    lines = [line for line in text.splitlines() if CHINESE.search(line)]
    return [f"{word}: {line}" for line in lines for word in re.findall(r"[A-Za-z]{2,}", KEPT.sub(" ", line))
            if word not in NAMES.split()]  # fmt: skip


def punctuated_otherwise(text: str) -> list[str]:
    """The Chinese lines of a text that are punctuated as English is, outside of what is quoted."""
    lines = [line for line in text.splitlines() if CHINESE.search(line)]
    return [line for line in lines if HALF.search(re.sub(r"“[^”]*”|`[^`]*`|'[^',]*'|\w+: Bearer", "…", line))]


def say(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, int]:
    """What a command prints, and its status."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    said = capsys.readouterr()
    return said.out + said.err, int(end.value.code or 0)


MISTAKES = [
    "ls cats", "lss", "chunk", "chunk documents:none", "chunk documents:none --tokens many", "chunk x --tokns 3",
    "parse /nowhere", "parse --name", "parse a.md --name a/b", "show model:none", "show run-none", "show documents",
    "show documents:a --limit 0", "lineage model:none", "tag model:none x", "diff model:a model:b", "rm model:none",
    "cancel none", "models pull no-such-model --jso", "models pull /nowhere", "key create", "key create n --role x",
    "key create a b c", "key revoke none", "run /nowhere.toml", "run .", "serve", "serve m --port 99999",
    "serve m --host 10.9.9.9 --no-auth", "web --port many", "web --host 192.0.2.1 --port 9", "worker --once x",
    "demo --documents /nowhere", "evaluate", "train dataset:none --model none", "compress model:none --bits 3",
    "split dataset:none", "import /nowhere", "synthesize chunks:none --teacher none", "index chunks:none",
    "loadtest none", "doctor --nonsense", "chunk documents:none --tokens", "serve --port", "key create n --role", "-w",
    "import /x.jsonl --format alpacca", "run {wrong}", "run {wrong} --check", "loadtest http://127.0.0.1:9/v1#x",
]  # fmt: skip


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_told_in_chinese_and_in_nothing_else(typed: str, chinese: Path, capsys: Any) -> None:
    (wrong := chinese / "wrong.toml").write_text('[[stage]]\nstage = "parse"\npahts = ["x"]\n', encoding="utf-8")
    said, status = say(capsys, *typed.format(wrong=wrong).split())
    assert status == 2 and CHINESE.search(said) and len(said.strip().splitlines()) == 1, said
    assert not english(said)
    assert not punctuated_otherwise(said)


class Server(Engine):
    """A model's server of somebody else, which speaks English."""

    async def choosy(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        refused = "第 3 步" in body["messages"][-1]["content"]
        await (self.picky if refused else self.good)(body, receive, send)

    async def dull(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        choice = {"index": 0, "message": {"role": "assistant", "content": "nothing to ask"}, "finish_reason": "stop"}
        await answer_json(send, 200, {"choices": [choice]})


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = Running(Server())
    yield f"{running.url}/v1"
    running.stop()


@pytest.fixture(scope="module")
def care(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Chinese workspace with a passage to ask about, and an exam."""
    folder = tmp_path_factory.mktemp("care")
    (folder / "care.md").write_text(f"# 维护\n\n{CARE}\n", encoding="utf-8")
    asked = [{"question": f"第 {n} 步做什么？", "answer": "按下按钮。"} for n in range(11)]
    (folder / "exam.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in asked))
    (folder / "tuneloop.toml").write_text('language = "zh"\n', encoding="utf-8")
    workspace = Workspace(folder)
    workspace.run(find_stage("import").model_validate({"file": str(folder / "exam.jsonl")}))
    workspace.run(find_stage("parse").model_validate({"paths": [str(folder / "care.md")]}))
    workspace.run(find_stage("chunk").model_validate({"documents": "documents:care"}))
    return folder


SERVERS = [
    ("evaluate http://nosuchhost.invalid/v1#x dataset:exam", 2, "无法解析主机名"),
    ("synthesize chunks:care --teacher http://127.0.0.1:9/v1#x", 2, "连接被拒绝"),
    ("evaluate {server}#picky dataset:exam", 2, "端点返回了 400：“the context is too long”"),
    ("evaluate {server}#locked dataset:exam", 2, "“who are you?”"),
    ("synthesize chunks:care --teacher {server}#dull", 2, "最常见的原因：教师模型的回答中没有问题"),
    ("synthesize chunks:care --teacher {server}#picky", 2, "教师模型没有回答（端点返回了 400"),
    ("index chunks:care --embedding {server}#down", 2, "端点返回了 503：“cannot load"),
    ("loadtest {server} --model-name picky --seconds 1", 2, "服务器返回了 400：“the context is too long”"),
    ("loadtest {server} --model-name broken --seconds 1", 2, "连接中断"),
    ("loadtest {server} --model-name wrong --seconds 1", 2, "）。“overloaded"),
    ("evaluate {server}#choosy dataset:exam --name choosy", 3, "未得到回答：answer：http"),
]


@pytest.mark.parametrize(("typed", "ends", "zh"), SERVERS)
def test_a_server_that_fails_or_refuses_is_told_in_chinese_and_its_own_words_are_quoted(
    typed: str, ends: int, zh: str, server: str, care: Path, chinese: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(care))
    said, status = say(capsys, *typed.format(server=server).split())
    assert status == ends and zh in said, said
    assert not english(said) and not punctuated_otherwise(said)


def test_what_works_is_told_in_chinese_and_in_nothing_else(worked: Path, capsys: Any) -> None:
    pump, torn, loop = (str(worked / name) for name in ("pump.md", "torn.jsonl", "loop.toml"))
    commands = (
        ["parse", pump, "--name", "p"], ["chunk", "documents:p"], ["import", torn, "--name", "t"], ["ls"],
        ["ls", "runs"], ["show", "documents:p"], ["show", "dataset:t", "--rejected"], ["lineage", "chunks:p"],
        ["tag", "documents:p", "again"], ["diff", "documents:p", "documents:again"], ["gc", "--dry-run"],
        ["run", loop, "--check"], ["run", loop], ["key", "create", "anna"], ["key", "ls"], ["models", "ls"],
        ["doctor"], ["gc"], ["worker", "--once"], ["--help"], ["parse", "--help"],
        ["key", "--help"],
    )  # fmt: skip
    told_at_all = 0
    for command in commands:
        said, _status = say(capsys, *command)
        told_at_all += bool(CHINESE.search(said))
        body = said if "--help" not in command else ""
        assert not english(body) and not punctuated_otherwise(body), command
    assert told_at_all >= len(commands) - 3, "tag and worker say nothing in words"
    assert re.search(r"20\d\d-\d\d-\d\d \d\d:\d\d", say(capsys, "ls")[0]), "dates have their year"
    assert "不是合法的 JSON：此处应有用双引号括起的键名（2）" in say(capsys, "show", "dataset:t", "--rejected")[0]


def test_json_for_programs_is_the_same_in_both_languages(worked: Path, capsys: Any, monkeypatch: Any) -> None:
    pump, torn, loop = (str(worked / name) for name in ("pump.md", "torn.jsonl", "loop.toml"))
    run = Workspace(worked).store.runs.recent()[-1].id
    key = json.loads(say(capsys, "key", "create", "anna", "--json")[0])["id"]
    commands = (
        ["ls"], ["ls", "runs"], ["show", "documents:p"], ["show", "dataset:t", "--rejected"], ["show", run],
        ["lineage", "documents:p"], ["tag", "documents:p", "q"], ["diff", "documents:p", "documents:q"],
        ["gc", "--dry-run"], ["gc"], ["cancel", run], ["models", "ls"], ["key", "ls"], ["key", "revoke", key],
        ["parse", pump, "--name", "p"], ["import", torn, "--name", "t"], ["run", loop],
        ["run", "--check", loop], ["doctor"], ["show", "model:none"], ["chunk", "documents:none"],
    )  # fmt: skip
    for command in commands:
        found = {}
        for name in ("en", "zh"):
            monkeypatch.setenv("TUNELOOP_LANGUAGE", name)
            said, status = say(capsys, *command, "--json")
            line = next(line for line in said.splitlines() if line.startswith("{"))
            found[name] = for_programs(json.loads(line)), status
            assert name == "zh" or not CHINESE.search(line) or "水泵" in line, line
        assert found["en"] == found["zh"], command


def for_programs(value: Any) -> Any:
    """A JSON value without what is told to a person, and without what is measured anew."""
    if isinstance(value, dict):
        return {k: for_programs(v) for k, v in value.items() if k not in ("error", "hint", "seconds", "used")
                and not (k == "found" and re.search(r"\d (GB|GiB)", str(v)))}  # fmt: skip
    return [for_programs(one) for one in value] if isinstance(value, list) else value


def test_the_gateway_and_rest_answer_in_chinese_characters(chinese: Path) -> None:
    store = Store(chinese)
    routes = [serving.route(store, "m", "http://127.0.0.1:9/v1", "m")]
    with serving.gateway_process(store, routes, log="gateway", auth=False) as gateway:
        for path, body in (("chat/completions", "{"), ("chat/completions", '{"model": "x"}'), ("feedback", "{}"),
                           ("chat/completions", '{"model": "m", "messages": [{"role": "user", "content": "x"}]}'),
                           ("nothing", "{}")):  # fmt: skip
            answer = httpx.post(f"{gateway.url}/v1/{path}", content=body, trust_env=False)
            assert_chinese(answer)
            assert answer.json()["error"]["type"].isascii(), "what a program reads is not translated"
    port = processes.free_port()
    argv = processes.module_command("tuneloop.web", "--workspace", str(chinese), "--port", str(port), "--no-auth")
    with processes.Child.start(argv, log=store.logs / "web.log") as web:
        for path in ("/api/runs/none", "/api/artifacts/model:none", "/api/runs?limit=many"):
            assert_chinese(httpx.get(web.ready["url"] + path, trust_env=False))


def assert_chinese(answer: httpx.Response) -> None:
    assert answer.status_code >= 400 and answer.headers["content-type"] == "application/json; charset=utf-8"
    assert b"\\u" not in answer.content and CHINESE.search(answer.text), answer.text
    told = answer.json()["error"]
    assert not english(told["message"] if isinstance(told, dict) else told), answer.text


def test_a_run_and_its_children_speak_the_language_of_the_workspace(chinese: Path, capsys: Any) -> None:
    said, status = say(capsys, "count", "4", "--trouble", "disk")
    assert status == 2 and "磁盘已满" in said and not english(said)
    (row,) = Store(chinese).runs.recent(state="failed")
    assert "磁盘已满" in row.error["message"], "told by the child"


ORDER: list[tuple[dict[str, str], str, str]] = [
    ({}, "", "en"),
    ({"LANG": "zh_CN.UTF-8"}, "", "zh"),
    ({"LANG": "en_US.UTF-8"}, "zh", "zh"),
    ({"LANG": "zh_CN.UTF-8"}, "en", "en"),
    ({"TUNELOOP_LANGUAGE": "en"}, "zh", "en"),
    ({"TUNELOOP_LANGUAGE": "zh_CN"}, "en", "zh"),
    ({"LANGUAGE": "zh_CN:zh", "LANG": "en_US.UTF-8"}, "", "zh"),
    ({"LANGUAGE": "de:en:zh", "LANG": "zh_CN.UTF-8"}, "", "en"),
    ({"LANGUAGE": "zh_CN:zh"}, "", "zh"),
    ({"LANGUAGE": "zh_CN:zh", "LC_ALL": "C.UTF-8"}, "", "en"),
    ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "", "en"),
    ({"LC_ALL": "zh_TW", "LC_MESSAGES": "en_US", "LANG": "en_US"}, "", "zh"),
    ({"LANG": "fr_FR.UTF-8"}, "", "en"),
]


@pytest.mark.parametrize(("environment", "written", "spoken"), ORDER)
def test_who_decides_the_language(environment: dict[str, str], written: str, spoken: str, tmp_path: Path,
                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    for name in LOCALE:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "tuneloop.toml").write_text(f'language = "{written}"\n')
    try:
        load_settings(tmp_path)
        assert language.current_language() == spoken
        configured = environment.get("TUNELOOP_LANGUAGE", written)[:2]
        assert language.configured_language() == configured, "where nobody says it, a browser may"
    finally:
        language.use("")


def test_the_workspace_that_is_typed_decides_also_for_help(chinese: Path) -> None:
    environment = {**os.environ, "TUNELOOP_WORKSPACE": ""}
    for place in (["-w", str(chinese)], [f"--workspace={chinese}"]):
        command = [sys.executable, "-m", "tuneloop", *place, "chunk", "--help"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd="/")
        assert "用法" in done.stdout or CHINESE.search(done.stdout)
    (chinese / "tuneloop.toml").write_text('language = "zh"\nthreads = \n')
    command = [sys.executable, "-m", "tuneloop", "chunk", "documents:x"]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert (done.returncode == 2 and "不是合法的 TOML" in done.stderr) or "not valid TOML" in done.stderr


async def asked(url: str) -> None:
    """As the client of every endpoint asks (chat.py): its errors are those of asyncio."""
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(url)


def refuse(kind: Callable[[], Any]) -> BaseException:
    with pytest.raises(Exception) as raised:
        kind()
    return raised.value


@pytest.mark.parametrize(
    ("fails", "zh"),
    [
        (lambda: json.loads("{a"), "此处应有用双引号括起的键名（第 1 行第 2 列）"),
        (lambda: json.loads('["a'), "字符串没有结尾（第 1 行第 2 列）"),
        (lambda: Path("/nowhere").read_text(), "没有这个文件或目录"),
        (lambda: Path("/").read_text(), "这是一个目录"),
        (lambda: b"a\xff".decode(), "第 1 个字节处不是 UTF-8"),
        (lambda: httpx.get("http://127.0.0.1:9", trust_env=False), "连接被拒绝"),
        (lambda: asyncio.run(asked("http://127.0.0.1:9")), "连接被拒绝"),
        (lambda: asyncio.run(asked("http://localhost:9")), "连接被拒绝"),
        (lambda: asyncio.run(asked("http://nosuchhost.invalid")), "无法解析主机名"),
        (lambda: (_ for _ in ()).throw(ValueError("no such thing")), "“no such thing”"),
    ],
)
def test_words_of_others_are_ours_or_quoted(fails: Callable[[], Any], zh: str) -> None:
    error = refuse(fails)
    with language.speaking("zh"):
        assert told(error) == zh
    with language.speaking("en"):
        assert not CHINESE.search(told(error)) and "“" not in told(error)
