"""Server-sent events, read and written: https://html.spec.whatwg.org/multipage/server-sent-events.html.

A stream is read as it comes, and however it is cut it gives the same events. Lines end with CR, LF or both; comments,
``id`` and ``retry`` are passed over; several ``data`` lines are one event. Three things are as OpenAI-compatible
servers have them: ``[DONE]`` ends an answer; an event at the very end counts though no empty line follows it; and where
the empty lines are left out, a ``data`` line that is a whole JSON object is an event of its own.
Nothing is held without bound: of an event that is too long only that it came is told.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST = 8 << 20  # bytes of a line and of an event
DONE = b"[DONE]"
BOM = b"\xef\xbb\xbf"
LINE_END = re.compile(rb"\r\n|\r|\n")
SAYS_DONE = re.compile(rb"^data: ?\[DONE\]", re.MULTILINE)  # a line: where a text says so, it stands within JSON
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """``data`` is that of all its lines. ``whole`` is false for one that was too long, whose ``data`` is empty."""

    data: bytes
    name: str = ""
    whole: bool = True

    @property
    def done(self) -> bool:
        """Whether it says that the answer has come to its end."""
        return self.data.strip() == DONE


@dataclass(frozen=True, slots=True)
class Line:
    """A line and how it ended. A ``part`` is none of its own: a piece of one that is too long, or the rest of its end.

    All of them, one after another, are the bytes that came.
    """

    text: bytes
    end: bytes
    part: bool = False


class Lines:
    """The lines of a stream, each as soon as its end has come; one of more than ``most`` bytes comes in parts."""

    def __init__(self, most: int = MOST) -> None:
        self.most, self.long, self.after_cr = most, False, False
        self.rest: list[bytes] = []  # of the line whose end has not come
        self.size = 0

    def feed(self, data: bytes) -> Iterator[Line]:
        """The lines that ``data`` ends. Take all of them before the next ``data`` is fed."""
        if self.after_cr and data:
            self.after_cr = False
            if data.startswith(b"\n"):
                yield Line(b"", b"\n", part=True)
                data = data[1:]
        start = 0
        for found in LINE_END.finditer(data):
            text = self._taken(data[start : found.start()])
            start = found.end()
            yield Line(text, found[0], part=self.long or len(text) > self.most)
            self.long, self.after_cr = False, found[0] == b"\r" and start == len(data)
        self.rest.append(data[start:])
        self.size += len(data) - start
        if self.size > self.most:
            self.long = True
            yield Line(self._taken(b""), b"", part=True)

    def close(self) -> Iterator[Line]:
        """What is left, once no more will come."""
        if text := self._taken(b""):
            yield Line(text, b"", part=self.long)

    def _taken(self, last: bytes) -> bytes:
        text = b"".join([*self.rest, last])
        self.rest, self.size = [], 0
        return text


class Reader:
    """The events of a stream that arrives in pieces."""

    def __init__(self, most: int = MOST) -> None:
        self.lines, self.most, self.first = Lines(most), most, True
        self._begin()

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes."""
        return [event for line in self.lines.feed(data) for event in self._take(line)]

    def close(self) -> list[Event]:
        """The last event, where the stream ended without an empty line behind it."""
        found = [event for line in self.lines.close() for event in self._take(line)]
        return found + self._event()

    def _begin(self) -> None:
        self.data: list[bytes] = []
        self.size, self.name, self.within, self.whole = 0, "", False, True

    def _take(self, line: Line) -> list[Event]:
        text = line.text
        if self.first and not (line.part and not text):
            self.first, text = False, text.removeprefix(BOM)
        if line.part:
            # A line that is too long is told from its first piece; the \n of a \r\n tells nothing.
            if text and not self.within:
                self.whole = self.whole and not text.startswith(b"data")
            self.within = bool(text or self.within) and not line.end
            return []
        if not text and line.end:
            return self._event()
        field, _colon, value = text.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            return self._value(value)
        if field == b"event":
            self.name = value.decode("utf-8", "replace")
        return []

    def _value(self, value: bytes) -> list[Event]:
        """The events that one more line of data ends."""
        found = self._event() if self.whole and parted(self.data, value) else []
        self.size += len(value) + 1
        if self.size > self.most + 1:
            self.whole, self.data = False, []
        if self.whole:
            self.data.append(value)
        return found + (self._event() if len(self.data) == 1 and self.data[0].strip() == DONE else [])

    def _event(self) -> list[Event]:
        """The event whose lines have come; none where no ``data`` was among them."""
        if self.whole:
            found = [Event(b"\n".join(self.data), self.name)] if self.data else []
        else:
            found = [Event(b"", self.name, whole=False)]
        self._begin()
        return found


def parted(data: list[bytes], value: bytes) -> bool:
    """Whether the data of an event is whole, so that ``value`` begins another: one line, which is a JSON object.

    Several lines that only together are JSON are one event, whatever one of them is.
    """
    if len(data) != 1 or not value.strip():
        return False
    told = data[0].strip()
    if not told.startswith(b"{") or not told.endswith(b"}"):
        return False
    try:
        json.loads(told)
    except (ValueError, RecursionError):
        return False
    return True


def read_events(data: bytes) -> list[Event]:
    """The events of a stream that has come whole."""
    reader = Reader()
    return reader.feed(data) + reader.close()


def written(data: bytes, name: str = "") -> bytes:
    """One event. Each line of ``data`` becomes a line of its own, so that a reader gets the same back, with LF."""
    head = b"event: " + name.encode() + b"\n" if name else b""
    return head + b"".join(b"data: " + line + b"\n" for line in LINE_END.split(data)) + b"\n"


def says_done(data: bytes) -> bool:
    """Whether bytes of a stream, cut between lines, hold the event that ends an answer."""
    return SAYS_DONE.search(data) is not None
