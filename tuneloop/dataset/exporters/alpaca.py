"""Alpaca: ``instruction``, an empty ``input`` and ``output``; ``system``, and earlier exchanges as ``history``."""

from __future__ import annotations

from tuneloop.dataset.exporters import Exporter, NoPlace, Row
from tuneloop.language import stored
from tuneloop.records import Example, Message


def row(example: Example) -> Row:
    system, pairs = exchanges(example.messages)
    *before, (question, answer) = pairs
    found: Row = {"instruction": question, "input": "", "output": answer}
    found |= {"system": system} if system else {}
    return found | ({"history": [list(pair) for pair in before]} if before else {})


def exchanges(messages: list[Message]) -> tuple[str, list[tuple[str, str]]]:
    """What the system says, and each question with its answer. Raises ``NoPlace`` for any other order."""
    opens = bool(messages) and messages[0].role == "system"
    said = messages[opens:]
    if not said or [m.role for m in said] != ["user", "assistant"] * (len(said) // 2):
        raise NoPlace(stored("other turns than a question and its answer have no place in it"))
    texts = [message.content for message in said]
    return messages[0].content if opens else "", list(zip(texts[::2], texts[1::2], strict=True))


EXPORTER = Exporter(row, frozenset(("messages",)))
