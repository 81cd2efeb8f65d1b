"""From the rows of datasets to lessons: each bad row is set aside alone, and what became of each good one is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from tuneloop.errors import TuneloopError
from tuneloop.kinds.dataset import EXAMPLES
from tuneloop.language import _, shown, speaking, stored
from tuneloop.records import Example, content_id, plain_rows
from tuneloop.settings import describe_invalid
from tuneloop.stage import Context
from tuneloop.train.lesson import Encoder, Lesson, Unlearnable

FEWEST = 20  # examples; from fewer, none is held out


def read_lessons(ctx: Context, datasets: Sequence[str], encoder: Encoder) -> list[Lesson]:
    """Every usable example in the order of the datasets. Raises ``TuneloopError`` where there is none."""
    lessons: list[Lesson] = []
    seen: set[str] = set()
    reasons: Counter[str] = Counter()
    unread: Counter[tuple[str, str]] = Counter()  # examples by their dataset and a field that is not learned from
    for address in datasets:
        for where, row in read_raw(ctx, address):
            try:
                example = Example.model_validate(row)
                if example.id in seen:
                    raise Unlearnable(stored("the same example came before"))
                lesson = encoder.encode(example, address)
                lesson.documents = [source.document or source.name for source in example.sources]
                lessons.append(lesson)
                unread.update((address, name) for name in ("rejected", "tools") if getattr(example, name))
                seen.add(example.id)
            except (Unlearnable, ValidationError) as error:
                with speaking("en"):
                    reason = describe_invalid(error) if isinstance(error, ValidationError) else str(error)
                reasons[reason] += 1
                ctx.reject(where, reason, row, lost=isinstance(error, ValidationError) or error.lost)
            ctx.progress(len(lessons) + reasons.total(), unit=stored("examples"))
    for (address, name), count in unread.items():
        ctx.reject(address[:20], stored("the field {} is left out of {} rows").format(name, count), lost=True)
    if not lessons:
        why = reasons.most_common(1)[0][0] if reasons else _("it is empty")
        raise TuneloopError(
            _("nothing can be learned from this dataset: {}").format(shown(why)), where=datasets[0][:20]
        )
    return lessons


def read_raw(ctx: Context, address: str) -> Iterator[tuple[str, dict]]:
    """Each row of a dataset as it is, and where it stands."""
    import pyarrow.parquet as pq

    number = 0
    with pq.ParquetFile(EXAMPLES.path(ctx.path(address))) as file:
        for table in file.iter_batches(2048):
            for row in plain_rows(table):
                number += 1
                yield f"{address[:20]} row {number}", row


def divide(lessons: Sequence[Lesson], share: float, seed: int) -> tuple[list[Lesson], list[Lesson]]:
    """Lessons to learn from and lessons held out: whole documents, so that what is held out was not half learned.

    Documents that an example has together count as one; an example without a document stands for itself. They come in
    an order drawn by their ids alone, and each is held out where it leaves the share whole. Where every document is
    larger than the share, the smallest is, unless it is twice as large.
    """
    count = round(len(lessons) * share) if len(lessons) >= FEWEST else 0
    groups: dict[str, list[Lesson]] = {}
    for name, lesson in zip(joined([lesson.documents or [lesson.id] for lesson in lessons]), lessons, strict=True):
        groups.setdefault(name, []).append(lesson)
    ranked = sorted(groups, key=lambda name: content_id(str(seed), name, length=64))
    chosen: set[str] = set()
    for name in ranked:
        if len(groups[name]) + len(chosen) <= count:
            chosen |= {lesson.id for lesson in groups[name]}
    smallest = min(ranked, key=lambda name: len(groups[name]), default="")
    if not chosen and len(groups.get(smallest, [])) <= 2 * count:
        chosen = {lesson.id for lesson in groups.get(smallest, [])}
    return [x for x in lessons if x.id not in chosen], [x for x in lessons if x.id in chosen]


def joined(names: Sequence[Sequence[str]]) -> list[str]:
    """For each list of names the first, in the alphabet, of all names that lists tie to one another."""
    above: dict[str, str] = {}

    def top(name: str) -> str:
        while (higher := above.setdefault(name, name)) != name:
            above[name] = above.setdefault(higher, higher)
            name = higher
        return name

    for first, *rest in names:
        for other in rest:
            low, high = sorted((top(first), top(other)))
            above[high] = low
    return [top(tied[0]) for tied in names]
