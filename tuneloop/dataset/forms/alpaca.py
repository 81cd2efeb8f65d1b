"""Alpaca: ``instruction``, ``input`` and ``output``; a better and a worse answer as ``chosen`` and ``rejected``."""

from __future__ import annotations

from tuneloop.dataset.conversations import exchange, opening, said
from tuneloop.dataset.forms import LIKELY, Form, Values
from tuneloop.dataset.turn import BadRow, text_of
from tuneloop.language import stored
from tuneloop.records import Message

UNDERSTOOD = ("instruction", "input", "output", "response", "system", "history")


def knows(values: Values) -> int:
    return LIKELY if "instruction" in values and {"output", "response", "chosen"} & values.keys() else 0


def read_alpaca(values: Values) -> list[Message]:
    """``instruction``, ``input``, ``output``, and where they are there ``system`` and ``history``."""
    messages = opening(text_of(values.get("system"), "system"))
    for turn in values.get("history") or []:
        if not isinstance(turn, list | tuple) or len(turn) != 2:
            raise BadRow(stored("history must be a list of pairs of question and answer"))
        messages += exchange(text_of(turn[0], "history"), text_of(turn[1], "history"))
    asked = [text_of(values.get(key), key) for key in ("instruction", "input")]
    answer = values.get("output", values.get("response", values.get("chosen")))
    return messages + exchange("\n\n".join(part for part in asked if part), text_of(answer, "output"))


FORM = Form(knows, said(read_alpaca, UNDERSTOOD))
