"""The training in the process of the run itself, on one device."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tuneloop.language import stored
from tuneloop.machine import cores
from tuneloop.train.backends import Task, TrainingBackend
from tuneloop.train.recipe import Watch

if TYPE_CHECKING:
    from tuneloop.train.checkpoint import Progress


class OneProcess(TrainingBackend):
    """One process on this machine, on its graphics card where it has one."""

    name: ClassVar[str] = "process"

    def train(self, task: Task, watch: Watch, out: Path) -> Progress:
        from tuneloop.train import adapter
        from tuneloop.train.sft import Run

        watch.phase(stored("Loading the model"))
        run = Run(
            loaded(task), task.tokenizer.backend, task.lessons, task.steps, held_out=task.held_out,
            validate_at=task.validate_at, recipe=task.recipe, kept=task.kept, plan=task.plan, watch=watch,
        )  # fmt: skip
        watch.phase(stored("Training"))
        progress = run.train(task.scratch)
        watch.phase(stored("Writing the model"))
        adapter.write(out, run.model, run.optimizer, base=task.base)
        return progress


def loaded(task: Task) -> Any:
    """The model with a fresh adapter."""
    import torch

    from tuneloop.models.weights import load_weights
    from tuneloop.train import attention

    if task.threads or "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(task.threads or cores())
    model = load_weights(task.folder, task.card, torch.bfloat16 if task.precision == "bf16" else torch.float32)
    if task.recipe.packing:
        attention.register()
        model.set_attn_implementation(attention.NAME)
    return task.method.attach(model, seed=task.recipe.seed)
