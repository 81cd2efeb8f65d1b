"""The Chinese catalogue: complete enough to be shown, and true to the texts it translates."""

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from string import Formatter
from types import ModuleType
from typing import Any

import pytest
from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.address import Address
from tuneloop.cli.formatter import cells, pieces, wrap
from tuneloop.errors import Denied, MissingExtra, TuneloopError
from tuneloop.language import _, kept, marked, retold, shown, speaking
from tuneloop.registry import find_stage
from tuneloop.serving import endpoint
from tuneloop.settings import Endpoint, load_settings
from tuneloop.store import Store
from tuneloop.store.database import postgres_url
from tuneloop.store.names import check_name

REPOSITORY = Path(__file__).parent.parent
CHINESE = re.compile(r"[\u4e00-\u9fff]")
KEPT = re.compile(r"--[a-z][a-z-]+|/v1\b|/api\b|\b[a-z]+\.(?:toml|json|html|parquet)\b|TUNELOOP_[A-Z_]+|https?://")


@pytest.fixture(scope="module")
def translations() -> ModuleType:
    spec = importlib.util.spec_from_file_location("translations", REPOSITORY / "tools" / "translations.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def catalogue(translations: ModuleType) -> Catalog:
    with translations.CATALOGUE.open("rb") as file:
        return read_po(file, locale="zh_CN")


def tuneloop(*arguments: str, workspace: Path, language: str = "zh") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "100", "TUNELOOP_LANGUAGE": language, "TUNELOOP_WORKSPACE": str(workspace)}
    command = [sys.executable, "-m", "tuneloop", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def fields(text: str) -> Counter[tuple[str, str | None, str | None]]:
    return Counter((name, spec, how) for _text, name, spec, how in Formatter().parse(text) if name is not None)


def test_every_translation_keeps_the_fields_and_names_of_its_source(catalogue: Catalog) -> None:
    translated = [(str(m.id), str(m.string)) for m in catalogue if m.id and m.string]
    assert len(translated) > 600
    lost = [(source, target) for source, target in translated if fields(source) != fields(target)]
    assert not lost, "fields in braces"
    lost = [(s, t) for s, t in translated if Counter(KEPT.findall(s)) != Counter(KEPT.findall(t))]
    assert not lost, "flags, paths, file names and variables"


def test_the_compiled_catalogue_is_up_to_date(translations: ModuleType, catalogue: Catalog) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    assert translations.CATALOGUE.with_suffix(".mo").read_bytes() == compiled.getvalue(), "run: make translations"


def test_a_missing_translation_is_listed(
    translations: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    have, fresh = Catalog(locale="zh_CN"), Catalog(locale="zh_CN")
    have.add("kept", "保留")
    for text in ("kept", "brand new"):
        fresh.add(text)
    monkeypatch.setattr(translations, "CATALOGUE", tmp_path / "tuneloop.po")
    monkeypatch.setattr(translations, "collect", lambda: fresh)
    monkeypatch.setattr(sys, "argv", ["translations.py", "--check"])
    with (tmp_path / "tuneloop.po").open("wb") as po, (tmp_path / "tuneloop.mo").open("wb") as mo:
        write_po(po, have)
        write_mo(mo, have)
    assert translations.main() == 1
    listed = capsys.readouterr().out
    assert "brand new" in listed and "kept" not in listed


def test_help_is_chinese(tmp_path: Path) -> None:
    for arguments in ([], ["chunk"], ["serve"], ["key"], ["key", "create"]):
        shown = tuneloop(*arguments, "--help", workspace=tmp_path)
        assert shown.returncode == 0, shown.stderr
        english = tuneloop(*arguments, "--help", workspace=tmp_path, language="en").stdout
        assert not CHINESE.search(english)
        told = re.findall(r"^ +(?:-[\w/, -]+|[a-z]+)(?: [A-Z#]+| \[\S+\])?  +(\S.*)$", shown.stdout, re.MULTILINE)
        chinese = [line for line in told if CHINESE.search(line)]
        assert len(told) >= 3 and len(chinese) >= 0.8 * len(told), told
        assert all(cells(line) <= 100 for line in shown.stdout.splitlines())


def test_messages_and_mistakes_are_told_in_chinese(tmp_path: Path) -> None:
    assert "此处没有工作区" in tuneloop("ls", workspace=tmp_path).stderr
    for arguments in (["ls", "cats"], ["chnk"], ["chunk"], ["serve"], ["run", "nowhere.toml"]):
        done = tuneloop(*arguments, workspace=tmp_path)
        assert done.returncode == 2 and CHINESE.search(done.stderr) and "Traceback" not in done.stderr, done.stderr


def test_an_artifact_is_the_same_whoever_made_it(tmp_path: Path) -> None:
    rows = ['{"question": "Why?", "answer": "Because."}', '{"question": "Why not?"}', "{torn", '{"answer": "x"}']
    (tmp_path / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    made = [
        tuneloop("import", str(tmp_path / "rows.jsonl"), "--json", workspace=tmp_path / language, language=language)
        for language in ("en", "zh")
    ]
    english, chinese = (json.loads(done.stdout) for done in made)
    assert english["summary"]["rejected"] == 3
    assert english["output"] == chinese["output"], "what is set aside is stored in one language"
    told = [
        tuneloop("show", "dataset:rows", "--rejected", workspace=tmp_path / "en", language=language).stdout
        for language in ("en", "zh")
    ]
    assert "no answer" in told[0] and not CHINESE.search(told[0])
    assert "没有答案" in told[1] and "不是合法的 JSON：" in told[1], "and told in the reader's"


def test_a_failure_that_is_kept_is_stored_in_english_and_told_in_the_users_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuneloop.evaluate.generate import ask_all
    from tuneloop.journal import Journal

    async def ask(number: int) -> dict[str, str]:
        if number:
            return {"text": "two"}
        raise Denied(_("the endpoint answered {}").format(kind), hint=_("Check the API key."))

    monkeypatch.setenv("TUNELOOP_LANGUAGE", "zh")
    kind = 500
    monkeypatch.setattr(Denied, "status", kind)
    ask_them = partial(ask_all, ask=ask, journal=Journal(tmp_path / "kept"), concurrency=2, told=lambda done: None)
    keys = list("abcdefghijkl")
    assert ask_them(keys)[0] == {"error": "the endpoint answered 500. Check the API key."}
    kind = 401
    monkeypatch.setattr(Denied, "status", kind)
    with pytest.raises(TuneloopError, match=r"^端点返回了 401。请检查 API 密钥。$"):
        ask_them(keys)


def test_every_stored_text_is_shown_in_chinese(translations: ModuleType) -> None:
    rows = extract_from_dir(str(REPOSITORY / "tuneloop"), [("**.py", "python")], keywords={"stored": None})
    texts = sorted({str(message) for _file, _line, message, _comments, _context in rows})
    assert len(texts) > 80
    for text in texts:
        names = [name for _text, name, _spec, _how in Formatter().parse(text) if name is not None]
        values, named = [str(7 + number) for number in range(names.count(""))], {name: "3" for name in names if name}
        told = shown(text.format(*values, **named), "zh")
        assert told == _(text, "zh").format(*values, **named) and CHINESE.search(told), text
        assert shown(text, "en") == text
    assert shown("a value is not text: no question", "zh") == "有一个值不是文本：no question", "a detail is data"
    assert shown("answer: this is needed", "zh") == "answer：必须填写", "the name of a field is a name"


def test_what_another_server_said_is_quoted_in_chinese_whoever_kept_it() -> None:
    for made_in in ("en", "zh"):
        with speaking(made_in):
            said = _("the endpoint answered {status}: {said}").format(status=400, said=marked("too long for me"))
            found = kept(_("each of {count} attempts failed: {reason}").format(count=3, reason=said))
        assert retold(found, "en") == "each of 3 attempts failed: the endpoint answered 400: too long for me"
        assert retold(found, "zh") == "3 次尝试均失败：端点返回了 400：“too long for me”"
    stored_in_english = (
        "not answered: answer: http://h/v1: the endpoint answered 400: too long for me; against: no answer"
    )
    assert shown(stored_in_english, "zh").startswith("未得到回答：answer：http://h/v1：端点返回了 400：“too long")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "'x' is not the address of an artifact. Expected KIND:SHA256.",
            "'x' 不是产物的地址。应为 KIND:SHA256 的形式。",
        ),
        (
            "there is no model:base. There is no model yet. See: tuneloop ls model",
            "没有 model:base。还没有 model。请查看：tuneloop ls model",
        ),
        (
            "the endpoint answered 500: Internal error. Check the API key.",
            "端点返回了 500：“Internal error”。请检查 API 密钥。",
        ),
        ("/a b.pdf: cannot read the file: Permission denied (line 3)", "/a b.pdf：无法读取文件：没有权限（line 3）"),
        ("'x' is not a thing that anybody knows.", ""),
        ("the model is not loaded. Something else is here.", ""),
        ("there is no table 'x'. Nobody has put one there yet.", ""),
    ],
)
def test_a_message_is_told_as_a_whole_or_left_as_a_whole(text: str, told: str) -> None:
    """Found outside: a message and its hint took the form of a shorter message, and were half Chinese."""
    assert shown(text, "zh") == (told or text)


