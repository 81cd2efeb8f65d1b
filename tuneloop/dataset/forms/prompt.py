"""A prompt with what a reward is computed from: ``prompt`` and ``ground_truth``, ``solution`` or ``reward_model``."""

from __future__ import annotations

from typing import Any

from tuneloop.dataset.carried import Carried, as_json, rest
from tuneloop.dataset.conversations import answers, said_by_users
from tuneloop.dataset.forms import SURE, Columns, Form, Values
from tuneloop.dataset.turn import BadRow
from tuneloop.language import stored

PROMPT, FACTS = ("prompt", "problem", "query"), ("ground_truth", "solution", "reward_model", "facts", "verifier")


def there(values: Values, keys: tuple[str, ...]) -> list[str]:
    return [key for key in keys if values.get(key) not in (None, "", [], {})]


def knows(values: Values) -> int:
    return SURE if there(values, PROMPT) and there(values, FACTS) and not answers(values) else 0


def read(values: Values, columns: Columns) -> Carried:
    prompts, keys = there(values, PROMPT), there(values, FACTS)
    if not prompts:
        raise BadRow(stored("no question"))
    if not keys:
        raise BadRow(stored("nothing that a reward is computed from"))
    facts: dict[str, Any] = {}
    for key in keys:
        value = as_json(values[key])
        facts |= value if key == "facts" and isinstance(value, dict) else {key: value}
    fields = {"shape": "prompt", "messages": said_by_users(values[prompts[0]], prompts[0]), "facts": facts}
    return rest(Carried(fields), values, [prompts[0], *keys])


FORM = Form(knows, read)
