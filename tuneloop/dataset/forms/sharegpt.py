"""ShareGPT: ``conversations``, a list of ``{"from": …, "value": …}``."""

from __future__ import annotations

from tuneloop.dataset.conversations import SAID, has_turns, opening, preferred, said
from tuneloop.dataset.forms import SURE, Form, Values
from tuneloop.dataset.turn import read_turns, text_of
from tuneloop.records import Message


def knows(values: Values) -> int:
    return SURE if has_turns(values, SAID, "from") else 0


def read_sharegpt(values: Values) -> list[Message]:
    """``conversations``: a list of ``{"from": …, "value": …}``."""
    turns = values.get("conversations", values.get("conversation", values.get("messages")))
    messages = opening(text_of(values.get("system"), "system"))
    return messages + read_turns(turns, "from", "value") + preferred(values, "from", "value")


FORM = Form(knows, said(read_sharegpt, ("system",)))
