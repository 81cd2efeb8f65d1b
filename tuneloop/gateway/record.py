"""One request as the traffic log will have it. Filled on the hot path, turned into a row off it."""

import json
from dataclasses import dataclass, field
from time import perf_counter
from time import time as now
from typing import Any

from tuneloop import sse

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

    def row(self) -> dict[str, Any]:
        """The columns of table ``requests``. Parses what the upstream sent."""
        if self.chunks and self.streamed:
            read_stream(self)
        elif self.chunks:
            read_whole(self)
        values = {name: getattr(self, name) for name in COLUMNS}
        values["route"] = self.route[:200]
        values["path"] = self.path[:60]
        return clean(values)


COLUMNS = (
    "id", "time", "key", "path", "route", "model", "knowledge", "status", "streamed", "seconds", "time_to_first_token",
    "prompt_tokens", "completion_tokens", "messages", "answer", "passages", "citations", "answerable", "error",
)  # fmt: skip


def read_stream(record: Record) -> None:
    """Answer, token counts and time to first token from a stream of server-sent events."""
    texts, reader = [], sse.Reader()
    came = [(seconds, event) for seconds, chunk in record.chunks for event in reader.feed(chunk)]
    came += [(record.chunks[-1][0], event) for event in reader.close()]
    for seconds, event in came:
        if not event.done and (text := read_event(record, event.data)):
            texts.append(text)
            if record.time_to_first_token is None:
                record.time_to_first_token = seconds
    record.answer = "".join(texts)


def read_event(record: Record, data: bytes) -> str:
    """The text of one event; its token counts, where it has some, go into the record."""
    try:
        event = json.loads(data)
        read_usage(record, event)
        if event.get("error"):
            record.error = record.error or json.dumps(event["error"])[:500]
        choices = event.get("choices") or [{}]
        delta = choices[0].get("delta") or {}
        return text_of(delta.get("content")) or ""
    except (ValueError, AttributeError, TypeError, LookupError):
        return ""


def read_whole(record: Record) -> None:
    try:
        answer = json.loads(b"".join(chunk for _seconds, chunk in record.chunks))
        read_usage(record, answer)
        record.answer = text_of(((answer.get("choices") or [{}])[0].get("message") or {}).get("content"))
    except (ValueError, AttributeError, TypeError, LookupError):
        pass


def read_usage(record: Record, answer: dict[str, Any]) -> None:
    """Token counts: ``usage`` as OpenAI has it, or llama.cpp's ``timings``."""
    usage, timings = answer.get("usage"), answer.get("timings")
    if isinstance(usage, dict):
        counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
    elif isinstance(timings, dict):
        counts = (
            (count(timings.get("prompt_n")) or 0) + (count(timings.get("cache_n")) or 0),
            timings.get("predicted_n"),
        )
    else:
        return
    record.prompt_tokens, record.completion_tokens = map(count, counts)


def count(value: Any) -> int | None:
    """A number of tokens; None for what is none, or more than a column of the database holds."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= MOST_TOKENS else None


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
