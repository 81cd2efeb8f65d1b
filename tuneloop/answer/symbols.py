"""The signs of a text that are no letters and yet say something: ``±``, ``≠``, ``↑``, ``✓``, ``①``, ``A+``, ``5″``.

Which signs there are is Unicode's to say, and what does not count is data (``words/symbols.toml``). A sign belongs to
the words, numbers and Chinese characters beside it, and a sentence must write each of its own as its passage does: with
the same signs before and behind it, and none more. Layout counts nowhere: pipes, emphasis, bullets, quotation marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from tuneloop.answer.listed import words
from tuneloop.answer.numbers import Number
from tuneloop.knowledge.terms import stem
from tuneloop.scripts import CJK
from tuneloop.text.languages import listed

LISTED = words("symbols")
PLAIN, DECOR, BULLETS, CARRYING = (frozenset(LISTED[k].split()) for k in ("plain", "decor", "bullets", "carrying"))
SAME = {pair[0]: pair[1] for pair in LISTED["same"].split()}
SYMBOLS = frozenset({"Sm", "Sk", "So", "Sc", "No"})  # Unicode's categories
TIES = "的了是为在和与或及等者时则即将把被"  # characters that a sign does not belong to
LAYOUT = re.compile(
    r"</?[a-z][^<>\n]{0,200}>|\[\^[^\]\n]{1,40}\]|&#?\w{1,8};|(?<=\])\([^()\s]{1,300}\)"
    r"|(?:^|(?<=\n))[ \t]*(?:>[> \t]*)?(?:[-+*]\s|#{1,6}\s|=+(?=\n))?"
)
BARRIER = re.compile(r"[,，;；。?？、|\n]|[!！](?![a-z])|\.(?=\s|$)")
COMPARED = re.compile(r"[<>=≤≥﹤﹥]+\s*[$¥]?\s?")
NUMERAL = re.compile(r"\s?[$¥]?[\d一二三四五六七八九十]")
FIGURES = "²³¹¼-¾⁰-₟⅐-⅟①-⓿❶-➓㈀-㋿"  # letters to Python, numerals in a circle or above the line to a reader
WORD = re.compile(rf"[{CJK}]|[^\W\d_{CJK}{FIGURES}]+")


@dataclass(frozen=True, slots=True)
class Dressed:
    """A word, number or Chinese character with the signs beside it, and where each run of them begins."""

    key: str
    start: int
    before: str = ""
    after: str = ""
    loose: bool = False  # what stands before it may be left out
    light: bool = False
    runs: tuple[int, int] = (-1, -1)
    beside: tuple[str, str] = ("", "")  # the words before and behind

    @property
    def bare(self) -> bool:
        return not (self.before or self.after)

    def worn_by(self, told: Dressed) -> bool:
        """Whether ``told``, in a passage, wears the same."""
        before = self.before == told.before or (told.loose and not self.before)
        return before and self.after == told.after


@dataclass(frozen=True, slots=True)
class Piece:
    key: str
    start: int
    end: int
    sign: bool = False
    light: bool = False
    loose: bool = False


def dress(text: str, folded: str, numbers: Sequence[Number], codes: Sequence[tuple[str, int]]) -> list[Dressed]:
    """The words, numbers and characters of a text, each with its signs, in order."""
    found: list[Dressed] = []
    for segment in segments(list(pieces(text, folded, numbers, codes))):
        found += dress_segment(joined(segment), folded)
    keys = ["", *(d.key for d in found), ""]
    return [replace(d, beside=(keys[n], keys[n + 2])) for n, d in enumerate(found)]


def dress_segment(row: Sequence[Piece], folded: str) -> Iterator[Dressed]:
    """Give each word of a segment its signs. Signs that touch one word only are that one's, others both neighbours'."""
    if len(row) == 1 and row[0].sign:  # signs and nothing else
        yield Dressed("", row[0].start, row[0].key, runs=(row[0].start, -1))
    for n, piece in enumerate(row):
        if piece.sign:
            continue
        left, right = before(row, n, folded), behind(row, n, folded)
        runs = (left.start if left else -1, right.start if right else -1)
        signs = (left.key if left else "", right.key if right else "")
        yield Dressed(piece.key, piece.start, *signs, bool(left and left.loose and n == 1), piece.light, runs)


def before(row: Sequence[Piece], n: int, folded: str) -> Piece | None:
    """The sign before a word, if it is the word's."""
    if n == 0 or not row[n - 1].sign:
        return None
    sign = row[n - 1]
    other = n > 1 and touch(row[n - 2], sign, row[n - 2], folded)
    return sign if not other or touch(sign, row[n], row[n], folded) else None


def behind(row: Sequence[Piece], n: int, folded: str) -> Piece | None:
    """The sign behind a word, if it is the word's."""
    if n + 1 == len(row) or not row[n + 1].sign:
        return None
    sign = row[n + 1]
    other = n + 2 < len(row) and touch(sign, row[n + 2], row[n + 2], folded)
    return sign if not other or touch(row[n], sign, row[n], folded) else None


def touch(left: Piece, right: Piece, word: Piece, folded: str) -> bool:
    """Whether a sign stands right at a word; at one that only ties others together it says nothing."""
    return not word.light and not has_space(folded[left.end : right.start])


def has_space(text: str) -> bool:
    return any(c.isspace() or c in ":：" for c in text)


