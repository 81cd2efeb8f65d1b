"""LoRA (Hu et al. 2021): small matrices beside every linear layer but the output; all else is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from tuneloop.train.methods import TrainingMethod

if TYPE_CHECKING:
    from tuneloop.train.memory import Shape


class Lora(TrainingMethod):
    """LoRA: small matrices beside every linear layer, scaled by alpha / rank."""

    name: ClassVar[str] = "lora"
    rank_stabilised: ClassVar[bool] = False

    rank: int = Field(16, ge=1, le=1024, description="Rank of the LoRA matrices.")
    alpha: int = Field(32, ge=1, description="Scale of the LoRA update; it is multiplied by alpha / rank.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of the adapter's inputs that is dropped.")

    def adapter(self) -> Any:
        import peft

        return peft.LoraConfig(
            r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout, target_modules="all-linear", bias="none",
            task_type="CAUSAL_LM", use_rslora=self.rank_stabilised,
        )  # fmt: skip

    def trained(self, shape: Shape) -> int:
        return self.rank * shape.adapted
