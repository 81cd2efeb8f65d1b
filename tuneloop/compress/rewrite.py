"""A GGUF file anew: other weights and another type of number, everything else byte for byte as it was.

Nothing of the tokenizer passes through Python objects, so the engine reads the new file's tokens exactly as the old
one's. One tensor is in memory at a time. The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuneloop.errors import TuneloopError
from tuneloop.language import _
from tuneloop.models import read_gguf
from tuneloop.models.gguf import Cursor, Header, Tensor
from tuneloop.models.tensors import gguf_module, mapped, quantize, read_tensor, rotate, rotated_heads, tensor_names

if TYPE_CHECKING:
    import mmap

    from tuneloop.compress.delta import Delta

ALIGNMENT = 32
UINT32, STRING = 4, 8
FILE_TYPES = {"f16": 1, "q8_0": 7, "bf16": 32}  # llama.cpp, enum llama_ftype
REPLACED = ("general.file_type", "general.quantization_version", "general.alignment", "tokenizer.chat_template")


@dataclass(frozen=True)
class Place:
    """A tensor of the new file: its type there, and the weight in transformers whose change it takes."""

    tensor: Tensor
    kind: str
    changed_by: str = ""

    @property
    def bytes(self) -> int:
        module = gguf_module()
        block, size = module.GGML_QUANT_SIZES[module.GGMLQuantizationType[self.kind.upper()]]
        return self.tensor.elements // block * size


def rewrite(source: Path, target: Path, kind: str, *, template: str, delta: Delta | None = None,
            progress: Callable[[int, int], None] = lambda done, total: None) -> None:  # fmt: skip
    """Write ``source`` to ``target`` with weights of type ``kind``, the adapter merged in, and ``template``.

    Raises ``TuneloopError`` where the adapter changes a weight that the file does not have.
    """
    header = read_gguf(source)
    changes = {there: name for name, there in tensor_names(header, delta or ()).items()}
    known = {tensor.name for tensor in header.tensors}
    if lost := (delta.names if delta else frozenset()) - {n for there, n in changes.items() if there in known}:
        raise TuneloopError(
            _("the base has no weight for {} of the adapter").format(sorted(lost)[0]), where=str(source)
        )
    places = [Place(t, stored_kind(t, kind), changes.get(t.name, "")) for t in header.tensors]
    with mapped(source) as data, target.open("wb") as out:
        out.write(head(data, header, places, kind, template))
        for number, place in enumerate(places):
            out.write(bytes(-out.tell() % ALIGNMENT))
            out.write(converted(data, header, place, delta))
            progress(number + 1, len(places))
        out.write(bytes(-out.tell() % ALIGNMENT))


def stored_kind(tensor: Tensor, kind: str) -> str:
    """As llama.cpp's converter decides: vectors and routers stay exact, rows that fill no block are 16-bit."""
    if len(tensor.shape) == 1 or tensor.name.endswith(("_norm.weight", "ffn_gate_inp.weight")):
        return "f32"
    return "f16" if kind == "q8_0" and tensor.shape[0] % 32 else kind


def converted(data: mmap.mmap, header: Header, place: Place, delta: Delta | None) -> memoryview:
    """One tensor's new bytes."""
    import numpy as np

    values = read_tensor(data, header, place.tensor)
    if delta and place.changed_by:
        change = delta[place.changed_by]
        if change.shape != values.shape:
            raise TuneloopError(_("the adapter does not fit the base at {}").format(place.changed_by))
        heads = rotated_heads(header, place.tensor.name)
        values += rotate(change, heads) if heads else change
    if place.kind == "f16" and np.abs(values).max(initial=0) > np.finfo(np.float16).max:
        raise TuneloopError(_("the weights do not fit into f16"), hint=_("Use gguf:bf16."))
    return quantize(values, place.kind).data


def head(data: mmap.mmap, header: Header, places: list[Place], kind: str, template: str) -> bytes:
    """Everything before the weights: metadata, and the table of tensors with their offsets."""
    entries = kept_entries(data, len(header.metadata))
    entries.append(entry("general.file_type", UINT32, struct.pack("<I", FILE_TYPES[kind])))
    entries.append(entry("general.quantization_version", UINT32, struct.pack("<I", 2)))
    if template:
        entries.append(entry("tokenizer.chat_template", STRING, text(template)))
    table, offset = [], 0
    module = gguf_module()
    for place in places:
        shape = place.tensor.shape
        number = module.GGMLQuantizationType[place.kind.upper()].value
        dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        table.append(text(place.tensor.name) + dimensions + struct.pack("<IQ", number, offset))
        offset += -(-place.bytes // ALIGNMENT) * ALIGNMENT
    start = b"GGUF" + struct.pack("<IQQ", 3, len(places), len(entries))
    whole = start + b"".join(entries) + b"".join(table)
    return whole + bytes(-len(whole) % ALIGNMENT)


def kept_entries(data: mmap.mmap, count: int) -> list[bytes]:
    """The metadata entries of a file as bytes, without those that are replaced."""
    cursor = Cursor(data)
    cursor.need(24)
    entries = []
    for _n in range(count):
        begin = cursor.at
        key = cursor.string()
        cursor.value(cursor.number("I"))
        if key not in REPLACED:
            entries.append(bytes(data[begin : cursor.at]))
    return entries


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def text(value: str) -> bytes:
    raw = value.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw
