"""Rows: every shape there and back, what 0.1 wrote, what a newer version wrote, and what is shown of them."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tuneloop.documents.cut import cut
from tuneloop.errors import TuneloopError
from tuneloop.kinds.dataset import EXAMPLES
from tuneloop.kinds.documents import CHUNKS, DOCUMENTS
from tuneloop.kinds.model import TRAINED
from tuneloop.records import (
    Box,
    Document,
    Example,
    Message,
    Part,
    Provenance,
    Section,
    ToolCall,
    plain_rows,
    read_jsonl,
    read_rows,
    shapes,
    write_jsonl,
    write_rows,
)  # fmt: skip
from tuneloop.web.app import build_app

OLD = Path(__file__).parent / "artifacts_of_0.1"

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
some = text.filter(bool)
scalar = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
value = st.recursive(
    scalar | st.text(max_size=8), lambda v: st.lists(v, max_size=2) | st.dictionaries(text, v, max_size=2)
)
free = st.dictionaries(text, value, max_size=2)
texts = st.lists(text, max_size=2)
call = st.builds(ToolCall, id=text, name=some, arguments=value)
part = st.builds(
    Part, type=st.sampled_from(["text", "image", "audio", "video", "file"]), text=text, reference=text, media_type=text
)


def message(role: Any) -> Any:
    return st.builds(
        Message, role=role, content=text, parts=st.lists(part, max_size=2), tool_calls=st.lists(call, max_size=2),
        tool_call_id=text, name=text, reasoning=text, weight=st.none() | st.floats(0, 5),
    )  # fmt: skip


turns = st.lists(message(st.sampled_from(["system", "user", "assistant", "tool"])), min_size=1, max_size=3)
ends = st.lists(message(st.just("assistant")), min_size=1, max_size=2)
OF_SHAPE: dict[str, dict[str, Any]] = {
    "conversation": {"messages": turns, "tools": st.lists(free, max_size=2)},
    "preference": {"messages": turns, "chosen": ends, "rejected": ends},
    "prompt": {"messages": turns, "facts": free},
    "text": {"text": some},
    "labelled": {"text": some, "labels": st.lists(some, min_size=1, max_size=2)},
    "retrieval": {"query": some, "positives": st.lists(some, min_size=1, max_size=2), "negatives": texts},
    "choices": {"messages": turns, "choices": texts, "right": st.lists(st.integers(0, 3), max_size=2)},
}
EVERY = st.one_of([
    st.builds(Example, id=some, shape=st.just(name), tags=texts, metadata=free, extra=free, origin=text, **fields)
    for name, fields in OF_SHAPE.items()
])  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(EVERY, max_size=5))
def test_examples_of_every_shape_go_to_parquet_and_jsonl_and_come_back(
    rows: list[Example], tmp_path_factory: Any
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    assert write_rows(folder / "e.parquet", Example, rows, batch=2) == len(rows)
    assert list(read_rows(folder / "e.parquet", Example)) == rows
    assert write_jsonl(folder / "e.jsonl", rows) == len(rows)
    assert list(read_jsonl(folder / "e.jsonl", Example)) == rows
    for row, raw in zip(rows, plain_rows(pq.read_table(folder / "e.parquet")), strict=True):
        assert raw == row.model_dump() and "\n" not in shapes.line(raw)


def test_every_built_in_shape_is_tried_above() -> None:
    assert set(OF_SHAPE) == {name for name in shapes.SHAPES.names() if not shapes.SHAPES.package(name)}


def test_half_a_character_in_free_json_is_kept(tmp_path: Path) -> None:
    row = Example(id="a", shape="text", text="x", extra={"odd": "\ud83d", "是": "是"})
    write_rows(tmp_path / "e.parquet", Example, [row])
    assert list(read_rows(tmp_path / "e.parquet", Example)) == [row]


def test_a_dataset_opens_in_one_line_elsewhere_with_typed_columns(tmp_path: Path) -> None:
    import datasets

    calls = [ToolCall(name="find", arguments={"word": "gate"})]
    row = Example(id="a", messages=[Message(role="assistant", content="", tool_calls=calls)], extra={"level": 3})
    write_rows(tmp_path / "examples.parquet", Example, [row])
    opened = datasets.Dataset.from_parquet(str(tmp_path / "examples.parquet"), cache_dir=str(tmp_path / "cache"))
    found: Any = opened[0]
    assert found["messages"][0]["tool_calls"][0]["name"] == "find" and json.loads(found["extra"]) == {"level": 3}
    schema = pq.read_schema(tmp_path / "examples.parquet")
    assert schema.field("extra").metadata == {b"tuneloop": b"json"} and schema.field("extra").type == pa.string()


def test_a_book_is_written_without_a_dictionary_and_given_back_alone(tmp_path: Path) -> None:
    """Else Parquet's writer holds it four times more, and whoever reads on holds its pages too."""
    book = Document(id="b", name="b.txt", text="No line of it is like another. " * 200_000)
    rows = [book, Document(id="c", name="c.txt", text="Short."), book.model_copy(update={"id": "d"})]
    assert DOCUMENTS.write(tmp_path, rows) == 3
    file = pq.ParquetFile(DOCUMENTS.path(tmp_path))
    (text,) = (i for i in range(file.metadata.num_columns) if file.metadata.schema.column(i).path == "text")
    columns = [file.metadata.row_group(n).column(text) for n in range(file.num_row_groups)]
    assert not any(column.has_dictionary_page or column.is_stats_set for column in columns)
    assert file.metadata.row_group(0).num_rows == 1 and file.metadata.row_group(0).column(0).has_dictionary_page
    assert list(DOCUMENTS.read(tmp_path)) == rows


