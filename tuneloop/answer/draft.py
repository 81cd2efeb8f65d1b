"""A model's text on its way to the reader: passed on at once, stopped at sentence ends, its own markers taken out.

Nothing is passed on that could turn out to be a marker ``[2]``, or that lies behind an ending not yet told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tuneloop.text.sentences import CANDIDATE, SentenceStream

MARKER = re.compile(r"[ \t]*(?<!\w\[)[\[【［]\s?\d{1,2}(?:\s?[,，、;\-–]\s?\d{1,2})*\s?[\]】］]")
UNFINISHED = re.compile(r"[ \t]*(?:[\[【［][\d,，、;\-– ]*)?\Z")
TAIL = 64  # characters before the end in which such a marker may have begun
LONGEST = 8000  # characters of a sentence; a model that goes on without an end is cut there, so that no step is long
HELD_BACK = 24  # characters behind a possible ending; it is told by then
CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
OPEN_CODE = re.compile(r"(?<!`)`[^`\n]{0,80}\Z")  # its brackets are code only once it is closed


@dataclass(frozen=True)
class Piece:
    """Text to pass on. With ``sentence`` it completes that one, whose marker goes between ``text`` and ``after``."""

    text: str
    sentence: str | None = None
    named: tuple[int, ...] = ()  # passages that the model's own markers named
    after: str = ""
    whole: bool = True  # False: a part of a sentence that was cut because it was too long


class Draft:
    """Takes a model's deltas, gives pieces; their ``text`` and ``after`` add up to the text without markers."""

    def __init__(self) -> None:
        self.stream = SentenceStream()
        self.passed = 0  # characters of the unfinished sentence that have been passed on
        self.broken = False  # its beginning was cut off

    def feed(self, delta: str) -> Iterator[Piece]:
        """The pieces that ``delta`` sets free."""
        for at in range(0, len(delta), LONGEST):
            yield from self._take(delta[at : at + LONGEST])

    def _take(self, delta: str) -> Iterator[Piece]:
        yield from self._finished(self.stream.feed(delta))
        if len(self.stream.buffer) > LONGEST:
            self.broken = True
            yield from self._finished([self.stream.cut()], ended=False)
        safe = self._safe_end()
        if safe > self.passed:
            text, _ = without_markers(self.stream.buffer[:safe], self.passed)
            self.passed = safe
            if text:
                yield Piece(text)

    def close(self) -> Iterator[Piece]:
        """What is left when the model has ended."""
        yield from self._finished(self.stream.close())

    def _finished(self, raw: list[str], ended: bool = True) -> Iterator[Piece]:
        for sentence in raw:
            rest, _ = without_markers(sentence, self.passed)
            whole, named = without_markers(sentence, 0)
            self.passed = 0
            body = rest.rstrip()
            yield Piece(body, whole.strip(), named, rest[len(body) :], not self.broken)
            self.broken = self.broken and not ended

    def _safe_end(self) -> int:
        buffer = self.stream.buffer
        found = CANDIDATE.search(buffer, max(self.stream.scanner.seen, self.passed))
        end = found.start() if found and len(buffer) - found.start() < HELD_BACK else len(buffer)
        unfinished = UNFINISHED.search(buffer, max(0, end - TAIL), end)
        end = unfinished.start() if unfinished else end
        code = max((match.end() for match in CODE.finditer(buffer)), default=0)
        opened = OPEN_CODE.search(buffer, code)
        return max(self.passed, min(end, opened.start() if opened else end))


def without_markers(text: str, start: int) -> tuple[str, tuple[int, ...]]:
    """``text[start:]`` without citation markers, and the numbers that they named. Code keeps its brackets."""
    code = [m.span() for m in CODE.finditer(text)]
    named: list[int] = []
    kept, position = [], start
    for match in MARKER.finditer(text, start):
        if any(a <= match.start() < b for a, b in code):
            continue
        named += [int(n) for n in re.findall(r"\d+", match[0])]
        kept.append(text[position : match.start()])
        position = match.end()
    return "".join([*kept, text[position:]]), tuple(named)
