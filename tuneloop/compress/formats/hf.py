"""A Hugging Face folder: what training begins from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tuneloop.compress.formats import CompressionFormat
from tuneloop.language import stored

if TYPE_CHECKING:
    from tuneloop.compress.source import Source
    from tuneloop.stage import Context


class Folder(CompressionFormat):
    """Safetensors, configuration and tokenizer, in the 16-bit (or 32-bit) type of the base."""

    name: ClassVar[str] = "hf"
    writes: ClassVar[str] = "hf"

    def precision(self, source: Source) -> str:
        return source.precision()

    def write(self, ctx: Context, source: Source, out: Path) -> dict[str, Any]:
        from tuneloop.compress.merge import merged, write_folder

        ctx.phase(stored("Merging"))
        precision = self.precision(source)
        write_folder(out, merged(source.folder, source.base, source.delta, precision), source.folder, source.base)
        return {"quantization": precision}
