"""Datasets: imported from the forms people keep them in, and written by a teacher that may fail in any way."""

import csv
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.answer.prompt import REFUSAL
from tuneloop.dataset.curation import Candidate, Curation
from tuneloop.dataset.duplicates import Questions, content_set, jaccard
from tuneloop.dataset.grounding import Passage
from tuneloop.dataset.importing import ImportDataset
from tuneloop.dataset.quoted import choose_facts, read_question
from tuneloop.dataset.rows import Broken, Row, open_table, read_rows
from tuneloop.dataset.synthesize import Synthesize, spread
from tuneloop.dataset.task import Pair, title_of
from tuneloop.dataset.written import read_pairs
from tuneloop.errors import TuneloopError
from tuneloop.journal import Journal
from tuneloop.records import Chunk, Example, Message, write_rows
from tuneloop.records import read_rows as read_table
from tuneloop.text.encodings import detect
from tuneloop.text.language import language_of

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffd\ufeff"), min_size=1).filter(
    lambda text: text.strip()
)

VALUE = st.text() | st.none() | st.integers() | st.lists(st.text())


def run_import(ctx: Any, path: Path, **fields: Any) -> tuple[list[Example], dict[str, Any]]:
    summary = ImportDataset(file=str(path), **fields).run(ctx)
    return list(read_table(ctx.out / "examples.parquet", Example)), summary


def write(folder: Path, name: str, content: str | bytes, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


# -- import --------------------------------------------------------------------------------------------------------


def test_every_format_gives_the_same_conversation(ctx: Any, tmp_path: Path) -> None:
    question, answer = "Who signs leave requests?", "The head of the department signs leave requests."
    turns = {"user": question, "assistant": answer}
    rows = {
        "alpaca.json": json.dumps([{"instruction": question, "input": "", "output": answer}]),
        "sharegpt.jsonl": json.dumps(
            {"conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]}
        ),
        "openai.json": json.dumps({"data": [{"messages": [{"role": r, "content": c} for r, c in turns.items()]}]}),
        "semicolons.csv": f'"Frage";"问题";"答案"\n1;"{question}";"{answer}"\n',
        "tabs.tsv": f"prompt\tcompletion\n{question}\t{answer}\n",
        "pretty.json": json.dumps({"question": question, "answer": answer}, indent=2) * 2,
    }
    for name, text in rows.items():
        examples, _summary = run_import(ctx, write(tmp_path, name, text))
        said = [(m.role, m.content) for m in examples[0].messages]
        assert said == [("user", question), ("assistant", answer)], name
        ctx.rejected.clear()


def test_every_field_of_a_row_is_in_its_example_and_what_is_not_understood_in_extra(ctx: Any, tmp_path: Path) -> None:
    from tuneloop.cli.display import kept_aside

    asked, answered = (
        {"role": "user", "content": "Hi {}?", "weight": 0},
        {"role": "assistant", "content": "Ho.", "weight": 1},
    )
    extra = [
        {"tools": [{"name": "f"}]}, {"tools": '[{"name": "f"}]', "difficulty": 3, "tags": ["a", "b"]},
        {"tools": [], "rejected": None, "metadata": {"team": "office"}}, {"difficulty": 1, "seen": float("nan")},
    ]  # fmt: skip
    rows = [
        {"messages": [{**asked, "content": f"Hi {n}?", "name": "Ann", "mood": n}, {**answered, "loss": None}], **more}
        for n, more in enumerate(extra)
    ]
    path = write(tmp_path, "rows.jsonl", "\n".join(json.dumps(row) for row in rows))
    examples, summary = run_import(ctx, path)
    assert len(examples) == 4 and summary["rejected"] == 0
    assert summary["not_carried"] == {} and ctx.rejected == [] and summary["shapes"] == {}
    assert [e.tools for e in examples] == [[{"name": "f"}], [{"name": "f"}], [], []]
    assert {e.messages[0].name for e in examples} == {"Ann"}
    assert (examples[1].tags, examples[2].metadata) == (["a", "b"], {"team": "office"})
    assert examples[1].extra == {"messages": [{"mood": 1}, {}], "difficulty": 3}
    assert examples[3].extra == {"messages": [{"mood": 3}, {}], "difficulty": 1, "seen": None}
    assert list(kept_aside(summary)) == ["kept as it came, in the column extra: messages 4, difficulty 2, seen 1"]


CALL = {"name": "find_page", "arguments": {"word": "gate"}}


@pytest.mark.parametrize(
    "row",
    [
        {
            "messages": [
                {"role": "user", "content": "Where is the gate?"},
                {"role": "assistant", "content": None, "tool_calls": [
                    {"type": "function", "function": {"name": "find_page", "arguments": '{"word": "gate"}'}}]},
                {"role": "tool", "content": "page 3"},
                {"role": "assistant", "content": "On page 3.", "reasoning_content": "The tool says so."},
            ]
        },
        {
            "conversations": [
                {"from": "human", "value": "Where is the gate?"}, {"from": "function_call", "value": json.dumps(CALL)},
                {"from": "observation", "value": "page 3"},
                {"from": "gpt", "value": "On page 3.", "thinking": "The tool says so."},
            ]
        },
    ],
)  # fmt: skip
def test_calls_of_tools_and_reasoning_have_their_fields(ctx: Any, tmp_path: Path, row: dict[str, Any]) -> None:
    examples, summary = run_import(ctx, write(tmp_path, "tools.jsonl", json.dumps(row)))
    assert summary["rejected"] == 0 and summary["not_carried"] == summary["extra"] == {}
    asked, calling, told, answered = examples[0].messages
    assert [call.model_dump(exclude={"id"}) for call in calling.tool_calls] == [CALL]
    assert (told.role, told.content, answered.reasoning) == ("tool", "page 3", "The tool says so.")
    assert examples[0].holds == ["tool calls", "reasoning"] and asked.holds == []


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        (
            {"messages": [{"role": "user", "content": [
                {"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": "https://a.example/g.png"}},
            ]}, {"role": "assistant", "content": "A gate."}]},
            [("text", "What is it?", ""), ("image", "", "https://a.example/g.png")],
        ),
        (
            {"messages": [{"role": "user", "content": "<image>What is it?"},
                          {"role": "assistant", "content": "A gate."}], "images": ["g.png"]},
            [("text", "<image>What is it?", ""), ("image", "", "g.png")],
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]},
                          {"role": "assistant", "content": "A gate."}], "images": ["g.png"]},
            [("image", "", "g.png"), ("text", "What is it?", "")],
        ),
        (
            {"instruction": "What is it?", "input": "", "output": "A gate.", "audios": "g.wav"},
            [("text", "What is it?", ""), ("audio", "", "g.wav")],
        ),
    ],
)  # fmt: skip
def test_pictures_and_sounds_are_carried_by_reference(ctx: Any, tmp_path: Path, row: Any, parts: Any) -> None:
    examples, summary = run_import(ctx, write(tmp_path, "media.jsonl", json.dumps(row)))
    assert summary["not_carried"] == summary["extra"] == {}
    asked = examples[0].messages[0]
    assert [(p.type, p.text, p.reference) for p in asked.parts] == parts
    assert asked.content == next(text for kind, text, _reference in parts if kind == "text")


