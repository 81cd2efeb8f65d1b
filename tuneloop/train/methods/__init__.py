"""How the weights of a model are changed: each method a file, chosen by ``train --method NAME``.

A package adds a method through the entry point group ``tuneloop.training_methods``: ``name = module:Class``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from tuneloop.choice import Choice, Part, check_part
from tuneloop.doors import Door
from tuneloop.language import _

if TYPE_CHECKING:
    from tuneloop.train.memory import Shape


class TrainingMethod(Part, ABC):
    """Base of a method: from its fields it makes PEFT's configuration of an adapter.

    The class is read to print help and forms, so what is heavy is imported inside its functions. What it makes must be
    an adapter that ``compress`` can merge: plain LoRA, or LoRA with the rank-stabilised scale.
    """

    @abstractmethod
    def adapter(self) -> Any:
        """The configuration, a ``peft.PeftConfig``."""

    @abstractmethod
    def trained(self, shape: Shape) -> int:
        """How many numbers are trained in a model of this shape: what the memory that is needed is told from."""

    def attach(self, model: Any, *, seed: int) -> Any:
        """The model with a fresh adapter; all else is frozen. ``seed`` fixes the first weights."""
        import peft
        import torch

        torch.manual_seed(seed)
        return peft.get_peft_model(model, self.adapter(), autocast_adapter_dtype=False)


def check_method(name: str, part: Any) -> None:
    check_part(name, part, TrainingMethod)


def absent(name: str) -> str:
    return _("there is no training method {name!r}").format(name=name)


BUILT_IN = {
    "lora": "tuneloop.train.methods.lora:Lora",
    "rslora": "tuneloop.train.methods.rslora:RankStabilisedLora",
}
METHODS: Door[type[TrainingMethod]] = Door("tuneloop.training_methods", BUILT_IN, check=check_method, absent=absent)
METHOD = Choice(METHODS, "lora")
