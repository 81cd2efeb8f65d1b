"""The numbers and bullets that Word draws in front of paragraphs, from ``word/numbering.xml``."""

import re
from dataclasses import dataclass, field
from typing import Any

from tuneloop.text.numerals import DIGITS

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
CHINESE = frozenset(
    ["chineseCounting", "chineseCountingThousand", "taiwaneseCounting", "ideographDigital", "japaneseCounting"]
)


@dataclass(frozen=True)
class Level:
    """One depth of a list."""

    format: str = "decimal"
    pattern: str = "%1."  # %1 is the number at the first depth
    start: int = 1


@dataclass(frozen=True)
class Label:
    """What stands before one paragraph."""

    text: str
    depth: int
    bullet: bool


@dataclass
class Numbering:
    """Counts as a document is read, from its first paragraph to its last."""

    lists: dict[str, str] = field(default_factory=dict)  # list id: the abstract list that it is an instance of
    levels: dict[str, dict[int, Level]] = field(default_factory=dict)
    counts: dict[str, dict[int, int]] = field(default_factory=dict)

    def next_label(self, number: tuple[str, int]) -> Label | None:
        """The label of the next paragraph of a list at a depth; ``None`` where the list does not exist."""
        abstract, depth = self.lists.get(number[0]), number[1]
        if abstract is None:
            return None
        levels = self.levels.get(abstract, {})
        level = levels.get(depth, Level())
        counts = self.counts.setdefault(abstract, {})
        counts[depth] = counts.get(depth, level.start - 1) + 1
        for deeper in [d for d in counts if d > depth]:
            del counts[deeper]
        if level.format == "bullet":
            return Label("-", depth, True)
        if level.format == "none":
            return Label("", depth, False)

        def number_at(found: re.Match[str]) -> str:
            place = int(found[1]) - 1
            there = levels.get(place, Level())
            return written(counts.get(place, there.start), there.format)

        return Label(re.sub(r"%([1-9])", number_at, level.pattern), depth, False)


def read_numbering(part: Any) -> Numbering:
    numbering = Numbering()
    if part is None:
        return numbering
    for abstract in part.findall(f"{W}abstractNum"):
        levels = {}
        for element in abstract.findall(f"{W}lvl"):
            depth = element.get(f"{W}ilvl") or "0"
            if depth.isdecimal():
                levels[int(depth)] = read_level(element)
        numbering.levels[abstract.get(f"{W}abstractNumId") or ""] = levels
    for instance in part.findall(f"{W}num"):
        reference = instance.find(f"{W}abstractNumId")
        if reference is not None:
            numbering.lists[instance.get(f"{W}numId") or ""] = reference.get(f"{W}val") or ""
    return numbering


def read_level(element: Any) -> Level:
    def value(name: str, default: str) -> str:
        found = element.find(f"{W}{name}")
        return (found.get(f"{W}val") or "") if found is not None else default

    start = value("start", "1")
    return Level(value("numFmt", "decimal"), value("lvlText", "%1."), int(start) if start.isdecimal() else 1)


def written(number: int, style: str) -> str:
    """A number in the style of a list: 4, d, iv, 四."""
    if style in ("lowerLetter", "upperLetter") and number > 0:
        letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters if style == "lowerLetter" else letters.upper()
    if style in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        text = roman(number)
        return text if style == "upperRoman" else text.lower()
    if style in CHINESE and 0 <= number < 10_000:
        return chinese(number)
    if style == "decimalZero":
        return f"{number:02d}"
    if style == "decimalEnclosedCircle" and 0 < number <= 20:
        return chr(ord("①") + number - 1)
    return str(number)


def roman(number: int) -> str:
    text = ""
    for value, letters in zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"),
        strict=True,
    ):
        text += letters * (number // value)
        number %= value
    return text


def chinese(number: int) -> str:
    """0 to 9999 as 零 to 九千九百九十九."""
    if number == 0:
        return "零"
    written = {value: character for character, value in reversed(DIGITS.items())}
    text, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // unit % 10
        if digit:
            text += ("零" if gap else "") + written[digit] + name
            gap = False
        else:
            gap = bool(text)
    return text[1:] if text.startswith("一十") else text
