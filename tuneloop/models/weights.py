"""A model artifact as a transformers model and tokenizer, whatever its format. Imports torch: never at the top level.

A GGUF file holds no ``tokenizer.json``; the tokenizer is rebuilt from its metadata and must give the engine's ids.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.errors import MissingExtra, TuneloopError
from tuneloop.foreign import told
from tuneloop.language import _, joined
from tuneloop.models.card import ModelCard
from tuneloop.models.folder import require_tokenizer
from tuneloop.models.gguf import Header, read_gguf
from tuneloop.models.tensors import mapped, read_tensor, rotate, rotated_heads, tensor_names

if TYPE_CHECKING:
    import torch

PLAIN = {"llama", "qwen2", "qwen3"}  # architectures read here; every other one by transformers itself
UNUSUAL = re.compile(r"rope\.scaling|expert_count|sliding_window|rope_freqs")
# llama.cpp's pre-tokenizers that cut every digit off first; transformers reads them as plain GPT-2
DIGITS_APART = {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"}


def offline() -> None:
    """Before torch is imported: no network, no telemetry, no progress bars in the log, threads that sleep.

    Threads that spin while they wait make training ten times slower as soon as anything else runs on the machine.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS"):
        os.environ[name] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def transformers_module() -> Any:
    """The transformers package, offline and quiet. Raises ``MissingExtra``."""
    offline()
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        raise MissingExtra("train", error.name or "transformers") from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


@dataclass
class Tokenizer:
    """A fast tokenizer and the ids that it puts before a text that does not bring them."""

    backend: Any  # transformers.PreTrainedTokenizerFast
    bos: str = ""  # put first by the engine, where the text does not begin with it

    def complete(self, text: str) -> str:
        """``text`` as the model reads it: with the beginning-of-sequence token where the model wants one."""
        return text if not self.bos or text.startswith(self.bos) else self.bos + text

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids and the characters that each one covers. Control tokens in ``text`` are read as such."""
        found = self.backend(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return list(found["input_ids"]), [tuple(pair) for pair in found["offset_mapping"]]

    @cached_property
    def control_tokens(self) -> list[str]:
        """Texts that the tokenizer reads as structure and not as content, the longest first."""
        added = self.backend.added_tokens_decoder.values()
        return sorted({str(t) for t in added if t.special and len(str(t)) > 2}, key=lambda t: (-len(t), t))

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json`` and its configuration."""
        self.backend.save_pretrained(folder)


def load_tokenizer(folder: Path, card: ModelCard) -> Tokenizer:
    """The tokenizer of a model's folder. Raises ``TuneloopError`` where it has none that gives offsets."""
    transformers = transformers_module()
    try:
        if card.format == "gguf":
            return gguf_tokenizer(read_gguf(folder / card.file))
        require_tokenizer(folder)
        backend = transformers.AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise TuneloopError(_("cannot read the tokenizer: {}").format(told(error)), where=str(folder)) from None
    if not backend.is_fast:
        raise TuneloopError(_("this model has no fast tokenizer (tokenizer.json)"), where=str(folder))
    plain, full = backend("a", add_special_tokens=False)["input_ids"], backend("a")["input_ids"]
    begins = full[: len(full) - len(plain)] if full[-len(plain) :] == plain else []
    return Tokenizer(backend, backend.bos_token if begins == [backend.bos_token_id] else "")


def gguf_tokenizer(header: Header) -> Tokenizer:
    """The tokenizer that a GGUF file describes, cutting text as llama.cpp does."""
    from tokenizers import Regex, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    from transformers.integrations.gguf.gguf_tokenizer_mapping import convert_gguf_tokenizer

    meta, prefix = header.metadata, "tokenizer.ggml."
    renamed = {"model": "tokenizer_type", "pre": "pre_tokenizer_type", "add_space_prefix": "add_prefix_space"}
    facts = {renamed.get(k := key.removeprefix(prefix), k): v for key, v in meta.items() if key.startswith(prefix)}
    rebuilt = convert_gguf_tokenizer(header.architecture, facts)[0]
    if meta.get(prefix + "pre") in DIGITS_APART:
        digits = pre_tokenizers.Split(Regex(r"\p{N}"), behavior="isolated")
        words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        rebuilt.pre_tokenizer = pre_tokenizers.Sequence([digits, words])
    keys = {"bos": "bos_token_id", "eos": "eos_token_id", "unk": "unknown_token_id", "pad": "padding_token_id"}
    special = {f"{name}_token": header.token(key) or None for name, key in keys.items()}
    backend = PreTrainedTokenizerFast(tokenizer_object=rebuilt, clean_up_tokenization_spaces=False, **special)
    sentencepiece = meta.get(prefix + "model") == "llama"  # the default of add_bos_token is by its kind
    return Tokenizer(backend, header.token("bos_token_id") if meta.get(prefix + "add_bos_token", sentencepiece) else "")


