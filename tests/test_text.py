"""One room for text: each notion is said once, and a third language is a file."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tuneloop.answer.prompt import answering
from tuneloop.documents.blocks import Block
from tuneloop.documents.law import mark_articles
from tuneloop.knowledge.answerable import measured
from tuneloop.scripts import CJK, HAN, KANA
from tuneloop.text.delimiters import find_delimiter
from tuneloop.text.language import language_of
from tuneloop.text.languages import LISTS, languages, read_language
from tuneloop.text.numerals import chinese_value, spoken_value, whole_number

ROOT = Path(__file__).resolve().parent.parent
SAID_ONCE = {"language_of", "find_delimiter", "word_set", "ARTICLE", "CJK", "chinese_value", "chinese_number"}
LANGUAGE_CASES = {
    "How is 张伟 paid at Zorbex?": "en",
    "What does 对外经济贸易大学校友会章程 require of members?": "en",
    'What does "不可抗力" mean?': "en",
    "What does 第三条 say?": "en",
    "Can I take 布洛芬 with 阿司匹林?": "en",
    "Explain 不可抗力": "en",
    "张伟在 Zorbex 的工资怎么发？": "zh",
    "Kubernetes 的 Pod 如何设置 limits？": "zh",
    "“How are you” 用中文怎么说？": "zh",
    "Kubernetes is a PaaS 是什么意思": "zh",
    "Redis 集群配置": "zh",
    "IT 部门电话": "zh",
    "A2 课程": "zh",
    "NAME 有四种写法：": "zh",
    "THE COVER OF THE PUMP IS NOT TO BE OPENED.": "en",
    '{"question": "能不能取消？", "answer": "可以。", "answerable": true}': "zh",
    "张伟": "zh",
    "优の良品怎么退货": "zh",
    "東京の天気は？": "",
    "Как дела?": "",
    "Wo finde ich das Formular in der Cloud?": "",
    "Was kostet ein Hotel in Hamburg?": "",
    "On a reçu la facture.": "",
    "Is the Hotel in Berlin open?": "en",
    "Who owns Casa de la Vega in Los Angeles?": "en",
    "Employees may carry over five days.": "en",
    "Reset password": "",
    "": "",
}


@pytest.mark.parametrize("text", LANGUAGE_CASES)
def test_function_words_decide_the_language_and_no_name(text: str) -> None:
    assert language_of(text) == LANGUAGE_CASES[text]


def test_all_rooms_take_a_question_for_the_same_language() -> None:
    for text, told in LANGUAGE_CASES.items():
        # What is in no known language is spoken of in the one whose script it has.
        assert answering(text) == measured(text) == (told or ("zh" if re.search(f"[{CJK}]", text) else "en")), text


def test_each_notion_is_said_once() -> None:
    found: dict[str, list[str]] = {name: [] for name in SAID_ONCE}
    for path in sorted((ROOT / "tuneloop").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            names = [node.name] if isinstance(node, ast.FunctionDef) else []
            if isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            for name in SAID_ONCE.intersection(names):
                found[name].append(path.relative_to(ROOT).as_posix())
        if path.name != "scripts.py":
            assert not re.search(r"\\u4e00-\\u9fff|一-龥|一-鿿", source), path
    of_law = found.pop("ARTICLE")
    assert of_law == ["tuneloop/documents/law.py", "tuneloop/text/articles.py"]  # the one is made of the other
    assert not found.pop("chinese_number")
    assert all(
        len(places) == 1 and places[0].startswith(("tuneloop/text/", "tuneloop/scripts.py"))
        for places in found.values()
    ), found
    assert CJK == KANA + HAN


def test_a_numeral_has_one_value_in_every_room() -> None:
    values = {"二〇二六": 2026, "二百零六": 206, "一万二千": 12_000, "三亿": 300_000_000, "两千零三": 2003, "１０": 10}
    assert {text: whole_number(text) for text in values} == values
    assert [chinese_value(text) for text in ("三点五", "十", "条", "")] == ["3.5", "10", None, None]
    assert spoken_value("two hundred and five") == 205 and whole_number("三点五") == whole_number("x") == 0
    articles = [Block("text", f"第{n}条　内容由本条规定。") for n in ("一九", "二〇", "二一")]
    assert [block.opens for block in mark_articles(articles)] == ["第一九条", "第二〇条", "第二一条"]


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("name;price\na;1,5\nb;2,5\n", ";"),  # decimal commas
        ('"a,b,c";d\n"1,2";3\n', ";"),  # marks within quotation marks part nothing
        ("question,answer\na,b,c,d\ne,f\ng,h\n", ","),  # one broken row
        ("q|a\n1|2", "|"),
        ("q\ta, b, c\n1\t2", "\t"),
        ("one\ntwo, three\n", ","),
        ("", ","),
    ],
)
def test_a_delimiter_is_found_alike_for_documents_and_datasets(text: str, mark: str) -> None:
    assert find_delimiter(text) == mark


def test_the_files_of_the_languages_are_whole() -> None:
    assert set(languages()) >= {"en", "zh"}
    assert [language.lacking() for language in languages().values() if language.code in ("en", "zh")] == [[], []]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('name = "x"\n', "in which script"),
        ('scripts = ["runic"]\n', "runic"),
        ('scripts = ["latin"]\n[words]\nfunktion = "a"\n', "funktion"),
        ('scripts = ["latin"]\nsentence = 1\n', "sentence"),
    ],
)
def test_what_is_wrong_in_a_language_file_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "xx.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=reason):
        read_language(tmp_path / "xx.toml")


TOY = """name = "Toy"
scripts = ["latin"]
blocks = ["Artikul {numeral}{1,4}"]
[words]
function = "zo ka ri te mu"
stop = "zo ka"
never_last = "bv"
[numerals]
ones = "nul un dva tri"
decades = "dvades trides"
large = "sotnya=2 tisa=3"
"""
ASK = """
import json
from tuneloop.answer.numbers import find_numbers
from tuneloop.knowledge.terms import search_terms
from tuneloop.text.language import language_of
from tuneloop.text.languages import LANGUAGES, languages
from tuneloop.text.sentences import sentences
print(json.dumps({
    "language": [language_of(t) for t in ("Zo blarg ka snork te fnord?", "What is the blarg?", "它是什么？")],
    "sentences": sentences("Zo blarg bv. Snork ka. Te fnord.") + sentences("Zo blarg\\nArtikul 3 ka"),
    "numbers": [n.value for n in find_numbers("dva tisa un sotnya trides dva blarg, two hundred, 二〇二六年")],
    "terms": search_terms("zo blarg ka snork"), "lacking": languages()["xx"].lacking(),
    "unfit": {name: str(unfit) for name, unfit in LANGUAGES.unfit.items()},
}))
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process for which a package with two languages is installed, one of them broken."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "xx.toml").write_text(TOY, encoding="utf-8")
    (folder / "yy.toml").write_text('scripts = ["runic"]\n', encoding="utf-8")
    read = "from pathlib import Path\nfrom tuneloop.text.languages import read_language\n"
    for code in ("xx", "yy"):
        (folder / f"toy_{code}.py").write_text(f"{read}{code} = read_language(Path(__file__).parent / '{code}.toml')\n")
    facts = folder / "toy_tongues-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-tongues\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[tuneloop.languages]\nxx = toy_xx:xx\nyy = toy_yy:yy\n")
    path = os.pathsep.join([str(folder), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "TUNELOOP_LANGUAGE": "en"}


def test_a_third_language_is_a_file(toy: dict[str, str], tmp_path: Path) -> None:
    asked = subprocess.run([sys.executable, "-c", ASK], env=toy, cwd=tmp_path, capture_output=True, check=False)
    assert asked.returncode == 0, asked.stderr.decode()
    told = json.loads(asked.stdout)
    assert told["language"] == ["xx", "en", "zh"]
    assert told["sentences"] == ["Zo blarg bv. Snork ka.", "Te fnord.", "Zo blarg", "Artikul 3 ka"]
    assert told["numbers"] == ["2132", "200", "2026"]
    assert told["terms"] == ["blarg", "snork"]
    assert told["lacking"] == [name for name in LISTS if name not in ("function", "stop", "never_last")]
    assert list(told["unfit"]) == ["yy"] and "toy-tongues" in told["unfit"]["yy"] and "runic" in told["unfit"]["yy"]


def test_doctor_says_what_a_language_lacks(toy: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tuneloop", "doctor", "--json"]
    said = json.loads(subprocess.run(command, env=toy, cwd=tmp_path, capture_output=True, check=False).stdout)
    rows = {check["name"]: check for check in said["checks"]}
    assert "Toy xx" in rows["languages of texts"]["found"]
    assert rows["Toy xx"]["found"].startswith("no list of asking") and "initial" in rows["Toy xx"]["hint"]
    assert rows["yy"]["ok"] is None and "toy-tongues" in rows["yy"]["hint"]
