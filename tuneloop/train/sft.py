"""Supervised fine-tuning with TRL: the only module that knows the trainer.

TRL's trainer runs the loop, clips, schedules and places the model on its device. What is ours: the steps, which come
packed and in a fixed order; the loss, over learned tokens alone; the optimizer's float32 copies; checkpoints that hold
no pickle. A run taken up again is a run over the steps that are left.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from tuneloop.errors import TuneloopError
from tuneloop.language import _
from tuneloop.train import checkpoint
from tuneloop.train.batch import packed, padded
from tuneloop.train.lesson import Lesson
from tuneloop.train.lessons import Lessons
from tuneloop.train.loss import model_loss, weight_of
from tuneloop.train.optimizer import MasterAdamW
from tuneloop.train.packing import Steps, learning_rate_factor
from tuneloop.train.recipe import Recipe, Watch


class Trainer(SFTTrainer):
    """TRL's trainer with the loss of ``loss.py`` and a random generator that each step seeds for itself."""

    def __init__(self, *, bare: Any, first_step: int, seed: int, learned_per_step: float, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.bare, self.first_step, self.run_seed = bare, first_step, seed
        self.learned_per_step, self.last_loss = learned_per_step, 0.0

    def training_step(self, *arguments: Any, **named: Any) -> torch.Tensor:
        torch.manual_seed(self.run_seed * 1_000_003 + self.first_step + self.state.global_step)
        return super().training_step(*arguments, **named)

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False,
                     num_items_in_batch: Any = None) -> Any:  # fmt: skip
        loss = model_loss(model, self.bare, inputs)
        self.last_loss = loss.item()
        # A learned token weighs the same, whether its step has many of them or few.
        return loss * (weight_of(inputs) / self.learned_per_step)


class Recorder(TrainerCallback):
    """Writes curves and checkpoints, measures the held-out loss, and stops a run that has gone astray."""

    def __init__(self, run: Run) -> None:
        self.run, self.began = run, 0.0
        self.trainer: Any = None
        self.spent, self.tokens, self.learned = 0.0, 0, 0

    def on_step_begin(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        self.began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        run, step = self.run, self.run.first_step + state.global_step
        loss, items = self.trainer.last_loss, run.steps[step - 1]
        if loss != loss or loss == float("inf"):
            raise TuneloopError(
                _("the loss is not a number at step {}").format(step), hint=_("Lower the learning rate.")
            )
        self.spent += time.perf_counter() - self.began
        self.tokens += sum(run.lessons.tokens[item] for item in items)
        self.learned += sum(run.lessons.learned[item] for item in items)
        run.progress.step = step
        run.progress.losses.append((step, loss))
        run.watch.metric("loss", loss, step)
        run.watch.metric("tokens_per_second", self.tokens / self.spent, step)
        run.watch.metric("learned_tokens_per_second", self.learned / self.spent, step)
        if step in run.validate_at:
            run.validate(step)
        if step % run.recipe.save_steps == 0 and step < len(run.steps):
            checkpoint.save(run.kept, run.optimizer, run.progress, run.plan)
        run.watch.progress(step, len(run.steps))

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **named: Any) -> None:
        for name in ("grad_norm", "learning_rate"):
            if logs and name in logs:
                self.run.watch.metric(name, float(logs[name]), self.run.first_step + state.global_step)


class Run:
    """One training run of ``model`` (a PEFT model) over ``steps``, each a list of indices into ``lessons``."""

    def __init__(self, model: Any, tokenizer: Any, lessons: Lessons, steps: Steps, *,
                 held_out: Sequence[Lesson], validate_at: set[int], recipe: Recipe, watch: Watch, kept: Path,
                 plan: str) -> None:  # fmt: skip
        self.model, self.tokenizer, self.lessons, self.steps = model.to(recipe.device), tokenizer, lessons, steps
        self.held_out, self.validate_at, self.recipe, self.watch = held_out, validate_at, recipe, watch
        self.kept, self.plan = kept, plan
        self.collate = packed if recipe.packing else padded
        options = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
        self.optimizer = MasterAdamW(model.parameters(), betas=(0.9, 0.999), eps=1e-8, **options)
        self.progress = checkpoint.load(kept, self.optimizer, plan)
        self.first_step = self.progress.step

    def lessons_of(self, step: int) -> list[Lesson]:
        return [self.lessons[index] for index in self.steps[step]]

    def learned_per_step(self) -> float:
        learned = sum(self.lessons.weights[i] for step in self.steps for i in step)
        return learned / len(self.steps)

    def train(self, scratch: Path) -> checkpoint.Progress:
        """Do the steps that are left. ``scratch`` is a folder that the trainer may write into."""
        left = len(self.steps) - self.first_step
        for step, loss in self.progress.losses:
            self.watch.metric("loss", loss, step)
        if not self.first_step and 0 in self.validate_at:
            self.validate(0)
        if left > 0:
            recorder = Recorder(self)
            recorder.trainer = self.trainer(recorder, left, scratch)
            recorder.trainer.train()
        return self.progress

    def trainer(self, recorder: Recorder, left: int, scratch: Path) -> Trainer:
        recipe, first = self.recipe, self.first_step
        factor = partial(learning_rate_factor, total=len(self.steps), warmup=recipe.warmup, scheduler=recipe.scheduler)
        scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: factor(step + first))
        # One row of this data set is one step, and holds nothing but its number.
        rows = Dataset.from_dict({"step": list(range(first, len(self.steps)))})
        return Trainer(
            bare=self.model.get_base_model(), first_step=first, seed=recipe.seed, model=self.model,
            learned_per_step=self.learned_per_step(), args=self.arguments(left, scratch), train_dataset=rows,
            data_collator=lambda batch: self.collate(self.lessons_of(batch[0]["step"])),
            processing_class=self.tokenizer, callbacks=[recorder], optimizers=(self.optimizer, scheduler),
        )  # fmt: skip

    def arguments(self, left: int, scratch: Path) -> SFTConfig:
        recipe = self.recipe
        return SFTConfig(
            output_dir=str(scratch), max_steps=left, per_device_train_batch_size=1, gradient_accumulation_steps=1,
            learning_rate=recipe.learning_rate, max_grad_norm=recipe.max_gradient, seed=recipe.seed,
            gradient_checkpointing=recipe.checkpointing, bf16=False, fp16=False, use_cpu=recipe.device == "cpu",
            train_sampling_strategy="sequential", logging_steps=1, logging_nan_inf_filter=False, save_strategy="no",
            eval_strategy="no", report_to="none", disable_tqdm=True, remove_unused_columns=False, max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True}, dataloader_num_workers=0, dataloader_pin_memory=False,
            push_to_hub=False,
        )  # fmt: skip

    @torch.no_grad()
    def validate(self, step: int) -> None:
        """The mean loss over the learned tokens of the held-out lessons, each token counted once."""
        if not self.held_out:
            return
        self.model.eval()
        total, count = 0.0, 0.0
        for start in range(0, len(self.held_out), 4):
            lessons = self.held_out[start : start + 4]
            inputs = {name: v.to(self.recipe.device) if torch.is_tensor(v) else v for name, v in
                      self.collate(lessons).items()}  # fmt: skip
            learned = weight_of(inputs)
            total += float(model_loss(self.model, self.model.get_base_model(), inputs)) * learned
            count += learned
        self.model.train()
        self.progress.validation.append((step, total / count))
        self.watch.metric("validation_loss", total / count, step)
