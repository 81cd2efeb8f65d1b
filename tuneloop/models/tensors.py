"""The weights of a GGUF file as float32 arrays, one tensor at a time, and their names in transformers.

Shapes are as in PyTorch: outermost dimension first, so a linear layer's weight is (out, in).
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tuneloop.errors import MissingExtra, TuneloopError
from tuneloop.language import _
from tuneloop.models.gguf import Header, Tensor

if TYPE_CHECKING:
    import gguf
    import numpy as np

ROTATED = ("attn_q.weight", "attn_k.weight", "attn_q.bias", "attn_k.bias")  # whose rows llama.cpp reorders for RoPE


def gguf_module():
    """The ``gguf`` package of the llama.cpp project. Raises ``MissingExtra``."""
    try:
        import gguf
    except ImportError:
        raise MissingExtra("train", "gguf") from None
    return gguf


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """A file's bytes, read as they are needed."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def read_tensor(data: mmap.mmap, header: Header, tensor: Tensor) -> np.ndarray:
    """One tensor dequantised to float32. Raises ``TuneloopError`` for a type that is not known here."""
    import numpy as np

    module = gguf_module()
    begin = header.data_offset + tensor.offset
    kind = getattr(module.GGMLQuantizationType, tensor.type.upper(), None)
    if kind is None or not tensor.bytes:
        raise TuneloopError(_("weights of type {} cannot be read").format(tensor.type))
    block, size = module.GGML_QUANT_SIZES[kind]
    shape = tuple(reversed(tensor.shape))
    raw = np.frombuffer(data, np.uint8, tensor.bytes, begin)
    rows = raw.reshape(-1, size * grouped(tensor.elements // block))
    try:  # what is already float32 comes back as a view of the file, which is about to be closed
        values = np.asarray(module.quants.dequantize(rows, kind), dtype=np.float32)
    except NotImplementedError:
        raise TuneloopError(_("weights of type {} cannot be read").format(tensor.type)) from None
    return np.require(values, requirements=("O", "W")).reshape(shape)


def quantize(values: np.ndarray, kind: str) -> np.ndarray:
    """The bytes of float32 ``values`` stored as ``kind``: f32, f16, bf16 or q8_0."""
    import numpy as np

    module = gguf_module()
    number = module.GGMLQuantizationType[kind.upper()]
    block = module.GGML_QUANT_SIZES[number][0]
    rows = values.reshape(-1, block * grouped(values.size // block))
    return np.ascontiguousarray(module.quants.quantize(rows, number)).reshape(-1).view(np.uint8)


def grouped(blocks: int) -> int:
    """Blocks to hand to the gguf package as one row: it works on 16 rows at a time, and short ones are slow."""
    return math.gcd(blocks, 256)


def tensor_names(header: Header, names: Iterable[str]) -> dict[str, str]:
    """GGUF names for the ``names`` that parameters have in transformers; those without one are left out."""
    module = gguf_module()
    kinds = {name: kind for kind, name in module.MODEL_ARCH_NAMES.items()}
    if header.architecture not in kinds:
        raise TuneloopError(_("models of the architecture {!r} are not known").format(header.architecture))
    known: gguf.TensorNameMap = module.get_tensor_name_map(kinds[header.architecture], int(header.hyper("block_count")))
    found = {name: known.get_name(name, (".weight", ".bias")) for name in names}
    return {name: there for name, there in found.items() if there}


def rotate(array: np.ndarray, heads: int, *, back: bool = False) -> np.ndarray:
    """Rows of a query or key weight in the order that llama.cpp wants for the llama architecture, or ``back``.

    Per head, transformers keeps the two halves of each rotated pair apart, llama.cpp side by side.
    """
    shape = (heads, array.shape[0] // heads // 2, 2) if back else (heads, 2, array.shape[0] // heads // 2)
    return array.reshape(*shape, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)


def rotated_heads(header: Header, name: str) -> int:
    """The number of heads whose rows are reordered in this tensor; 0 where its rows stand as in transformers."""
    if header.architecture != "llama" or not name.endswith(ROTATED):
        return 0
    heads = int(header.hyper("attention.head_count"))
    return int(header.hyper("attention.head_count_kv", heads)) if ".attn_k." in name else heads
