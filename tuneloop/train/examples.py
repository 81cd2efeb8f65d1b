"""From the rows of datasets to lessons: a bad row is lost alone, a repeated one set aside, a good one followed.

Nothing of a row stays in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from tuneloop.errors import TuneloopError
from tuneloop.kinds.dataset import EXAMPLES
from tuneloop.language import _, shown, speaking, stored
from tuneloop.records import Example, raw_rows
from tuneloop.rows.seen import Seen
from tuneloop.settings import describe_invalid
from tuneloop.stage import Context
from tuneloop.train.heldout import Documents
from tuneloop.train.lesson import Encoder, Unlearnable
from tuneloop.train.lessons import Lessons


def read_lessons(
    ctx: Context, datasets: Sequence[str], encoder: Encoder, share: float, seed: int
) -> tuple[Lessons, Lessons]:
    """Every usable example in the order of the datasets: those to learn from, and those held out, which are a ``share``
    of them and whole documents. Raises ``TuneloopError`` where there is none."""
    lessons, documents = Lessons(ctx.checkpoint("lessons").parent), Documents(seed)
    reasons: Counter[str] = Counter()
    unread: Counter[tuple[str, str]] = Counter()  # examples by their dataset and a field that is not learned from
    with Seen(ctx.checkpoint("seen")) as seen:
        for where, row in (pair for address in datasets for pair in read_raw(ctx, address)):
            try:
                example = Example.model_validate(row)
                if example.id in seen:
                    raise Unlearnable(stored("the same example came before"), lost=False)
                lessons.add(encoder.encode(example, where[0]))
                documents.add(example.id, [source.document or source.name for source in example.sources])
                unread.update((where[0], name) for name in ("rejected", "tools") if getattr(example, name))
                seen.add(example.id)
            except (Unlearnable, ValidationError) as error:
                with speaking("en"):
                    reason = describe_invalid(error) if isinstance(error, ValidationError) else str(error)
                reasons[reason] += 1
                lost = not isinstance(error, Unlearnable) or error.lost
                ctx.reject(f"{where[0][:20]} row {where[1]}", reason, row, lost=lost)
            ctx.progress(len(lessons) + reasons.total(), unit=stored("examples"))
    for (address, name), count in unread.items():
        ctx.reject(address[:20], stored("the field {} is left out of {} rows").format(name, count), lost=True)
    if not lessons:
        why = reasons.most_common(1)[0][0] if reasons else _("it is empty")
        raise TuneloopError(
            _("nothing can be learned from this dataset: {}").format(shown(why)), where=datasets[0][:20]
        )
    held = documents.held_out(share)
    learned, measured = (lessons.part(n for n, out in enumerate(held) if out == part) for part in (0, 1))
    return learned, measured


def read_raw(ctx: Context, address: str) -> Iterator[tuple[tuple[str, int], dict]]:
    """Each row of a dataset as it is, and where it stands: the dataset's address and the row's number from 1."""
    for number, row in enumerate(raw_rows(EXAMPLES.path(ctx.path(address))), 1):
        yield (address, number), row
