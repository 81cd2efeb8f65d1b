"""Server-sent events of a streamed chat completion: when did which text arrive."""

import json
from dataclasses import dataclass, field
from typing import Any

from tuneloop import sse
from tuneloop.chat import error_text


@dataclass
class Stream:
    """What one answer has said so far. Feed it the body as it comes."""

    times: list[float] = field(default_factory=list)  # arrival of each event that holds text
    characters: int = 0
    tokens: int = 0  # as the server counts them; 0 where it does not say
    prompt_tokens: int = 0
    finish_reason: str = ""
    ended: bool = False  # [DONE] was seen
    stopped: bool = False  # the search of a gateway of ours found that the documents do not answer
    trouble: str = ""  # what the server says went wrong, or what cannot be read
    body: bytes = b""  # the first bytes, for messages
    reader: sse.Reader = field(default_factory=sse.Reader)

    def feed(self, now: float, data: bytes) -> None:
        """Take a piece of the body that arrived at ``now``; an event may be split over pieces."""
        if len(self.body) < 2000:
            self.body += data[:2000]
        for event in self.reader.feed(data):
            self._event(now, event)

    def close(self, now: float) -> None:
        """The body came to its end at ``now``; what is half an event counts for nothing."""
        before = self.trouble
        for event in self.reader.close():
            self._event(now, event)
        if self.trouble == "bad_event":
            self.trouble = before  # half an event: the answer is not whole, which is told apart

    def _event(self, now: float, event: sse.Event) -> None:
        if event.done:
            self.ended = True
            return
        try:
            self._read(now, json.loads(event.data))
        except (ValueError, AttributeError, TypeError, IndexError):
            self.trouble = "bad_event"

    def _read(self, now: float, event: dict[str, Any]) -> None:
        if event.get("error"):
            self.trouble = "error_event"
            return
        if usage := event.get("usage"):
            self.tokens = int(usage.get("completion_tokens") or 0)
            self.prompt_tokens = int(usage.get("prompt_tokens") or 0)
        if isinstance(told := event.get("tuneloop"), dict) and told.get("answerable") is False:
            self.stopped = True
        if choices := event.get("choices"):
            delta = choices[0].get("delta") or {}
            text = delta.get("content") or delta.get("reasoning_content") or ""  # a role alone is not a token
            if text:
                self.times.append(now)
                self.characters += len(text)
            self.finish_reason = choices[0].get("finish_reason") or self.finish_reason

    def whole(self) -> bool:
        """Whether the answer has come to its end."""
        return self.ended or bool(self.finish_reason)

    def refused(self) -> bool:
        """Whether the gateway refused before any model was asked: a model would have used tokens."""
        return self.stopped and self.whole() and not self.tokens

    def message(self) -> str:
        """What an error answer says, in one line."""
        return error_text(self.body.decode("utf-8", "replace"))