# -- what other versions wrote ---------------------------------------------------------------------------------------


def test_what_0_1_wrote_is_read_today() -> None:
    documents = list(DOCUMENTS.read(OLD / "documents"))
    assert [d.name for d in documents] == ["leave.md", "请假.md"] and documents[0].sections[0].heading == ["Leave"]
    assert documents[0].source is None and documents[0].access == [] and documents[0].sections[0].box is None
    chunks = list(CHUNKS.read(OLD / "chunks"))
    texts = {d.id: d.text for d in documents}
    assert len(chunks) == 3 and all(texts[c.document][c.start : c.end] == c.text for c in chunks)
    assert chunks[0].page_at(5) is None and chunks[0].metadata == {}
    examples = list(EXAMPLES.read(OLD / "dataset"))
    assert [e.shape for e in examples] == ["conversation"] * 3
    assert [e.answer for e in examples] == ["28 days a year.", "Those that are left.", "每年5天。"]
    assert all(m.weight is None and m.parts == [] for e in examples for m in e.messages)
    trained = list(TRAINED.read(OLD / "model"))
    assert [t.example for t in trained] == [e.id for e in examples] and {t.times for t in trained} == {1}


def test_stages_and_pages_take_what_0_1_wrote(ctx: Any, workspace: Any, tmp_path: Path) -> None:
    from tuneloop.documents.chunk import Chunk as CutDocuments

    refs = {}
    for kind in ("documents", "chunks", "dataset"):
        shutil.copytree(OLD / kind, tmp_path / kind)
        refs[kind] = str(workspace.store.artifacts.save(kind, tmp_path / kind, {}))
    made = workspace.run(CutDocuments(documents=refs["documents"], tokens=40, overlap=5))
    folder = workspace.store.artifacts.path(made.address)
    assert [c.text for c in CHUNKS.read(folder)] == [c.text for c in CHUNKS.read(OLD / "chunks")]
    client = TestClient(build_app(workspace, auth=False), base_url="http://127.0.0.1")
    for ref, table, says in (
        (refs["dataset"], "examples", "28 days a year."),
        (refs["chunks"], "chunks", "Sick leave"),
    ):
        for page in (f"/artifacts/{ref}", f"/artifacts/{ref}/rows/{table}"):
            assert client.get(page).status_code == 200
        assert says in client.get(f"/artifacts/{ref}/rows/{table}").text
        assert client.get(f"/artifacts/{ref}/rows/{table}/0").status_code == 200


def test_the_artifacts_of_0_1_are_never_rewritten() -> None:
    """Whoever makes them anew with later code would only prove that this version reads itself."""
    wanted = dict(reversed(line.split()) for line in (OLD / "SHA256SUMS").read_text().splitlines())
    there = {p.relative_to(OLD).as_posix(): p for p in OLD.rglob("*.parquet")}
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in there.items()} == wanted
    assert not {"shape", "extra", "metadata", "access"} & {n for p in there.values() for n in pq.read_schema(p).names}


