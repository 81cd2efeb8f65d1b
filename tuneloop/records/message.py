"""What is said in a conversation: text, and where there is more than text, what it is and where it lies."""

import json
from typing import Any, Literal

from pydantic import Field

from tuneloop.records.record import Json, Record

Role = Literal["system", "user", "assistant", "tool"]


class Part(Record):
    """A piece of a message. Media are never in the row: ``reference`` says where they are."""

    type: Literal["text", "image", "audio", "video", "file"] = "text"
    text: str = ""
    reference: str = ""  # a path in the artifact, a URL, or a digest with its algorithm: sha256:…
    media_type: str = ""  # such as image/png


class ToolCall(Record):
    """A call that the assistant asks for. ``arguments`` is the value; a text where what was written is not JSON."""

    id: str = ""
    name: str
    arguments: Json = Field(default_factory=dict)


class Message(Record):
    """One turn of a conversation. ``content`` is always its text; ``parts`` is there where more was said."""

    role: Role
    content: str
    parts: list[Part] = Field(default_factory=list)
    tool_calls: list[ToolCall] = Field(default_factory=list)
    tool_call_id: str = ""  # of a tool's answer: the call that it answers
    name: str = ""  # who speaks, where several have the role; of a tool's answer: the tool
    reasoning: str = ""  # what was thought before it was said
    weight: float | None = Field(default=None, ge=0)  # of an answer in training: 0 is read and not learned; None is 1

    def as_said(self, *, wire: bool = False) -> dict[str, Any]:
        """The message as chat templates read it, with no key for what it has not; ``parts`` are not in it.

        ``wire``: as the OpenAI API writes it, where the arguments of a call are a text.
        """
        said: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            said["tool_calls"] = [as_call(call, wire) for call in self.tool_calls]
        named = {"tool_call_id": self.tool_call_id, "name": self.name, "reasoning_content": self.reasoning}
        return said | {key: value for key, value in named.items() if value}

    @property
    def holds(self) -> list[str]:
        """What there is beside text: ``tool calls``, ``reasoning``, and the types of its parts, such as ``image``."""
        called = ["tool calls"] if self.tool_calls or self.role == "tool" else []
        media = dict.fromkeys(part.type for part in self.parts if part.type != "text")
        return [*called, *(["reasoning"] if self.reasoning else []), *media]


def as_call(call: ToolCall, wire: bool) -> dict[str, Any]:
    arguments = call.arguments
    if wire and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    named = {"id": call.id} if call.id else {}
    return {**named, "type": "function", "function": {"name": call.name, "arguments": arguments}}
