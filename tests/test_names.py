"""Names of artifacts: which are given, how they move, what they remember, and what that keeps from being collected."""

import json
import secrets
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from test_store import artifact
from toystage import Count

from tuneloop.address import LONGEST_NAME, NAME, Address, name_from
from tuneloop.cli.artifacts import gc, ls, rm, show, tag
from tuneloop.dataset import Split
from tuneloop.documents import Parse
from tuneloop.errors import Conflict, NotFound, TuneloopError
from tuneloop.registry import find_stage, stages
from tuneloop.runner import Workspace
from tuneloop.store import Store
from tuneloop.store.database import runs, tags, versions, wanted_names
from tuneloop.store.migrations import MIGRATIONS, tag_history
from tuneloop.store.names import check_name, point

# -- which name an output gets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "fields", "name"),
    [
        ("split", {"dataset": "dataset:d"}, "d-train"),
        ("split", {"dataset": "dataset:d", "part": "exam"}, "d-exam"),
        ("split", {"dataset": "dataset:d@2"}, "d-train"),
        ("compress", {"model": "model:m"}, "m-q8_0"),
        ("compress", {"model": "model:m@prod", "to": "hf"}, "m-hf"),
        ("compress", {"model": "smollm2-135m-instruct"}, "smollm2-135m-instruct-q8_0"),
        ("train", {"dataset": ["dataset:d"], "model": "model:m"}, "d"),
        ("train", {"dataset": "dataset:help", "model": "model:help"}, "help-tuned"),
        ("train", {"dataset": "dataset:" + "8375c389" * 8, "model": "model:m"}, "m-tuned"),
        ("synthesize", {"chunks": "chunks:d", "exclude": "dataset:d", "teacher": "t"}, "d-synthesize"),
        ("evaluate", {"model": "model:m", "dataset": "dataset:e", "against": "model:b"}, "m-on-e"),
        ("evaluate", {"model": "http://h/v1#gpt-x", "dataset": "dataset:" + "8375c389" * 8}, "gpt-x-on-8375c3898375"),
        ("chunk", {"documents": "documents:20260131"}, "20260131"),
        ("chunk", {"documents": "documents:8375c389"}, ""),
        ("count", {"to": 3, "after": "documents:two"}, "two-count"),
    ],
)
def test_an_output_is_called_after_its_input_and_never_as_one_of_its_own_kind(
    stage: str, fields: dict, name: str
) -> None:
    assert find_stage(stage).model_validate(fields).default_name() == name


@pytest.mark.parametrize("stage", [s for s in stages().values() if s.makes in s.references().values()])
def test_no_stage_takes_the_name_of_what_it_was_made_from(stage: type) -> None:
    """Also not one that says itself how its output is called, as a plug-in may."""

    class Plugin(stage):
        def output_name(self) -> str:
            return "d"

    fields = dict.fromkeys(stage.references(), "any:d") | {"paths": ["x"], "to": 1}
    made = Plugin.model_construct(**{k: v for k, v in fields.items() if k in stage.model_fields and k != "to"})
    if stage.name == "compress":
        made.to = "gguf:q8_0"
    assert made.default_name().startswith("d-")


@given(st.text(), st.text(alphabet="dé 文-_.@/", max_size=300))
def test_any_file_gives_a_name_that_an_artifact_can_have(first: str, second: str) -> None:
    for text in (first, second):
        name = name_from(text)
        if name:
            check_name(name)
        else:
            assert not any(c.isalnum() for c in text), text


@given(st.from_regex(NAME, fullmatch=True).filter(lambda name: len(name) <= LONGEST_NAME and "@" not in name))
def test_the_default_name_of_a_split_can_be_a_name_and_is_another(name: str) -> None:
    if default := Split(dataset=f"dataset:{name}").default_name():
        assert default != name
        check_name(default)


def test_documents_are_called_after_the_folder_that_they_lie_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs, laws = tmp_path / "My docs (v1.2)", tmp_path / "法律 法规"
    for folder in (docs, laws):
        folder.mkdir()
        for file in ("报告[终].md", "b.notes.txt"):
            (folder / file).write_text("x")
    given = {
        "My-docs-v1.2": [[f"{docs}/"], [f"{docs}/**/*.md"], [f"{docs}/b.notes.txt", f"{docs}/报告[终].md"]],
        "法律-法规": [[str(laws)], [str(laws), f"{laws}/b.notes.txt"]],
        "b.notes": [[f"{docs}/b.notes.txt"]],
        "报告-终": [[f"{docs}/报告[终].md"]],
        "My-docs-v1.2-and-1-more": [[str(docs), str(laws)]],
        "documents": [["/"]],
    }
    for name, many in given.items():
        for paths in many:
            assert Parse(paths=paths).default_name() == name, paths
    monkeypatch.chdir(docs)
    assert Parse(paths=["."]).default_name() == "My-docs-v1.2" == Parse(paths=["*.md"]).default_name()


# -- how a name moves, and what it remembers -----------------------------------------------------------------------


def test_a_name_that_moves_keeps_its_history(store: Store) -> None:
    one, two, other = (artifact(store, "dataset", text) for text in ("one", "two", "other"))
    names = store.artifacts
    assert names.tag("d", one) is None and names.tag("d", one) is None, "naming it and saying so again is no move"
    moved = names.tag("d", two)
    assert moved and (moved.name, moved.taken) == ("dataset:d", True)
    assert (moved.before.name, moved.before.address) == ("dataset:d@1", str(one))
    assert (moved.after.name, moved.after.address) == ("dataset:d@2", str(two))
    names.tag("d", one)
    names.tag("d@prod", other)
    names.tag("d@prod", two)
    resolved = {text: names.resolve(f"dataset:{text}") for text in ("d", "d@1", "d@2", "d@3", "d@prod", "d@prod@1")}
    assert resolved == {"d": one, "d@1": one, "d@2": two, "d@3": one, "d@prod": two, "d@prod@1": other}
    assert names.get(one).tags == ("d",) and names.get(one).versions == ("d@1", "d@3")
    assert [(v.place, v.now) for v in names.history("dataset", "d")] == [
        ("dataset:d@3", True), ("dataset:d@2", False), ("dataset:d@1", False),
    ]  # fmt: skip
    with pytest.raises(NotFound, match=r"no dataset:d@9\. Known: dataset:d@3, dataset:d@2, dataset:d@1"):
        names.resolve("dataset:d@9")
    for taken in ("d@7", "d@prod@2"):
        with pytest.raises(TuneloopError, match="cannot be a name"):
            names.tag(taken, one)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, list[Address]]:
    store = Store(tmp_path_factory.mktemp("names"))
    return store, [artifact(store, "dataset", str(n)) for n in range(3)]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), min_size=1, max_size=8))
def test_whatever_is_named_each_place_of_a_history_stays(
    made: tuple[Store, list[Address]], steps: list[tuple[str, int]]
) -> None:
    (store, addresses), mine = made, secrets.token_hex(4)
    expected: dict[str, list[Address]] = {}
    for letter, number in steps:
        name, address = f"{letter}-{mine}", addresses[number]
        store.artifacts.tag(name, address)
        if expected.setdefault(name, [])[-1:] != [address]:
            expected[name].append(address)
    for name, places in expected.items():
        assert store.artifacts.resolve(f"dataset:{name}") == places[-1]
        found = store.artifacts.history("dataset", name)
        assert [(v.number, v.address, v.now) for v in reversed(found)] == [
            (number, address, number == len(places)) for number, address in enumerate(places, 1)
        ]
        assert all(store.artifacts.resolve(v.place) == v.address for v in found)


def queue(store: Store, key: str, name: str) -> tuple[str, int]:
    run = store.runs.submit(stage="s", stage_version=1, params={}, typed={}, key=key, tag=name, inputs=[])
    return run, store.runs.claim(run)


def test_a_run_that_was_asked_for_earlier_does_not_take_a_name_from_a_later_one(store: Store) -> None:
    (old, first), (new, second) = queue(store, "old", "d"), queue(store, "new", "d")
    one, two = artifact(store, "dataset", "one"), artifact(store, "dataset", "two")
    store.runs.finish(new, second, "done", output=str(two))
    store.runs.finish(old, first, "done", output=str(one))
    assert store.artifacts.resolve("dataset:d") == two and store.artifacts.resolve("dataset:d@2") == one
    moves = store.artifacts.moves([old, new])
    assert list(moves) == [(old, "d")] and not moves[old, "d"].taken
    assert moves[old, "d"].told() == (
        f"dataset:d still leads to {two.hash[:12]}…, which was asked for later; this is dataset:d@2 = {one.hash[:12]}…"
    )
    assert store.artifacts.unreachable() == [], "and its output is not collected"
    assert store.artifacts.tag("d", one), "by hand a name goes anywhere"
    assert store.artifacts.resolve("dataset:d") == one


