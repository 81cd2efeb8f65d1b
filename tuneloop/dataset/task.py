"""What the teacher is asked about one chunk, and how its reply is read. Made by ``written`` or by ``quoted``.

Instruction and example come first and never change, so an engine's prompt cache holds them. The example does more for
a small teacher than any instruction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from tuneloop.records import Chunk
from tuneloop.text.articles import ARTICLE


@dataclass(frozen=True)
class Pair:
    """A question and its answer."""

    question: str
    answer: str


@dataclass
class Reply:
    """What came of a task: pairs, and what could not be read; or why there is nothing."""

    pairs: list[Pair] = field(default_factory=list)
    rest: str = ""
    problem: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Task:
    """One request: the conversation, the JSON schema that holds the reply to a form, and the reader of that form."""

    chunk: Chunk
    language: str
    messages: list[dict[str, str]]
    schema: dict[str, Any]
    read: Callable[[str], Reply]


def title_of(chunk: Chunk) -> str:
    """Where a chunk stands, for a reader: the headings above it but for numbers of articles, or the document's name."""
    parts = [part.strip() for part in chunk.heading if part.strip() and not ARTICLE.fullmatch(part.strip())]
    return " > ".join(dict.fromkeys(parts)) or PurePosixPath(chunk.name).stem


def few_shot(instruction: str, shots: Sequence[tuple[str, Any]], asked: str) -> list[dict[str, str]]:
    """Instruction, examples of requests with their replies, and the request."""
    messages = [{"role": "system", "content": instruction}]
    for shown, reply in shots:
        messages.append({"role": "user", "content": shown})
        messages.append({"role": "assistant", "content": json.dumps(reply, ensure_ascii=False)})
    return [*messages, {"role": "user", "content": asked}]


def object_schema(**properties: Any) -> dict[str, Any]:
    """A JSON schema of an object that has exactly these properties, written in this order."""
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


def array_schema(items: dict[str, Any], least: int, most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}
