"""A split: two parts that share no source passage."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.dataset.split import Split
from tuneloop.errors import TuneloopError
from tuneloop.records import Example, Message, Source, write_rows
from tuneloop.records import read_rows as read_table


def parts(ctx: Any, folder: Path, groups: list[int], share: float) -> tuple[list[str], list[str]]:
    """The ids of a split's train part and exam part; group 0 stands for rows that have no source passage."""
    rows = []
    for number, group in enumerate(groups):
        said = [Message(role="user", content="Q?"), Message(role="assistant", content="A.")]
        source = [Source(document="d", chunk=f"chunk {group}")] if group else []
        rows.append(Example(id=str(number), messages=said, sources=source))
    folder.mkdir()
    write_rows(folder / "examples.parquet", Example, rows)
    dataset, found = ctx.add("dataset", folder), []
    for part in ("train", "exam"):
        Split(dataset=dataset, part=part, share=share).run(ctx)
        found.append([row.id for row in read_table(ctx.out / "examples.parquet", Example)])
    return found[0], found[1]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=20), st.floats(0.01, 0.99))
def test_a_split_has_two_parts_and_no_passage_in_both(groups: list[int], share: float) -> None:
    from tuneloop.testing import stage_context

    with tempfile.TemporaryDirectory() as folder:
        ctx = stage_context(folder)
        if len({group or -number for number, group in enumerate(groups, 1)}) < 2:
            with pytest.raises(TuneloopError, match="two source passages"):
                parts(ctx, Path(folder) / "rows", groups, share)
            return
        train, exam = parts(ctx, Path(folder) / "rows", groups, share)
    assert train and exam and sorted(train + exam) == sorted(map(str, range(len(groups))))
    assert not {groups[int(n)] for n in train} & {groups[int(n)] for n in exam} - {0}


def test_rows_that_are_added_move_no_other(ctx: Any, tmp_path: Path) -> None:
    few, many = parts(ctx, tmp_path / "a", list(range(1, 40)), 0.2), parts(ctx, tmp_path / "b", list(range(1, 80)), 0.2)
    assert 2 < len(few[1]) < 15 and set(few[0]) <= set(many[0]) and set(few[1]) <= set(many[1])
