"""Read the header of a GGUF file: its metadata and tensor table, never its weights.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Every length is checked against the bytes that
are there, so a truncated or hostile file ends in a ``TuneloopError`` and not in a huge allocation.
"""

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneloop.errors import NotFound, TuneloopError
from tuneloop.foreign import told
from tuneloop.language import _
from tuneloop.models.card import ModelCard
from tuneloop.models.template import template_hash

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
# general.file_type -> name (llama.cpp, enum llama_ftype)
FILE_TYPES = {
    0: "f32", 1: "f16", 2: "q4_0", 3: "q4_1", 7: "q8_0", 8: "q5_0", 9: "q5_1", 10: "q2_k", 11: "q3_k_s", 12: "q3_k_m",
    13: "q3_k_l", 14: "q4_k_s", 15: "q4_k_m", 16: "q5_k_s", 17: "q5_k_m", 18: "q6_k", 19: "iq2_xxs", 20: "iq2_xs",
    21: "q2_k_s", 22: "iq3_xs", 23: "iq3_xxs", 24: "iq1_s", 25: "iq4_nl", 26: "iq3_s", 27: "iq3_m", 28: "iq2_s",
    29: "iq2_m", 30: "iq4_xs", 31: "iq1_m", 32: "bf16", 36: "tq1_0", 37: "tq2_0", 38: "mxfp4_moe",
}  # fmt: skip
# ggml type -> (name, weights a block, bytes a block) (ggml.c, type_traits)
TENSOR_TYPES = {
    0: ("f32", 1, 4), 1: ("f16", 1, 2), 2: ("q4_0", 32, 18), 3: ("q4_1", 32, 20), 6: ("q5_0", 32, 22),
    7: ("q5_1", 32, 24), 8: ("q8_0", 32, 34), 10: ("q2_k", 256, 84), 11: ("q3_k", 256, 110), 12: ("q4_k", 256, 144),
    13: ("q5_k", 256, 176), 14: ("q6_k", 256, 210), 15: ("q8_k", 256, 292), 16: ("iq2_xxs", 256, 66),
    17: ("iq2_xs", 256, 74), 18: ("iq3_xxs", 256, 98), 19: ("iq1_s", 256, 50), 20: ("iq4_nl", 32, 18),
    21: ("iq3_s", 256, 110), 22: ("iq2_s", 256, 82), 23: ("iq4_xs", 256, 136), 24: ("i8", 1, 1), 25: ("i16", 1, 2),
    26: ("i32", 1, 4), 27: ("i64", 1, 8), 28: ("f64", 1, 8), 29: ("iq1_m", 256, 56), 30: ("bf16", 1, 2),
    34: ("tq1_0", 256, 54), 35: ("tq2_0", 256, 66), 39: ("mxfp4", 32, 17),
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """One entry of the tensor table. ``shape`` is innermost dimension first; ``offset`` counts from the data."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    bytes: int  # 0 where the type is not known to this reader

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """A GGUF file without its weights. Arrays of numbers and strings are tuples."""

    version: int
    metadata: dict[str, Any]
    tensors: tuple[Tensor, ...]
    data_offset: int
    file_bytes: int

    @property
    def parameters(self) -> int:
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    def hyper(self, key: str, default: Any = 0) -> Any:
        """A value under the architecture's prefix: ``hyper("block_count")`` is ``llama.block_count``."""
        return self.metadata.get(f"{self.architecture}.{key}", default)

    def token(self, key: str) -> str:
        """The text of a special token, by its metadata key: ``token("eos_token_id")``; "" where there is none."""
        index, tokens = self.metadata.get(f"tokenizer.ggml.{key}"), self.metadata.get("tokenizer.ggml.tokens", ())
        if not isinstance(index, int) or not isinstance(tokens, tuple):
            return ""
        return str(tokens[index]) if 0 <= index < len(tokens) else ""


class Cursor:
    """A position in the mapped file; every read is checked against its end."""

    def __init__(self, data: mmap.mmap | bytes) -> None:
        self.data, self.at, self.size = data, 0, len(data)

    def need(self, count: int) -> int:
        """Step over ``count`` bytes and return where they begin."""
        begin = self.at
        if count < 0 or count > self.size - begin:
            raise TuneloopError(_("the GGUF file is cut short or damaged"), hint=_("Fetch it again."))
        self.at = begin + count
        return begin

    def number(self, code: str) -> Any:
        return struct.unpack_from("<" + code, self.data, self.need(struct.calcsize("<" + code)))[0]

    def string(self) -> str:
        size = self.number("Q")
        begin = self.need(size)
        return self.data[begin : begin + size].decode("utf-8", "replace")

    def value(self, kind: int, depth: int = 0) -> Any:
        if kind in SCALARS:
            return self.number(SCALARS[kind])
        if kind == STRING:
            return self.string()
        if kind != ARRAY or depth > 4:
            raise TuneloopError(_("the GGUF file is damaged: value type {}").format(kind))
        inner, count = self.number("I"), self.number("Q")
        if inner in SCALARS:
            code = SCALARS[inner]
            begin = self.need(count * struct.calcsize("<" + code))
            return struct.unpack_from(f"<{count}{code}", self.data, begin)
        if count * 8 > self.size - self.at:  # a string or an array takes eight bytes at the least
            self.need(count * 8)
        return tuple(self.string() if inner == STRING else self.value(inner, depth + 1) for _n in range(count))


def read_gguf(path: Path) -> Header:
    """The header of a GGUF file. Raises ``TuneloopError`` for anything that is not a whole one."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return parse_gguf(data)
    except FileNotFoundError:
        raise NotFound(_("there is no such file"), where=str(path)) from None
    except TuneloopError as error:
        raise type(error)(error.message, where=str(path), hint=error.hint) from None
    except OSError as error:
        raise TuneloopError(_("cannot read the file: {}").format(told(error)), where=str(path)) from None
    except ValueError:
        raise TuneloopError(_("the file is empty"), where=str(path)) from None


def parse_gguf(data: mmap.mmap | bytes) -> Header:
    """The header of GGUF ``data``; ``TuneloopError`` where it is not GGUF, or where tensors end beyond its end."""
    cursor = Cursor(data)
    if data[:4] != b"GGUF":
        raise TuneloopError(_("this is not a GGUF file"))
    cursor.need(4)
    version = cursor.number("I")
    if version not in (2, 3):
        raise TuneloopError(_("GGUF version {} is not supported").format(version), hint=_("Convert the model anew."))
    tensor_count, entry_count = cursor.number("Q"), cursor.number("Q")
    metadata = {}
    for _n in range(entry_count):
        key = cursor.string()
        metadata[key] = cursor.value(cursor.number("I"))
    tensors = tuple(read_tensor(cursor) for _n in range(tensor_count))
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise TuneloopError(_("the GGUF file is damaged: alignment {}").format(alignment))
    begin = -(-cursor.at // alignment) * alignment
    end = max((begin + t.offset + t.bytes for t in tensors), default=0)
    if end > cursor.size:
        raise TuneloopError(
            _("the GGUF file is cut short: {have} of {whole} bytes").format(have=cursor.size, whole=end),
            hint=_("Fetch it again."),
        )
    return Header(version, metadata, tensors, begin, cursor.size)


def read_tensor(cursor: Cursor) -> Tensor:
    name, dimensions = cursor.string(), cursor.number("I")
    if dimensions > 8:
        raise TuneloopError(_("the GGUF file is damaged: a tensor of {} dimensions").format(dimensions))
    shape = tuple(cursor.number("Q") for _n in range(dimensions))
    kind, offset = cursor.number("I"), cursor.number("Q")
    label, block, size = TENSOR_TYPES.get(kind, (f"type{kind}", 1, 0))
    return Tensor(name, shape, label, offset, math.prod(shape) // block * size)


def read_gguf_card(path: Path) -> ModelCard:
    """What a GGUF file says of itself, as a card."""
    header = read_gguf(path)
    meta = header.metadata
    template = meta.get("tokenizer.chat_template", "")
    template = template if isinstance(template, str) else ""
    stops = [header.token(key) for key in ("eos_token_id", "eot_token_id", "eom_token_id")]
    special = {"bos_token": header.token("bos_token_id"), "eos_token": header.token("eos_token_id")}
    languages = meta.get("general.languages", ())
    return ModelCard(
        format="gguf",
        name=str(meta.get("general.name", "")),
        architecture=header.architecture,
        parameters=header.parameters,
        quantization=quantization_name(header),
        file=path.name,
        chat_template=template,
        template_sha256=template_hash(template),
        special_tokens={name: text for name, text in special.items() if text},
        stop=list(dict.fromkeys(text for text in stops if text)),
        # Answers are shown as they come; a model that can think aloud is asked not to, unless its card is changed.
        thinking=False if "enable_thinking" in template else None,
        context_length=positive(header.hyper("context_length")),
        licence=str(meta.get("general.license", "")),
        languages=[text for text in languages if isinstance(text, str)] if isinstance(languages, tuple) else [],
    )


def quantization_name(header: Header) -> str:
    """``q4_k_m``, from the file type; else the type that most weights are stored in."""
    kind = header.metadata.get("general.file_type")
    if isinstance(kind, int) and kind in FILE_TYPES:
        return FILE_TYPES[kind]
    weights: dict[str, int] = {}
    for tensor in header.tensors:
        weights[tensor.type] = weights.get(tensor.type, 0) + tensor.elements
    return max(weights, key=weights.__getitem__, default="")


def positive(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) and value > 0 else 0
