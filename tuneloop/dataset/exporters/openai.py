"""Messages as the OpenAI API has them for fine-tuning: ``messages``, and ``tools`` where there are any."""

from __future__ import annotations

import re
from typing import Any

from tuneloop.dataset.exporters import Exporter, Row
from tuneloop.records import Example, Message, Part

SOUND = re.compile(r"data:audio/([^;,]+);base64,(.*)", re.S)


def row(example: Example) -> Row:
    found: Row = {"messages": [turn(message) for message in example.messages]}
    return found | ({"tools": example.tools} if example.tools else {})


def turn(message: Message) -> dict[str, Any]:
    said = message.as_said(wire=True)
    if message.parts:
        before = [Part(text=message.content)] if message.content and not has_text(message) else []
        said["content"] = [content_of(part) for part in [*before, *message.parts]]
    return said | ({} if message.weight is None else {"weight": message.weight})


def has_text(message: Message) -> bool:
    return any(part.type == "text" for part in message.parts)


def content_of(part: Part) -> dict[str, Any]:
    if part.type == "text":
        return {"type": "text", "text": part.text}
    if part.type == "file":
        return {"type": "file", "file": {"file_id": part.reference}}
    if part.type == "audio" and (sound := SOUND.fullmatch(part.reference)):
        return {"type": "input_audio", "input_audio": {"data": sound[2], "format": sound[1]}}
    return {"type": f"{part.type}_url", f"{part.type}_url": {"url": part.reference}}


CARRIES = frozenset(("messages", "tools", "parts", "tool_calls", "tool_call_id", "name", "reasoning", "weight"))
EXPORTER = Exporter(row, CARRIES)