def pieces(
    text: str, folded: str, numbers: Sequence[Number], codes: Sequence[tuple[str, int]]
) -> Iterator[Piece | None]:
    """Words, numbers, code and signs, with None for a line's end and an empty piece for what else parts them."""
    whole = {start: (f"`{code}", start + len(code)) for code, start in codes}
    whole |= {n.start: (f"#{n.value}", n.end) for n in numbers}
    bounded = {n.start for n in numbers if n.bound}
    layout = {m.start(): m.end() for m in LAYOUT.finditer(folded) if m.end() > m.start()}
    at, line, last = 0, True, False  # ``last``: a number stands right before
    while at < len(folded):
        here, fresh, counted = at, line, last
        line, last = fresh and folded[at].isspace(), False
        if at in layout:
            at = layout[at]
            line = fresh
        elif at in whole:
            key, at = whole[at][0], max(whole[at][1], at + 1)
            last = key.startswith("#")
            yield Piece(key, here, at)
        elif barrier := BARRIER.match(folded, at):
            at += 1
            line = barrier[0] == "\n"
            yield None if line else Piece("", here, at)
        elif word := WORD.match(folded, at):
            at = word.end()
            yield word_piece(text, folded, here, at)
        elif (compared := COMPARED.match(folded, at)) and compared.end() in bounded:
            at = compared.end()  # the number has it as its bound
        else:
            at += 1
            if sign := sign_at(text, folded, here, counted):
                yield Piece(sign, here, at, True, loose=dropped(folded[here], fresh))


def word_piece(text: str, folded: str, start: int, end: int) -> Piece:
    written = text[start:end]
    letter = len(written) == 1 and written.isupper()  # a grade, a variable: not the article
    key = written if letter else stem(folded[start:end])
    return Piece(key, start, end, light=not letter and (folded[start:end] in listed("stop") or written in TIES))


def dropped(character: str, opens: bool) -> bool:
    """Whether a sign at the beginning of a stretch may be left out."""
    numbered = unicodedata.category(character) == "No" and character >= "\u2460"
    return numbered or character in DECOR or (opens and character in BULLETS)


@lru_cache(4096)
def is_symbol(character: str) -> bool:
    return character in CARRYING or (unicodedata.category(character) in SYMBOLS and character not in PLAIN)


def sign_at(text: str, folded: str, at: int, counted: bool) -> str:
    """The sign that stands at a place, in its usual spelling; "" where what stands there says nothing."""
    sign, before, after = folded[at], folded[at - 1 : at] if at else "", folded[at + 1 : at + 2]
    if sign == "~" and counted and NUMERAL.match(folded, at + 1):
        return ""  # a range
    if sign in "-−–":
        return "-" if is_grade(before, after) else ""
    if sign in "\"'" and before.isdigit() and not after.isalnum():
        line = folded[folded.rfind("\n", 0, at) + 1 : at]
        opened = line.count('"') % 2 if sign == '"' else re.search(r"(?<!\w)'", line)
        return "" if opened else {'"': "″", "'": "′"}[sign]
    if sign == "!":
        return "!" if after.isalpha() and not before.isalnum() else ""
    if sign == "#" and before.isalnum() and after.isalnum():
        return ""  # the anchor of an address
    if sign == "*":
        start, end = folded.rfind("\n", 0, at) + 1, folded.find("\n", at)
        return "*" if before.isalnum() and folded[start : end if end >= 0 else None].count("*") == 1 else ""
    if sign in "|&" and sign in (before, after):
        return sign
    return SAME.get(sign, sign) if is_symbol(sign) else ""


def is_grade(before: str, after: str) -> bool:
    """Whether a hyphen is a sign: ``(-)``, ``A-``; not one between words, of a range or of a list."""
    if before in ("(", "[") and after in (")", "]"):
        return True
    return before.isascii() and before.isalnum() and not (after.isascii() and (after.isalnum() or after in "->/_"))


def segments(row: Sequence[Piece | None]) -> Iterator[list[Piece]]:
    """What stands between breaks. Signs by themselves, as in the cell of a table, belong to what is before them."""
    held: list[Piece] = []
    current: list[Piece] = []
    for piece in [*row, None]:
        if piece is not None and piece.key:
            current.append(piece)
            continue
        if current and held and (all(p.sign for p in current) or all(p.sign for p in held)):
            held += current
        elif current:
            if held:
                yield held
            held = current
        current = []
        if piece is None and held:
            yield held
            held = []


def joined(segment: Sequence[Piece]) -> list[Piece]:
    """A segment with neighbouring signs made one."""
    row: list[Piece] = []
    for piece in segment:
        last = row[-1] if row else None
        if last and last.sign and piece.sign:
            row[-1] = replace(last, key=last.key + piece.key, end=piece.end, loose=last.loose and piece.loose)
        else:
            row.append(piece)
    return row


def symbols_differ(said: Sequence[Dressed], told: Sequence[Dressed]) -> bool:
    """Whether a sentence writes a word, number or character with other signs than its passage, or has more signs."""
    if all(d.bare for d in said) and all(d.bare for d in told):
        return False
    places: dict[str, list[Dressed]] = defaultdict(list)
    for theirs in told:
        places[theirs.key].append(theirs)
    matched = set[int]()
    for mine in said:
        theirs = places.get(mine.key, [])
        fitting = [t for t in theirs if mine.worn_by(t)]
        if len({(t.before, t.after) for t in theirs}) > 1 and any(mine.beside):
            fitting = [t for t in fitting if any(a and a == b for a, b in zip(mine.beside, t.beside, strict=True))]
        if theirs and not fitting and not mine.light:
            return True
        if fitting:
            matched.update(mine.runs)
    return any(run not in matched for mine in said for run in mine.runs if run >= 0)
