"""A query with the passages that answer it, and some that do not: ``query``, ``positive`` and ``negative``."""

from __future__ import annotations

from typing import Any

from tuneloop.dataset.carried import Carried, rest
from tuneloop.dataset.conversations import answers
from tuneloop.dataset.forms import SURE, Columns, Form, Values
from tuneloop.dataset.turn import BadRow, text_of
from tuneloop.language import stored

QUERY = ("query", "anchor", "question", "查询", "问题")
POSITIVE = ("positive", "positives", "pos", "positive_passages", "正例")
NEGATIVE = ("negative", "negatives", "neg", "negative_passages", "hard_negatives", "负例")


def there(values: Values, keys: tuple[str, ...]) -> str:
    return next((key for key in keys if values.get(key)), "")


def knows(values: Values) -> int:
    return SURE if there(values, QUERY) and there(values, POSITIVE) and not answers(values) else 0


def read(values: Values, columns: Columns) -> Carried:
    query, positive, negative = (there(values, keys) for keys in (QUERY, POSITIVE, NEGATIVE))
    if not query:
        raise BadRow(stored("no question"))
    if not positive:
        raise BadRow(stored("no passage that answers the query"))
    fields = {
        "shape": "retrieval", "query": text_of(values[query], query), "positives": passages(values[positive], positive),
        "negatives": passages(values.get(negative) or [], negative),
    }  # fmt: skip
    return rest(Carried(fields), values, [query, positive, negative])


def passages(value: Any, key: str) -> list[str]:
    """Texts, or objects with a text, as a list."""
    given = value if isinstance(value, list) else [value]
    return [text_of(one.get("text") if isinstance(one, dict) else one, key) for one in given]


FORM = Form(knows, read)
