"""The losses that a trained model's summary holds, each with a name that says over what it is and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneloop.language import _

LAST = 10  # steps over whose losses the training loss of a summary is the mean
LOSSES = ("loss", "validation_loss_before", "validation_loss")  # of the summary


def losses(summary: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Name and value of each loss that there is."""
    last, held = min(LAST, summary.get("steps") or LAST), summary.get("held_out") or 0
    named = {
        "loss": _("training loss, mean of the last {steps} steps").format(steps=last),
        "validation_loss_before": _("validation loss before training, {held} held out").format(held=held),
        "validation_loss": _("validation loss after training, {held} held out").format(held=held),
    }
    return [(named[name], summary[name]) for name in LOSSES if isinstance(summary.get(name), (int, float))]
