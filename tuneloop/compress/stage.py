"""The stage that turns a model into one that an engine serves, and proves that it is still the same model."""

from __future__ import annotations

import gc
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from tuneloop.errors import TuneloopError
from tuneloop.language import _, stored
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
    to: Literal["gguf:q8_0", "gguf:bf16", "gguf:f16", "hf"] = Field(
        "gguf:q8_0", description="Format and type of the weights: GGUF for the engine, hf to train on."
    )
    check: bool = Field(True, description="Compare the new file's logits with the source's.")

    def is_now(self) -> str:
        return self.to.rpartition(":")[2]

    def run(self, ctx: Context) -> dict[str, Any]:
        from tuneloop.compress.source import open_source

        ctx.phase(stored("Reading the model"))
        source = open_source(ctx, self.model)
        if self.to == "hf":
            return self.as_folder(ctx, source)
        kind = self.to.removeprefix("gguf:")
        file = ctx.out / "model.gguf"
        self.as_gguf(ctx, source, file, kind)
        result = self.compared(ctx, source, file, kind) if self.check else None
        return self.finished(ctx, source, file, kind, result)

    def as_folder(self, ctx: Context, source: Source) -> dict[str, Any]:
        from tuneloop.compress.merge import merged, write_folder
        from tuneloop.models import write_card

        ctx.phase(stored("Merging"))
        precision = source.precision()
        model = merged(source.folder, source.base, source.delta, precision)
        write_folder(ctx.out, model, source.folder, source.base)
        card = source.card(self.model, format="hf", quantization=precision)
        write_card(ctx.out, card)
        return {"name": card.name, "format": "hf", "quantization": precision, "parameters": card.parameters}

    def as_gguf(self, ctx: Context, source: Source, file: Path, kind: str) -> None:
        """Write the file: from a GGUF base weight by weight, from a folder by llama.cpp's converter."""
        if source.base.format == "gguf":
            from tuneloop.compress.rewrite import rewrite

            ctx.phase(stored("Writing the weights"))
            rewrite(
                source.folder / source.base.file, file, kind, template=source.base.chat_template, delta=source.delta,
                progress=lambda done, total: ctx.progress(done, total, stored("tensors")),
            )  # fmt: skip
            return
        from tuneloop.compress import converter
        from tuneloop.compress.merge import merged, write_folder

        whole = source.folder
        if source.delta:
            ctx.phase(stored("Merging"))
            whole = ctx.checkpoint("merged")
            whole.mkdir(exist_ok=True)
            model = merged(source.folder, source.base, source.delta, source.precision())
            write_folder(whole, model, source.folder, source.base)
        ctx.phase(stored("Converting"))
        tool = converter.installed(ctx.store.cache)
        log = ctx.checkpoint("converter.log")
        converter.convert(tool, whole, file, kind, log=log, beat=lambda: ctx.progress(0))

    def compared(self, ctx: Context, source: Source, file: Path, kind: str) -> Result:
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
        verdict(result, kind)
        return result

    def finished(self, ctx: Context, source: Source, file: Path, kind: str, result: Result | None) -> dict[str, Any]:
        from tuneloop.models import read_gguf, write_card

        if not file.is_file():
            raise TuneloopError(_("no file was written"))
        card = source.card(
            self.model, format="gguf", file=file.name, quantization=kind, parameters=read_gguf(file).parameters
        )
        write_card(ctx.out, card)
        return {
            "name": card.name, "format": "gguf", "quantization": kind, "bytes": file.stat().st_size,
            "merged": source.delta is not None, **(result.summary() if result else {}),
        }  # fmt: skip
