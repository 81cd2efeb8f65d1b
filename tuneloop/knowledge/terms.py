"""What a text is searched by: words, identifiers and numbers of Latin script, and pairs of Chinese characters.

A token keeps its span in the text, so that what matched can be shown. Folding never changes a text's length:
full-width letters and digits become ASCII, and case is dropped.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from tuneloop.scripts import CHINESE, CJK
from tuneloop.text.languages import listed
from tuneloop.text.tokens import word_set

WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}

TOKEN = re.compile(
    rf"""
    (?P<cjk>[{CJK}]+)
  | (?P<number>(?<![^\W{CJK}])\d+(?:,\d{{3}})*(?:\.\d+)*(?![^\W{CJK}]))        # 80  1,000  3.5  1.19.2
  | (?P<identifier>
        (?<![\w-])--?[a-z][\w]*(?:[-.][\w]+)*                                   # --flag  -f
      | (?:[^\W\d{CJK}][^\W{CJK}]*|\d+[^\W\d{CJK}][^\W{CJK}]*|\d+)              # a_b  a.b  a/b  a-b  a:b  x1
        (?:(?:[._/@\-]|::)[^\W{CJK}]+)+
      | [^\W{CJK}]*(?:\d|_)[^\W{CJK}]*
    )
  | (?P<word>[^\W\d_{CJK}]+(?:['’][^\W\d_{CJK}]+)?)
    """,
    re.VERBOSE,
)
PARTS = re.compile(rf"\d+|[^\W\d_{CJK}]+")
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


SINGULAR = word_set("https always perhaps news lens series species axis whereas afterwards besides sometimes evening")

Kind = Literal["cjk", "number", "identifier", "word"]


@dataclass(frozen=True, slots=True)
class Token:
    """A stretch of text: a run of Chinese characters, a number, an identifier or a word; ``text`` is folded."""

    text: str
    start: int
    end: int
    kind: Kind


def fold(text: str) -> str:
    """Half width and lower case; character for character, so spans stay true."""
    wide = text.translate(WIDE)
    lower = wide.lower()
    return lower if len(lower) == len(wide) else "".join(c.lower() if len(c.lower()) == 1 else c for c in wide)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text, in order, without overlap."""
    for match in TOKEN.finditer(fold(text)):
        kind: Kind = match.lastgroup  # type: ignore[assignment]
        yield Token(match[0], match.start(), match.end(), kind)


def terms(text: str) -> list[str]:
    """The terms that a text is indexed under and searched by, repeated as often as they occur."""
    found: list[str] = []
    for token in tokens(text):
        if token.kind == "cjk":
            found += bigrams(token.text)
        elif token.kind == "word":
            found += word_terms(text[token.start : token.end], token.text)
        elif token.kind == "number":
            found.append(token.text.replace(",", ""))
        else:
            found.append(token.text.lstrip("-"))
            if len(parts := PARTS.findall(token.text)) > 1:
                found += [stem(part) for part in parts]
    return found


def search_terms(query: str) -> list[str]:
    """The terms of a query without the words that any text holds; all of them where it has no others."""
    found = terms(query)
    stop = listed("stop")
    return [term for term in found if term not in stop] or found


def names(query: str) -> list[str]:
    """The stems of names of Latin script: words with a capital inside a sentence, in capitals, or in Chinese text."""
    chinese, found = CHINESE.search(query) is not None, []
    for token in tokens(query):
        written, before = query[token.start : token.end], query[: token.start].rstrip()
        inside = written[0].isupper() and before and before[-1] not in ".?!:\n\"'“‘("
        capitals = len(written) > 1 and written.isupper()
        if token.kind == "word" and token.text not in listed("stop") and (chinese or inside or capitals):
            found.append(stem(token.text))
    return found


def bigrams(run: str) -> list[str]:
    """Pairs of neighbouring characters; a single character stands for itself."""
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def word_terms(written: str, folded: str) -> list[str]:
    """A word's stem, and of a camelCase name the stems of its parts as well."""
    parts = CAMEL.split(written) if not (written.islower() or written.istitle() or written.isupper()) else []
    return [stem(folded), *(stem(fold(p)) for p in parts if len(parts) > 1)]


@lru_cache(65536)
def stem(word: str) -> str:
    """English endings taken off lightly (plural, -ing, -ed, -ly); other words as they are."""
    word = word.replace("’", "'").removesuffix("'s")
    if len(word) < 4 or not word.isascii():
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "shes", "ches", "xes", "zes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and word not in SINGULAR:
        word = word[:-1]
    for ending in ("ing", "ed") if word not in SINGULAR else ():
        rest = word.removesuffix(ending)
        if rest != word and len(rest) > 2 and re.search("[aeiouy]", rest):
            word = rest[:-1] if len(rest) > 3 and rest[-1] == rest[-2] and rest[-1] not in "lsz" else rest
            break
    if len(word) > 5 and word.endswith("ly"):
        word = word[:-2]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word