def load_config(folder: Path, card: ModelCard) -> Any:
    """The transformers configuration of a model, without its weights."""
    transformers = transformers_module()
    arguments = {}
    if card.format == "gguf":
        header = read_gguf(folder / card.file)
        if is_plain(header):
            return gguf_config(header)
        arguments = {"gguf_file": card.file}
    try:
        return transformers.AutoConfig.from_pretrained(folder, **arguments)
    except (OSError, ValueError, KeyError) as error:
        message = _("cannot read the model's configuration: {}").format(told(error))
        raise TuneloopError(message, where=str(folder)) from None


def is_plain(header: Header) -> bool:
    """Whether the file is a dense decoder of a common kind, which is read here and not by transformers."""
    return header.architecture in PLAIN and not UNUSUAL.search(" ".join(header.metadata))


def load_weights(folder: Path, card: ModelCard, dtype: torch.dtype, attention: str = "sdpa") -> Any:
    """The model in ``dtype``, dequantised, on the CPU. Raises ``TuneloopError`` where the weights cannot be read."""
    transformers = transformers_module()
    arguments: dict[str, Any] = {"dtype": dtype, "attn_implementation": attention}
    if card.format == "gguf":
        header = read_gguf(folder / card.file)
        if is_plain(header):
            return gguf_weights(folder / card.file, header, arguments)
        arguments |= {"gguf_file": card.file, "quantization_config": transformers.GgufConfig(dequantize=True)}
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, **arguments)
    except ImportError as error:
        raise MissingExtra("train", error.name or "gguf") from None
    except (OSError, ValueError, KeyError) as error:
        raise TuneloopError(_("cannot read the weights: {}").format(told(error)), where=str(folder)) from None
    if hasattr(model, "hf_quantizer"):
        model.hf_quantizer.remove_quantization_config(model)
    elif hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.is_quantized = False
    return model


def gguf_weights(file: Path, header: Header, arguments: dict[str, Any]) -> Any:
    """A dense decoder of a common kind, read tensor by tensor: several times faster than transformers' own reader."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.initialization import no_init_weights

    with no_init_weights():
        model = AutoModelForCausalLM.from_config(gguf_config(header), **arguments)
    model.tie_weights()
    parameters = dict(model.named_parameters())
    places = {there: parameters[name] for name, there in tensor_names(header, parameters).items()}
    missing = places.keys() - {tensor.name for tensor in header.tensors}
    if len(places) != len(parameters) or missing:
        raise TuneloopError(_("the GGUF file lacks weights: {}").format(joined(sorted(missing))), where=str(file))
    with mapped(file) as data, torch.no_grad():
        for tensor in header.tensors:
            if tensor.name in places:
                array = read_tensor(data, header, tensor)
                if heads := rotated_heads(header, tensor.name):
                    array = rotate(array, heads, back=True)
                places[tensor.name].copy_(torch.from_numpy(array))
    return model.eval()


def gguf_config(header: Header) -> Any:
    """The transformers configuration of a GGUF file of one of the ``PLAIN`` architectures."""
    from transformers import AutoConfig

    names = {tensor.name for tensor in header.tensors}
    heads, width = int(header.hyper("attention.head_count")), int(header.hyper("embedding_length"))
    special = {name: header.metadata.get(f"tokenizer.ggml.{key}_token_id") for name, key in
               (("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding"))}  # fmt: skip
    return AutoConfig.for_model(
        header.architecture,
        hidden_size=width,
        num_hidden_layers=int(header.hyper("block_count")),
        intermediate_size=int(header.hyper("feed_forward_length")),
        num_attention_heads=heads,
        num_key_value_heads=int(header.hyper("attention.head_count_kv", heads)),
        head_dim=int(header.hyper("attention.key_length", width // heads)),
        rms_norm_eps=float(header.hyper("attention.layer_norm_rms_epsilon", 1e-6)),
        max_position_embeddings=int(header.hyper("context_length")),
        rope_parameters={"rope_type": "default", "rope_theta": float(header.hyper("rope.freq_base", 10000.0))},
        vocab_size=next(t.shape[-1] for t in header.tensors if t.name == "token_embd.weight"),
        tie_word_embeddings="output.weight" not in names,
        **special,
    )
