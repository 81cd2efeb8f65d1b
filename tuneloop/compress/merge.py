"""A model with its adapter merged in, as transformers has it: to be written as a folder, or to be measured against."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.errors import TuneloopError
from tuneloop.language import _
from tuneloop.models import ModelCard
from tuneloop.models.weights import load_tokenizer, load_weights

if TYPE_CHECKING:
    from tuneloop.compress.delta import Delta


def merged(folder: Path, card: ModelCard, delta: Delta | None, precision: str) -> Any:
    """The model in ``precision`` (f32, bf16 or f16); each sum is made in float32."""
    import torch

    dtype = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}[precision]
    model = load_weights(folder, card, dtype).eval()
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in delta or ():
            if name not in parameters:
                raise TuneloopError(_("the base has no weight for {} of the adapter").format(name), where=str(folder))
            parameters[name].copy_(parameters[name].float() + torch.from_numpy(delta[name]))  # type: ignore[index]
    return model


def write_folder(out: Path, model: Any, base: Path, card: ModelCard) -> None:
    """A Hugging Face folder: safetensors, configuration, tokenizer, and the card's chat template."""
    from safetensors import SafetensorError

    model.config.use_cache = True
    try:
        model.save_pretrained(out, max_shard_size="4GB")
    except SafetensorError as error:  # of a full disk, mostly
        code = errno.ENOSPC if "os error 28" in str(error) else errno.EIO
        raise OSError(code, str(error), str(out)) from None
    tokenizer = load_tokenizer(base, card)
    tokenizer.backend.chat_template = card.chat_template
    tokenizer.save(out)
