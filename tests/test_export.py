"""Datasets written for other tools: what a form holds comes back as it was, and what it does not hold is named."""

import csv
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html
from starlette.testclient import TestClient

from tuneloop.cli import main
from tuneloop.dataset.exporters import EVERY, EXPORTERS, row_of
from tuneloop.dataset.exporting import Export, export
from tuneloop.dataset.forms import FORMS
from tuneloop.dataset.importing import ImportDataset
from tuneloop.errors import Conflict, TuneloopError
from tuneloop.kinds.dataset import EXAMPLES
from tuneloop.records import Example, Message, Part, Source, ToolCall, read_rows
from tuneloop.records.shapes import SHAPES
from tuneloop.runner import Workspace
from tuneloop.web.app import build_app

CHARACTERS = st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="\ufffd\ufeff")
TRAPS = ["a\n\nb", "<image> x", '{"name": "f"}', '[{"role": "user"}]', "-1", "null"]
TEXT = st.text(CHARACTERS, min_size=1, max_size=9) | st.sampled_from(TRAPS)
WORD = st.sampled_from(["", "nurse", "王"])
FREE = st.dictionaries(TEXT, st.integers() | TEXT, max_size=2)


def said(role: str, **fields: Any) -> Any:
    return st.builds(Message, role=st.just(role), content=TEXT, **fields)


PICTURES = [
    Part(type="image", reference="a.png"),
    Part(type="audio", reference="data:audio/wav;base64,AAAA", media_type="audio/wav"),
]
PLAIN = st.tuples(said("user"), said("assistant"))
SHOWN = st.tuples(
    TEXT.map(lambda text: Message(role="user", content=text, parts=[Part(text=text), *PICTURES])), said("assistant")
)
ANSWER = said("assistant", weight=st.sampled_from([None, 0.0, 0.5]), reasoning=WORD, name=WORD)
CALL = st.builds(ToolCall, id=st.sampled_from(["", "c1"]), name=TEXT, arguments=FREE)
CALLED = st.tuples(
    said("user", name=WORD),
    st.builds(Message, role=st.just("assistant"), content=st.just(""),
              tool_calls=st.lists(CALL, min_size=1, max_size=2)),
    said("tool", tool_call_id=WORD, name=WORD), ANSWER,
)  # fmt: skip


def conversations(*kinds: Any) -> Any:
    turns = st.lists(st.one_of(kinds), min_size=1, max_size=3).map(lambda parts: [m for part in parts for m in part])
    opened = st.tuples(st.lists(said("system"), max_size=1), turns).map(lambda two: two[0] + two[1])
    return st.builds(
        Example, id=st.just("0" * 16), messages=opened, tools=st.sampled_from([[], [{"type": "function", "of": "门"}]]),
        tags=st.lists(TEXT, max_size=1), metadata=FREE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("form", "kinds"), [("openai", (PLAIN, CALLED, SHOWN)), ("sharegpt", (PLAIN, CALLED)), ("alpaca", (PLAIN,))]
)
def test_what_a_form_carries_comes_back_and_the_rest_is_named(form: str, kinds: Any) -> None:
    @settings(max_examples=40, deadline=None)
    @given(conversations(*kinds))
    def check(example: Example) -> None:
        row, missing = row_of(EXPORTERS.find(form), example)
        back = Example(id=example.id, **FORMS.find(form).read(json.loads(json.dumps(row)), {}).fields)
        bare = {name: Example.model_fields[name].get_default(call_default_factory=True) for name in missing
                if name in Example.model_fields}  # fmt: skip
        plain = {name: "" for name in missing if name in Message.model_fields}
        expected = example.model_copy(update=bare)
        expected.messages = [message.model_copy(update=plain) for message in example.messages]
        assert back == expected
        assert {"tags", "metadata"} & set(missing) == {n for n in ("tags", "metadata") if getattr(example, n)}

    check()


def save(workspace: Workspace, tmp_path: Path, rows: list[Example], name: str = "help") -> str:
    folder = tmp_path / "made"
    folder.mkdir(parents=True)
    EXAMPLES.write(folder, rows)
    address = workspace.store.artifacts.save("dataset", folder, {"examples": len(rows)})
    workspace.store.artifacts.tag(name, address)
    return str(address)


def pair(question: str, answer: str, **fields: Any) -> Example:
    messages = [Message(role="user", content=question), Message(role="assistant", content=answer)]
    return Example(**{"id": "0" * 16, "messages": messages, **fields})


