"""The adapter, written as PEFT reads it, with the same bytes for the same weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuneloop.train.optimizer import MasterAdamW

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def write(folder: Path, model: Any, optimizer: MasterAdamW, *, base: str) -> None:
    """Write the adapter in float32, as the optimizer has it, and its configuration. ``base``: the model's address."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save as as_bytes

    masters = {id(live): master for live, master in zip(optimizer.live, optimizer.masters, strict=True)}
    exact = {name: masters[id(p)] for name, p in model.named_parameters() if id(p) in masters}
    tensors = get_peft_model_state_dict(model, state_dict=exact)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    (folder / WEIGHTS).write_bytes(as_bytes(tensors, metadata={"format": "pt"}))
    facts = model.peft_config["default"].to_dict() | {"base_model_name_or_path": base, "inference_mode": True}
    (folder / CONFIG).write_text(json.dumps(plain(facts), indent=1, sort_keys=True) + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """``value`` as JSON types, sets in order: their own order differs from process to process."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(getattr(value, "value", value))