def test_the_chinese_guide_quotes_messages_as_they_are_told() -> None:
    for page in sorted((REPOSITORY / "docs" / "zh").glob("*.md")):
        quoted = re.findall(r"`([^`\n]+ [^`\n]+)`", page.read_text(encoding="utf-8"))
        english = [text for text in quoted if shown(text, "zh") != text]
        assert not english, page.name


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (
            lambda root: Store(root).artifacts.resolve("chunks:none"),
            "没有 chunks:none。还没有 chunks。请查看：tuneloop ls",
        ),
        (lambda root: Store(root).artifacts.resolve("model:a", "chunks"), "而这里需要 chunks"),
        (lambda root: Store(root).artifacts.path(Address("model", "0" * 64)), "不在这个工作区里"),
        (lambda root: Store(root).runs.get("nothing"), "没有运行 'nothing'。请查看：tuneloop ls runs"),
        (lambda root: Store(root).traffic.request("nothing"), "没有请求 'nothing'"),
        (lambda root: check_name("a b"), "不能用作标签。最多 200 个字符"),
        (lambda root: postgres_url("mysql://x"), "不支持 mysql:// 数据库"),
        (lambda root: Address.parse("cat:1"), "不是产物的地址"),
        (lambda root: find_stage("chnk"), "没有阶段 'chnk'。是不是想输入 'chunk'？"),
        (lambda root: endpoint(Store(root), "nobody"), "没有写明要询问哪个模型"),
        (
            lambda root: Endpoint(url="u", model="m", api_key_env="NO_KEY_HERE", api_key_file="").api_key(),
            "u 的密钥没有设置",
        ),
        (lambda root: settings_of(root, "threads = -1"), "threads：应大于或等于 0（给出的是 -1）"),
        (lambda root: settings_of(root, "thread = 1"), "thread：没有这个参数"),
        (lambda root: settings_of(root, "threads ="), "不是合法的 TOML"),
        (lambda root: raise_missing(), "这需要软件包 'torch'，而它没有安装。安装命令：pip install"),
    ],
)
def test_core_errors_are_told_in_chinese(
    ask: Callable[[Path], Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNELOOP_LANGUAGE", "zh")
    with pytest.raises(TuneloopError) as caught:
        ask(tmp_path)
    assert told in str(caught.value)
    monkeypatch.setenv("TUNELOOP_LANGUAGE", "en")
    with pytest.raises(TuneloopError) as caught:
        ask(tmp_path)
    assert not CHINESE.search(str(caught.value))


def settings_of(root: Path, text: str) -> None:
    (root / "tuneloop.toml").write_text(text, encoding="utf-8")
    load_settings(root)


def raise_missing() -> None:
    raise MissingExtra("train", "torch")


def test_the_catalogue_is_read_when_a_text_is_looked_up_and_no_earlier() -> None:
    code = "import tuneloop.store, tuneloop.settings, tuneloop.language as l; print(len(l.known))"
    environment = {**os.environ, "TUNELOOP_LANGUAGE": "zh"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_a_text_without_a_translation_is_shown_as_it_is() -> None:
    assert _("no such text in the catalogue", "zh") == "no such text in the catalogue"
    assert _("", "zh") == "", "never the header of the catalogue"


@settings(deadline=None)
@given(st.text(st.sampled_from("泵在，。（）ab -12 "), max_size=80), st.integers(4, 40))
def test_wrapped_lines_lose_nothing_and_fit(text: str, width: int) -> None:
    text = re.sub(r" +(?=[，。）])", "", text)
    lines = wrap(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    longest = max(map(cells, pieces(text)), default=0)
    assert all(cells(line) <= max(width, longest) for line in lines)
    assert not any(line.startswith(("，", "。")) for line in lines[1:])
