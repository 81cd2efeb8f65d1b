"""What an evaluation leaves: its questions with every answer, a score a line, and what may be said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tuneloop.evaluate import figures
from tuneloop.evaluate.items import Item
from tuneloop.kinds import Fact, Kind, Summary, Table
from tuneloop.language import _, shown
from tuneloop.records import Score
from tuneloop.telling import count, cut

ITEMS = Table(
    "items", Item, columns=("question", "reference", "answer", "against", "rank_of_the_right_page"),
    line=lambda row: f"{cut(row['question'], 70)} → {cut(row['answer'] or '', 80)}",
    label={"rank": "rank_of_the_right_page"},  # a rank is also one of LoRA
)  # fmt: skip
SCORES = Table("scores", Score)


class EvaluationSummary(Summary):
    """What was measured; ``figures`` reads the rest."""

    items: int = 0
    metrics: dict[str, Any] = {}
    warnings: list[Any] = []


def facts(summary: EvaluationSummary, folder: Path) -> list[Fact]:
    """What stands beside the tables of figures."""
    body = summary.model_dump(exclude_unset=True)
    rows = [(_("questions"), count(summary.items))]
    rows += [(shown(one.label), figures.in_words(one)) for one in figures.rates(body)]
    notes = [*summary.warnings, *figures.notes(body)]
    return [
        *rows,
        *((_("not known"), shown(reason)) for reason in figures.unknown(body)),
        *((_("note"), shown(str(note))) for note in notes),
    ]


KIND = Kind("evaluation", (ITEMS, SCORES), EvaluationSummary, facts)
