"""One turn of somebody else's conversation as a message: its text, and what there is beside it.

``BadRow`` says why a row cannot be used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tuneloop.language import stored
from tuneloop.records import Message, Part, ToolCall

ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "chatgpt": "assistant", "model": "assistant",
    "tool": "tool", "function": "tool", "function_response": "tool", "observation": "tool", "ipython": "tool",
}  # fmt: skip
CALLING = ("function_call", "tool_call")  # roles whose text is a call
NOT_LEARNED = ("loss", "weight", "train")  # of an answer: false or 0 where it is to be read and not to be learned
REASONING = ("reasoning_content", "reasoning", "thinking")
MEDIA = {"image_url": "image", "input_audio": "audio", "audio_url": "audio", "video_url": "video"}
KNOWN = frozenset(
    (
        "role",
        "from",
        "content",
        "value",
        "tool_calls",
        "function_call",
        "tool_call_id",
        "name",
        *NOT_LEARNED,
        *REASONING,
    )
)


class BadRow(Exception):
    """This row is set aside: ``reason`` says why, so that such rows can be counted, and ``detail`` what it was."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def text_of(value: Any, what: str) -> str:
    """A cell as text, without space around it. Raises for anything that is neither text nor a number."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRow(stored("a value is not text"), f"{what}: {type(value).__name__}")
    text = str(value).replace("\r\n", "\n").replace("\x00", "").strip()
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise BadRow(stored("half a character (a lone surrogate)"), what)
    if "\ufffd" in text:
        raise BadRow(stored("characters that could not be decoded (U+FFFD)"), what)
    return text


def read_turns(turns: Any, speaker: str, content: str) -> list[Message]:
    if isinstance(turns, str):  # a list that a CSV or Parquet file holds as text
        try:
            turns = json.loads(turns)
        except ValueError:
            raise BadRow(stored("the conversation is not a list of messages")) from None
    if not isinstance(turns, list) or not turns:
        raise BadRow(stored("the conversation is empty or not a list of messages"))
    return [read_turn(turn, speaker, content) for turn in turns]


def read_turn(turn: Any, speaker: str, content: str) -> Message:
    if not isinstance(turn, dict) or speaker not in turn:
        raise BadRow(stored("a message does not say who speaks"), speaker)
    name = str(turn[speaker]).strip().lower()
    if name in CALLING:
        return Message(role="assistant", content="", tool_calls=calls_in(turn.get(content)))
    if name not in ROLES:
        raise BadRow(stored("a role that does not exist"), str(turn[speaker])[:40])
    role = ROLES[name]
    text, parts = text_and_parts(turn.get(content), content)
    answers = role == "assistant"
    calls = calls_in(turn.get("tool_calls") or turn.get("function_call")) if answers else []
    if not (text or calls or parts or role == "tool"):
        raise BadRow(stored("an empty message"), name)
    return Message(
        role=role, content=text, parts=parts, tool_calls=calls, weight=weight_of(turn) if answers else None,  # type: ignore[arg-type]
        tool_call_id=text_of(turn.get("tool_call_id"), "tool_call_id"), name=text_of(turn.get("name"), "name"),
        reasoning=next((text_of(turn[key], key) for key in REASONING if answers and turn.get(key)), ""),
    )  # fmt: skip


def weight_of(turn: Mapping[str, Any]) -> float | None:
    """What an answer weighs in training; ``None`` where nothing is said, or that it is learned like any other."""
    found: float | None = None
    for key in NOT_LEARNED:
        value = turn.get(key)
        if value is None or str(value).strip().lower() in ("true", ""):
            continue
        try:
            number = 0.0 if str(value).strip().lower() == "false" else float(value)
        except (TypeError, ValueError):
            number = -1.0
        if not 0 <= number < float("inf"):
            raise BadRow(stored("a weight is not a number of 0 or more"), f"{key}: {str(value)[:20]}")
        found = min(number, found) if found is not None else number
    return None if found == 1 else found


# -- calls of tools ------------------------------------------------------------------------------------------------


def calls_in(value: Any) -> list[ToolCall]:
    """The calls of a message, as the OpenAI API, Hugging Face or a text of JSON writes them; none for nothing."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise BadRow(stored("a tool call that cannot be read"), value[:40]) from None
    if value is None:
        return []
    return [call_in(call) for call in (value if isinstance(value, list) else [value])]


def call_in(value: Any) -> ToolCall:
    body = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(body, dict) or not isinstance(body.get("name"), str) or not body["name"]:
        raise BadRow(stored("a tool call that cannot be read"), str(value)[:40])
    arguments = body.get("arguments", body.get("parameters", {}))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            pass  # kept as it was written
    return ToolCall(id=str(value.get("id") or ""), name=body["name"], arguments=arguments)


# -- content in parts ----------------------------------------------------------------------------------------------


def text_and_parts(value: Any, what: str) -> tuple[str, list[Part]]:
    """The text of a content, and its parts where there is more than text."""
    if not isinstance(value, list):
        return text_of(value, what), []
    parts = [part_of(part) for part in value]
    text = "\n".join(part.text for part in parts if part.type == "text")
    return text, parts if any(part.type != "text" for part in parts) else []


def part_of(value: Any) -> Part:
    """One part. Raises ``BadRow`` for one of a type that no row can hold."""
    kind = str(value.get("type", "")) if isinstance(value, dict) else ""
    if kind in ("text", "input_text"):
        return Part(text=text_of(value.get("text"), "text"))
    type_ = MEDIA.get(kind, kind)
    if type_ not in ("image", "audio", "video", "file"):
        raise BadRow(stored("a message holds more than text"), kind)
    reference, media_type = reference_in(value.get(kind, value.get(type_, value)))
    return Part(type=type_, reference=reference, media_type=media_type)  # type: ignore[arg-type]


def reference_in(value: Any) -> tuple[str, str]:
    """Where a picture or sound lies, and its media type: a path, a URL or an identity; ``""`` where only bytes are."""
    if isinstance(value, str):
        return value, ""
    if not isinstance(value, dict):
        return "", ""
    if isinstance(value.get("data"), str) and value.get("format"):  # a sound of the OpenAI API
        media_type = f"audio/{value['format']}"
        return f"data:{media_type};base64,{value['data']}", media_type
    keys = ("url", "path", "file_id", "filename")
    return next((value[key] for key in keys if isinstance(value.get(key), str)), ""), ""
