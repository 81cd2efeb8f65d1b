"""A folder with a Hugging Face model (safetensors, config, tokenizer) as a card; its weights are not loaded."""

import json
import math
import struct
from pathlib import Path
from typing import Any

from tuneloop.errors import NotFound, TuneloopError
from tuneloop.foreign import told
from tuneloop.language import _
from tuneloop.models.card import FILE, ModelCard, read_card
from tuneloop.models.gguf import positive, read_gguf_card
from tuneloop.models.template import template_hash

DTYPES = {"bfloat16": "bf16", "float16": "f16", "float32": "f32"}
SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")
VOCABULARIES = ("tokenizer.json", "*.model", "*.tiktoken", "vocab.txt")  # each of which is enough
LONGEST_HEADER = 100_000_000  # bytes; the safetensors format's own limit


def card_of(path: Path) -> ModelCard:
    """The card of a GGUF file, of a Tuneloop model folder, or of a Hugging Face folder."""
    if path.is_file():
        return read_gguf_card(path)
    if not path.is_dir():
        raise NotFound(_("there is no such model"), where=str(path))
    return read_card(path) if (path / FILE).is_file() else read_folder_card(path)


def read_folder_card(folder: Path) -> ModelCard:
    """What a Hugging Face folder says of itself. Raises ``TuneloopError`` where it is not whole."""
    config = read_json(folder / "config.json", required=True)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise TuneloopError(
            _("no safetensors weights here; pickled ones are never opened"), where=str(folder),
            hint=_("Save the model with safe_serialization=True."),
        )  # fmt: skip
    parameters = sum(count_parameters(path) for path in weights)
    require_shards(folder)
    require_tokenizer(folder)
    text = config.get("text_config") if isinstance(config.get("text_config"), dict) else config
    tokenizer = read_json(folder / "tokenizer_config.json")
    template = chat_template(folder, tokenizer)
    special = {name: token_text(tokenizer.get(name)) for name in SPECIAL}
    return ModelCard(
        format="hf",
        name=folder.name,
        architecture=str(config.get("model_type", "")),
        parameters=parameters,
        quantization=DTYPES.get(str(config.get("torch_dtype") or config.get("dtype")), ""),
        chat_template=template,
        template_sha256=template_hash(template),
        special_tokens={name: token for name, token in special.items() if token},
        stop=stop_texts(folder, config, tokenizer, special["eos_token"]),
        thinking=False if "enable_thinking" in template else None,  # as in read_gguf_card
        context_length=positive((text or {}).get("max_position_embeddings")),
    )


def require_tokenizer(folder: Path) -> None:
    """Raise ``TuneloopError`` where a folder holds no vocabulary: transformers makes do with an empty one."""
    if any(next(folder.glob(name), None) for name in VOCABULARIES):
        return
    pair = ("vocab.json", "merges.txt")
    absent = [name for name in pair if not (folder / name).is_file()]
    if absent:
        name = "tokenizer.json" if len(absent) == len(pair) else absent[0]
        raise incomplete(folder, name)


def require_shards(folder: Path) -> None:
    """Raise ``TuneloopError`` where a file with weights is missing that the index names."""
    places = read_json(folder / "model.safetensors.index.json").get("weight_map")
    for name in sorted(set(places.values())) if isinstance(places, dict) else []:
        if not (folder / str(name)).is_file():
            raise incomplete(folder, str(name))


def incomplete(folder: Path, name: str) -> TuneloopError:
    return TuneloopError(
        _("this model is not whole: {} is missing").format(name), where=str(folder),
        hint=_("Copy all of its files, or fetch it again."),
    )  # fmt: skip


def read_json(path: Path, *, required: bool = False) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if not required:
            return {}
        raise TuneloopError(_("this folder holds no model: config.json is missing"), where=str(path.parent)) from None
    except OSError as error:
        raise TuneloopError(_("cannot read the file: {}").format(told(error)), where=str(path)) from None
    except ValueError as error:
        raise TuneloopError(_("not valid JSON: {}").format(told(error)), where=str(path)) from None
    if not isinstance(value, dict):
        raise TuneloopError(_("expected a JSON object"), where=str(path))
    return value


def chat_template(folder: Path, tokenizer: dict[str, Any]) -> str:
    """The template: its own file first, then the tokenizer's default one."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    value = tokenizer.get("chat_template") or ""
    if isinstance(value, list):
        named = {t.get("name"): t.get("template") for t in value if isinstance(t, dict)}
        value = named.get("default") or ""
    return value if isinstance(value, str) else ""


def token_text(value: Any) -> str:
    """A special token, written as text or as an object with ``content``."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else ""


def stop_texts(folder: Path, config: dict[str, Any], tokenizer: dict[str, Any], eos: str) -> list[str]:
    """The texts of every token that ends an answer, the tokenizer's own first."""
    ids = read_json(folder / "generation_config.json").get("eos_token_id", config.get("eos_token_id"))
    added = tokenizer.get("added_tokens_decoder")
    added = added if isinstance(added, dict) else {}
    texts = [eos] + [token_text(added.get(str(i))) for i in (ids if isinstance(ids, list) else [ids])]
    return list(dict.fromkeys(t for t in texts if t))


def count_parameters(path: Path) -> int:
    """The number of weights in a safetensors file, from its header alone."""
    try:
        with path.open("rb") as file:
            size = struct.unpack("<Q", file.read(8))[0]
            if size > min(LONGEST_HEADER, path.stat().st_size):
                raise ValueError
            header = json.loads(file.read(size))
            end = max((t["data_offsets"][1] for n, t in header.items() if n != "__metadata__"), default=0)
            if 8 + size + end > path.stat().st_size:
                raise ValueError
            return sum(math.prod(t["shape"]) for n, t in header.items() if n != "__metadata__")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, struct.error):
        raise TuneloopError(
            _("the safetensors file is cut short or damaged"), where=str(path), hint=_("Fetch it again.")
        ) from None