def test_bytes_that_no_row_holds_are_counted_as_lost(ctx: Any, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "media.parquet"
    row = {
        "question": "What is it?",
        "answer": "A gate.",
        "images": [{"bytes": b"\x89PNG", "path": None}],
        "hash": b"1",
    }
    pq.write_table(pa.Table.from_pylist([row]), path)
    examples, summary = run_import(ctx, path)
    assert examples[0].answer == "A gate." and summary["not_carried"] == {"images": 1, "hash": 1}
    assert ("media.parquet", "the field images is left out of 1 rows") in [r[:2] for r in ctx.rejected]


def test_what_an_answer_weighs_is_carried(ctx: Any, tmp_path: Path) -> None:
    marks = [{"weight": 0}, {"loss": "False"}, {"train": False}, {"weight": 0.5}, {"weight": 1}, {"weight": None}, {}]
    rows = [{"messages": [{**ASKED, "content": f"{n}?"}, {**ANSWERED, **mark}]} for n, mark in enumerate(marks)]
    examples, _summary = run_import(ctx, write(tmp_path, "w.jsonl", "\n".join(json.dumps(row) for row in rows)))
    assert [e.messages[1].weight for e in examples] == [0, 0, 0, 0.5, None, None, None]


def test_a_pair_of_answers_is_a_preference_pair(ctx: Any, tmp_path: Path) -> None:
    asked, good, bad = "What is open?", "The gate.", "No."
    said = [{"role": "user", "content": asked}, {"role": "assistant", "content": good}]
    for row in (
        {"instruction": asked, "input": "", "chosen": good, "rejected": bad},
        {"prompt": asked, "chosen": good, "rejected": bad},
        {"messages": said[:1], "chosen": said[1], "rejected": {**said[1], "content": bad}},
        {"messages": said[:1], "chosen": good, "rejected": bad},
        {"prompt": asked, "chosen": said, "rejected": [*said[:1], {**said[1], "content": bad}]},
        {
            "conversations": [{"from": "human", "value": asked}],
            "chosen": {"from": "gpt", "value": good},
            "rejected": bad,
        },
    ):
        ctx.rejected.clear()
        examples, summary = run_import(ctx, write(tmp_path, "pairs.jsonl", json.dumps(row)))
        parts = [[m.as_said() for m in p] for p in (examples[0].messages, examples[0].chosen, examples[0].rejected)]
        assert parts == [said[:1], said[1:], [{**said[1], "content": bad}]], row
        assert (examples[0].shape, examples[0].answer) == ("preference", good)
        assert summary["not_carried"] == {} and ctx.rejected == [] and summary["shapes"] == {"preference": 1}


def test_a_worse_answer_that_makes_no_pair_is_named(ctx: Any, tmp_path: Path) -> None:
    for worse in ("The gate.", {"role": "user", "content": "No."}, {"role": "wizard", "content": "No."}):
        ctx.rejected.clear()
        row = {"instruction": "What is open?", "input": "", "chosen": "The gate.", "rejected": worse}
        examples, summary = run_import(ctx, write(tmp_path, "pairs.jsonl", json.dumps(row)))
        assert examples[0].shape == "conversation" and summary["not_carried"] == {"rejected": 1}
        assert [r[:2] for r in ctx.rejected] == [("pairs.jsonl", "the field rejected is left out of 1 rows")]


def test_an_exam_keeps_its_ids_pages_and_what_cannot_be_answered(ctx: Any, tmp_path: Path) -> None:
    rows = [
        {
            "id": "en-1",
            "question": "How is a key made?",
            "answer": "With key create.",
            "page": "16-keys.md",
            "answerable": True,
        },
        {"id": "en-2", "question": "Who won in 1998?", "answer": "", "answerable": False},
        {"id": "zh-2", "question": "1998 年谁夺冠？", "answer": "", "answerable": False},
        {"id": "en-1", "question": "A second one with this id?", "answer": "It gets an id of its own."},
        {"id": "en-4", "question": "Answerable how?", "answer": "It is not said.", "answerable": "maybe"},
    ]
    path = write(tmp_path, "exam.jsonl", "\n".join(json.dumps(row) for row in rows))
    examples, summary = run_import(ctx, path)
    assert [e.id for e in examples][:3] == ["en-1", "en-2", "zh-2"] and len({e.id for e in examples}) == 4
    assert examples[0].sources[0].name == "16-keys.md"
    assert [e.answerable for e in examples] == [True, False, False, True]
    learned = (examples[1].answer, examples[2].answer)
    assert learned == (REFUSAL["en"], REFUSAL["zh"]), "what is learned is what the gateway says"
    assert summary["unanswerable"] == 2 and ctx.rejected[0][0] == "exam.jsonl:5"


ASKED, ANSWERED = {"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Ho."}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": [{"role": "user", "content": "Hi?"}]}, "ends without an answer"),
        ({"messages": [ASKED, {"role": "wizard", "content": "Ho"}]}, "role that does not exist: wizard"),
        ({"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": "Ho"}]}, "empty message"),
        ({"messages": [{"role": "assistant", "content": "Ho"}]}, "begins with an answer"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}, "follow each other"),
        ({"messages": [{"role": "user", "content": 7.5}, {"role": "assistant", "content": {"no": 1}}]}, "not text"),
        ({"messages": [ASKED, {"role": "assistant", "content": None, "tool_calls": [{}]}]}, "tool"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, ANSWERED]}, "more than text"),
        ({"messages": "nonsense"}, "not a list"),
        ({"messages": [{"role": "user", "content": "\ud83d"}, ANSWERED]}, "half a character"),
        ({"messages": [ASKED, ANSWERED], "label": False}, "bad one"),
        ({"messages": [ASKED, ANSWERED], "kto_tag": "false"}, "bad one"),
        ({"messages": [ASKED, {**ANSWERED, "weight": "often"}]}, "not a number of 0 or more: weight: often"),
        ({"messages": [ASKED, {**ANSWERED, "weight": -1}]}, "not a number of 0 or more"),
        ({"messages": [ASKED, {"role": "tool", "content": "page 3"}, ANSWERED]}, "a tool answers that was not called"),
        ({"messages": [ASKED, {"role": "function_call", "content": "find("}, ANSWERED]}, "call that cannot be read"),
        ([1, 2], "must be a JSON object"),
    ],
)  # fmt: skip
def test_a_bad_row_is_set_aside_with_its_line_and_reason(ctx: Any, tmp_path: Path, row: Any, reason: str) -> None:
    good = {"messages": [{"role": "user", "content": "Good?"}, {"role": "assistant", "content": "Good."}]}
    lines = [json.dumps(good), json.dumps(row), json.dumps(good), '{"messages": [{"role": "user", "con']
    examples, summary = run_import(ctx, write(tmp_path, "rows.jsonl", "\n".join(lines)))
    assert len(examples) == 1 and summary["rejected"] == 3
    assert [where for where, _r, _row in ctx.rejected] == ["rows.jsonl:2", "rows.jsonl:3", "rows.jsonl:4"]
    assert reason in ctx.rejected[0][1]
    assert ctx.rejected[1][1] == "repeats an earlier row: rows.jsonl:1"
    for _where, _reason, text in ctx.rejected:
        assert isinstance(text, str) and text.encode("utf-8")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.jsonl", None, "there is no such file"),
        ("empty.csv", b"", "the file is empty"),
        ("blank.csv", b"\n\n", "the file is empty"),
        ("book.csv", b"PK\x03\x04" + b"\0" * 500, "another kind"),
        ("numbers.csv", bytes(range(32)), "binary"),
        ("torn.parquet", b"PAR1" + b"x" * 50, "not a whole Parquet file"),
        ("strange.csv", b"colour,size\nred,3\n", "--columns question=NAME,answer=NAME"),
        ("header.csv", b"question,answer\n", "holds no rows. Its first line is taken for the names of the columns"),
        ("no-row.json", b"[]", "the file holds no rows"),
        (
            "cut.json",
            b'{"data":[{"question": "a", "answer": "b"}',
            "no row could be imported. Most frequent reason: the file is cut",
        ),
        ("twice.csv", b"question,question\na,b\n", "each once"),
        (
            "bad.jsonl",
            b'{"question": "x", "answer": ""}\n',
            "no row could be imported. Most frequent reason: no answer",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line(
    ctx: Any, tmp_path: Path, name: str, content: Any, message: str
) -> None:
    path = tmp_path / name if content is None else write(tmp_path, name, content)
    with pytest.raises(TuneloopError) as caught:
        run_import(ctx, path)
    assert message in str(caught.value) and name in str(caught.value) and "\n" not in str(caught.value)


def test_columns_can_be_named(ctx: Any, tmp_path: Path) -> None:
    path = write(tmp_path, "odd.csv", "rot,blau\nWhy?,Because.\n")
    examples, _summary = run_import(ctx, path, columns="question=rot, answer=blau")
    assert examples[0].answer == "Because."
    for columns, message in (("question=gelb", "no column 'gelb'"), ("colour=rot", "names no part")):
        with pytest.raises(TuneloopError, match=message):
            run_import(ctx, path, columns=columns)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "big5hkscs", "cp1252"])
