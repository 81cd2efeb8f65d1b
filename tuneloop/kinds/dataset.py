"""Examples to learn from, and exams."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuneloop.kinds import Fact, Kind, Summary, Table
from tuneloop.language import _, joined
from tuneloop.records import Example
from tuneloop.telling import count, cut


def dialogue(row: Mapping[str, Any]) -> str:
    """The last question of an example, and its answer."""
    texts = {message["role"]: message["content"] for message in row["messages"]}
    return f"{cut(texts.get('user', ''), 70)} → {cut(texts.get('assistant', ''), 80)}"


EXAMPLES = Table("examples", Example, columns=("question", "answer", "origin", "answerable"), line=dialogue)


class DatasetSummary(Summary):
    """What a dataset holds, and where it is from."""

    examples: int = 0
    of: int | None = None  # of a part: how many the whole has
    part: str = ""
    passages: int = 0  # the most that stand in a question: how many the gateway is to show
    pairs: int | None = None
    grounded: int | None = None
    shortened: int | None = None
    unanswerable: int | None = None
    format: str = ""
    encoding: str = ""


def facts(summary: DatasetSummary, folder: Path) -> list[Fact]:
    examples, whole = count(summary.examples), summary.of
    of = _("{count} of {whole}").format(count=examples, whole=count(whole)) if whole else examples
    counted = [
        (_("pairs"), summary.pairs), (_("grounded"), summary.grounded), (_("shortened"), summary.shortened),
        (_("unanswerable"), summary.unanswerable),
    ]  # fmt: skip
    return [
        (_("examples"), of),
        *((label, count(value)) for label, value in counted if value),
        (_("format"), joined(filter(None, (summary.format, summary.encoding)))),
    ]


KIND = Kind("dataset", (EXAMPLES,), DatasetSummary, facts)