CALLING = Message(role="assistant", content="", tool_calls=[ToolCall(name="find", arguments={"word": "门"})])
MIXED = [
    pair("Where?", "=HYPERLINK(1)", sources=[Source(name="a.md", quote="Here.")], tags=["x"]),
    pair("何时？", "八点。", answerable=False, extra={"by": "Anna"}),
    pair("Look", "up", messages=[Message(role="user", content="Look"), CALLING, Message(role="tool", content="3"),
                                 Message(role="assistant", content="It is 3.")]),
    pair("Learned?", "No.", messages=[Message(role="user", content="Learned?"),
                                      Message(role="assistant", content="No.", weight=0)]),
    Example(id="named", shape="text", text="Only text."),
    Example(id="0" * 16, shape="preference", messages=[Message(role="user", content="Who?")],
            chosen=[Message(role="assistant", content="We.")], rejected=[Message(role="assistant", content="They.")]),
]  # fmt: skip


def test_a_file_of_each_form_has_an_account_of_what_is_not_in_it(workspace: Workspace, tmp_path: Path) -> None:
    folder = workspace.store.artifacts.path(workspace.store.artifacts.resolve(save(workspace, tmp_path, MIXED)))
    counts = {}
    for name in EXPORTERS.names():
        account = export(folder, name, tmp_path / name)
        assert account == Export(folder, name).account(), "what a page says beforehand is what the file holds"
        assert account.examples + account.left_out.total() == len(MIXED)
        lines = (tmp_path / name).read_bytes().decode().count("\n") - (name == "csv")
        assert lines == account.examples
        counts[name] = (account.examples, dict(account.not_carried))
    fields = {"sources": 1, "tags": 1, "answerable": 1, "extra": 1}
    assert counts == {
        "openai": (4, fields), "sharegpt": (4, fields), "alpaca": (2, fields), "dpo": (1, {}),
        "csv": (2, {"sources": 1, "tags": 1, "extra": 1}), "jsonl": (6, {}),
    }  # fmt: skip
    assert list(read_jsonl(tmp_path / "jsonl")) == MIXED
    reasons = Export(folder, "alpaca").account().left_out
    assert reasons["a call of a tool has no place in it"] == reasons["the weight of an answer has no place in it"] == 1
    assert sorted(p.name for p in tmp_path.glob("*.part")) == []


def test_what_nobody_wants_is_gone_and_no_loss(workspace: Workspace, tmp_path: Path) -> None:
    folder = workspace.store.artifacts.path(workspace.store.artifacts.resolve(save(workspace, tmp_path, MIXED)))
    account = export(folder, "jsonl", tmp_path / "j", without=["sources", "tags", "id"])
    assert account.dropped == {"sources": 1, "tags": 1, "id": 1} and not account.lost
    kept = list(read_jsonl(tmp_path / "j"))
    assert kept == [row.model_copy(update={"sources": [], "tags": []}) for row in MIXED]
    assert not export(folder, "openai", tmp_path / "o", without=["sources", "tags", "extra", "answerable"]).not_carried
    with pytest.raises(TuneloopError, match="'messages' can be left out"):
        Export(folder, "jsonl", ("messages",))


def read_jsonl(path: Path) -> Any:
    return (Example.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines())


def test_a_pair_and_a_table_are_imported_as_they_were(ctx: Any, workspace: Workspace, tmp_path: Path) -> None:
    table = [pair("Wo?", "=1+1", id="a-1", sources=[Source(name="页.md")]), pair("何时？", "-八点", answerable=False)]
    artifacts = workspace.store.artifacts
    for form, rows in (("dpo", MIXED[-1:]), ("csv", table)):
        folder = artifacts.path(artifacts.resolve(save(workspace, tmp_path / form, rows)))
        export(folder, form, tmp_path / f"{form}.{EXPORTERS.find(form).ending}")
    for name, rows in (("dpo.jsonl", MIXED[-1:]), ("csv.csv", table)):
        ImportDataset(file=str(tmp_path / name)).run(ctx)
        found = list(read_rows(ctx.out / "examples.parquet", Example))
        plain = {"id": "", "origin": ""}
        assert [row.model_copy(update=plain) for row in found] == [row.model_copy(update=plain) for row in rows]
    assert found[0].id == "a-1"


