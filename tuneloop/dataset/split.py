"""Keep a part of a dataset apart, so that what is measured was not learned."""

import hashlib
from typing import Any, ClassVar, Literal

from pydantic import Field

from tuneloop.errors import TuneloopError
from tuneloop.stage import Context, DatasetRef, Kind, Stage, read_table


class Split(Stage):
    """Keep a part of a dataset apart for evaluation; run it twice, once for each part.

    Examples made from the same chunk stay together, so the two parts share no source passage.
    """

    name: ClassVar[str] = "split"
    makes: ClassVar[Kind] = "dataset"
    positional: ClassVar[tuple[str, ...]] = ("dataset",)

    dataset: DatasetRef = Field(description="Dataset to split.")
    part: Literal["train", "exam"] = Field("train", description="Which part to keep.")
    share: float = Field(0.2, gt=0, lt=1, description="Share of the source passages whose examples go to the exam.")
    seed: int = Field(0, description="Another seed gives another split.")

    def run(self, ctx: Context) -> dict[str, Any]:
        from tuneloop.records import Example, write_rows

        rows = list(read_table(ctx, self.dataset, "examples", Example))
        kept = [row for row in rows if self.held_out(row) == (self.part == "exam")]
        if self.part == "exam":  # a question that holds its passages would be an open book
            kept = [row for row in kept if row.origin != "synthesize/grounded"]
        if not kept:
            raise TuneloopError(
                f"the {self.part} part of {len(rows)} examples is empty", hint="Give more examples, or another --share."
            )
        write_rows(ctx.out / "examples.parquet", Example, kept)
        passages = ctx.summary(self.dataset).get("passages", 0) if self.part == "train" else 0
        return {"examples": len(kept), "of": len(rows), "part": self.part, "passages": passages}

    def held_out(self, row: Any) -> bool:
        """Decided by the hash of the row's source passage: the same row is always on the same side."""
        group = row.sources[0].chunk if row.sources and row.sources[0].chunk else row.id
        digest = hashlib.sha256(f"{self.seed}:{group}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64 < self.share
