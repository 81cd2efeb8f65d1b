"""LoRA with a scale that keeps high ranks learning: alpha / √rank instead of alpha / rank (Kalajdzievski 2023)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from tuneloop.train.methods.lora import Lora


class RankStabilisedLora(Lora):
    """LoRA whose update is scaled by alpha / √rank, so that a high rank learns no slower than a low one."""

    name: ClassVar[str] = "rslora"
    rank_stabilised: ClassVar[bool] = True

    alpha: int = Field(16, ge=1, description="Scale of the LoRA update; it is multiplied by alpha / √rank.")
