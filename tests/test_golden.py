"""Same input, same version, same output: what each stage makes of a small fixed input is kept as a digest.

A digest that changes under the same version is a stage that would call an old artifact its own output. Raise the
stage's ``version``, then record: ``TUNELOOP_RECORD_GOLDEN=1 python -m pytest tests/test_golden.py``.
"""

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tuneloop.chat import Completion
from tuneloop.records import Chunk, Document, Example, Message, Section, Source, write_rows
from tuneloop.registry import BUILT_IN, find_stage

GOLDEN = Path(__file__).parent / "data" / "golden.json"
ELSEWHERE = {  # what these make is measured, or brought from elsewhere, and not a function of their input alone
    "pull": "the bytes of a model are those of its hub", "compress": "llama.cpp's; tests/test_compress.py compares it",
    "loadtest": "times",
}  # fmt: skip
MANUAL = (
    "# The pump\n\nThe pump stops at forty bar. A technician cleans the filter every second Monday.\n\n"
    "## 阀门\n\n阀门在三巴时打开。请先关闭水泵，然后检查压力表。\n\n| part | bar |\n|---|---|\n| valve | 3 |\n"
)
PAGE = "<html><head><title>Office</title></head><body><h1>Office</h1><p>The office opens at nine.</p></body></html>"
TALKS = [
    ("When does the pump stop?", "The pump stops at forty bar.", "pump.md"),
    ("When does the valve open?", "The valve opens at three bar.", "valve.md"),
    ("谁清洗过滤器？", "技术员每隔一个星期一清洗过滤器。", "filter.md"),
    ("When does the office open?", "The office opens at nine.", "office.html"),
]


def documents() -> list[Document]:
    text = "".join(f"Rule {n} of the pump house says that valve {n} opens at {n + 3} bar. " for n in range(40))
    return [
        Document(
            id="d1", name="pump.md", sha256="0" * 64, title="The pump", text=text, language="en",
            sections=[Section(start=0, end=len(text), heading=["The pump"])],
        )
    ]  # fmt: skip


def chunks() -> list[Chunk]:
    texts = [
        f"The library of Town{n} opens at {n + 1} o'clock. Readers of Town{n} borrow up to {n + 20} books at once."
        for n in range(6)
    ]
    return [
        Chunk(
            id=f"c{n}", document=f"d{n // 2}", name=f"town{n // 2}.md", start=0, end=len(text), text=text,
            heading=[f"Town{n}"], tokens=24,
        )
        for n, text in enumerate(texts)
    ]  # fmt: skip


def examples() -> list[Example]:
    return [
        Example(
            id=f"e{n}", messages=[Message(role="user", content=asked), Message(role="assistant", content=said)],
            sources=[Source(name=page, document=page, chunk=f"c{n}")],
        )
        for n, (asked, said, page) in enumerate(TALKS)
    ]  # fmt: skip


class Stub:
    """A model that answers what it is told to answer, by the last message."""

    def __init__(self, say: Callable[[str], str]) -> None:
        self.say = say

    async def __aenter__(self) -> "Stub":
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    async def complete(self, messages: list[dict[str, str]], **options: Any) -> Completion:
        return Completion(self.say(messages[-1]["content"]), completion_tokens=5, finish_reason="stop")


def taught(request: str) -> str:
    n = int(request.split("Town")[1].split()[0])
    asked, answer = f"When does the library of Town{n} open?", f"The library of Town{n} opens at {n + 1} o'clock."
    return json.dumps({"pairs": [{"answer": answer, "question": asked}]})


def answered(question: str) -> str:
    return {asked: said for asked, said, _page in TALKS[1:]}.get(question, "It stops at fifty bar.")


def add(ctx: Any, kind: str, table: str, rows: list[Any]) -> str:
    folder = ctx.out.parent / f"in-{kind}"
    folder.mkdir()
    write_rows(folder / f"{table}.parquet", type(rows[0]), rows)
    return ctx.add(kind, folder, {table: len(rows)})


def talk_to(ctx: Any, say: Callable[[str], str]) -> None:
    @contextmanager
    def chat(model: str, **options: Any) -> Iterator[Stub]:
        yield Stub(say)

    ctx.chat = chat


