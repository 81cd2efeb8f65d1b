"""A question and an answer in two columns, by whatever names; of a table, or of objects with these keys."""

from __future__ import annotations

from tuneloop.answer.prompt import REFUSAL, answering
from tuneloop.dataset.carried import Carried
from tuneloop.dataset.conversations import conversation, exchange, find_columns, is_answerable, opening
from tuneloop.dataset.forms import MAYBE, Columns, Form, Values
from tuneloop.dataset.turn import text_of
from tuneloop.records import Message


def knows(values: Values) -> int:
    found = find_columns(values)
    return MAYBE if "question" in found and "answer" in found else 0


def read_columns(values: Values, columns: Columns) -> list[Message]:
    """A question and an answer in two columns."""
    question, answer = (text_of(values.get(columns[key]), columns[key]) for key in ("question", "answer"))
    if not answer and question and is_answerable(values, columns) is False:
        answer = REFUSAL[answering(question)]  # what the gateway says is what is learned
    return opening(text_of(values.get(columns.get("system", "")), "system")) + exchange(question, answer)


def read(values: Values, columns: Columns) -> Carried:
    return conversation(read_columns(values, columns), values, tuple(columns.values()), columns)


FORM = Form(knows, read, by_columns=True)
