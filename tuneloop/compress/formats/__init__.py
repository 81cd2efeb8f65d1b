"""What ``compress --to`` can write: each format a class that says what it reads and what it writes.

A package adds a format through the entry point group ``tuneloop.compression_formats``: ``name = module:Class``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tuneloop.doors import Door
from tuneloop.errors import TuneloopError
from tuneloop.language import _, joined

if TYPE_CHECKING:
    from tuneloop.compress.source import Source
    from tuneloop.stage import Context


class CompressionFormat(ABC):
    """Base of a format. What is heavy is imported inside its functions: the names are read to print help."""

    name: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ("gguf", "hf")  # formats of the whole model, as its card calls them
    writes: ClassVar[str]  # what the card of the new model says: gguf, hf
    ceiling: ClassVar[float | None] = None  # mean divergence from the source in nats, if an engine can be asked

    @abstractmethod
    def write(self, ctx: Context, source: Source, out: Path) -> dict[str, Any]:
        """Write the model into ``out``, its adapter merged in, and return what its card says of it.

        That is ``quantization``, and ``file`` where it is one that an engine loads.
        """

    def check(self, source: Source) -> None:
        """Raise ``TuneloopError`` where the source is of a format that this one does not read."""
        if source.base.format not in self.reads:
            message = _("{name} is made from {formats}, and this model is {format}")
            raise TuneloopError(
                message.format(name=self.name, formats=joined(self.reads), format=source.base.format), where="to"
            )


def check_format(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part is no format."""
    if not (isinstance(part, type) and issubclass(part, CompressionFormat)):
        raise ValueError(_("it is not a subclass of {base}").format(base="CompressionFormat"))
    if (called := getattr(part, "name", None)) != name:
        raise ValueError(_("the class is named {called!r}").format(called=called))
    if lacking := [*sorted(part.__abstractmethods__), *["writes"] * (not hasattr(part, "writes"))]:
        raise ValueError(_("it lacks {names}").format(names=joined(lacking)))


def absent(name: str) -> str:
    return _("there is no compression format {name!r}").format(name=name)


BUILT_IN = {
    "gguf:q8_0": "tuneloop.compress.formats.gguf:Q8",
    "gguf:bf16": "tuneloop.compress.formats.gguf:BF16",
    "gguf:f16": "tuneloop.compress.formats.gguf:F16",
    "hf": "tuneloop.compress.formats.hf:Folder",
}
FORMATS: Door[type[CompressionFormat]] = Door(
    "tuneloop.compression_formats", BUILT_IN, check=check_format, absent=absent
)