def test_encodings_are_told_apart(ctx: Any, tmp_path: Path, encoding: str) -> None:
    question, answer = ("高血壓患者可以吃黨參嗎？", "高血壓的人可以喝，但是要問過醫生。") if encoding != "cp1252" else (
        "Où est le café?", "À côté de l'hôtel à gauche.")  # fmt: skip
    path = write(tmp_path, "rows.csv", f"question,answer\r\n{question},{answer}\r\n" + ",\r\n" * 3, encoding)
    assert detect(path).startswith(encoding[:5])
    examples, _summary = run_import(ctx, path)
    assert (examples[0].question, examples[0].answer) == (question, answer)
    with pytest.raises(TuneloopError, match="there is no encoding 'klingon'"):
        run_import(ctx, path, encoding="klingon")


def test_a_stray_quotation_mark_costs_one_row(tmp_path: Path) -> None:
    lines = ["question,answer", '5" disk?,fits', 'open,"never closed'] + [f"q{n},a{n}" for n in range(900)]
    rows = list(read_rows(open_table(write(tmp_path, "stray.csv", "\n".join(lines)))))
    assert [r.where for r in rows if isinstance(r, Broken)] == ["stray.csv:3"]
    assert sum(isinstance(r, Row) for r in rows) == 901 and rows[-1].where == "stray.csv:903"


