"""The stage that turns a model into one that an engine serves, and proves that it is still the same model."""

from __future__ import annotations

import gc
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tuneloop.choice import Named
from tuneloop.compress.formats import FORMATS, CompressionFormat
from tuneloop.language import stored
from tuneloop.resources import GIB, Resources
from tuneloop.stage import Context, Kind, Stage, WeightsRef

if TYPE_CHECKING:
    from tuneloop.compress.check import Result
    from tuneloop.compress.source import Source


class Compress(Stage):
    """Merge a model's adapter into its base and store its weights in fewer bits, checked against the source."""

    name: ClassVar[str] = "compress"
    makes: ClassVar[Kind] = "model"
    positional: ClassVar[tuple[str, ...]] = ("model",)
    resources: ClassVar[Resources] = Resources(cores=math.inf, memory=4 * GIB)

    model: WeightsRef = Field(description="Model to compress.")
    to: Annotated[str, Named(FORMATS)] = Field(
        "gguf:q8_0", description="Format and type of the weights: GGUF for the engine, hf to train on."
    )
    check: bool = Field(True, description="Compare the new file's logits with the source's.")

    def is_now(self) -> str:
        return self.to.rpartition(":")[2]

    def run(self, ctx: Context) -> dict[str, Any]:
        from tuneloop.compress.source import open_source
        from tuneloop.models import write_card

        ctx.phase(stored("Reading the model"))
        form, source = FORMATS.find(self.to)(), open_source(ctx, self.model)
        form.check(source)
        facts = form.write(ctx, source, ctx.out)
        result = self.compared(ctx, source, form, ctx.out / facts["file"]) if self.is_checked(form, facts) else None
        card = source.card(self.model, format=form.writes, **facts)
        write_card(ctx.out, card)
        summary = {"name": card.name, "format": card.format, "quantization": card.quantization}
        if not card.file:
            return {**summary, "parameters": card.parameters}
        return {
            **summary, "bytes": (ctx.out / card.file).stat().st_size, "merged": source.delta is not None,
            **(result.summary() if result else {}),
        }  # fmt: skip

    def is_checked(self, form: CompressionFormat, facts: dict[str, Any]) -> bool:
        """Whether an engine can be asked for what the new file expects, and is to be."""
        return self.check and form.ceiling is not None and "file" in facts

    def compared(self, ctx: Context, source: Source, form: CompressionFormat, file: Path) -> Result:
        """The new file against its source. Raises ``TuneloopError`` where they are not the same model."""
        from tuneloop.compress.check import compare, expectations, verdict
        from tuneloop.compress.merge import merged

        ctx.phase(stored("Asking the source"))
        checks = source.checks
        model = merged(source.folder, source.base, source.delta, source.reference_precision())
        expected = expectations(model, checks, lambda done, total: ctx.progress(done, total, stored("conversations")))
        del model  # before the engine takes its memory
        gc.collect()
        ctx.phase(stored("Asking the engine"))
        folder = ctx.checkpoint("check")
        folder.mkdir(exist_ok=True)
        result = compare(
            file, checks, expected, threads=ctx.store.settings.threads, folder=folder, beat=lambda: ctx.progress(0)
        )
        for name, value in result.summary().items():
            ctx.metric(name, value)
        verdict(result, form.ceiling or 0.0)
        return result
