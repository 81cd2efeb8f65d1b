"""Keep a part of a dataset apart, so that what is measured was not learned."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from tuneloop.errors import TuneloopError
from tuneloop.language import _
from tuneloop.stage import Context, DatasetRef, Kind, Stage, read_table

if TYPE_CHECKING:
    from tuneloop.records import Example


class Split(Stage):
    """Keep a part of a dataset apart for evaluation; run it twice, once for each part.

    Examples made from the same chunk stay together, so the two parts share no source passage.
    """

    name: ClassVar[str] = "split"
    makes: ClassVar[Kind] = "dataset"
    version: ClassVar[int] = 2
    positional: ClassVar[tuple[str, ...]] = ("dataset",)

    dataset: DatasetRef = Field(description="Dataset to split.")
    part: Literal["train", "exam"] = Field("train", description="Which part to keep.")
    share: float = Field(0.2, gt=0, lt=1, description="Share of the source passages whose examples go to the exam.")
    seed: int = Field(0, description="Another seed gives another split.")

    def is_now(self) -> str:
        return self.part

    def run(self, ctx: Context) -> dict[str, Any]:
        from tuneloop.kinds.dataset import EXAMPLES, DatasetSummary
        from tuneloop.records import Origin

        rows = list(read_table(ctx, self.dataset, EXAMPLES))
        exam = self.exam_groups(rows)
        kept = [row for row in rows if (group(row) in exam) == (self.part == "exam")]
        if self.part == "exam":  # a question that holds its passages would be an open book
            kept = [row for row in kept if row.origin != Origin.GROUNDED]
        if not kept:
            raise TuneloopError(
                _("the {part} part of {count} examples is empty").format(part=self.part, count=len(rows)),
                hint=_("Give more examples: a split needs two source passages."),
            )
        EXAMPLES.write(ctx.out, kept)
        passages = DatasetSummary.read(ctx.summary(self.dataset)).passages if self.part == "train" else 0
        return {"examples": len(kept), "of": len(rows), "part": self.part, "passages": passages}

    def exam_groups(self, rows: list[Example]) -> set[str]:
        """Decided by the hash of a source passage, so that the same row is always on the same side.

        Of two groups or more, at least one is on each side, however few they are.
        """
        places = {name: self.place(name) for name in map(group, rows)}
        chosen = {name for name, place in places.items() if place < self.share}
        ordered = sorted(places, key=lambda name: places[name])
        return (chosen or set(ordered[:1])) - (set(ordered[-1:]) if len(chosen) == len(ordered) else set())

    def place(self, name: str) -> float:
        digest = hashlib.sha256(f"{self.seed}:{name}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


def group(row: Example) -> str:
    """What must not be on both sides: the source passage, or a row without one by itself."""
    return row.sources[0].chunk if row.sources and row.sources[0].chunk else row.id
