"""What a LoRA adapter adds to each weight of its base, as float32 matrices, one at a time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.errors import TuneloopError
from tuneloop.foreign import told
from tuneloop.language import _, joined

if TYPE_CHECKING:
    import numpy as np

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
PREFIX, DOWN, UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
# what plain LoRA does not have; a set value would change the sum below
OTHER = ("use_dora", "fan_in_fan_out", "modules_to_save", "rank_pattern", "alpha_pattern", "lora_bias")


@dataclass(frozen=True)
class Delta:
    """The adapter of a folder. Raises ``TuneloopError`` where it is not plain LoRA."""

    folder: Path
    scale: float  # alpha / rank; rank-stabilised alpha / √rank
    names: frozenset[str]  # of the weights in transformers that it changes

    @classmethod
    def read(cls, folder: Path) -> Delta:
        from safetensors import SafetensorError, safe_open

        try:
            facts: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            with safe_open(folder / WEIGHTS, framework="np") as file:
                keys = set(file.keys())
        except (OSError, ValueError, SafetensorError) as error:
            raise TuneloopError(_("cannot read the adapter: {}").format(told(error)), where=str(folder)) from None
        other = [name for name in OTHER if facts.get(name)]
        pairs = {key.removesuffix(DOWN) for key in keys if key.endswith(DOWN)}
        if other or facts.get("peft_type") != "LORA" or keys != {p + end for p in pairs for end in (DOWN, UP)}:
            what = joined(other) or str(facts.get("peft_type"))
            raise TuneloopError(_("only plain LoRA can be merged, and this adapter has {}").format(what))
        names = frozenset(pair.removeprefix(PREFIX) + ".weight" for pair in pairs)
        rank = math.sqrt(facts["r"]) if facts.get("use_rslora") else facts["r"]
        return cls(folder, facts["lora_alpha"] / rank, names)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.names))

    def __getitem__(self, name: str) -> np.ndarray:
        """The matrix (out, in) that is added to the weight ``name``."""
        import numpy as np
        from safetensors import safe_open

        key = PREFIX + name.removesuffix(".weight")
        with safe_open(self.folder / WEIGHTS, framework="np") as file:
            down, up = (file.get_tensor(key + end).astype(np.float32) for end in (DOWN, UP))
        return (up @ down) * np.float32(self.scale)