def test_a_broken_element_of_an_array_costs_one_row(tmp_path: Path) -> None:
    parts = [json.dumps({"instruction": f"q{n}?", "output": "x" * 900}) for n in range(3000)]
    parts[1500] = '{"instruction": "broken", output: }'
    whole = "[\n" + ",\n".join(parts)
    rows = list(read_rows(open_table(write(tmp_path, "torn.json", whole[:-20]))))
    assert [r.where for r in rows if isinstance(r, Broken)] == ["torn.json:1502", "torn.json:3001"]
    assert sum(isinstance(r, Row) for r in rows) == 2998


@pytest.mark.parametrize("end", ["", ",", ",\n", ', {"instruction": "c", "outp', ', {"instruction": "c"'])
def test_a_list_that_is_cut_short_is_told_of_once(ctx: Any, tmp_path: Path, end: str) -> None:
    whole = '[{"instruction": "a", "output": "b"}'
    examples, summary = run_import(ctx, write(tmp_path, "cut.json", whole + end))
    assert len(examples) == summary["rejected"] == 1 and "cut short" in ctx.rejected[0][1]
    for rest in ("]", ",]", "]\n"):
        assert run_import(ctx, write(tmp_path, "whole.json", whole + rest))[1]["rejected"] == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6), st.sampled_from([",", ";", "\t", "|"]))
def test_csv_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]], mark: str
) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=mark).writerows([("question", "answer"), *pairs])
    path = write(tmp_path_factory.mktemp("csv"), "rows.csv", out.getvalue())
    assert [tuple(r.values.values()) for r in read_rows(open_table(path)) if isinstance(r, Row)] == pairs


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUE), min_size=1, max_size=6), st.sampled_from([None, 1]))
def test_json_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], indent: int | None
) -> None:
    folder = tmp_path_factory.mktemp("json")
    rows = json.loads(json.dumps(rows).encode("utf-8", "replace"))
    texts = {
        "array.json": json.dumps(rows, indent=indent, ensure_ascii=True),
        "lines.jsonl": "\n".join(map(json.dumps, rows)),
    }
    for name, text in texts.items():
        read = list(read_rows(open_table(write(folder, name, text))))
        assert [r.values for r in read if isinstance(r, Row)] == rows, name


