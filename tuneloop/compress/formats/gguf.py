"""A GGUF file: what llama.cpp serves. From a GGUF base it is written weight by weight, from a folder converted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tuneloop.compress.formats import CompressionFormat
from tuneloop.errors import TuneloopError
from tuneloop.language import _, stored

if TYPE_CHECKING:
    from tuneloop.compress.source import Source
    from tuneloop.stage import Context

FILE = "model.gguf"


class Gguf(CompressionFormat):
    """Base of the formats that differ in the type of the numbers."""

    kind: ClassVar[str]
    writes: ClassVar[str] = "gguf"

    def write(self, ctx: Context, source: Source, out: Path) -> dict[str, Any]:
        from tuneloop.models import read_gguf

        file = out / FILE
        if source.base.format == "gguf":
            self.rewritten(ctx, source, file)
        else:
            self.converted(ctx, source, file)
        if not file.is_file():
            raise TuneloopError(_("no file was written"))
        return {"file": file.name, "quantization": self.kind, "parameters": read_gguf(file).parameters}

    def rewritten(self, ctx: Context, source: Source, file: Path) -> None:
        from tuneloop.compress.rewrite import rewrite

        ctx.phase(stored("Writing the weights"))
        rewrite(
            source.folder / source.base.file, file, self.kind, template=source.base.chat_template, delta=source.delta,
            progress=lambda done, total: ctx.progress(done, total, stored("tensors")),
        )  # fmt: skip

    def converted(self, ctx: Context, source: Source, file: Path) -> None:
        """By llama.cpp's converter, from the folder with the adapter merged in."""
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
        converter.convert(tool, whole, file, self.kind, log=log, beat=lambda: ctx.progress(0))


class Q8(Gguf):
    """Eight bits a weight, in blocks of 32 with one scale."""

    name: ClassVar[str] = "gguf:q8_0"
    kind: ClassVar[str] = "q8_0"
    ceiling: ClassVar[float | None] = 0.1


class BF16(Gguf):
    """Sixteen bits a weight, with the range of 32."""

    name: ClassVar[str] = "gguf:bf16"
    kind: ClassVar[str] = "bf16"
    ceiling: ClassVar[float | None] = 0.05


class F16(Gguf):
    """Sixteen bits a weight, more exact and of a smaller range."""

    name: ClassVar[str] = "gguf:f16"
    kind: ClassVar[str] = "f16"
    ceiling: ClassVar[float | None] = 0.05
