"""ShareGPT: ``conversations``, ``system``, ``tools`` as a text; lists of pictures and sounds that marks stand for."""

from __future__ import annotations

from typing import Any

from tuneloop.dataset.exporters import Exporter, NoPlace, Row
from tuneloop.language import stored
from tuneloop.records import Example, Message
from tuneloop.records.columns import to_text

FROM = {"user": "human", "assistant": "gpt", "tool": "observation"}
MEDIA = {"image": "images", "video": "videos", "audio": "audios"}


def row(example: Example) -> Row:
    opens = bool(example.messages) and example.messages[0].role == "system"
    found: Row = {"conversations": [turn(message) for message in example.messages[opens:]]}
    if opens:
        check_plain(example.messages[0])
        found["system"] = example.messages[0].content
    if example.tools:
        found["tools"] = to_text(example.tools)
    return found | media(example, found["conversations"])


def check_plain(message: Message) -> None:
    if message.parts or message.name:
        raise NoPlace(stored("a system message that is more than text has no place in it"))


def turn(message: Message) -> dict[str, Any]:
    if message.role not in FROM:
        raise NoPlace(stored("a system message after the first message has no place in it"))
    if message.tool_calls:
        return call(message)
    said = {"from": FROM[message.role], "value": marked(message)}
    named = {"tool_call_id": message.tool_call_id, "name": message.name}
    said |= {key: value for key, value in named.items() if value}
    return said | ({} if message.weight is None else {"weight": message.weight})


def call(message: Message) -> dict[str, Any]:
    """A turn that is a call, and cannot be anything beside."""
    if message.content or message.name or message.parts or message.weight is not None:
        raise NoPlace(stored("a call of a tool with text or a weight beside it has no place in it"))
    calls = [call.model_dump(exclude={"id"} if not call.id else set()) for call in message.tool_calls]
    return {"from": "function_call", "value": to_text(calls if len(calls) > 1 else calls[0])}


def marked(message: Message) -> str:
    """The text of a message, with a mark such as ``<image>`` for each of its pictures and sounds."""
    kinds = [part.type for part in message.parts if part.type != "text"]
    if "file" in kinds:
        raise NoPlace(stored("a file has no place in it"))
    if all(message.content.count(f"<{kind}>") == kinds.count(kind) for kind in kinds):
        return message.content
    texts = [part.text if part.type == "text" else f"<{part.type}>" for part in message.parts]
    lead = [] if any(part.type == "text" for part in message.parts) or not message.content else [message.content]
    return "\n".join([*lead, *texts])


def media(example: Example, turns: list[dict[str, Any]]) -> Row:
    """The pictures and sounds in order. Raises ``NoPlace`` where a text holds a mark that is none."""
    found: Row = {}
    for kind, plural in MEDIA.items():
        references = [part.reference for message in example.messages for part in message.parts if part.type == kind]
        if references:
            found[plural] = references
            said = "".join(turn["value"] for turn in turns)
            if said.count(f"<{kind}>") != len(references):
                raise NoPlace(stored("a text that holds the mark {} has no place in it").format(f"<{kind}>"))
    return found


CARRIES = frozenset(("messages", "tools", "parts", "tool_calls", "tool_call_id", "name", "weight"))
EXPORTER = Exporter(row, CARRIES)
