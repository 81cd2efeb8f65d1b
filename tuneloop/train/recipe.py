"""How to train, beside what and on what."""

from collections.abc import Callable
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


@dataclass
class Watch:
    """Whom a training tells what it does; ``progress(done, total)`` may raise to stop it."""

    metric: Callable[[str, float, int], None]
    progress: Callable[[int, int], None]
    phase: Callable[[str], None] = lambda name: None
