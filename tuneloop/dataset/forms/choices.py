"""An exam item with choices: ``question``, ``choices`` or ``A`` to ``H``, and the right one by letter, number or text.

It is never detected: rows like these are questions with answers too. ``--format choices`` asks for it.
"""

from __future__ import annotations

from typing import Any

from tuneloop.dataset.carried import Carried, rest
from tuneloop.dataset.conversations import exchange
from tuneloop.dataset.forms import Columns, Form, Values
from tuneloop.dataset.turn import BadRow, text_of
from tuneloop.language import stored

QUESTION, CHOICES = ("question", "query", "问题", "题目"), ("choices", "options", "选项")
ANSWER, LETTERS = ("answer", "right", "label", "correct", "target", "答案"), "ABCDEFGH"


def first(values: Values, keys: tuple[str, ...]) -> str:
    return next((key for key in keys if values.get(key) not in (None, "", [])), "")


def read(values: Values, columns: Columns) -> Carried:
    question, answer = first(values, QUESTION), first(values, ANSWER)
    keys, choices = choices_in(values)
    if len(choices) < 2:
        raise BadRow(stored("fewer than two choices"))
    if not answer:
        raise BadRow(stored("no answer"))
    given = values[answer]
    right = sorted({number for one in parted(given) for number in [number_of(one, choices)]})
    said = exchange(text_of(values.get(question), question), "\n".join(choices[number] for number in right))
    fields = {"shape": "choices", "messages": said, "choices": choices, "right": right}
    return rest(Carried(fields), values, [question, answer, *keys])


def choices_in(values: Values) -> tuple[list[str], list[str]]:
    """The keys that hold the choices, and the choices."""
    key = first(values, CHOICES)
    held: Any = values.get(key)
    if isinstance(held, dict):  # {"A": …} or {"text": […], "label": […]}
        held = held["text"] if isinstance(held.get("text"), list) else [held[name] for name in sorted(held)]
    if isinstance(held, list):
        return [key], [text_of(one, key) for one in held]
    lettered = [letter for letter in LETTERS if values.get(letter) not in (None, "")]
    return lettered, [text_of(values[letter], letter) for letter in lettered]


def parted(value: Any) -> list[Any]:
    """The right ones: a list, or letters such as ``AC`` and ``A, C``."""
    if isinstance(value, list):
        return value
    letters = str(value).replace(",", "").replace("、", "").replace(" ", "").upper()
    return list(letters) if isinstance(value, str) and letters and set(letters) <= set(LETTERS) else [value]


def number_of(value: Any, choices: list[str]) -> int:
    """Which choice is meant, counted from 0. Raises ``BadRow``."""
    text = str(value).strip()
    if text in choices:
        return choices.index(text)
    number = LETTERS.find(text.upper()) if len(text) == 1 and text.isalpha() else -1
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif text.isdecimal():
        number = int(text)
    if 0 <= number < len(choices):
        return number
    raise BadRow(stored("the right choice is not among the choices"), text[:40])


FORM = Form(lambda values: 0, read)
