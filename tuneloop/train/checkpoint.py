"""What a training run needs to go on after a kill: one safetensors file, written whole or not at all.

No pickle: tensors in safetensors, the rest as JSON in its metadata. Dropout needs no saved generator, because every
step seeds its own from the run's seed and its number.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuneloop.train.optimizer import MasterAdamW


@dataclass
class Progress:
    """How far a run is, and its curves so far: (step, value)."""

    step: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)


def save(path: Path, optimizer: MasterAdamW, progress: Progress, plan: str) -> None:
    """Replace the checkpoint at ``path``. ``plan`` identifies the run that may take it up."""
    from safetensors.torch import save as as_bytes

    facts = {"plan": plan, "step": progress.step, "losses": progress.losses, "validation": progress.validation}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in optimizer.tensors().items()}
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:  # by Python, so that a full disk is an OSError
        file.write(as_bytes(tensors, metadata={"progress": json.dumps(facts)}))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load(path: Path, optimizer: MasterAdamW, plan: str) -> Progress:
    """Restore ``optimizer`` from ``path`` and say how far it was; a run of another plan begins anew."""
    if not path.is_file():
        return Progress()
    facts, tensors = read(path)
    if facts.get("plan") != plan:
        return Progress()
    optimizer.restore(tensors)
    pairs = {name: [(int(step), float(value)) for step, value in facts[name]] for name in ("losses", "validation")}
    return Progress(int(facts["step"]), pairs["losses"], pairs["validation"])


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The facts and the tensors of a checkpoint; nothing where the file is damaged, as after a full disk."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return json.loads(file.metadata()["progress"]), tensors
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return {}, {}
