"""Where sentences end, in Chinese and English, in whole texts and in text that is still being written.

One scanner serves both. It walks from a sentence's start over the places where it could end, and answers "ends here",
"goes on", or, while text is still arriving, "cannot tell yet": an ending is told only when no later character can
change it. So a stream gives exactly the sentences that the whole text gives, however it was cut.

A heading, a table row and a whole code fence are one sentence each; a list item, an article of a law (第X条) and an
empty line start a new one; a single line break does not. A citation marker after the full stop (``… done.[1]``)
belongs to the sentence it follows.
"""

import re
from collections.abc import Iterator
from functools import cache

from tuneloop.scripts import CJK
from tuneloop.text.languages import languages, listed
from tuneloop.text.numerals import NUMERAL

FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
ONE_LINE = re.compile(r"[ \t]*(?:\#{1,6}[ \t]|\|)")  # a heading or a table row ends with its line
LIST_NUMBER = re.compile(r"\s*(?:[>*+-][ \t]+)*[(（]?(?:\d{1,3}(?:\.\d{1,3})*|[a-zA-Z])\Z")
WINDOW = 2000  # characters before a stop in which an open quotation mark or backtick counts
PEEK = 14  # characters of a line, after its indentation, within which block() and FENCE decide

CANDIDATE = re.compile(r"[.!?。！？；…．｡]+|\n")
CLOSER = re.compile(r"\*+|_+|[\"'”’」』）】》〉)\]»]")
MARKERS = re.compile(r"(?:[ \t]*[\[【［]\d{1,3}(?:[,，、;\- ]{1,2}\d{1,3})*[\]】］])+")
UNFINISHED_MARKER = re.compile(r"[ \t]*(?:[\[【［][\d,，、;\- ]*)?\Z")
CJK_CHARACTER = re.compile(f"[{CJK}]")
WORD_BEFORE = re.compile(rf"(?:(\w+\.?)[ \t\n]+)?[\"'“‘(\[*_]*([^\W\d_{CJK}](?:[^\W\d_{CJK}]|\.)*)\Z")


