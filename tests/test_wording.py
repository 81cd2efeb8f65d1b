"""One Chinese word for one notion, wherever a reader meets it, and a guide that says the same in both languages."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from tuneloop.cli.formatter import Formatter
from tuneloop.language import aside, joined, speaking

ROOT = Path(__file__).parent.parent
CATALOGUE = ROOT / "tuneloop" / "locale" / "zh_CN" / "LC_MESSAGES" / "tuneloop.po"
CHAPTERS = sorted(path.name for path in (ROOT / "docs" / "en").glob("*.md"))
EXAM = ROOT / "examples" / "help-desk" / "exam.zh.jsonl"
HALF = re.compile(r"[一-龥]\n[一-龥]|[一-龥”）][,;:!?](?=\s|$|[一-龥])|[,;:!?][一-龥]|[一-龥]\s?\([^)]|[一-龥]\.(\s|$)")
CODE = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)", re.DOTALL)


def refused_words() -> dict[str, str]:
    """What the glossary refuses, and what it has instead."""
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", glossary(), re.MULTILINE)
    rows = [row for row in rows if row[0] != "用"]
    assert len(rows) >= 25 and all(why.strip() for _use, _refused, why in rows), "each with its reason"
    return {word: use for use, words, _why in rows for word in words.split("、")}


def glossary() -> str:
    return (ROOT / "docs" / "design" / "chinese-wording.md").read_text(encoding="utf-8")


def texts() -> dict[str, str]:
    """Every Chinese text for readers, by where it stands."""
    with CATALOGUE.open("rb") as file:
        found = {str(message.id): str(message.string) for message in read_po(file) if message.id}
    for path in (ROOT / "README.zh-CN.md", *sorted((ROOT / "docs" / "zh").glob("*.md")), EXAM):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found[f"{path.name}:{number}"] = line
    return found


def test_a_notion_has_one_word() -> None:
    refused = refused_words()
    wrong = [
        f"{place}: {word} → {refused[word]}" for place, text in texts().items() for word in refused if word in text
    ]
    assert not wrong, wrong[:20]


def test_chinese_sentences_have_chinese_punctuation() -> None:
    paths = (ROOT / "README.zh-CN.md", *(ROOT / "docs" / "zh" / name for name in CHAPTERS))
    prose = {path.name: CODE.sub("", path.read_text(encoding="utf-8")) for path in paths}
    with CATALOGUE.open("rb") as file:
        prose |= {str(message.id): str(message.string) for message in read_po(file) if message.id}
    wrong = [f"{place}: …{text[max(0, m.start() - 12):m.end() + 8]}…" for place, text in prose.items()
             for m in HALF.finditer(text)]  # fmt: skip
    assert not wrong, wrong[:20]


def shape(text: str) -> dict[str, object]:
    """What a chapter has in any language: its sections, points and rows, and what can be typed."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return {
        "sections": len(re.findall(r"^#+ ", prose, re.MULTILINE)),
        "points": len(re.findall(r"^(?:- |\d+\. )", prose, re.MULTILINE)),
        "rows": len(re.findall(r"^\|", prose, re.MULTILINE)),
        "examples": text.count("```"),
        "flags": Counter(re.findall(r"--[a-z][a-z-]+", prose)),
        "variables": Counter(re.findall(r"[A-Z]+_[A-Z_]+", prose)),
        "keys": set(re.findall(r"`([a-z]+_[a-z_]+)`", prose)),
    }


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_guide_says_the_same_in_both_languages(name: str) -> None:
    english, chinese = (shape((ROOT / "docs" / to / name).read_text(encoding="utf-8")) for to in ("en", "zh"))
    assert english == chinese


def test_every_exam_question_names_a_page_that_is_there() -> None:
    for language in ("en", "zh"):
        path = EXAM.with_name(f"exam.{language}.jsonl")
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert {row["page"] for row in rows if row["answerable"]} <= set(CHAPTERS)
        assert len({row["id"] for row in rows}) == len(rows)


def test_what_is_joined_and_bracketed_is_chinese_in_a_chinese_line() -> None:
    with speaking("zh"):
        assert joined(["documents:a", "documents:b"]) + aside("1,204 kB") == "documents:a、documents:b（1,204 kB）"
    with speaking("en"):
        assert joined(["documents:a", "documents:b"]) + aside("1,204 kB") == "documents:a, documents:b (1,204 kB)"
    formatter = Formatter(width=90)
    formatter.write_dl([("--limit", "显示多少行。 [默认值：20; x>=1]")])
    assert "[默认值：20；x>=1]" in formatter.getvalue()
