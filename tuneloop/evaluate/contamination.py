"""Questions of an exam that a model has learned, which would measure its memory: they are named and left out.

Which two questions are taken for one is told in ``alike``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuneloop.errors import NotFound, TuneloopError
from tuneloop.evaluate.alike import Questions
from tuneloop.kinds.model import TRAINED

if TYPE_CHECKING:
    from pathlib import Path

    from tuneloop.evaluate.items import Item
    from tuneloop.records import Example
    from tuneloop.stage import Context

PROMPT_END = "</passages>"  # what stands before the question where it is asked with passages


def turns(example: Example) -> list[str]:
    """What was asked up to each answer of a conversation: a follow-up such as "Why?" asks with what came before."""
    asked: list[str] = []
    found: list[str] = []
    for message in example.conversation:
        if message.role == "user":
            asked.append(bare(message.content))
        elif message.role == "assistant" and asked:
            found.append("\n".join(asked))
    return found


def bare(text: str) -> str:
    """The question itself, where it is asked with passages."""
    from tuneloop.answer.prompt import QUESTION

    _before, found, question = text.rpartition(PROMPT_END)
    if not found:
        return text
    question = question.strip()
    for template in QUESTION.values():
        question = question.removeprefix(template.partition("{}")[0])
    return question


@dataclass
class Learned:
    """What a model and all that it was made from were trained to answer, as far as it is still known."""

    questions: Questions = field(default_factory=Questions)
    gone: list[str] = field(default_factory=list)  # short addresses of what would tell more, and was removed


def learned_by(ctx: Context, model: str) -> Learned:
    """Read ``trained.parquet`` of a model, of the one it was compressed from, and of that one's base, to the end."""
    from tuneloop.address import Address
    from tuneloop.models import read_card

    found, passed = Learned(), set[str]()
    while model not in passed:
        passed.add(model)
        try:
            address = Address.parse(model)
        except TuneloopError:
            break  # an endpoint, or a name of a hub: nothing of it was trained here
        try:
            folder = ctx.path(model)
        except NotFound:
            found.gone.append(address.short)
            break
        if TRAINED.path(folder).is_file():
            read_trained(ctx, folder, found)
        if not (folder / "model.json").is_file():
            break
        model = read_card(folder).base
    return found


def read_trained(ctx: Context, folder: Path, found: Learned) -> None:
    """The questions of the rows that a training learned from; validation rows were only measured."""
    import pyarrow.parquet as pq

    from tuneloop.address import Address
    from tuneloop.kinds.dataset import EXAMPLES
    from tuneloop.stage import read_table

    rows: dict[str, set[str]] = defaultdict(set)
    table = pq.read_table(TRAINED.path(folder), columns=["example", "dataset", "part"])
    for row in table.to_pylist():
        if row["part"] == "train":
            rows[row["dataset"]].add(row["example"])
    for dataset, ids in rows.items():
        try:
            for example in read_table(ctx, dataset, EXAMPLES):
                if example.id in ids:
                    for question in turns(example):
                        found.questions.add(question)
        except NotFound:
            found.gone.append(Address.parse(dataset).short)


def mark_seen(examples: Sequence[Example], items: Sequence[Item], learned: Sequence[Learned]) -> None:
    """Note on each item the learned question that is the same as its own, whichever model learned it."""
    for example, item in zip(examples, items, strict=True):
        asked = turns(example)[-1]
        item.learned = next((found for known in learned if (found := known.questions.find(asked))), "")


def account(items: Sequence[Item], learned: Sequence[Learned]) -> dict[str, Any]:
    """What was left out because a model had learned it, and of what nobody can say any more whether it was."""
    out = [item for item in items if item.learned]
    rows = [{"id": item.id, "question": item.question, "learned": item.learned} for item in out]
    return {"count": len(out), "items": rows, "gone": sorted({name for known in learned for name in known.gone})}
