"""Messages as the OpenAI API has them: ``messages``, a list of ``{"role": …, "content": …}``."""

from __future__ import annotations

from tuneloop.dataset.conversations import SAID, has_turns, preferred, said
from tuneloop.dataset.forms import LIKELY, SURE, Form, Values
from tuneloop.dataset.turn import read_turns
from tuneloop.records import Message


def knows(values: Values) -> int:
    return SURE if has_turns(values, SAID, "role") else LIKELY if has_turns(values, ("chosen",), "role") else 0


def read_openai(values: Values) -> list[Message]:
    """``messages``: a list of ``{"role": …, "content": …}``; or the whole conversation as the ``chosen`` one."""
    turns = values.get("messages", values.get("conversations"))
    if turns is None and isinstance(values.get("chosen"), list):
        return read_turns(values["chosen"], "role", "content")
    return read_turns(turns, "role", "content") + preferred(values, "role", "content")


FORM = Form(knows, said(read_openai, ()))