def test_a_column_of_a_newer_version_is_named_and_not_dropped(tmp_path: Path) -> None:
    row = {"id": "a", "messages": [{"role": "user", "content": "x", "mood": "glad"}], "voice": "low"}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "examples.parquet")
    with pytest.raises(TuneloopError, match=r"does not know: messages\.mood, voice") as problem:
        list(EXAMPLES.read(tmp_path))
    assert problem.value.where == "examples.parquet" and "newer version" in problem.value.hint
    pq.write_table(pa.Table.from_pylist([{"id": "a", "messages": [{"role": "judge", "content": "x"}]}]),
                   tmp_path / "examples.parquet")  # fmt: skip
    with pytest.raises(TuneloopError, match=r"examples\.parquet row 1: messages\.0\.role"):
        list(EXAMPLES.read(tmp_path))


# -- shapes ------------------------------------------------------------------------------------------------------------

ASKED = Message(role="user", content="Which is red?")
SAID = {role: Message(role="assistant", content=role) for role in ("good", "bad")}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"shape": "preference", "chosen": [SAID["good"]], "rejected": [SAID["bad"]]}, ""),
        ({"shape": "preference", "chosen": [SAID["good"]]}, "a preference pair needs rejected"),
        ({"shape": "preference", "chosen": [SAID["bad"]], "rejected": [SAID["bad"]]}, "are the same"),
        ({"shape": "preference", "chosen": [ASKED], "rejected": [SAID["bad"]]}, "is no answer"),
        ({"shape": "prompt", "messages": [ASKED], "facts": {"answer": 4}}, ""),
        ({"shape": "prompt", "messages": [ASKED, SAID["good"]], "facts": {"answer": 4}}, "ends with an answer"),
        ({"shape": "choices", "messages": [ASKED], "choices": ["a", "b"], "right": [1]}, ""),
        ({"shape": "choices", "messages": [ASKED], "choices": ["a", "b"], "right": [2]}, "not among the choices"),
        ({"shape": "retrieval", "query": "q"}, "needs positives"),
        ({"shape": "labelled", "text": "t", "labels": ["spam"]}, ""),
    ],
)  # fmt: skip
def test_a_shape_says_what_it_needs(row: dict[str, Any], problem: str) -> None:
    found = shapes.problem(Example(id="a", **row))
    assert problem in found and bool(problem) == bool(found)


PLUGIN = """
from tuneloop.records.shapes import Shape

def sides(row):
    return row["metadata"]["asked"], "!"

RIDDLE = Shape("riddle", "riddle", ("metadata",), sides)
LAME = Shape("lame", "lame", ("nothing",), sides)
"""
USE = """
from tuneloop.records import Example, shapes
row = Example(id="a", shape="riddle", metadata={"asked": "What has keys?"})
other = {"shape": "riddle", "text": "as it is"}
print(shapes.line(row.model_dump()), "|", shapes.problem(row), "|", shapes.line(other))
print(shapes.SHAPES.usable("lame"), shapes.SHAPES.unfit["lame"].reason)
row = Example(id="a", shape="summary", text="Much.", metadata={"summary": "Little."})
print(shapes.line(row.model_dump()), "|", shapes.problem(row))
"""


