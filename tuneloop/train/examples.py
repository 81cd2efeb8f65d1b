"""From the rows of datasets to lessons: each bad row is set aside alone, and what became of each good one is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import ValidationError

from tuneloop.errors import TuneloopError
from tuneloop.language import _, shown, speaking, stored
from tuneloop.records import Example, Record, content_id
from tuneloop.settings import describe_invalid
from tuneloop.stage import Context
from tuneloop.train.lesson import Encoder, Lesson, Unlearnable

FEWEST = 20  # examples; from fewer, none is held out


class Trained(Record):
    """One example that a model has learned from, or that was held out."""

    example: str  # Example.id
    dataset: str  # address of its dataset
    part: Literal["train", "validation"]
    tokens: int
    learned_tokens: int


def read_lessons(ctx: Context, datasets: Sequence[str], encoder: Encoder) -> list[Lesson]:
    """Every usable example in the order of the datasets. Raises ``TuneloopError`` where there is none."""
    lessons: list[Lesson] = []
    seen: set[str] = set()
    reasons: Counter[str] = Counter()
    for address in datasets:
        for where, row in read_raw(ctx, address):
            try:
                example = Example.model_validate(row)
                if example.id in seen:
                    raise Unlearnable(stored("the same example came before"))
                lessons.append(encoder.encode(example, address))
                seen.add(example.id)
            except (Unlearnable, ValidationError) as error:
                with speaking("en"):
                    reason = describe_invalid(error) if isinstance(error, ValidationError) else str(error)
                reasons[reason] += 1
                ctx.reject(where, reason, row, lost=isinstance(error, ValidationError))
            ctx.progress(len(lessons) + reasons.total(), unit=_("examples"))
    if not lessons:
        why = reasons.most_common(1)[0][0] if reasons else _("it is empty")
        raise TuneloopError(
            _("nothing can be learned from this dataset: {}").format(shown(why)), where=datasets[0][:20]
        )
    return lessons


def read_raw(ctx: Context, address: str) -> Iterator[tuple[str, dict]]:
    """Each row of ``examples.parquet`` as it is, and where it stands."""
    import pyarrow.parquet as pq

    number = 0
    with pq.ParquetFile(ctx.path(address) / "examples.parquet") as file:
        for table in file.iter_batches(2048):
            for row in table.to_pylist():
                number += 1
                yield f"{address[:20]} row {number}", row


def divide(lessons: Sequence[Lesson], share: float, seed: int) -> tuple[list[Lesson], list[Lesson]]:
    """Lessons to learn from and lessons held out. An example's place in the draw depends on its id alone."""
    count = round(len(lessons) * share) if len(lessons) >= FEWEST else 0
    ranked = sorted(lessons, key=lambda lesson: content_id(str(seed), lesson.id, length=64))
    chosen = {lesson.id for lesson in ranked[:count]}
    return [x for x in lessons if x.id not in chosen], [x for x in lessons if x.id in chosen]
