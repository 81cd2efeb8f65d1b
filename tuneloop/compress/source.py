"""The model that is compressed: a whole one, or an adapter with the base that it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.errors import NotFound, TuneloopError
from tuneloop.language import _
from tuneloop.machine import available_memory
from tuneloop.models import ModelCard, TokenCheck, read_card, template_hash
from tuneloop.models.probes import token_check
from tuneloop.models.weights import load_tokenizer
from tuneloop.stage import Context

if TYPE_CHECKING:
    from tuneloop.compress.delta import Delta


@dataclass
class Source:
    """Where the weights are, what is added to them, and what the model says of itself."""

    own: ModelCard  # of the model that was named
    folder: Path  # of the whole model
    base: ModelCard  # of the whole model, with the chat template of the one that was named
    delta: Delta | None
    available: int  # bytes of memory

    def precision(self) -> str:
        """The 16-bit (or 32-bit) type that the base has, for a merged copy; bf16 for what was quantised."""
        return self.base.quantization if self.base.quantization in ("f16", "f32") else "bf16"

    def reference_precision(self) -> str:
        """f32 where that fits into memory, else bf16. Raises ``TuneloopError`` where that does not fit either."""
        runtime = 700 << 20
        for precision, size in (("f32", 4), ("bf16", 2)):
            need = self.base.parameters * size * 5 // 4 + runtime
            if need <= self.available:
                return precision
        message = _("comparing this model with its source needs about {need} MiB of memory, and {have} MiB are free")
        raise TuneloopError(
            message.format(need=need >> 20, have=self.available >> 20), hint=_("Leave the check out: --no-check")
        )

    @cached_property
    def checks(self) -> list[TokenCheck]:
        """The conversations that are compared: those of the trainer, else our own."""
        return self.own.token_check or token_check(self.base, load_tokenizer(self.folder, self.base))

    def card(self, address: str, **facts: Any) -> ModelCard:
        """The card of what is made from this model."""
        clean = {"file": "", "sha256": {}, "source": "", "parameters": self.base.parameters, "base": address}
        template = {"template_sha256": template_hash(self.own.chat_template), "token_check": self.checks}
        return self.own.model_copy(update={**clean, **template, **facts})


def open_source(ctx: Context, address: str) -> Source:
    """Find the weights behind a model's address. Raises ``TuneloopError`` where its base is gone."""
    from tuneloop.compress.delta import Delta

    folder = ctx.path(address)
    own = read_card(folder)
    if own.format != "adapter":
        return Source(own, folder, own, None, available_memory())
    try:
        base_folder = ctx.path(own.base)
    except NotFound:
        hint = _("Pull the base model again, or train anew.")
        raise NotFound(_("the base of this adapter is not in this workspace"), where=own.base[:18], hint=hint) from None
    base = read_card(base_folder)
    if base.format == "adapter":
        raise TuneloopError(_("the base of this adapter is itself an adapter"), where=own.base[:18])
    base = base.model_copy(update={"chat_template": own.chat_template})
    return Source(own, base_folder, base, Delta.read(folder), available_memory())