def test_a_workspace_of_version_0_1_opens_and_its_names_are_the_first_of_their_histories(store: Store) -> None:
    one, two = artifact(store, "dataset", "one"), artifact(store, "dataset", "two")
    store.artifacts.tag("d", one)
    run = queue(store, "k", "d")[0]
    with store.engine.begin() as connection:  # back to the tables of 0.1, with a name that only 0.1 let be given
        connection.execute(sa.text("DROP TABLE tag_history"))
        later = [("runs", column) for column in ("place", "begun", "makes", "summary")]
        for table, column in (("tags", "version"), ("wanted_names", "asked"), *later):
            connection.execute(sa.text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        connection.execute(
            sa.text("INSERT INTO tags (kind, name, hash, updated) VALUES ('dataset', 'd@1', :hash, 1.0)"),
            {"hash": two.hash},
        )
        connection.execute(versions.delete().where(versions.c.version > MIGRATIONS.index(tag_history)))
    again = Store(store.root, store.settings)
    assert again.artifacts.resolve("dataset:d") == again.artifacts.resolve("dataset:d@2") == one
    assert again.artifacts.resolve("dataset:d@1") == two, "a name that was given stays what it was"
    moved = again.artifacts.tag("d", two)
    assert moved and (moved.before.name, moved.after.name) == ("dataset:d@2", "dataset:d@3")
    with again.engine.connect() as connection:
        asked = connection.scalar(sa.select(wanted_names.c.asked).where(wanted_names.c.run == run))
        assert asked == connection.scalar(sa.select(runs.c.created).where(runs.c.id == run))
        assert set(connection.scalars(sa.select(tags.c.version).where(tags.c.name == "d"))) == {3}


# -- what is said of it --------------------------------------------------------------------------------------------


def test_a_move_is_said_by_the_run_that_made_it_now_and_later(workspace: Workspace) -> None:
    first = workspace.run(Count(to=2), name="d")
    second = workspace.run(Count(to=3), name="d")
    assert first.moved is None and second.moved and second.moved.before.address == first.output
    assert workspace.result(second.run).as_json()["moved"] == second.as_json()["moved"]
    assert second.as_json()["moved"]["before"] == {"name": "documents:d@1", "address": first.output}
    back = workspace.run(Count(to=2), name="d")
    assert back.reused and back.moved and back.moved.after.name == "documents:d@3"


def said(command, *arguments: str) -> dict:
    done = CliRunner().invoke(command, [*arguments, "--json"])
    assert done.exit_code == 0, done.exception
    return json.loads(done.output)


def test_gc_keeps_what_a_name_led_to_unless_asked_and_says_so(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(workspace.store.root))
    old, new, loose = (artifact(workspace.store, "documents", text) for text in ("old", "new", "loose"))
    for address in (old, new):
        workspace.store.artifacts.tag("d", address)
    shown = CliRunner().invoke(ls, []).output
    assert "documents:d@1" in shown and loose.hash[:12] in shown, "nothing that was made today is out of sight"
    for dry in (["--dry-run"], []):
        body = said(gc, *dry)
        assert (body["removed"], body["kept"]) == ([str(loose)], [str(old)]) and body["kept_bytes"] > 0
    assert workspace.store.artifacts.exists(old) and not workspace.store.artifacts.exists(loose)
    assert "Kept, because a name led to it before: 1 artifact, " in CliRunner().invoke(gc, []).output
    assert said(gc, "--history")["removed"] == [str(old)]
    assert workspace.store.artifacts.exists(new)
    with pytest.raises(NotFound, match=r"documents:d@1 was documents:\w+, which is removed"):
        workspace.store.artifacts.resolve("documents:d@1")
    history = said(ls, "--history")["history"]
    assert [(h["name"], h["now"], h["removed"]) for h in history] == [
        ("documents:d@2", True, False), ("documents:d@1", False, True),
    ]  # fmt: skip


def test_rm_says_which_names_lead_nowhere_now(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(workspace.store.root))
    for text in ("old", "new"):
        workspace.store.artifacts.tag("d", artifact(workspace.store, "documents", text))
    assert said(show, "documents:d@1")["versions"] == ["d@1"]
    removed = CliRunner().invoke(rm, ["documents:d"]).output
    assert "documents:d leads nowhere now; before: documents:d@1" in removed
    with pytest.raises(NotFound, match=r"there is no documents:d\. Known: documents:d@1\."):
        workspace.store.artifacts.resolve("documents:d")
    assert said(tag, "documents:d@1", "d")["moved"] is None
    assert [v.number for v in workspace.store.artifacts.history("documents", "d")] == [3, 2, 1], "no number twice"


def test_a_name_is_no_address(store: Store) -> None:
    """Found outside: a name of the digits of another artifact led to it, and ``rm`` removed the wrong one."""
    one, two = (artifact(store, "dataset", text) for text in ("one", "two"))
    for digits in (one.hash, one.hash[:12], "a06d7bc404f5"):
        with pytest.raises(TuneloopError, match="reads like the digits"):
            store.artifacts.tag(digits, two)
    store.artifacts.tag("20260131", two)
    assert store.artifacts.resolve("dataset:20260131") == two
    assert name_from("a06d7bc404f5") == "n-a06d7bc404f5"
    store.artifacts.tag("cafe\u0301", two)  # as macOS writes it
    assert store.artifacts.resolve("dataset:caf\u00e9") == store.artifacts.resolve("dataset:cafe\u0301") == two
    with store.engine.begin() as connection:  # as version 0.1 let it be
        for digits in (one.hash, one.hash[:12]):
            point(connection, digits, two)
    assert store.artifacts.resolve(f"dataset:{one.hash}") == one
    with pytest.raises(Conflict, match=f"{two.hash}"):
        store.artifacts.resolve(f"dataset:{one.hash[:12]}")
