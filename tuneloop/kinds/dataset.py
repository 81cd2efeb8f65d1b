"""Examples to learn from, and exams."""

from __future__ import annotations

from pathlib import Path

from tuneloop.kinds import Fact, Kind, Summary, Table
from tuneloop.language import _, joined
from tuneloop.records import Example, shapes
from tuneloop.telling import count, most_frequent

EXAMPLES = Table(
    "examples", Example, columns=("shape", "question", "answer", "origin", "answerable", "tags"), line=shapes.line
)


class DatasetSummary(Summary):
    """What a dataset holds, and where it is from."""

    examples: int = 0
    of: int | None = None  # of a part: how many the whole has
    part: str = ""
    shapes: dict[str, int] = {}  # examples by their shape, where not all are conversations
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
        (_("shapes"), most_frequent(summary.shapes)),
        (_("format"), joined(filter(None, (summary.format, summary.encoding)))),
    ]


KIND = Kind("dataset", (EXAMPLES,), DatasetSummary, facts)
