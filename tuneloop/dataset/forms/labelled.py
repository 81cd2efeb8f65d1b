"""A text with its label, or several: ``{"text": …, "label": …}``."""

from __future__ import annotations

from typing import Any

from tuneloop.dataset.carried import Carried, rest
from tuneloop.dataset.conversations import answers
from tuneloop.dataset.forms import LIKELY, Columns, Form, Values
from tuneloop.dataset.turn import BadRow, text_of
from tuneloop.language import stored

TEXT, LABELS = ("text", "sentence", "文本"), ("label", "labels", "category", "标签", "类别")


def found(values: Values, keys: tuple[str, ...]) -> str:
    return next((key for key in keys if values.get(key) not in (None, "", [])), "")


def knows(values: Values) -> int:
    if answers(values):
        return 0
    return LIKELY if isinstance(values.get(found(values, TEXT)), str) and found(values, LABELS) else 0


def read(values: Values, columns: Columns) -> Carried:
    text, label = found(values, TEXT), found(values, LABELS)
    if not text:
        raise BadRow(stored("no text"))
    if not label:
        raise BadRow(stored("no label"))
    given: Any = values[label]
    labels = [named(one) for one in (given if isinstance(given, list) else [given])]
    shaped = Carried({"shape": "labelled", "text": text_of(values[text], text), "labels": labels})
    return rest(shaped, values, [text, label])


def named(value: Any) -> str:
    """A label as text: true and false are labels too."""
    return str(value).lower() if isinstance(value, bool) else text_of(value, "label")


FORM = Form(knows, read)