def parse(ctx: Any) -> dict[str, Any]:
    folder = ctx.out.parent / "in"
    folder.mkdir()
    for name, text in {
        "manual.md": MANUAL,
        "office.html": PAGE,
        "notes.txt": "One.\n\nTwo.\n",
        "e.csv": "a,b\n",
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    return {"paths": [str(folder)]}


def chunk(ctx: Any) -> dict[str, Any]:
    return {"documents": add(ctx, "documents", "documents", documents()), "tokens": 60, "overlap": 20}


def index(ctx: Any) -> dict[str, Any]:
    return {"chunks": add(ctx, "chunks", "chunks", chunks()), "embedding": "none"}


def synthesize(ctx: Any) -> dict[str, Any]:
    talk_to(ctx, taught)
    return {"chunks": add(ctx, "chunks", "chunks", chunks()), "teacher": "https://stub/v1#stub", "grounded_share": 0.5}


def imported(ctx: Any) -> dict[str, Any]:
    path = ctx.out.parent / "talks.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("question", "answer"), *(talk[:2] for talk in TALKS), TALKS[0][:2], ("", "x")])
    return {"file": str(path)}


def split(ctx: Any) -> dict[str, Any]:
    return {"dataset": add(ctx, "dataset", "examples", examples()), "share": 0.5}


def evaluate(ctx: Any) -> dict[str, Any]:
    talk_to(ctx, answered)
    exam = add(ctx, "dataset", "examples", examples())
    return {"model": "https://stub/v1#stub", "dataset": exam, "against": "https://stub/v1#other"}


INPUTS = {
    "parse": parse, "chunk": chunk, "index": index, "synthesize": synthesize, "import": imported, "split": split,
    "evaluate": evaluate,
}  # fmt: skip


def plain(value: Any) -> Any:
    """A value without what differs between processors: the last digits of a fraction."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def content(folder: Path) -> dict[str, Any]:
    """What an artifact holds, by file, independent of how Parquet and NumPy wrote it. Pages for people are left out."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".parquet":
            found[name] = pq.read_table(path).to_pylist()
        elif path.suffix == ".json":
            found[name] = json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".npy":
            found[name] = np.load(path).tolist()
    return found


def digest(value: Any) -> str:
    text = json.dumps(plain(value), ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def check(stage: str, version: int, have: str) -> None:
    """Compare with what is recorded, or record it; a change under the same version is never recorded."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {}
    known = golden.get(stage)
    changed = f"{stage} makes something else of the same input, and its version is {version} as before: raise it"
    assert not known or known["version"] != version or known["digest"] == have, changed
    if os.environ.get("TUNELOOP_RECORD_GOLDEN"):
        golden[stage] = {"version": version, "digest": have}
        GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return
    assert known == {"version": version, "digest": have}, f"{stage} {version} is not recorded: {__doc__}"


@pytest.mark.parametrize("stage", INPUTS)
def test_what_a_stage_makes_changes_only_with_its_version(stage: str, ctx: Any) -> None:
    kind = find_stage(stage)
    kind.model_validate(INPUTS[stage](ctx)).run(ctx)
    aside = [(where, reason) for where, reason, _row in ctx.rejected]
    check(stage, kind.version, digest([content(ctx.out), aside]))


def test_what_a_model_is_shown_changes_only_with_the_version_of_training(ctx: Any, tmp_path: Path) -> None:
    """Weights differ between processors; the tokens, which of them are learned, and the steps do not."""
    pytest.importorskip("transformers")
    from tiny import make_tiny_model

    from tuneloop.models import read_card
    from tuneloop.models.weights import load_tokenizer
    from tuneloop.train.examples import divide, read_lessons
    from tuneloop.train.lesson import Encoder
    from tuneloop.train.packing import plan_steps

    folder = make_tiny_model(tmp_path / "tiny")
    card = read_card(folder)
    encoder = Encoder(card, load_tokenizer(folder, card), max_length=120, system_prompt="Be brief.")
    lessons, held_out = divide(read_lessons(ctx, [add(ctx, "dataset", "examples", examples())], encoder), 0.0, 7)
    steps = plan_steps([len(x) for x in lessons], epochs=2, capacity=160, seed=7, packing=True)
    shown = [(x.ids, x.learned) for x in (*lessons, *held_out)]
    check("train", find_stage("train").version, digest([shown, steps]))


def test_every_stage_is_kept_or_says_why_not() -> None:
    assert {*INPUTS, "train", *ELSEWHERE} == {*BUILT_IN}
    assert {*json.loads(GOLDEN.read_text(encoding="utf-8"))} == {*INPUTS, "train"}
