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
ANSWER = ("answer", "answerKey", "answer_key", "right", "label", "correct", "target", "答案")
LETTERS = "ABCDEFGH"


def first(values: Values, keys: tuple[str, ...]) -> str:
    return next((key for key in keys if values.get(key) not in (None, "", [])), "")


def read(values: Values, columns: Columns) -> Carried:
    question, answer = first(values, QUESTION), first(values, ANSWER)
    keys, labels, choices = choices_in(values)
    if len(choices) < 2:
        raise BadRow(stored("fewer than two choices"))
    if not answer:
        raise BadRow(stored("no answer"))
    right = sorted(right_ones(values[answer], labels, choices))
    said = exchange(text_of(values.get(question), question), "\n".join(choices[number] for number in right))
    fields = {"shape": "choices", "messages": said, "choices": choices, "right": right}
    return rest(Carried(fields), values, [question, answer, *keys])


def choices_in(values: Values) -> tuple[list[str], list[str], list[str]]:
    """The keys that hold the choices, what each choice is called, and the choices. An empty one is none."""
    key = first(values, CHOICES)
    held: Any = values.get(key)
    if isinstance(held, dict) and isinstance(held.get("text"), list):  # {"text": […], "label": […]}
        texts, names = held["text"], held.get("label") or held.get("labels") or LETTERS
    elif isinstance(held, dict):  # {"A": …, "B": …}
        texts, names = list(held.values()), list(held)
    elif isinstance(held, list):
        texts, names = held, LETTERS
    else:
        key, names = "", [letter for letter in LETTERS if letter in values]
        texts = [values[letter] for letter in names]
    if len(names) < len(texts):
        names = [*names, *map(str, range(len(names), len(texts)))]
    named = [(str(name).strip(), text_of(text, key or str(name))) for name, text in zip(names, texts, strict=False)]
    kept = [(name, text) for name, text in named if text]
    return [key] if key else [str(name) for name in names], [name for name, _t in kept], [text for _n, text in kept]


def right_ones(value: Any, labels: list[str], choices: list[str]) -> set[int]:
    """The right choices, counted from 0: by text, by what they are called, or by number. Raises ``BadRow``."""
    if isinstance(value, list):
        return {number for one in value for number in right_ones(one, labels, choices)}
    text = str(value).strip()
    if text in choices:
        return {choices.index(text)}
    if text.upper() in labels:
        return {labels.index(text.upper())}
    if text in labels:
        return {labels.index(text)}
    if text.isdecimal() and int(text) < len(choices) and not isinstance(value, bool):
        return {int(text)}
    several = [part for part in text.upper().replace("、", ",").replace(" ", ",").split(",") if part]
    several = list(several[0]) if len(several) == 1 else several  # AC, or A, C
    if several and all(part in labels for part in several):
        return {labels.index(part) for part in several}
    raise BadRow(stored("the right choice is not among the choices"), text[:40])


FORM = Form(lambda values: 0, read)
