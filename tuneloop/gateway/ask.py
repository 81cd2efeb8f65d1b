"""A chat request as it came: checked as far as the gateway needs it, and otherwise left as it is."""

import json
import math
from dataclasses import dataclass
from typing import Any

from tuneloop.foreign import told
from tuneloop.gateway.problem import Problem
from tuneloop.gateway.record import clean
from tuneloop.language import _
from tuneloop.text.tokens import estimate_tokens

LIMITS = ("max_tokens", "max_completion_tokens", "n_predict")  # how long an answer may get, as servers call it
ROLES = ("system", "developer", "user", "assistant", "tool", "function")


class NotJson(ValueError):
    """A value that Python would read and JSON does not have."""


@dataclass
class Ask:
    """The body of ``POST /v1/chat/completions``."""

    body: dict[str, Any]
    model: str
    messages: list[dict[str, Any]]
    stream: bool


def parse_object(data: bytes) -> dict[str, Any]:
    """A request's JSON object. Raises ``Problem`` 400."""
    try:
        body = json.loads(data, parse_float=finite, parse_constant=finite)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, NotJson) else told(error)
        raise Problem(400, _("the body is not valid JSON: {}").format(reason)) from None
    if not isinstance(body, dict):
        raise Problem(400, _("the body must be a JSON object"))
    return body


def finite(text: str) -> float:
    """A number as JSON has them: NaN and infinity, which Python would read, nobody below can be sent."""
    value = float(text)
    if not math.isfinite(value):
        raise NotJson(_("{} is not a number of JSON").format(text[:20]))
    return value


def parse_ask(data: bytes) -> Ask:
    """A chat request. Raises ``Problem`` 400 with the field that is wrong."""
    body = parse_object(data)
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Problem(400, _("'model' must name a model; GET /v1/models lists them"), param="model")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Problem(400, _("'messages' must be a list of at least one message"), param="messages")
    for number, message in enumerate(messages):
        check_message(message, f"messages[{number}]")
    if not isinstance(body.get("stream") or False, bool):
        raise Problem(400, _("'stream' must be true or false"), param="stream")
    if not isinstance(body.get("stream_options") or {}, dict):
        raise Problem(400, _("'stream_options' must be an object"), param="stream_options")
    for name in LIMITS:
        check_limit(body.get(name), name)
    return Ask(body, model, messages, bool(body.get("stream")))


def check_limit(most: Any, name: str) -> None:
    """Refuse what would let an answer go on until the context is full, such as -1 for llama.cpp."""
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise Problem(400, _("{!r} must be a number of at least 1").format(name), param=name)


def check_message(message: Any, where: str) -> None:
    if not isinstance(message, dict):
        raise Problem(400, _("{} must be an object").format(where), param=where)
    if message.get("role") not in ROLES:
        said = json.dumps(message.get("role"), ensure_ascii=False)[:60]
        raise Problem(400, _("{}: there is no role {}").format(where, said), param=f"{where}.role")
    content = message.get("content")
    may_be_nothing = message["role"] in ("assistant", "tool", "function")  # a call, or a result of nothing
    if not isinstance(content, str | list) and not (content is None and may_be_nothing):
        raise Problem(400, _("{}: 'content' must be text").format(where), param=f"{where}.content")


def plain_messages(messages: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The messages as role and text, for an answer with citations. Raises ``Problem`` 400 for what is not text."""
    plain = []
    for number, message in enumerate(messages):
        role = {"developer": "system", "function": "tool"}.get(message["role"], message["role"])
        plain.append({"role": role, "content": clean(text_of(message.get("content"), f"messages[{number}]"))})
    if not any(m["role"] == "user" and m["content"].strip() for m in plain):
        raise Problem(400, _("there is no question: no message of the user has text"), param="messages")
    return plain


def latest(messages: list[dict[str, str]], tokens: int) -> list[dict[str, str]]:
    """The messages without the oldest turns that ``tokens`` do not hold. System messages and the question stay."""
    asked = max(n for n, message in enumerate(messages) if message["role"] == "user")
    stays = [n >= asked or message["role"] == "system" for n, message in enumerate(messages)]
    left = tokens - sum(cost(message) for message, must in zip(messages, stays, strict=True) if must)
    kept = []
    for message, must in zip(reversed(messages), reversed(stays), strict=True):
        left -= 0 if must else cost(message)
        if must or left >= 0:
            kept.append(message)
    return kept[::-1]


def cost(message: dict[str, str]) -> int:
    return estimate_tokens(message["content"]) + 8  # the template's part


def text_of(content: Any, where: str) -> str:
    if not isinstance(content, list):
        return content or ""
    texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
    if len(texts) != len(content) or not all(isinstance(text, str) for text in texts):
        raise Problem(400, _("{}: this model reads text only").format(where), param=where)
    return "\n".join(texts)  # type: ignore[arg-type]