@settings(max_examples=150, deadline=None)
@given(st.binary(min_size=1, max_size=400))
def test_no_bytes_make_reading_fail(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = write(tmp_path_factory.mktemp("bytes"), "any.dat", data)
    try:
        for row in read_rows(open_table(path)):
            assert row.where.startswith("any.dat:")
    except TuneloopError as error:
        assert "any.dat" in str(error)


def test_real_datasets(ctx: Any, data: Path) -> None:
    expected = {
        "sft_formats/glaive_toolcall_zh_demo.json": ("sharegpt", 255, 45),
        "sft_formats/kto_en_demo.json": ("openai", 150, 150),
        "sft_formats/dpo_en_demo.json": ("sharegpt", 295, 5),
        "medical_qa_zh/alpaca.json": ("alpaca", 4329, 0),
        "encodings_zh/样例_内科5000-6000.csv": ("csv", 7248, 396),
        "gsm8k/test.jsonl": ("qa", 1319, 0),
    }
    for name, told in expected.items():
        examples, summary = run_import(ctx, data / name)
        assert (summary["format"], len(examples), summary["rejected"]) == told, name
        assert all(e.question and e.answer and "\ufffd" not in e.answer for e in examples)


# -- the gates -----------------------------------------------------------------------------------------------------

PUMP = (
    "The filter of the pump is cleaned every 3 months, because dust lowers the flow of air. "
    "A red lamp shows that pressure is below 1 bar. Open `valve B` until it goes out. "
    "The pump stops at 40 bar. It starts again when the pressure has fallen to 35 bar."
)
LAW = (
    "学校的办学条件应当符合国家规定的标准。未取得教师资格的人员不得担任教师。"
    "学校每年向社会公布招生人数和收费标准，接受社会监督。"
)


def chunk(
    text: str = PUMP, name: str = "pump.md", heading: tuple[str, ...] = ("Pump", "Upkeep"), start: int = 0
) -> Chunk:
    key = f"{name}-{start}"
    return Chunk(id=key, document=name, name=name, start=start, end=start + len(text), text=text, heading=list(heading))


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("How often is the filter of the pump cleaned?", "The filter of the pump is cleaned every 3 months.", ""),
        ("When does the pump stop?", "The pump stops at 40 bar.", ""),
        ("When does the pump stop?", "The pump stops at 45 bar.", "a number or name"),
        ("When does the pump stop?", "The pump stops when the ambient humidity exceeds the limit.", "does not carry"),
        ("What ends the red lamp of the pump?", "Open `valve C` until the red lamp goes out.", "a number or name"),
        ("What does this passage say about the pump?", "The pump stops at 40 bar.", "points at"),
        ("What is the maximum speed of the racing bicycle?", "The pump stops at 40 bar.", "something else"),
        ("The pump stops at 40 bar.", "The pump stops at 40 bar.", "asks nothing"),
        ("Does the pump stop at 40 bar?", "The pump stops at 40 bar.", "only repeats"),
        ("Why is the red lamp of the pump on?", "A red lamp shows that pressure is below 1 bar.", "another question"),
        ("What does the upkeep of pumps mean?", "A red lamp shows that pressure is below 1 bar.", "another question"),
        ("How does it work?", "The pump stops at 40 bar.", "points at"),
        ("When does the pump stop?", "水泵在压力达到 40 bar 时停止。", "another language"),
        ("When does the pump stop?", "It stops at 40 bar.", "points at"),
        ("When does the pump stop?", "The pump stops at", "only repeats"),
        ("When does the pump stop?", "", "empty"),
        ("谁不得担任教师？", "未取得教师资格的人员不得担任教师。", ""),
        ("学校每年向社会公布哪些信息？", "学校每年向社会公布招生人数和收费标准，接受社会监督。", ""),
        ("教育法的第一章总则规定学校每年公布什么？", "学校每年向社会公布招生人数和收费标准。", "points at"),
        ("本法规定学校每年公布什么？", "学校每年向社会公布招生人数和收费标准。", "points at"),
        ("学校每年向社会公布哪些信息？", "学校每年向社会公布食品安全检查报告和教师工资总额。", "does not carry"),
        ("学校的办学条件应当符合国家规定的标准？", "学校的办学条件应当符合国家规定的标准。", "asks nothing"),
    ],
)  # fmt: skip
def test_gates(question: str, answer: str, reason: str) -> None:
    language = language_of(question)
    passage = Passage.of(chunk() if language == "en" else chunk(LAW, "law.md", ("教育法",)))
    _candidate, refusal = Curation().judge(Candidate(Pair(question, answer), passage, language))
    assert refusal and reason in refusal.reason if reason else refusal is None


def test_only_the_grounded_beginning_of_an_answer_is_kept_and_its_span_is_exact() -> None:
    whole = "Some words before. " + PUMP
    passage = Passage.of(chunk(PUMP, start=19))
    answer = "The pump stops at 40 bar. Manufacturers recommend a yearly inspection by certified engineers."
    found, _refusal = Curation().judge(Candidate(Pair("When does the pump stop?", answer), passage, "en"))
    assert found.pair.answer == "The pump stops at 40 bar."
    assert found.grounding and whole[19:][found.grounding.start : found.grounding.end] == found.pair.answer


def test_facts_can_stand_alone() -> None:
    facts = choose_facts(Passage.of(chunk()), 5, "en")
    assert "The pump stops at 40 bar. It starts again when the pressure has fallen to 35 bar." in facts
    assert all(not fact.startswith("It ") for fact in facts)
    assert choose_facts(Passage.of(chunk("See the figure above. | a | b |\n\n```\ncode here\n```\n")), 3, "en") == []
    text = (
        "第三条 学校的办学条件应当符合国家规定的标准。\n\n第四条 教师享有权利。有下列情形的除外：\n\n（一）前款的情形。"
    )
    output = "* The request was completely sent off by the client.\n< HTTP/3 200\n\nFor details, read the Pump Guide 2."
    assert choose_facts(Passage.of(chunk(output)), 3, "en") == []
    law = Passage.of(chunk(text, "law.md", ("教育法", "第三条")))
    assert choose_facts(law, 3, "zh") == ["学校的办学条件应当符合国家规定的标准。"]
    assert title_of(law.chunk) == "教育法"


def test_the_same_question_in_other_words_is_found_and_a_different_one_is_not() -> None:
    asked = [
        "What is the default port of the Admin API?", "Which port does the Admin API use by default?",
        "What is the default port of the Control API?", "义务教育的年限是多少年？", "请问义务教育的年限是几年？",
        "职业教育的年限是多少年？",
    ]  # fmt: skip
    questions, found = Questions(asked), []
    for question in asked:
        found.append(questions.find(question))
        questions.add(question, question)
    assert found == ["", asked[0], "", "", asked[3], ""]


WORDS = ["red", "green", "blue", "pump", "valve", "lamp", "bar", "port", "key", "file", "端口", "密钥"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), max_size=25))
def test_no_near_duplicate_is_missed(asked: list[str]) -> None:
    questions = Questions(asked)
    for number, question in enumerate(asked):
        close = [q for q in asked[:number] if jaccard(content_set(q), content_set(question)) >= questions.close]
        assert questions.find(question) == (close[0] if close else "")
        questions.add(question, question)


# -- what a teacher writes -----------------------------------------------------------------------------------------


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4), st.data())
@settings(max_examples=80, deadline=None)
def test_whole_pairs_survive_wherever_a_reply_breaks_off(pairs: list[tuple[str, str]], draw: st.DataObject) -> None:
    parts = [json.dumps({"answer": answer, "question": question}) for question, answer in pairs]
    whole = '{"pairs": [' + ", ".join(parts) + "]}"
    cut = draw.draw(st.integers(0, len(whole)))
    ends = [whole.index(part) + len(part) for part in parts]
    complete = sum(end <= cut for end in ends) if len(set(parts)) == len(parts) else None
    reply = read_pairs("Sure! ```json\n" + whole[:cut])
    if complete is not None:
        assert len(reply.pairs) == complete
        assert [p.question for p in reply.pairs] == [" ".join(q.split()) for q, _a in pairs[:complete]]
    assert bool(reply.rest) or reply.pairs


