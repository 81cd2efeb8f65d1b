"""The Chinese catalogue: complete enough to be shown, and true to the texts it translates."""

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from string import Formatter
from types import ModuleType

import pytest
from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.cli.formatter import cells, pieces, wrap
from tuneloop.language import _

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
    assert "还没有任何产物" in tuneloop("ls", workspace=tmp_path).stdout
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