@cache
def block() -> re.Pattern[str]:
    """How a line begins that is a unit of its own: what Markdown and lists have, and what the languages add."""
    patterns = [pattern for language in languages().values() for pattern in language.blocks]
    written = "".join(f"| (?-x:{pattern})\n" for pattern in patterns).replace("{numeral}", f"[{NUMERAL}0-9０-９]")
    return re.compile(
        rf"""[ \t]*(?:
            \#{{1,6}}[ \t]                                     # a heading
          | [-+*•·●○■◆▪][ \t]                                  # a list item
          | (?:\d{{1,3}}|[a-zA-Z])[.)、][ \t]                  # 1. 1) a)
          {written}
          | [①-⑳]
          | [|>] | `{{3}} | ~{{3}} | -{{3}} | \*{{3}} | _{{3}} | ={{3}}
        )""",
        re.VERBOSE,
    )


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Spans ``(start, end)`` of the sentences, in order, without space around; they cover all that is not space."""
    return list(spans(text))


def sentences(text: str) -> list[str]:
    """The sentences themselves."""
    return [text[start:end] for start, end in spans(text)]


def spans(text: str) -> Iterator[tuple[int, int]]:
    """``split_sentences``, one at a time."""
    position = 0
    while (end := Scanner().next_end(text, position, final=True)) is not None:
        piece = text[position:end]
        start = position + len(piece) - len(piece.lstrip())
        if start < end:
            yield start, position + len(piece.rstrip())
        position = end


class SentenceStream:
    """Sentences of a text that arrives in pieces. What ``feed`` and ``close`` return adds up to it."""

    def __init__(self) -> None:
        self.buffer = ""  # begins where an unfinished sentence begins
        self.scanner = Scanner()

    def feed(self, delta: str) -> list[str]:
        """The sentences that ``delta`` completes, each with the space before it."""
        self.buffer += delta
        return self._take(final=False)

    def close(self) -> list[str]:
        """What is left, once no more text will come."""
        return self._take(final=True)

    def cut(self) -> str:
        """What has come of the unfinished sentence; what comes next is read as if a sentence began there."""
        done, self.buffer, self.scanner = self.buffer, "", Scanner(line_start=False)
        return done

    def _take(self, final: bool) -> list[str]:
        done: list[str] = []
        while (end := self.scanner.next_end(self.buffer, 0, final)) is not None:
            done.append(self.buffer[:end])
            self.buffer = self.buffer[end:]
            self.scanner = Scanner(line_start=done[-1].endswith("\n"))
        return done


class Later(Exception):
    """More text must arrive before this can be told."""


class Scanner:
    """Finds the end of one sentence; remembers, between calls, how far it has looked."""

    def __init__(self, line_start: bool | None = None) -> None:
        self.line_start = line_start  # None: look at the text before the sentence
        self.seen = 0  # no ending lies before this position

    def next_end(self, text: str, start: int, final: bool) -> int | None:
        """Where the sentence that begins at ``start`` ends, or ``None``: no text is left, or more is needed."""
        if start == len(text):
            return None
        try:
            return self._end(text, start, final)
        except Later:
            return None

    def _end(self, text: str, start: int, final: bool) -> int:
        first = skip_space(text, start)
        if first == len(text):
            return need(final, len(text))
        line = text.rfind("\n", start, first) + 1 or start
        before = self.line_start if self.line_start is not None else start == 0 or text[start - 1] == "\n"
        if line > start or before:
            peek_line(text, first, final)
            if fence := FENCE.match(text, line):
                return self._fence_end(text, fence, final)
            if ONE_LINE.match(text, line):
                end = text.find("\n", first)
                return end + 1 if end >= 0 else need(final, len(text))
        return self._prose_end(text, first, final)

    def _fence_end(self, text: str, opening: re.Match[str], final: bool) -> int:
        body = text.find("\n", opening.end())
        if body < 0:
            return need(final, len(text))
        closing = re.compile(rf"[ \t]*{re.escape(opening[1])}+[ \t]*(?:\n|\Z)")
        line = max(body + 1, self.seen)
        while line < len(text):
            end = text.find("\n", line) + 1
            if not end and not final:
                break
            if closing.match(text, line):
                return end or len(text)
            line = self.seen = end or len(text)
        return need(final, len(text))

    def _prose_end(self, text: str, first: int, final: bool) -> int:
        for candidate in CANDIDATE.finditer(text, max(first, self.seen)):
            self.seen = candidate.start()
            if candidate[0] == "\n":
                if starts_block(text, candidate.end(), final):
                    return candidate.end()
                continue
            if candidate.end() == len(text) and not final:
                raise Later
            if end := sentence_end(text, first, candidate.start(), candidate.end(), final):
                return end
        return need(final, len(text))


def need(final: bool, end: int) -> int:
    """``end`` where the text is complete; otherwise nothing can be told yet."""
    if not final:
        raise Later
    return end


def skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def peek_line(text: str, first: int, final: bool) -> None:
    """Raise ``Later`` where too little of the line that begins at ``first`` has arrived to know its kind."""
    if not final and len(text) - first < PEEK and "\n" not in text[first:]:
        raise Later


def starts_block(text: str, line: int, final: bool) -> bool:
    """Whether the line at ``line`` is empty or begins a heading, list item, row, quotation, fence or article."""
    first = skip_space(text, line)
    if "\n" in text[line:first] or (first == len(text) and final):
        return True
    if first == len(text):
        raise Later
    peek_line(text, first, final)
    return block().match(text, line) is not None


def sentence_end(text: str, start: int, at: int, after: int, final: bool) -> int:
    """The end of the sentence that the stops in ``text[at:after]`` close, with quotes and markers; 0 if they do not."""
    if text[after : after + 1].isascii() and text[after : after + 1].isalnum() and text[after - 1] == ".":
        return 0  # 3.5, a.b: decided here so that long strings of them cost little
    start = max(start, at - WINDOW)
    if text.count("`", start, at) % 2:
        return 0  # inside inline code
    closed = skip_closers(text, start, after)
    if UNFINISHED_MARKER.match(text, closed) and not final:
        raise Later
    marked = MARKERS.match(text, closed)
    end = marked.end() if marked else closed
    if marked and UNFINISHED_MARKER.match(text, end) and not final:
        raise Later
    if end == len(text):
        return end
    if text[end] in "，、；：,;:。！？.!?":
        return 0
    stops, before = text[at:after], text[at - 1] if at > start else " "
    if set(stops) & set("。！？；｡") or (stops[-1] in "!?" and CJK_CHARACTER.match(before)):
        return end
    following = skip_space(text, end)
    if following == len(text):
        return need(final, end)
    nearby = text[following]
    if "…" in stops or "..." in stops:
        return 0 if nearby.islower() or not text[start:at].strip() or (nearby == text[end] and "." in stops) else end
    if marked and stops != ".":
        return end
    if following == end and not marked and not CJK_CHARACTER.match(nearby):
        return 0  # a.<b, !=
    if stops[-1] in "!?":
        return 0 if nearby.islower() and text[after:closed].strip("*_") else end
    return end if ends_at_period(text, start, at, following, final) else 0


def skip_closers(text: str, start: int, position: int) -> int:
    """Past closing quotes, brackets and emphasis; an even number of marks before means that the next one opens."""
    while closer := CLOSER.match(text, position):
        mark = closer[0]
        if mark[0] in '"*_' and text.count(mark[0], start, position) // len(mark) % 2 == 0:
            break
        position = closer.end()
    return position


def ends_at_period(text: str, start: int, at: int, following: int, final: bool) -> bool:
    """Whether one full stop at ``at`` ends a sentence; ``following`` is the next character that is not space."""
    line, nearby = max(start, text.rfind("\n", start, at) + 1), text[following]
    if LIST_NUMBER.match(text[line:at]):
        return False
    if text[at - 1].isdigit() and CJK_CHARACTER.match(nearby):
        return not re.search(r"(?<![\d.])\d{1,3}\Z", text[max(start, at - 4) : at])
    found = WORD_BEFORE.search(text[max(start, at - 40) : at])
    if not found:
        return True
    previous, word = found[1] or "", found[2]
    lower = word.lower()
    if lower in listed("never_last"):
        return False
    if lower in listed("not_before_numbers"):
        return not nearby.isdigit()
    if lower in listed("rarely_last") or re.fullmatch(r"(?:[a-z]\.)+[a-z]", lower):
        return not (nearby.islower() or nearby.isdigit())
    if len(word) == 1 and word.isupper() and nearby.isupper():
        return not is_initial(text, previous, following, final)
    return True


def is_initial(text: str, previous: str, following: int, final: bool) -> bool:
    """Whether a capital letter with a full stop stands for a name: ``J. K. Rowling``, but not ``Plan B.``"""
    if following + 1 == len(text) and not final:
        raise Later
    if text[following + 1 : following + 2] == ".":
        return True
    return not previous or (previous[0].isupper() and previous.lower() not in listed("lettered"))