@given(st.text())
def test_no_reply_makes_reading_fail(text: str) -> None:
    reply = read_question("fact", "en", text)
    assert reply.pairs or reply.rest == text
    read_pairs(text)


@given(st.dictionaries(TEXT, st.text() | st.integers() | st.lists(st.text()), max_size=5), st.binary(max_size=30))
@settings(max_examples=50, deadline=None)
def test_a_journal_gives_back_what_was_put_whatever_tears_its_end(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, Any], torn: bytes
) -> None:
    path = tmp_path_factory.mktemp("journal") / "kept" / "answers.jsonl"
    journal = Journal(path)
    for key, value in entries.items():
        journal.put(key, value)
    with path.open("ab") as file:
        file.write(b'["torn", {"te' + torn.replace(b"\n", b""))
    again = Journal(path)
    again.put("after", 1)
    assert {k: v for k, v in Journal(path).entries.items() if k != "torn"} == {**entries, "after": 1}


# -- synthesize ----------------------------------------------------------------------------------------------------


class FakeTeacher(ThreadingHTTPServer):
    """An OpenAI-compatible server. ``reply(number, body)`` gives the status and text of the n-th request."""

    daemon_threads = True

    def __init__(self, reply: Callable[[int, dict[str, Any]], tuple[int, str]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.reply, self.requests, self.lock = reply, [], threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: FakeTeacher

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append(body)
            number = len(self.server.requests)
        status, text = self.server.reply(number, body)
        if status == 200:
            text = json.dumps(
                {
                    "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
                    "usage": {"completion_tokens": 9},
                }
            )
        try:
            self.send_response(status if status > 0 else 200)
            self.end_headers()
            self.wfile.write(text.encode())
        except OSError:
            pass  # the client has given up

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def teach(ctx: Any) -> Iterator[Callable[..., FakeTeacher]]:
    from tuneloop.chat import ChatClient

    started: list[FakeTeacher] = []

    def start(reply: Callable[[int, dict[str, Any]], tuple[int, str]], timeout: float = 5.0) -> FakeTeacher:
        started.append(FakeTeacher(reply))
        ctx.client = ChatClient(started[-1].url, "fake", timeout=timeout, retries=1, backoff=0.01)
        return started[-1]

    yield start
    for server in started:
        server.shutdown()


def town(count: int) -> list[Chunk]:
    """Chunks that each say one thing which no other says."""
    texts = [
        f"The library of Town{n} opens at {n + 1} o'clock. Its director is called Director{n}. "
        f"Readers of Town{n} borrow up to {n + 20} books at once."
        for n in range(count)
    ]
    return [chunk(text, f"town{n // 2}.md", (f"Town{n}", "Library"), 1000 * (n % 2)) for n, text in enumerate(texts)]


def written_reply(body: dict[str, Any]) -> str:
    """Two good pairs about the chunk in a request."""
    n = int(body["messages"][-1]["content"].split("Town")[1].split()[0])
    told = {
        f"When does the library of Town{n} open?": f"The library of Town{n} opens at {n + 1} o'clock.",
        f"How many books do readers of Town{n} borrow?": f"Readers of Town{n} borrow up to {n + 20} books at once.",
    }
    return json.dumps({"pairs": [{"answer": answer, "question": question} for question, answer in told.items()]})


def add_chunks(ctx: Any, chunks: list[Chunk]) -> str:
    folder = ctx.out.parent / f"chunks-{len(list(ctx.out.parent.iterdir()))}"
    folder.mkdir()
    write_rows(folder / "chunks.parquet", Chunk, chunks)
    return ctx.add("chunks", folder)


def synthesize(ctx: Any, chunks: str, **fields: Any) -> tuple[list[Example], dict[str, Any]]:
    summary = Synthesize(chunks=chunks, teacher="https://fake/v1#fake", **{"grounded_share": 0.0, **fields}).run(ctx)
    return list(read_table(ctx.out / "examples.parquet", Example)), summary


def test_pairs_know_their_chunk_and_span_and_cost_nothing_twice(ctx: Any, teach: Any) -> None:
    chunks = town(4)
    ref, server = add_chunks(ctx, chunks), teach(lambda _n, body: (200, written_reply(body)))
    examples, summary = synthesize(ctx, ref)
    assert (len(examples), summary["examples"], summary["rejected"], len(server.requests)) == (8, 8, 0, 4)
    for example in examples:
        source = example.sources[0]
        told = next(c for c in chunks if c.id == source.chunk)
        assert told.text[source.start - told.start : source.end - told.start] == source.quote
        assert example.answer in source.quote and source.heading == told.heading
    assert server.requests[0]["response_format"]["json_schema"]["schema"]["properties"]["pairs"]
    before = (ctx.out / "examples.parquet").read_bytes()
    for path in ctx.kept.rglob("*.jsonl"):
        path.unlink()  # another run: only the cache is left
    ctx.client = None  # asking would fail
    assert synthesize(ctx, ref)[1] == summary and (ctx.out / "examples.parquet").read_bytes() == before


def test_what_synthesis_set_aside_is_one_number_with_its_reasons(ctx: Any, teach: Any) -> None:
    """A chunk that nothing is asked about was a row of what was set aside, and in no count of it."""
    short = Chunk(id="short", document="short", name="short", start=0, end=9, text="See here.", heading=["short"])
    teach(lambda _n, body: (200, written_reply(body)))
    _examples, summary = synthesize(ctx, add_chunks(ctx, [*town(2), short]))
    assert [where for where, _reason, _row in ctx.rejected] == ["short"]
    assert summary["rejected"] == len(ctx.rejected) == sum(summary["reasons"].values()) == 1


def test_a_package_adds_a_gate_and_one_that_fails_costs_the_pairs_it_failed_on(
    ctx: Any, teach: Any, tmp_path: Path
) -> None:
    """The gate ``toys`` of the tests' package refuses what is about Toyland, and breaks on Toywreck."""
    names = dict(zip(("Town0", "Town1", "Town2"), ("Home", "Toyland", "Toywreck"), strict=True))

    def renamed(text: str, back: bool = False) -> str:
        for old, new in names.items():
            text = text.replace(*((new, old) if back else (old, new)))
        return text

    def reply(_number: int, body: dict[str, Any]) -> tuple[int, str]:
        return 200, renamed(written_reply(json.loads(renamed(json.dumps(body), back=True))))

    chunks = [
        c.model_copy(update={"text": renamed(c.text), "heading": [renamed(h) for h in c.heading]}) for c in town(3)
    ]
    ref, server = add_chunks(ctx, chunks), teach(reply)
    facts = tmp_path / "site" / "nogate-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: nogate\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[tuneloop.curation]\nnone = nogate:Gate\n")

    def run(*site: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([*site, os.environ["PYTHONPATH"], str(Path(__file__).parent.parent)])
        words = ["-w", str(tmp_path / "workspace"), "synthesize", ref, "--teacher", f"{server.url}#fake", "--json"]
        command = [sys.executable, "-m", "tuneloop", *words, "--grounded-share", "0"]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}
        )

    done = run()
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    failed = "the gate toys of the package toystage failed"
    assert found["summary"]["examples"] == 2
    assert found["summary"]["reasons"] == {"it is about toys": 2, failed: 2}
    assert {lost["reason"] for lost in found["lost"]["first"]} == {f"{failed}: ZeroDivisionError: toys broke"}
    again = run(str(facts.parent))  # another package: another run, and its gate is missed
    reasons = json.loads(again.stdout)["summary"]["reasons"]
    missed = "the gate none of the package nogate cannot be used: ModuleNotFoundError: No module named 'nogate'"
    assert reasons == {"it is about toys": 2, failed: 2, missed: 1} and len(server.requests) == 3