def test_a_table_opens_in_excel_and_a_formula_is_told(workspace: Workspace, tmp_path: Path) -> None:
    folder = workspace.store.artifacts.path(workspace.store.artifacts.resolve(save(workspace, tmp_path, MIXED)))
    for guard, cell in ((False, "=HYPERLINK(1)"), (True, "'=HYPERLINK(1)")):
        account = export(folder, "csv", tmp_path / "t.csv", force=True, guard=guard)
        data = (tmp_path / "t.csv").read_bytes()
        assert data.startswith(b"\xef\xbb\xbf") and (account.formulas, account.guarded) == (1, guard)
        first, second = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        assert first["answer"] == cell and first["page"] == "a.md" and second["question"] == "何时？"


def test_a_file_is_there_whole_or_not_at_all(workspace: Workspace, tmp_path: Path, monkeypatch: Any) -> None:
    folder = workspace.store.artifacts.path(workspace.store.artifacts.resolve(save(workspace, tmp_path, MIXED)))
    file = tmp_path / "out.jsonl"
    with pytest.raises(TuneloopError, match="dpo"):
        export(workspace.store.artifacts.path(workspace.store.artifacts.resolve(
            save(workspace, tmp_path / "b", MIXED[:2]))), "dpo", file)  # fmt: skip
    assert not file.exists(), "nothing has a place in it"
    file.write_text("mine")
    with pytest.raises(Conflict, match="--force"):
        export(folder, "openai", file)
    with monkeypatch.context() as patched:
        patched.setattr("tuneloop.dataset.exporting.PART", 1)
        patched.setattr("tuneloop.dataset.exporting.row_of", fails_at(3))
        with pytest.raises(OSError):
            export(folder, "openai", file, force=True)
    assert file.read_text() == "mine" and [*tmp_path.glob(".*.part")] == []
    assert export(folder, "openai", file, force=True).examples == 4 and file.read_text() != "mine"


def fails_at(number: int) -> Any:
    calls = iter(range(number))

    def row(exporter: Any, example: Example) -> Any:
        if next(calls, None) is None:
            raise OSError(28, "No space left on device")
        return {"messages": []}, []

    return row


def typed(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(words))
    return int(end.value.code or 0)


def test_the_command_says_what_is_lost(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    save(workspace, tmp_path, MIXED[:2])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("TUNELOOP_LANGUAGE", "en")
    assert typed("export", "dataset:help", "--format", "openai", "--json") == 3
    told = json.loads(capfd.readouterr().out)
    assert (told["file"], told["status"], told["examples"]) == ("help.openai.jsonl", 3, 2)
    assert told["not_carried"] == {"sources": 1, "tags": 1, "answerable": 1, "extra": 1}
    assert typed("export", "dataset:help", "--format", "openai", "-o", "-", "--without", "sources,tags") == 3
    out, err = capfd.readouterr()
    assert out.encode() == (tmp_path / "help.openai.jsonl").read_bytes()
    assert "answerable" in err and "extra" in err and "tags" not in err
    assert typed("export", "dataset:help", "--format", "openai", "-o", "b",
                 "--without", "sources,tags,answerable,extra") == 0  # fmt: skip
    assert typed("export", "dataset:help", "-o", "b") == 2 and "--force" in capfd.readouterr().err


def test_rest_and_the_console_give_the_same_file(workspace: Workspace, tmp_path: Path) -> None:
    address = save(workspace, tmp_path, MIXED, "帮助")
    client = TestClient(build_app(workspace, auth=False), base_url="http://127.0.0.1")
    export(workspace.store.artifacts.path(workspace.store.artifacts.resolve(address)), "csv", tmp_path / "t.csv")
    sent = client.get("/api/artifacts/dataset:帮助/export?format=csv")
    assert sent.content == (tmp_path / "t.csv").read_bytes()
    assert quote("帮助.csv") in sent.headers["Content-Disposition"]
    account = json.loads(sent.headers["Tuneloop-Account"])
    assert account["examples"] == 2 and account["left_out"]["this shape has no place in it: text"] == 1
    assert client.get(f"/api/artifacts/{address}/export?format=cvs").status_code == 404
    (button,) = html.fromstring(client.get(f"/artifacts/{address}").text).xpath(
        "//section[@id='export']//a[text()='csv']/@href"
    )
    page = html.fromstring(client.get(f"{button}&language=en").text)
    assert "this shape has no place in it: text" in page.text_content() and "apostrophe" in page.text_content()
    safe, plain = page.xpath("//p[@class='actions']/a/@href")
    assert client.get(plain).content == sent.content and b"'=HYPERLINK" in client.get(safe).content


def test_what_a_form_says_that_it_carries_is_there() -> None:
    for name, exporter in EXPORTERS.all().items():
        assert exporter.carries <= EVERY and set(exporter.shapes) <= set(SHAPES.names()), name
