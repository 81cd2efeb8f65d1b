"""What a training leaves behind: the preview, a row for each example, the adapter, the card and the curves.

Nothing here holds a time or a speed: the same training gives the same bytes.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuneloop.kinds.model import LAST, TRAINED
from tuneloop.models import ModelCard, template_hash, write_card
from tuneloop.models.probes import token_check
from tuneloop.records import Trained
from tuneloop.train.lesson import Lesson
from tuneloop.train.lessons import Lessons
from tuneloop.train.preview import preview_page

if TYPE_CHECKING:
    from tuneloop.models.weights import Tokenizer
    from tuneloop.train.checkpoint import Progress
    from tuneloop.train.packing import Steps


def write_preview(out: Path, learned: Lessons, steps: Steps, tokenizer: Tokenizer) -> None:
    """The page that shows which tokens are learned."""

    def lesson(number: int) -> Lesson:
        found = learned[number]
        found.offsets = tokenizer.encode(found.text)[1][: len(found)]
        return found

    page = preview_page(
        ([lesson(number) for number in step] for step in steps), tokenizer.control_tokens, count=len(learned),
        total=sum(learned.tokens), learned=sum(learned.learned),
    )  # fmt: skip
    (out / "preview.html").write_text(page, encoding="utf-8")


def write_rows_trained(out: Path, learned: Lessons, times: Sequence[int], held_out: Lessons) -> None:
    """Which examples the model has learned from: lineage forward, from an example to its models.

    ``times``: how many steps that were done had each lesson; one that none had was not learned.
    """

    def row(x: Lesson, part: Literal["train", "validation"], count: int) -> Trained:
        found = Trained(example=x.id, dataset=x.dataset, part=part, tokens=len(x), learned_tokens=x.learned_tokens)
        return found.model_copy(update={"times": count})

    rows = (row(learned[number], "train", count) for number, count in enumerate(times) if count)
    TRAINED.write(out, chain(rows, (row(x, "validation", 0) for x in held_out)))


def write_model(out: Path, progress: Progress, steps: int, base: ModelCard, *, address: str, system_prompt: str,
                passages: int, tokenizer: Tokenizer, parameters: dict[str, Any]) -> ModelCard:  # fmt: skip
    """The adapter's tokenizer, the curves and the card. ``address``: of the base model."""
    tokenizer.save(out)
    curves = {"loss": progress.losses, "validation_loss": progress.validation}
    facts = {"parameters": parameters, "steps": steps, **curves}
    (out / "training.json").write_text(json.dumps(facts, ensure_ascii=False) + "\n", encoding="utf-8")
    own = {"format": "adapter", "base": address, "file": "", "sha256": {}, "quantization": "", "source": ""}
    prompt = {
        "system_prompt": system_prompt,
        "passages": passages or base.passages,
        "template_sha256": template_hash(base.chat_template),
    }
    card = base.model_copy(update={**own, **prompt, "token_check": token_check(base, tokenizer)})
    write_card(out, card)
    return card


def summary(card: ModelCard, progress: Progress, learned: Lessons, times: Sequence[int],
            held_out: Lessons) -> dict[str, Any]:  # fmt: skip
    """What is said of the model: small, and the same for the same training. Tokens are those of one reading."""
    last = [loss for _step, loss in progress.losses[-LAST:]]
    seen = array("I", (number for number, count in enumerate(times) if count))
    found: dict[str, Any] = {
        "name": card.name, "format": card.format, "base": card.base, "examples": len(seen), "steps": progress.step,
        "held_out": len(held_out), "tokens": sum(learned.tokens[number] for number in seen),
        "learned_tokens": sum(learned.learned[number] for number in seen), "loss": round(sum(last) / len(last), 4),
    }  # fmt: skip
    if len(seen) < len(learned):
        found["not_reached"] = len(learned) - len(seen)  # by the steps that were done
    if progress.validation:
        found["validation_loss_before"] = round(progress.validation[0][1], 4)
        found["validation_loss"] = round(progress.validation[-1][1], 4)
    return found
