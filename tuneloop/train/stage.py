"""The stage that fine-tunes a model: a dataset and a base model in, an adapter with its card out."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from tuneloop.errors import MissingExtra, TuneloopError
from tuneloop.kinds.dataset import DatasetSummary
from tuneloop.language import _, stored
from tuneloop.resources import LEARNING, Resources
from tuneloop.stage import Context, DatasetRef, Kind, Stage, WeightsRef
from tuneloop.train.backends import BACKEND, BACKENDS, TrainingBackend
from tuneloop.train.methods import METHOD, METHODS, TrainingMethod

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuneloop.models import ModelCard
    from tuneloop.settings import Settings
    from tuneloop.train.lesson import Encoder
    from tuneloop.train.lessons import Lessons
    from tuneloop.train.memory import Need
    from tuneloop.train.recipe import Recipe

NEEDED = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "safetensors", "gguf")


def check_training() -> None:
    """Raise ``MissingExtra`` where training could not start, without importing what it needs."""
    for package in NEEDED:
        if find_spec(package) is None:
            raise MissingExtra("train", package)


class Train(Stage):
    """Fine-tune a model on a dataset: what its answers say is learned, what its questions say is read."""

    name: ClassVar[str] = "train"
    makes: ClassVar[Kind] = "model"
    version: ClassVar[int] = 3
    positional: ClassVar[tuple[str, ...]] = ("dataset",)
    resources: ClassVar[Resources] = LEARNING
    short: ClassVar[dict[str, str]] = {"rank": "method", "alpha": "method", "dropout": "method"}

    dataset: list[DatasetRef] = Field(description="Datasets to learn from.", min_length=1)
    model: WeightsRef = Field(description="Base model: a catalogue name, a tag or an address.")
    method: Annotated[TrainingMethod, METHOD] = Field(
        default_factory=lambda: METHODS.find(METHOD.default)(), description="How the weights are changed."
    )
    epochs: int = Field(3, ge=1, le=1000, description="Passes over the dataset.")
    learning_rate: float = Field(2e-4, gt=0, le=1, description="Peak learning rate.")
    max_length: int = Field(1024, ge=16, description="Longest conversation, in tokens.")
    truncate: bool = Field(False, description="Cut longer conversations instead of leaving them out.")
    batch: int = Field(1024, ge=16, description="Tokens of one training step.")
    packing: bool = Field(True, description="Put several conversations into one row, each seeing itself alone.")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the steps over which the learning rate rises.")
    scheduler: Literal["cosine", "linear", "constant"] = Field("cosine", description="How the learning rate falls.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay of AdamW.")
    max_gradient: float = Field(1.0, gt=0, description="Longest gradient; a longer one is scaled down.")
    validation: float = Field(
        0.05, ge=0, le=0.5,
        description="Share of the examples held out to measure the loss on, by document; at most 500 examples.",
    )  # fmt: skip
    steps: int = Field(0, ge=0, description="Stop after this many steps; 0 does all epochs.")
    save_steps: int = Field(20, ge=1, description="Steps between checkpoints.")
    seed: int = Field(7, ge=0, lt=2**31, description="Fixes the order of the examples and the first weights.")
    system_prompt: str = Field(
        "", description="Put first in conversations without a system message, here and when served.",
        json_schema_extra={"format": "multiline"},
    )  # fmt: skip
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="Precision of the weights; auto takes bf16 where the processor computes in it."
    )
    backend: Annotated[TrainingBackend, BACKEND] = Field(
        default_factory=lambda: BACKENDS.find(BACKEND.default)(), description="Where the training runs."
    )

    def check_outside(self, settings: Settings) -> None:
        check_training()

    @field_validator("dataset", mode="before")
    @classmethod
    def one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    def needed(self, path: Callable[[str], Path]) -> Resources:
        from tuneloop.models import read_card
        from tuneloop.train.memory import predict, read_shape

        folder = path(self.model)
        shape = read_shape(folder, read_card(folder))
        need = predict(
            shape, trained=self.method.trained(shape), tokens=self.batch, bytes_per_weight=self.bytes_per_weight()
        )
        return replace(self.resources, memory=need.total)

    def bytes_per_weight(self) -> int:
        """As far as it is known before torch is asked; where it is not, the most."""
        from tuneloop.machine import multiplies_bf16

        return 2 if self.precision == "bf16" or (self.precision == "auto" and multiplies_bf16()) else 4

    def is_now(self) -> str:
        return "tuned"

    def run(self, ctx: Context) -> dict[str, Any]:
        from tuneloop.models.weights import load_config, load_tokenizer, transformers_module

        transformers_module()  # a missing package is said at once
        from tuneloop.train import artifact, attention
        from tuneloop.train.backends import Task
        from tuneloop.train.examples import read_lessons
        from tuneloop.train.packing import plan_steps, times_seen, tokens_at_most
        from tuneloop.train.precision import choose_device, choose_precision
        from tuneloop.train.recipe import Watch

        ctx.phase(stored("Reading the examples"))
        folder, card = self.base(ctx)
        tokenizer = load_tokenizer(folder, card)
        encoder = self.encoder(card, tokenizer)
        lessons, held_out = read_lessons(ctx, self.dataset, encoder, self.validation, self.seed)
        lengths = lessons.tokens
        packing = self.packing and attention.supports(load_config(folder, card))
        steps = plan_steps(
            lengths, epochs=self.epochs, capacity=self.batch, seed=self.seed, packing=packing, most=self.steps
        )
        device = choose_device()
        precision = choose_precision(self.precision, device)
        need, checkpointing = self.fit(folder, card, tokens_at_most(steps, lengths, packing), precision)
        ctx.metric("predicted_memory_mib", need.total // 2**20)
        artifact.write_preview(ctx.out, lessons, steps, tokenizer)

        task = Task(
            folder, card, self.model, tokenizer, self.method, self.recipe(packing, checkpointing, device), precision,
            lessons, steps, held_out, validate_at=self.measured_at(len(steps)),
            kept=ctx.checkpoint("trainer.safetensors"), plan=self.plan_id(lessons, precision, packing),
            scratch=ctx.checkpoint("trainer.scratch"), threads=ctx.store.settings.threads,
        )  # fmt: skip
        watch = Watch(ctx.metric, lambda done, total: ctx.progress(done, total, stored("steps")), ctx.phase)
        progress = self.backend.train(task, watch, ctx.out)
        times = times_seen(len(lessons), steps, progress.step)
        artifact.write_rows_trained(ctx.out, lessons, times, held_out)
        card = artifact.write_model(
            ctx.out, progress, len(steps), card, address=self.model, system_prompt=encoder.system_prompt,
            tokenizer=tokenizer, parameters=self.model_dump(),
            passages=max(DatasetSummary.read(ctx.summary(d)).passages for d in self.dataset),
        )  # fmt: skip
        return artifact.summary(card, progress, lessons, times, held_out)

    def base(self, ctx: Context) -> tuple[Path, ModelCard]:
        """The base model's folder and card. Raises ``TuneloopError`` where it cannot be trained on as asked."""
        from tuneloop.models import read_card

        folder = ctx.path(self.model)
        card = read_card(folder)
        if card.format == "adapter":
            hint = _("Merge it first: tuneloop compress MODEL --to hf")
            raise TuneloopError(_("this model is an adapter, and training begins from a whole model"), hint=hint)
        if not card.chat_template:
            raise TuneloopError(_("this model has no chat template"), hint=_("Choose an instruction-tuned model."))
        if card.context_length and self.max_length > card.context_length:
            message = _("the model reads at most {} tokens").format(card.context_length)
            raise TuneloopError(message, where="max_length", hint=_("Lower max_length."))
        return folder, card

    def encoder(self, card: ModelCard, tokenizer: Any) -> Encoder:
        from tuneloop.train.lesson import Encoder

        prompt = self.system_prompt or card.system_prompt
        return Encoder(card, tokenizer, max_length=self.max_length, truncate=self.truncate, system_prompt=prompt)

    def fit(self, folder: Path, card: ModelCard, tokens: int, precision: str) -> tuple[Need, bool]:
        """What the run will take, and whether it must recompute activations. Raises where it does not fit."""
        from tuneloop.machine import available_memory
        from tuneloop.train.memory import plan_memory, read_shape

        size = 2 if precision == "bf16" else 4
        shape = read_shape(folder, card)
        trained = self.method.trained(shape)
        return plan_memory(shape, trained=trained, tokens=tokens, bytes_per_weight=size, available=available_memory())

    def recipe(self, packing: bool, checkpointing: bool, device: str) -> Recipe:
        from tuneloop.train.recipe import Recipe

        return Recipe(
            learning_rate=self.learning_rate, weight_decay=self.weight_decay, warmup=self.warmup,
            scheduler=self.scheduler, max_gradient=self.max_gradient, seed=self.seed, save_steps=self.save_steps,
            packing=packing, checkpointing=checkpointing, device=device,
        )  # fmt: skip

    def measured_at(self, total: int) -> set[int]:
        """The steps after which the held-out loss is measured: none, each epoch, the last."""
        return {0, *(round(total * epoch / self.epochs) for epoch in range(1, self.epochs + 1)), total}

    def plan_id(self, lessons: Lessons, precision: str, packing: bool) -> str:
        """What a checkpoint must have been made under to be taken up again."""
        from tuneloop.records import content_id

        return content_id(self.model_dump_json(), precision, str(packing), lessons.digest.hexdigest(), length=64)