def test_a_failing_teacher_costs_only_the_chunks_it_fails_on(ctx: Any, teach: Any) -> None:
    def reply(number: int, body: dict[str, Any]) -> tuple[int, str]:
        text = body["messages"][-1]["content"]
        whole = written_reply(body)
        if "Town1 " in text:
            return 429, "slow down"
        if "Town3 " in text:
            return 500, "<html>oops"
        if "Town5 " in text:
            return -1, '{"choices": [{"mess'  # half a response
        if "Town7 " in text:
            time.sleep(1.2)  # longer than the timeout
        if "Town9 " in text:
            return 200, whole[: whole.index('"question"', 150) + 5]  # the second pair breaks off
        if "Town10 " in text:
            return 200, "I would rather not." if body["seed"] < 2 else whole
        return 200, whole

    server = teach(reply, timeout=0.5)
    examples, summary = synthesize(ctx, add_chunks(ctx, town(12)), concurrency=2)
    failed = {where for where, reason, _row in ctx.rejected if reason.startswith("the teacher did not answer")}
    assert failed == {c.id for n, c in enumerate(town(12)) if n in (1, 3, 5, 7)}
    assert len(examples) == 2 * 7 + 1 and summary["reasons"]["the teacher's reply breaks off"] == 1
    assert sum("Town10 " in r["messages"][-1]["content"] for r in server.requests) == 3, "asked again with other seeds"


def test_a_teacher_that_is_down_stops_the_run_and_what_it_said_is_kept(ctx: Any, teach: Any) -> None:
    ref = add_chunks(ctx, town(30))
    server = teach(lambda n, body: (200, written_reply(body)) if n <= 10 else (503, "down"))
    with pytest.raises(TuneloopError, match="run the same command again"):
        synthesize(ctx, ref, concurrency=1)
    assert len(server.requests) == 10 + 2 * 6
    server = teach(lambda _n, body: (200, written_reply(body)))
    assert len(synthesize(ctx, ref, concurrency=1)[0]) == 60 and len(server.requests) == 20
    server = teach(lambda _n, _body: (401, "no such key"))
    with pytest.raises(TuneloopError, match="Check the API key"):
        synthesize(ctx, ref, seed=9, concurrency=1)
    assert len(server.requests) == 1


def test_exam_questions_and_duplicates_are_never_learned(ctx: Any, teach: Any) -> None:
    folder = ctx.out.parent / "exam"
    folder.mkdir()
    messages = [
        Message(role="user", content="At what time does the Town2 library open?"),
        Message(role="assistant", content="At 3."),
    ]
    write_rows(folder / "examples.parquet", Example, [Example(id="1", messages=messages)])
    teach(lambda _n, body: (200, written_reply(body)))
    again = chunk(town(1)[0].text, "copy.md", ("Town0", "Library"))
    examples, summary = synthesize(ctx, add_chunks(ctx, [*town(6), again]), exclude=ctx.add("dataset", folder))
    assert summary["reasons"] == {"a near-duplicate of another question": 2, "the exam asks this": 1}
    assert len(examples) == 11
    assert "When does the library of Town2 open?" not in [e.question for e in examples]


