"""Keep a part of a dataset apart, so that what is measured was not learned."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from tuneloop.errors import TuneloopError
from tuneloop.language import _, stored
from tuneloop.stage import Context, DatasetRef, Kind, Stage, read_table

if TYPE_CHECKING:
    from tuneloop.records import Example

OFTEN = 500  # rows between two words on how far it is


class Split(Stage):
    """Keep a part of a dataset apart for evaluation; run it twice, once for each part.

    Examples made from the same chunk stay together, so the two parts share no source passage.
    """

    name: ClassVar[str] = "split"
    makes: ClassVar[Kind] = "dataset"
    version: ClassVar[int] = 3
    resumes: ClassVar[bool] = False
    positional: ClassVar[tuple[str, ...]] = ("dataset",)

    dataset: DatasetRef = Field(description="Dataset to split.")
    part: Literal["train", "exam"] = Field("train", description="Which part to keep.")
    share: float = Field(0.2, gt=0, lt=1, description="Share of the source passages whose examples go to the exam.")
    seed: int = Field(0, description="Another seed gives another split.")

    def is_now(self) -> str:
        return self.part

    def run(self, ctx: Context) -> dict[str, Any]:
        from tuneloop.kinds.dataset import EXAMPLES, DatasetSummary

        count, line = self.draw_line(ctx)
        kept = EXAMPLES.write(ctx.out, self.kept(ctx, count, line))
        if not kept:
            raise TuneloopError(
                _("the {part} part of {count} examples is empty").format(part=self.part, count=count),
                hint=_("Give more examples: a split needs two source passages."),
            )
        passages = DatasetSummary.read(ctx.summary(self.dataset)).passages if self.part == "train" else 0
        return {"examples": kept, "of": count, "part": self.part, "passages": passages}

    def draw_line(self, ctx: Context) -> tuple[int, float]:
        """How many rows there are, and the place below which a source passage is the exam's.

        Of two passages or more, at least one is on each side, however few they are. So the first reading of the rows
        looks for the lowest place and the highest, and nothing of them has to be kept.
        """
        count, lowest, highest, above = 0, math.inf, -math.inf, math.inf
        for count, row in enumerate(self.rows(ctx), 1):
            place = self.place(group(row))
            if place < lowest:
                lowest, above = place, lowest
            elif lowest < place < above:
                above = place
            highest = max(highest, place)
            if count % OFTEN == 0:
                ctx.progress(count / 2, self.total(ctx), stored("rows"))
        if lowest >= self.share:
            return count, above
        return count, highest if highest < self.share else self.share

    def kept(self, ctx: Context, count: int, line: float) -> Iterator[Example]:
        """The rows of the part, in order."""
        from tuneloop.records import Origin

        for number, row in enumerate(self.rows(ctx), 1):
            if number % OFTEN == 0:
                ctx.progress((count + number) / 2, count, stored("rows"))
            if (self.place(group(row)) < line) != (self.part == "exam"):
                continue
            if self.part == "exam" and row.origin == Origin.GROUNDED:
                continue  # a question that holds its passages would be an open book
            yield row

    def rows(self, ctx: Context) -> Iterator[Example]:
        from tuneloop.kinds.dataset import EXAMPLES

        return read_table(ctx, self.dataset, EXAMPLES)

    def total(self, ctx: Context) -> int | None:
        from tuneloop.kinds.dataset import DatasetSummary

        return DatasetSummary.read(ctx.summary(self.dataset)).examples or None

    def place(self, name: str) -> float:
        """Decided by the hash of a source passage, so that the same row is always on the same side."""
        digest = hashlib.sha256(f"{self.seed}:{name}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


def group(row: Example) -> str:
    """What must not be on both sides: the source passage, or a row without one by itself."""
    return row.sources[0].chunk if row.sources and row.sources[0].chunk else row.id
