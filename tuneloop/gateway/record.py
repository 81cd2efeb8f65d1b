"""One request as the traffic log will have it. Filled on the hot path, turned into a row off it."""

import json
from dataclasses import dataclass, field
from time import perf_counter
from time import time as now
from typing import Any

from tuneloop import sse
from tuneloop.access import Caller
from tuneloop.chat import counts_of
from tuneloop.store import Scope
from tuneloop.store.scope import DEFAULT

KEPT = 4 << 20  # bytes of an answer that are kept for the log
MOST_TOKENS = 2**31 - 1  # what an integer column holds


@dataclass
class Record:
    """What is known of a request. ``chunks`` are an upstream's bytes, each with the seconds after which it came."""

    id: str
    path: str
    time: float = field(default_factory=now)  # seconds since 1970
    started: float = field(default_factory=perf_counter)
    key: str | None = None
    route: str = ""
    model: str | None = None
    knowledge: str | None = None
    status: int = 200
    streamed: bool = False
    seconds: float = 0.0
    time_to_first_token: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    messages: Any = None
    answer: str | None = None
    passages: Any = None
    citations: Any = None
    answerable: bool | None = None
    error: str | None = None
    chunks: list[tuple[float, bytes]] = field(default_factory=list)
    kept: int = 0
    asked: int = 0  # bytes of the request
    scope: Scope = DEFAULT

    def asked_by(self, caller: Caller | None) -> None:
        """Enter whose request it is; where no keys are needed, the first project's."""
        if caller is not None:
            self.key, self.scope = caller.id, caller.scope

    def age(self) -> float:
        """Seconds since the request came."""
        return perf_counter() - self.started

    def first_token(self) -> None:
        if self.time_to_first_token is None:
            self.time_to_first_token = self.age()

    def add(self, chunk: bytes) -> None:
        """Keep an upstream's bytes for later."""
        if self.kept < KEPT:
            self.chunks.append((self.age(), chunk))
            self.kept += len(chunk)

    @property
    def size(self) -> int:
        """About the bytes that it holds in memory: what was asked, and what the upstream sent."""
        return self.asked + self.kept + len(self.answer or "")

    def row(self) -> dict[str, Any]:
        """The columns of table ``requests``. Parses what the upstream sent."""
        if self.chunks and self.streamed:
            read_stream(self)
        elif self.chunks:
            read_whole(self)
        values = {name: getattr(self, name) for name in COLUMNS} | self.scope.as_mine
        values["route"] = self.route[:200]
        values["path"] = self.path[:60]
        return clean(values)


COLUMNS = (
    "id", "time", "key", "path", "route", "model", "knowledge", "status", "streamed", "seconds", "time_to_first_token",
    "prompt_tokens", "completion_tokens", "messages", "answer", "passages", "citations", "answerable", "error",
)  # fmt: skip


def read_stream(record: Record) -> None:
    """Answer, token counts and time to first token from a stream of server-sent events."""
    texts, calls, reader = [], dict[int, dict[str, Any]](), sse.Reader()
    came = [(seconds, event) for seconds, chunk in record.chunks for event in reader.feed(chunk)]
    came += [(record.chunks[-1][0], event) for event in reader.close()]
    for seconds, event in came:
        if not event.done and (text := read_event(record, event.data, calls)):
            texts.append(text)
            if record.time_to_first_token is None:
                record.time_to_first_token = seconds
    record.answer = with_calls("".join(texts), [calls[place] for place in sorted(calls)])


def read_event(record: Record, data: bytes, calls: dict[int, dict[str, Any]]) -> str:
    """The text of one event; its token counts go into the record, and its parts of calls to what ``calls`` has."""
    try:
        event = json.loads(data)
        read_usage(record, event)
        if event.get("error"):
            record.error = record.error or json.dumps(event["error"])[:500]
        choices = event.get("choices") or [{}]
        delta = choices[0].get("delta") or {}
        for part in delta.get("tool_calls") or []:
            add_call(calls.setdefault(part.get("index") or 0, {}), part)
        return text_of(delta.get("content")) or ""
    except (ValueError, AttributeError, TypeError, LookupError):
        return ""


def read_whole(record: Record) -> None:
    try:
        answer = json.loads(b"".join(chunk for _seconds, chunk in record.chunks))
        read_usage(record, answer)
        message = (answer.get("choices") or [{}])[0].get("message") or {}
        record.answer = with_calls(text_of(message.get("content")), message.get("tool_calls"))
    except (ValueError, AttributeError, TypeError, LookupError):
        pass


def with_calls(text: str | None, calls: Any) -> str | None:
    """An answer as the log keeps it: its text, or where tools are called, JSON of the text and the calls."""
    return json.dumps({"content": text or None, "tool_calls": calls}, ensure_ascii=False) if calls else text


def add_call(call: dict[str, Any], part: dict[str, Any]) -> None:
    """Put a part of a streamed call to what came of it: a name and its arguments come in pieces."""
    call |= {name: part[name] for name in ("id", "type") if part.get(name)}
    function = call.setdefault("function", {"name": "", "arguments": ""})
    for name in function:
        function[name] += (part.get("function") or {}).get(name) or ""


def read_usage(record: Record, answer: dict[str, Any]) -> None:
    """Token counts, where an event tells them and a column of the database holds them."""
    told = counts_of(answer)
    if told != (None, None):
        fits = [count if count is not None and count <= MOST_TOKENS else None for count in told]
        record.prompt_tokens, record.completion_tokens = fits


def text_of(content: Any) -> str | None:
    """The text of a message, which some providers send as a list of parts; other parts are told by their type."""
    if not isinstance(content, list):
        return content if isinstance(content, str) else None
    parts = [part if isinstance(part, dict) else {"text": part} for part in content]
    texts = [part.get("text") or f"[{part.get('type')}]" for part in parts]
    return "".join(text for text in texts if isinstance(text, str))


def clean(value: Any) -> Any:
    """``value`` without what a database refuses in text: NUL, and halves of surrogate pairs."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {clean(name): clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value
