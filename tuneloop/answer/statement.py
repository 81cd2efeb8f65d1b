"""What a sentence states, taken apart: content words, numbers, code, names, and words that turn its meaning."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, islice, pairwise

from tuneloop.answer.numbers import Number, find_numbers
from tuneloop.answer.symbols import Dressed, dress
from tuneloop.answer.turning import Turn, find_turns
from tuneloop.answer.vocabulary import CUE, INERT, LIGHT_EN, LIGHT_ZH
from tuneloop.knowledge.terms import Token, bigrams, fold, stem, tokens
from tuneloop.text.languages import listed

ASIDE = re.compile(r"\([^()\n]{0,200}\)|（[^（）\n]{0,200}）")  # what is said in passing does not part a clause
STEPS = 200_000  # of a check of one sentence: at most about a second; an ordinary one takes some thousands
ENOUGH = 2.5  # content words that make a segment a statement of its own
OPENS = re.compile(r"\s{0,20}(?:and|but|while|whereas|并且?|而|但)\b|\s{0,20}(?:并且|而|但)")
CONTRASTS = re.compile(r"\s{0,20}(?:while|whereas|but|although)\b|\s{0,20}(?:而|但)")
CODE_SPAN = re.compile(r"(?<!`)`([^`\n]{1,200})`(?!`)")
CODE_WORD = re.compile(r"^(?=.*[a-z])(?=.*[A-Z]).*[a-z][A-Z]")
PLAIN_COMPOUND = re.compile(r"[a-z]+(?:-[a-z]+)+|[a-z]{2,}/[a-z]{2,}|e\.g|i\.e|u\.s|a\.m|p\.m")
CONTRACTION = re.compile(r"(?:\w+n|i|you|he|she|it|we|they|that|there|who|what|let)['’](?:t|s|re|ve|ll|d|m)")
MEASURE = re.compile(r"\d+(?:st|nd|rd|th|[a-z]{1,3})")  # 30s, 10mb, 2nd
LINE = 64  # characters before a word that tell whether a sentence begins with it
LISTED = re.compile(r"(?:^|\n)\s{0,20}\d{1,3}[.)]$")
NAME = re.compile(r"[A-Z][\w’']*")
STRONG = re.compile(r"[;；。!?！？\n]|\.(?=\s|$)")  # one statement ends and another begins
WEAK = re.compile(
    r"[,:，：]|但是?|而是|\b(?:and|but|or|while|whereas|however|when|if|because|unless|until|after|before|where|which"
    r"|who|so that)\b"
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A content word: a Latin word's stem, or a run of Chinese characters. ``terms`` are what it is matched by."""

    text: str
    terms: tuple[str, ...]
    start: int
    end: int
    light: bool = False


