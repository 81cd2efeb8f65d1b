"""Text alone, to go on learning a language or a field from: ``{"text": …}``."""

from __future__ import annotations

from tuneloop.dataset.carried import Carried, rest
from tuneloop.dataset.forms import MAYBE, Columns, Form, Values
from tuneloop.dataset.turn import BadRow, text_of
from tuneloop.language import stored

KEYS = ("text", "content", "文本", "正文")


def knows(values: Values) -> int:
    return MAYBE if any(isinstance(values.get(key), str) for key in KEYS) else 0


def read(values: Values, columns: Columns) -> Carried:
    key = next((key for key in KEYS if values.get(key)), "")
    text = text_of(values.get(key), key)
    if not text:
        raise BadRow(stored("no text"))
    return rest(Carried({"shape": "text", "text": text}), values, [key])


FORM = Form(knows, read)
