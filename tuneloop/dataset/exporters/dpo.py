"""Preference pairs as trainers of DPO read them: ``chosen`` and ``rejected``, each a whole conversation.

What was asked is what both begin with. Calls have their arguments as values, as chat templates read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuneloop.dataset.exporters import Exporter, NoPlace, Row
from tuneloop.language import stored
from tuneloop.records import Example, Message


def row(example: Example) -> Row:
    if not example.messages:
        raise NoPlace(stored("a pair of answers to nothing has no place in it"))
    ends = {"chosen": example.chosen, "rejected": example.rejected}
    found: Row = {name: turns([*example.messages, *end]) for name, end in ends.items()}
    return found | ({"tools": example.tools} if example.tools else {})


def turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    weights = [{} if message.weight is None else {"weight": message.weight} for message in messages]
    return [message.as_said() | weight for message, weight in zip(messages, weights, strict=True)]


CARRIES = frozenset(
    ("messages", "chosen", "rejected", "tools", "tool_calls", "tool_call_id", "name", "reasoning", "weight")
)
EXPORTER = Exporter(row, CARRIES, shapes=("preference",))