@dataclass(frozen=True, slots=True)
class Cue:
    """A word that turns the meaning of what follows it: the content words in ``scope``."""

    kind: str
    start: int
    end: int
    scope: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch of a statement that says one thing; ``block`` counts the strong breaks before it."""

    start: int
    end: int
    block: int


class Spans:
    """Stretches of a text that do not overlap: whether a place lies in one is told without looking at all of them."""

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        self.spans = sorted(spans)
        self.starts = [start for start, _ in self.spans]

    def hold(self, at: int) -> bool:
        n = bisect_right(self.starts, at) - 1
        return n >= 0 and at < self.spans[n][1]

    def within(self, start: int, end: int) -> list[tuple[int, int]]:
        """The parts of them between two places."""
        first = max(0, bisect_right(self.starts, start) - 1)
        found = self.spans[first : bisect_left(self.starts, end)]
        return [(max(start, a), min(end, b)) for a, b in found if b > start]


@dataclass(frozen=True)
class Stretch:
    """What stands between two breaks, with what is in it; ``pairs`` of its characters tell how much it reads alike."""

    clause: Clause
    text: str
    words: frozenset[str]
    numbers: tuple[Number, ...]
    codes: tuple[str, ...]
    turns: tuple[Turn, ...]
    pairs: frozenset[tuple[str, str]]


class TooLong(Exception):
    """To tell more of a statement would take more steps than it may."""


@dataclass
class Statement:
    """A text taken apart. Positions are in ``text``; ``folded`` has the same length."""

    text: str
    folded: str
    units: list[Unit] = field(default_factory=list)
    numbers: list[Number] = field(default_factory=list)
    codes: list[tuple[str, int]] = field(default_factory=list)  # (folded code, start)
    names: list[tuple[str, int]] = field(default_factory=list)  # (stem, start)
    cues: list[Cue] = field(default_factory=list)
    clauses: list[Clause] = field(default_factory=list)
    pieces: list[Clause] = field(default_factory=list)  # what stands between all breaks
    steps: int = STEPS  # that may still be spent on holding it against passages

    def spend(self, steps: int) -> None:
        """Count steps, so that the work is bounded whatever the text. Raises ``TooLong``."""
        self.steps -= steps
        if self.steps < 0:
            raise TooLong

    @cached_property
    def unit_starts(self) -> list[int]:
        return [unit.start for unit in self.units]

    @cached_property
    def number_starts(self) -> list[int]:
        return [number.start for number in self.numbers]

    def units_between(self, start: int, end: int) -> list[Unit]:
        """The content words that begin between two places."""
        return self.units[bisect_left(self.unit_starts, start) : bisect_left(self.unit_starts, end)]

    def numbers_between(self, start: int, end: int) -> list[Number]:
        return self.numbers[bisect_left(self.number_starts, start) : bisect_left(self.number_starts, end)]

    @cached_property
    def code_spans(self) -> Spans:
        return Spans([(start, start + len(code)) for code, start in self.codes])

    @cached_property
    def sizes(self) -> tuple[list[int], list[float]]:
        """Where content words, numbers and codes begin, in order, and how much there is before each."""
        weighed = [
            (u.start, 1.0 if u.text.isascii() else len(u.text) * 0.75)
            for u in self.units
            if not u.light or u.text == "one"
        ]
        weighed += [(n.start, 1.0) for n in self.numbers] + [(start, 1.0) for _, start in self.codes]
        weighed.sort()
        return [at for at, _ in weighed], [0.0, *accumulate(weight for _, weight in weighed)]

    @cached_property
    def dressed(self) -> list[Dressed]:
        """Its words, numbers and characters with the signs beside them; looked for only when they are asked for."""
        return dress(self.text, self.folded, self.numbers, self.codes)

    @cached_property
    def turns(self) -> list[Turn]:
        """The words that turn its meaning; looked for only when they are asked for."""
        return list(find_turns(self.folded))

    @cached_property
    def stretches(self) -> list[Stretch]:
        """Its pieces, each with something in it: one without belongs to the next, or to the last of its sentence."""
        found: list[Stretch] = []
        start = 0
        for piece, following in zip(self.pieces, [*self.pieces[1:], None], strict=True):
            whole = Clause(start, piece.end, piece.block)
            made = self.stretch(whole)
            if made.words or made.numbers or made.codes:
                found.append(made)
                start = piece.end
            elif (following is None or following.block != piece.block) and found:
                found[-1] = self.stretch(Clause(found[-1].clause.start, piece.end, found[-1].clause.block))
                start = piece.end
        return found

    def stretch(self, clause: Clause) -> Stretch:
        text = self.folded[clause.start : clause.end]

        def here(at: int) -> bool:
            return clause.start <= at < clause.end

        return Stretch(
            clause, text, frozenset(u.text for u in self.units_between(clause.start, clause.end)),
            tuple(self.numbers_between(clause.start, clause.end)),
            tuple(code for code, at in self.codes if here(at)), tuple(turn for turn in self.turns if here(turn.start)),
            frozenset(pairwise(text)),
        )  # fmt: skip


def take_apart(text: str) -> Statement:
    """The statement that ``text`` makes."""
    statement = Statement(text, fold(text))
    found = list(tokens(text))
    statement.numbers = list(find_numbers(statement.folded, text))
    statement.codes = list(find_codes(text, statement.folded, found))
    statement.names = list(find_names(text, found))
    counted, coded = Spans([(n.start, n.end) for n in statement.numbers]), statement.code_spans
    for token in found:
        statement.units += token_units(token, counted, coded)
    statement.pieces = list(segments(statement))
    statement.clauses = merge(statement, statement.pieces)
    statement.cues = list(find_cues(statement, statement.pieces))
    return statement


def segments(statement: Statement) -> Iterator[Clause]:
    """The text between all breaks, strong and weak."""
    folded, start, block = statement.folded, 0, 0
    asides = Spans([m.span() for m in ASIDE.finditer(folded)])
    for match in sorted([*STRONG.finditer(folded), *WEAK.finditer(folded)], key=lambda m: m.start()):
        at = match.start()
        if at < start or inside(statement, at) or asides.hold(at):
            continue
        if match[0][0].isalpha():  # a conjunction opens the clause that follows it
            yield Clause(start, match.start(), block)
            start = match.start()
        else:
            yield Clause(start, match.end(), block)
            start = match.end()
        block += STRONG.match(match[0]) is not None
    yield Clause(start, len(folded), block)


def inside(statement: Statement, at: int) -> bool:
    """Whether a place lies inside a number or code: ``1,000``, ``10:30``, ``a.b``."""
    before, after = statement.folded[at - 1 : at], statement.folded[at + 1 : at + 2]
    marks = ".,:" if statement.text[at] != "，" else ""
    if statement.folded[at] in marks and before.isascii() and before.isalnum() and after.isascii() and after.isalnum():
        return True
    return statement.code_spans.hold(at)


def merge(statement: Statement, pieces: list[Clause]) -> list[Clause]:
    """Segments with too little in them to be a statement, as in a list, belong to the clause before or after."""
    clauses: list[Clause] = []
    for piece in gathered(statement, pieces):
        last = clauses[-1] if clauses else None
        turns = CONTRASTS.match(statement.folded, piece.start)
        if (
            last
            and last.block == piece.block
            and not turns
            and min(size(statement, piece), size(statement, last)) < ENOUGH
        ):
            clauses[-1] = Clause(last.start, piece.end, piece.block)
        elif statement.folded[piece.start : piece.end].strip():
            clauses.append(piece)
    return clauses


def gathered(statement: Statement, pieces: list[Clause]) -> Iterator[Clause]:
    """Segments with those that belong to them: what qualifies the next one, and ``and `x`, the checksum of y``."""
    group: Clause | None = None
    waiting = False  # the group is a short segment that a conjunction opened: it takes up the short ones that follow
    for piece in pieces:
        short = size(statement, piece) < ENOUGH
        opens = OPENS.match(statement.folded, piece.start) is not None
        if group and group.block == piece.block and (qualifies(statement, group) or (waiting and short and not opens)):
            group = Clause(group.start, piece.end, piece.block)
            continue
        if group:
            yield group
        group, waiting = piece, short and opens
    if group:
        yield group


def qualifies(statement: Statement, piece: Clause) -> bool:
    """Whether a segment only qualifies the next one: 已满二十年的，."""
    return statement.folded[piece.start : piece.end].endswith(("的，", "的,", "时，", "后，"))


def size(statement: Statement, piece: Clause) -> float:
    """How many content words, numbers and codes a segment has; two Chinese characters are a word."""
    starts, before = statement.sizes
    held = before[bisect_left(starts, piece.end)] - before[bisect_left(starts, piece.start)]
    return held + (1 if CONTRASTS.match(statement.folded, piece.start) else 0)


def token_units(token: Token, counted: Spans, coded: Spans) -> Iterator[Unit]:
    """The content words of a token, without those that are parts of numbers or code."""
    if token.kind == "cjk":
        yield from cjk_units(token, counted)
        return
    if token.kind == "number" or counted.hold(token.start) or coded.hold(token.start):
        return
    for part in re.finditer(r"[^\W_]+(?:['’][^\W_]+)?", token.text):
        if part[0] not in listed("stop") and not part[0].isdigit() and not CONTRACTION.fullmatch(part[0]):
            word, start = stem(part[0]), token.start + part.start()
            yield Unit(word, (word,), start, start + len(part[0]), word in LIGHT_EN)


def cjk_units(token: Token, counted: Spans) -> Iterator[Unit]:
    """Runs of Chinese characters between ties, light words and numbers."""
    position = token.start
    for start, end in (*light_spans(token, counted), (token.end, token.end)):
        if position < start:
            run = token.text[position - token.start : start - token.start]
            yield Unit(run, tuple(bigrams(run)), position, start, light=len(run) == 1)
        position = max(position, end)


def light_spans(token: Token, counted: Spans) -> list[tuple[int, int]]:
    spans = [(token.start + m.start(), token.start + m.end()) for m in LIGHT_ZH.finditer(token.text)]
    return sorted(spans + counted.within(token.start, token.end))


def find_codes(text: str, folded: str, found: list[Token]) -> Iterator[tuple[str, int]]:
    """Code spans, flags, paths, file names, identifiers and versions, folded."""
    spans = [(m.start(1), m.end(1)) for m in CODE_SPAN.finditer(text)]
    for start, end in spans:
        yield folded[start:end], start
    quoted = Spans(spans)
    for token in found:
        if quoted.hold(token.start):
            continue
        plain = PLAIN_COMPOUND.fullmatch(token.text) or MEASURE.fullmatch(token.text)
        camel = token.kind == "word" and CODE_WORD.match(text[token.start : token.end])
        if camel or (token.kind == "identifier" and not plain):
            yield token.text, token.start


def find_names(text: str, found: list[Token]) -> Iterator[tuple[str, int]]:
    """Words of Latin script written with a capital although no sentence begins there, and words in capitals."""
    for token in found:
        written = text[token.start : token.end]
        if token.kind != "word" or not NAME.fullmatch(written) or token.text in listed("stop"):
            continue
        line = text[max(0, token.start - LINE) : token.start]
        before = line.rstrip(" \t\"'“‘(*_`#>-")
        following = text[token.end : token.end + 2].strip()
        opens = not following[:1].isupper() and (
            not before or before[-1] in ".!?:。！？：\n|•" or LISTED.search(before)
        )
        if not opens or (written.isupper() and len(written) > 1):
            yield stem(token.text), token.start


def find_cues(statement: Statement, pieces: list[Clause]) -> Iterator[Cue]:
    inert = Spans([m.span() for m in INERT.finditer(statement.folded)])
    starts = [piece.start for piece in pieces]
    for kind, pattern in CUE.items():
        for match in pattern.finditer(statement.folded):
            if not inert.hold(match.start()):
                piece = pieces[max(0, bisect_right(starts, match.start()) - 1)]
                yield Cue(kind, match.start(), match.end(), scope(statement, piece, match.start(), match.end()))


def scope(statement: Statement, piece: Clause, start: int, end: int) -> tuple[Unit, ...]:
    """What a cue turns: the next two content words of its segment, or, where none follows, the last two before it."""
    after = islice((u for u in statement.units_between(end, piece.end) if not u.light), 2)
    before = [u for u in statement.units_between(piece.start, start) if not u.light and u.end <= start]
    return tuple(after) or tuple(before[-2:])