def test_a_package_adds_a_shape(tmp_path: Path) -> None:
    info = tmp_path / "riddles-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: riddles\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tuneloop.example_shapes]\nriddle = riddles:RIDDLE\nlame = riddles:LAME\nsummary = summaries:SUMMARY\n"
    )
    (tmp_path / "riddles.py").write_text(PLUGIN)
    guide = (Path(__file__).parent.parent / "docs" / "design" / "add-a-shape.md").read_text(encoding="utf-8")
    (tmp_path / "summaries.py").write_text(guide.split("```python\n")[1].split("```")[0])
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    said = subprocess.run([sys.executable, "-c", USE], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == [
        "What has keys? → ! |  | as it is", "None an example has no field 'nothing'", "Much. → Little. | ",
    ]  # fmt: skip


def test_rows_of_every_shape_and_of_an_unknown_one_break_no_page(workspace: Any, tmp_path: Path) -> None:
    calls = [ToolCall(name="find_page", arguments={"word": "gate"})]
    said = [
        Message(role="user", content="Which is red?", parts=[Part(type="image", reference="media/gate.png")]),
        Message(role="assistant", content="", tool_calls=calls, reasoning="I had better look.", weight=0.5),
    ]
    rows = [
        Example(id="1", messages=said, extra={"level": {"of": 3}}, tags=["a tag"]),
        Example(id="2", shape="preference", messages=[ASKED], chosen=[SAID["good"]], rejected=[SAID["bad"]]),
        Example(id="3", shape="prompt", messages=[ASKED], facts={"solution": "the gate"}),
        Example(id="4", shape="retrieval", query="the query", positives=["a passage"]),
        Example(id="5", shape="choices", messages=[ASKED], choices=["the gate", "the wall"], right=[0]),
        Example(id="6", shape="of a package that is gone", text="its text"),
        Example(id="7", shape="of a package that is gone"),
    ]
    (tmp_path / "made").mkdir()
    EXAMPLES.write(tmp_path / "made", rows)
    ref = workspace.store.artifacts.save("dataset", tmp_path / "made", {"examples": len(rows)})
    client = TestClient(build_app(workspace, auth=False), base_url="http://127.0.0.1")
    listed = client.get(f"/artifacts/{ref}/rows/examples").text
    for says in ("find_page(…)", "good &gt; bad", "solution=the gate", "the query", "✓ the gate", "its text", "a tag"):
        assert says in listed, says
    pages = [client.get(f"/artifacts/{ref}/rows/examples/{n}") for n in range(len(rows))]
    assert [page.status_code for page in pages] == [200] * len(rows)
    for says in ("media/gate.png", "find_page", "gate", "I had better look.", "0.5", "level"):
        assert says in pages[0].text, says
    command = [sys.executable, "-m", "tuneloop", "-w", str(tmp_path / "workspace"), "show", str(ref)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Which is red? → good > bad" in shown
    shown = subprocess.run([*command, "--rows", "examples"], capture_output=True, text=True, check=True).stdout
    assert "find_page" in shown and "'of': 3" in shown and "None" not in shown and "[]" not in shown


# -- documents and chunks ----------------------------------------------------------------------------------------------


def test_a_chunk_over_two_pages_knows_which_characters_stand_on_which() -> None:
    one, two, three = "The first page says one. ", "It goes on with two.", "The third says three."
    whole = one + two + "\n\n" + three
    ends = [len(one), len(one) + len(two), len(whole)]
    starts = [0, len(one), len(whole) - len(three)]
    sections = [Section(start=s, end=e, page=n) for n, (s, e) in enumerate(zip(starts, ends, strict=True), 3)]
    document = Document(
        id="d", name="d.pdf", text=whole, sections=sections, metadata={"author": "Ann"}, access=["staff"],
        source=Provenance(url="https://a.example/d.pdf", fetched=1.5, version="7"), parent="mail",
    )  # fmt: skip
    (chunk,) = cut(document, 200, 0)
    assert [(s.page, whole[s.start : s.end].strip()) for s in chunk.pages] == [
        (3, one.strip()), (4, two), (5, three),
    ]  # fmt: skip
    assert (chunk.page, chunk.pages[0].start, chunk.pages[-1].end) == (3, chunk.start, chunk.end)
    assert [chunk.page_at(whole.index(word)) for word in ("one", "two", "three")] == [3, 4, 5]
    assert (chunk.metadata, chunk.access) == ({"author": "Ann"}, ["staff"])


def test_access_and_metadata_go_from_a_document_to_the_index(ctx: Any, tmp_path: Path) -> None:
    from tuneloop.documents.chunk import Chunk as CutDocuments
    from tuneloop.knowledge.index import Index
    from tuneloop.knowledge.search import Knowledge

    rows = [Document(id="d", name="d.md", text="The gate is red.", metadata={"by": {"name": "Ann"}}, access=["staff"])]
    (tmp_path / "documents").mkdir()
    DOCUMENTS.write(tmp_path / "documents", rows)
    ref = ctx.add("documents", tmp_path / "documents")
    CutDocuments(documents=ref).run(ctx)
    chunks = ctx.add("chunks", ctx.out)
    ctx.out = tmp_path / "index"
    ctx.out.mkdir()
    Index(chunks=chunks, embedding="none").run(ctx)
    found = Knowledge(ctx.out).chunk(0)
    assert (found.text, found.access, found.metadata) == ("The gate is red.", ["staff"], {"by": {"name": "Ann"}})


def test_sections_of_a_pdf_have_their_place(tmp_path: Path) -> None:
    from test_documents import document, pdf

    lines = [("Drain the pump before it is stored.", 60, 700, 11), ("Rinse the valve with clean water.", 60, 686, 11)]
    (section,) = document(tmp_path, "a.pdf", pdf([lines])).sections
    box = section.box
    assert isinstance(box, Box) and box.page == section.page == 1 and section.confidence is None
    assert 55 < box.x0 < 65 and box.x1 > 200  # points from the upper left corner: a page is 842 high
    assert 842 - 715 < box.y0 < 842 - 705 and 842 - 686 < box.y1 < 842 - 676
