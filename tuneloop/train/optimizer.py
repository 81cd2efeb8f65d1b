"""AdamW with float32 copies of 16-bit weights: an update of a thousandth part is not lost in rounding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


class MasterAdamW(torch.optim.AdamW):
    """Keeps and updates float32 copies of ``live`` parameters, and rounds the result into them after each step."""

    def __init__(self, live: Iterable[torch.nn.Parameter], **options: Any) -> None:
        self.live = [p for p in live if p.requires_grad]
        super().__init__([p.detach().float().clone().requires_grad_() for p in self.live], **options)

    @property
    def masters(self) -> list[torch.Tensor]:
        return self.param_groups[0]["params"]

    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        for master, live in zip(self.masters, self.live, strict=True):
            master.grad = None if live.grad is None else live.grad.float()
        loss = super().step(closure)
        self.publish()
        return loss

    @torch.no_grad()
    def publish(self) -> None:
        """Round the float32 weights into the live ones."""
        for master, live in zip(self.masters, self.live, strict=True):
            live.copy_(master)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for parameter in (*self.live, *self.masters):
            parameter.grad = None

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything that the next step depends on, by name: what a checkpoint holds."""
        found = {}
        for number, master in enumerate(self.masters):
            found[f"master.{number}"] = master.detach()
            for name, value in self.state.get(master, {}).items():
                found[f"{name}.{number}"] = value
        return found

    @torch.no_grad()
    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """The inverse of ``tensors()``. Raises ``KeyError`` or ``RuntimeError`` where they are of another model."""
        for number, master in enumerate(self.masters):
            master.copy_(tensors[f"master.{number}"])
            names = [name for name in ("step", "exp_avg", "exp_avg_sq") if f"{name}.{number}" in tensors]
            if names:
                self.state[master] = {
                    name: tensors[f"{name}.{number}"].to(master.device if name != "step" else "cpu").clone()
                    for name in names
                }
        self.publish()
