"""What a training run will take of the memory, known before anything is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tuneloop.errors import TuneloopError
from tuneloop.language import _
from tuneloop.models import ModelCard, read_gguf

MIB = 1 << 20
RUNTIME = 700 * MIB  # Python, torch, transformers, one chunk of logits: measured
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Shape:
    """The sizes of a dense decoder that its memory depends on."""

    layers: int
    width: int
    inner: int  # of the feed-forward network
    key_width: int  # all key heads together
    vocabulary: int
    parameters: int

    @property
    def adapted(self) -> int:
        """Inputs plus outputs of all adapted matrices: what one rank of an adapter costs in numbers."""
        attention = 4 * self.width + 2 * (self.width + self.key_width)  # queries and output; keys and values
        return self.layers * (attention + 3 * (self.width + self.inner))

    @property
    def kept_per_token(self) -> int:
        """Numbers that one token keeps over the forward pass until the backward pass, over all layers."""
        return self.layers * (18 * self.width + 4 * self.key_width + 6 * self.inner)


def read_shape(folder: Path, card: ModelCard) -> Shape:
    """The shape of a model from its header or configuration; the weights are not read."""
    if card.format == "gguf":
        header = read_gguf(folder / card.file)
        heads = max(1, int(header.hyper("attention.head_count", 1)))
        width = int(header.hyper("embedding_length"))
        return Shape(
            layers=int(header.hyper("block_count")), width=width, inner=int(header.hyper("feed_forward_length")),
            key_width=int(header.hyper("attention.head_count_kv", heads)) * (width // heads),
            vocabulary=len(header.metadata.get("tokenizer.ggml.tokens", ())), parameters=header.parameters,
        )  # fmt: skip
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config") or config
    heads, width = max(1, int(config.get("num_attention_heads", 1))), int(config.get("hidden_size", 0))
    inner = int(config.get("intermediate_size", 4 * width))
    return Shape(
        layers=int(config.get("num_hidden_layers", 0)), width=width, inner=inner,
        key_width=int(config.get("num_key_value_heads", heads)) * (width // heads),
        vocabulary=int(config.get("vocab_size", 0)), parameters=card.parameters,
    )  # fmt: skip


@dataclass(frozen=True)
class Need:
    """Bytes that a run will take, by what takes them."""

    weights: int
    adapter: int
    activations: int
    runtime: int = RUNTIME

    @property
    def total(self) -> int:
        return self.weights + self.adapter + self.activations + self.runtime


def predict(shape: Shape, *, trained: int, tokens: int, bytes_per_weight: int = 2, checkpointing: bool = False) -> Need:
    """What training with ``tokens`` in the longest step takes at its fullest.

    Each of the ``trained`` numbers costs a weight and a gradient in the model's precision, and in float32 a copy and
    two moments.
    """
    kept = shape.kept_per_token
    if checkpointing:  # the input of each layer, and one layer at a time in full
        kept = kept // max(1, shape.layers) + shape.layers * shape.width
    largest = 2 * 4 * shape.vocabulary * shape.width  # one tensor in float32 while the weights are read
    return Need(
        weights=shape.parameters * bytes_per_weight,
        adapter=trained * (2 * bytes_per_weight + 12),
        activations=max(tokens * kept * bytes_per_weight, largest),
    )


def plan_memory(shape: Shape, *, trained: int, tokens: int, bytes_per_weight: int, available: int) -> tuple[Need, bool]:
    """What the run will take, and whether it must recompute activations to fit. Raises where it fits in no way."""
    for checkpointing in (False, True):
        need = predict(
            shape, trained=trained, tokens=tokens, bytes_per_weight=bytes_per_weight, checkpointing=checkpointing
        )
        if need.total <= available:
            return need, checkpointing
    message = _(
        "training this model needs about {need} MiB of memory ({weights} MiB for its weights), and {have} MiB are free"
    )
    raise TuneloopError(
        message.format(need=need.total // MIB, weights=need.weights // MIB, have=max(0, available) // MIB),
        hint=_("Choose a smaller model, or fewer tokens a step (--batch)."),
    )
