"""Where a training runs: each backend a file, chosen by ``train --backend NAME``.

A package adds a backend through the entry point group ``tuneloop.training_backends``: ``name = module:Class``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.choice import Choice, Part, check_part
from tuneloop.doors import Door
from tuneloop.language import _
from tuneloop.train.recipe import Watch

if TYPE_CHECKING:
    from tuneloop.models import ModelCard
    from tuneloop.models.weights import Tokenizer
    from tuneloop.train.checkpoint import Progress
    from tuneloop.train.lessons import Lessons
    from tuneloop.train.methods import TrainingMethod
    from tuneloop.train.packing import Steps
    from tuneloop.train.recipe import Recipe


@dataclass(frozen=True)
class Task:
    """All that a training is given. ``steps`` are lists of indices into ``lessons``, in the order of the training."""

    folder: Path  # of the whole model to begin from
    card: ModelCard
    base: str  # its address
    tokenizer: Tokenizer
    method: TrainingMethod
    recipe: Recipe
    precision: str  # bf16 or fp32
    lessons: Lessons
    steps: Steps
    held_out: Lessons
    validate_at: set[int]  # steps after which the loss on the held-out lessons is measured
    kept: Path  # the checkpoint: the next run of the same plan goes on from it
    plan: str  # what a checkpoint must have been made under
    scratch: Path  # a folder to write into
    threads: int  # of the processor; 0: as many as there are


class TrainingBackend(Part, ABC):
    """Base of a backend."""

    @abstractmethod
    def train(self, task: Task, watch: Watch, out: Path) -> Progress:
        """Do the steps that are left, and write the adapter into ``out`` as PEFT reads it, in float32."""


def check_backend(name: str, part: Any) -> None:
    check_part(name, part, TrainingBackend)


def absent(name: str) -> str:
    return _("there is no training backend {name!r}").format(name=name)


BUILT_IN = {"process": "tuneloop.train.backends.process:OneProcess"}
BACKENDS: Door[type[TrainingBackend]] = Door("tuneloop.training_backends", BUILT_IN, check=check_backend, absent=absent)
BACKEND = Choice(BACKENDS, "process")
