"""How to train, beside what and on what."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training that its method does not bring."""

    learning_rate: float
    weight_decay: float
    warmup: float  # share of the steps
    scheduler: str
    max_gradient: float
    seed: int
    save_steps: int
    packing: bool
    checkpointing: bool
    device: str  # "cpu" or "cuda"