def test_quoted_answers_are_sentences_of_the_document(ctx: Any, teach: Any) -> None:
    def reply(_number: int, body: dict[str, Any]) -> tuple[int, str]:
        fact = body["messages"][-1]["content"].split("Fact: ")[1]
        n = fact.split("Town")[1].split()[0]
        opens = f"When does the library of Town{n} open?"
        return 200, json.dumps(
            {"question": opens if "opens" in fact else f"How many books do readers of Town{n} borrow?"}
        )

    teach(reply)
    examples, summary = synthesize(ctx, add_chunks(ctx, town(3)), answers="quoted", grounded_share=0.5)
    plain = [e for e in examples if e.origin == "synthesize"]
    assert len(plain) == 6 and all(e.answer in e.sources[0].quote for e in plain)
    grounded = [e for e in examples if e.origin == "synthesize/grounded"]
    assert len(grounded) == summary["grounded"] == 3
    for example in grounded:
        assert example.sources[0].quote in example.question and "<passages>" in example.question
        assert example.question.count("Library") >= 3, "the right passage stands among others"


def test_chunks_are_spread_over_documents() -> None:
    chunks = [chunk(f"text {d} {n}", f"doc{d}.md", start=n) for d, size in enumerate((50, 3, 1)) for n in range(size)]
    first = [c.document for c in list(spread(chunks, 1))[:6]]
    assert sorted(first[:3]) == ["doc0.md", "doc1.md", "doc2.md"] and first.count("doc2.md") == 1
    assert sorted(c.id for c in spread(chunks, 1)) == sorted(c.id for c in chunks)
    assert [c.id for c in spread(chunks, 1)] != [c.id for c in spread(chunks, 2)]


@pytest.mark.parametrize(
    ("form", "row", "fields"),
    [
        ("text", {"text": "Long ago.", "url": "http://a"}, {"shape": "text", "text": "Long ago."}),
        ("labelled", {"text": "It broke.", "label": True}, {"shape": "labelled", "labels": ["true"]}),
        ("retrieval", {"query": "When?", "positive": "At eight.", "negatives": [{"text": "At nine."}]},
         {"shape": "retrieval", "positives": ["At eight."], "negatives": ["At nine."]}),
        ("prompt", {"prompt": [{"role": "user", "content": "2+2?"}], "ground_truth": "4", "facts": {"unit": "m"}},
         {"shape": "prompt", "facts": {"ground_truth": "4", "unit": "m"}}),
        ("choices", {"question": "Which?", "A": "one", "B": "two", "C": "three", "answer": "A, C"},
         {"shape": "choices", "choices": ["one", "two", "three"], "right": [0, 2]}),
        ("choices", {"question": "Which?", "choices": ["one", "two"], "answer": 1}, {"right": [1]}),
    ],
)  # fmt: skip
def test_a_row_of_every_shape_is_imported(ctx: Any, tmp_path: Path, form: str, row: dict, fields: dict) -> None:
    told = {"format": form} if form == "choices" else {}  # questions with answers too: it is not detected
    examples, summary = run_import(ctx, write(tmp_path, "rows.jsonl", json.dumps(row)), **told)
    assert summary["format"] == form and {name: getattr(examples[0], name) for name in fields} == fields
    if "url" in row:
        assert examples[0].extra == {"url": "http://a"}


@pytest.mark.parametrize(
    ("row", "choices", "right"),
    [
        ({"A": "", "B": "x", "C": "y", "answer": "B"}, ["x", "y"], [0]),
        ({"choices": {"B": "x", "C": "y"}, "answer": "C"}, ["x", "y"], [1]),
        ({"choices": {"text": ["w", "x", "y"], "label": ["1", "2", "3"]}, "answerKey": "1"}, ["w", "x", "y"], [0]),
        ({"choices": ["FACE", "HAND"], "answer": "FACE"}, ["FACE", "HAND"], [0]),
        ({"choices": ["w", "x", "y"], "answer": "AC"}, ["w", "x", "y"], [0, 2]),
        ({"options": ["w", "x"], "answer": 0}, ["w", "x"], [0]),
    ],
)
def test_the_right_choice_is_the_one_that_is_named(ctx: Any, tmp_path: Path, row: dict, choices: list, right: list):
    text = json.dumps({"question": "Which?"} | row)
    examples, _summary = run_import(ctx, write(tmp_path, "r.jsonl", text), format="choices")
    assert (examples[0].choices, examples[0].right) == (choices, right)


@pytest.mark.parametrize(
    "beside", [{"text": "t", "label": "l"}, {"solution": "s"}, {"positive": "p"}, {"category": "c"}]
)
def test_a_question_with_its_answer_is_one_whatever_stands_beside_it(ctx: Any, tmp_path: Path, beside: dict) -> None:
    row = {"question": "When?", "answer": "At eight."} | beside
    examples, summary = run_import(ctx, write(tmp_path, "r.jsonl", json.dumps(row)))
    assert summary["format"] == "qa" and examples[0].answer == "At eight." and examples[0].extra == beside


def test_a_right_choice_that_is_not_there_is_a_bad_row(ctx: Any, tmp_path: Path) -> None:
    rows = [{"question": "Which?", "choices": ["one", "two"], "answer": answer} for answer in ("B", "E")]
    _examples, summary = run_import(ctx, write(tmp_path, "r.jsonl", "\n".join(map(json.dumps, rows))), format="choices")
    assert summary["reasons"] == {"the right choice is not among the choices": 1}
