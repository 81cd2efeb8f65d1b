"""Numbers as they are written in English and Chinese: their value, unit and bound.

``30 s``, ``thirty seconds`` and ``三十秒`` are the same number; ``at least 30`` and ``30`` are not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tuneloop.answer.listed import words
from tuneloop.knowledge.terms import stem
from tuneloop.scripts import CJK, HAN
from tuneloop.text.languages import listed
from tuneloop.text.numerals import (
    LARGE,
    LONGEST,
    MYRIADS,
    NUMERAL,
    SMALL,
    TENS,
    canonical,
    chinese_value,
    spoken_value,
)  # fmt: skip

LISTED = words("units")
UNIT: dict[str, str] = {word: unit for unit, words in LISTED["units"].items() for word in words.split()}
CASED = frozenset(LISTED["cased"]["units"].split())
SPELT: dict[str, str] = {word: line.split()[0] for line in LISTED["cased"]["spelt"] for word in line.split()}
WORD = 4  # letters of a unit that is a word, in which capitals say nothing
PERIODS = frozenset(LISTED["periods"]["units"].split())
MEASURES = LISTED["measures"]["zh"].split()
CHINESE_UNITS = sorted({*(w for w in UNIT if not w.isascii()), *MEASURES}, key=len, reverse=True)
COUNTED = re.compile("|".join(CHINESE_UNITS) + "|楼|审|等")

WORDS = "|".join(map(re.escape, [*SMALL, *(word for word in LARGE if len(word) > 1)]))
TIMES = "|".join(map(re.escape, LARGE))
NUMBER = re.compile(
    rf"""
    (?P<clock>(?<!\d)\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?!\d))
  | (?P<digits>(?<![\w.-])(?<!\d,)\d+(?:,\d{{3}})*(?:\.\d+)*|(?<=[{HAN}~～-])\d+(?:,\d{{3}})*(?:\.\d+)*)
        (?:\s?(?P<large>{TIMES}|[百千]?[万亿])(?![a-z]))?
  | (?P<percent>百分之)(?P<share>[{NUMERAL}点]+|\d+(?:\.\d+)?)
  | (?P<words>\b(?:{WORDS})(?:[\s-]+(?:and\s+)?(?:{WORDS}))*\b)
  | (?P<chinese>第?[{NUMERAL}]*[{NUMERAL}](?:点[{NUMERAL}]+)?)
    """,
    re.VERBOSE,
)
LETTERS = r"a-zµμω°℃℉%‰‱㎡²³⁹"
HEAD = (
    rf"°[cf]?|[%‰‱℃℉]|[a-zµμω]+[²³]?(?![a-z0-9_])|[×x]\s?10(?:\^?\d{{1,2}}|[⁰¹²³⁴-⁹]{{1,2}})|{'|'.join(CHINESE_UNITS)}"
)
AFTER = re.compile(rf"[\s-]?({HEAD}|㎡)")
TAIL = re.compile(rf"\s?[/／]\s?(\(?[{LETTERS}·.]{{1,12}}\)?(?![a-z0-9_])|{'|'.join(CHINESE_UNITS)}|[{CJK}]{{1,2}})")
GAUGE = re.compile(r"\([a-z](?:/[a-z])?\)")  # bar(g), %(m/m)
PER_AFTER = re.compile(
    r"(?:\s?[^\s\d,，。;；、.]{1,20}){0,2}?\s?(?:\b(?:per|each|every)\s([a-z]+)|\ban?\s"
    r"(second|minute|hour|day|night|week|month|quarter|year|dose|time)\b"
    rf"|每[个名]?({'|'.join(CHINESE_UNITS)}|[{CJK}]))"
)
PER_BEFORE = re.compile(rf"每[个名]?({'|'.join(CHINESE_UNITS)}|[{CJK}])[^\d，。；、,.;]{{0,6}}$")
NOUN = re.compile(rf"[\s-]?([a-z]+(?![a-z0-9_])|[{CJK}])")
FOLLOWING = re.compile(r"[a-z]+")
SIGN = re.compile(rf"(?:^|[\s(（:：=,，、~～{CJK}])[-−–－]\s?$")
FROM = re.compile(rf"\s?[-–—~～至到]\s?[$¥￥]?[\d{NUMERAL}]")
TO = re.compile(
    rf"[\d{NUMERAL}]\s?[^\d\s，。；,;]{{0,4}}\s?[-–—~～至到]\s?[$¥￥]?$|\d to [$¥￥]?$|\bbetween [^.;,]{{1,20}} and [$¥￥]?$"  # noqa: E501
)
ROOM = 48  # characters beside a number that are looked at
SHORT = re.compile(r"[\s-]?([A-Za-z]{1,5})(?![\w])")
CHANGES = {language: words(language)["change"] for language in ("en", "zh")}
CHANGED = re.compile(
    rf"\b(?:{'|'.join(CHANGES['en']['verbs'].split())})\b[^.;:\d]{{0,30}}\b({'|'.join(CHANGES['en']['goals'].split())})"
    rf"\s(?:{'|'.join(CHANGES['en']['loose'].split())})?\s?[$¥€£￥]?\s?$"
    rf"|(?:{'|'.join(CHANGES['zh']['verbs'].split())})(?:{'|'.join(CHANGES['zh']['goals'].split())})"
    rf"(?:{'|'.join(CHANGES['zh']['loose'].split())})?\s?[$¥￥]?\s?$"
)
MONEY = re.compile(r"([$¥￥])\s?$")

BOUNDS = {
    "min": (
        r"at least|no less than|not less than|no fewer than|not fewer than|(?:a )?minimum of|≥|>=|"
        r"至少|最少|不少于|不低于|不小于|不短于|不早于|起码|(?:不得|不能|不应|不可)(?:少于|低于|小于|短于|早于)",
        r"or more|or above|or later|or higher|and above|以上|及以上|起",
    ),
    "max": (
        r"at most|no more than|not more than|up to|maximum of|not exceeding|within|≤|<=|至多|最多|不超过|不大于|不高于|"
        r"不多于|(?:不得|不能|不应|不可)(?:超过|高于|大于|多于|长于|晚于)|不长于|不晚于|最长不超过|最高不超过",
        r"or less|or fewer|or below|以下|以内|之内",
    ),
    "over": (r"more than|over|greater than|exceeding|exceeds?|above|超过|大于|高于|多于|长于|晚于|逾|>|﹥", r"多"),
    "under": (r"less than|fewer than|under|below|低于|小于|少于|短于|早于|未满|不满|不足|<|﹤", ""),
}
BEFORE_BOUND = {
    kind: re.compile(rf"(?:{before})\s*(?:the |a |an |人民币|为)?[$¥￥]?\s?$") for kind, (before, _) in BOUNDS.items()
}
AFTER_BOUND = {kind: re.compile(rf"\s*[a-z%]*\s*(?:{after})") for kind, (_, after) in BOUNDS.items() if after}


DENIED = re.compile(r"(?:不得?|not |no )(?:超过|大于|高于|多于|低于|小于|少于|more than|less than|over|exceed\w*)\s*$")
LOOSE_BOUND = re.compile(
    r"(?:(至少|最少|at least)|(至多|最多|at most))[^\d，。；、,.;:]{1,10}$"
)  # 最多可同时连接 64 台


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a text: ``value`` in canonical form, ``unit`` and ``bound`` ("" where there is none).

    A unit that is not in the list is its own text. ``per`` is what it counts for (a day, a dose). ``nouns`` are the
    words behind it, of which the first tells what is counted where there is no unit.
    """

    value: str
    unit: str
    bound: str
    start: int
    end: int
    per: str = ""
    nouns: tuple[str, ...] = ()
    goal: str = ""  # "to" or "from" where something rises or falls to it, or from it, and not by it
    written: str = ""  # the word right behind it where it is short and may be a unit

    def agrees(self, other: "Number") -> bool:
        """Whether ``other``, in a passage, says what this one claims."""
        if (self.value, self.unit, self.bound, self.goal) != (other.value, other.unit, other.bound, other.goal):
            return False
        if self.written != other.written and self.written.lower() == other.written.lower():
            return False
        return (self.per == other.per or not (self.per and other.per)) and self.counts_what(other)

    def counts_what(self, other: "Number") -> bool:
        """Whether both count the same, as far as what follows them tells: ``5 IU`` is not ``5 drops``."""
        if not self.nouns or not other.nouns or self.unit:
            return True
        return self.nouns[0] in other.nouns or other.nouns[0] in self.nouns


def find_numbers(folded: str, text: str = "") -> Iterator[Number]:
    """The numbers of a text that is folded already, in order. ``text`` is the same before that, for the case of units.

    A minus sign belongs to the value; one end of a range has that as its bound.
    """
    end = 0
    for match in NUMBER.finditer(folded):
        value = read(match) if match.start() >= end else None
        if value is None or (match["chinese"] and not counts(folded, match)):
            continue
        before = folded[max(0, match.start() - ROOM) : match.start()]
        ordinal = (match["chinese"] or "").startswith("第") or before.endswith("第")
        unit, end = ("%", match.end()) if match["percent"] else unit_after(folded, match.end(), text)
        if money := MONEY.search(before):
            unit = "dollar" if money[1] == "$" else "yuan"
        if not ordinal and match["words"] == "one" and unit == "":
            continue
        value = f"-{value}" if SIGN.search(before[-4:]) else value
        bound = bound_around(folded, match.start(), end)
        unit, _, divided = unit.partition(" per ")
        per, nouns = divided or per_what(folded, before, end), () if unit else nouns_after(folded, end)
        goal, written = change(folded[max(0, match.start() - ROOM) : match.start()]), ""
        if nouns and text and (short := SHORT.match(text, end)):
            written = short[1]
        yield Number(value, f"第{unit}" if ordinal else unit, bound, match.start(), end, per, nouns, goal, written)


def change(before: str) -> str:
    """Whether a number is what something changes to, or from: ``rose to``, ``上涨到``."""
    found = CHANGED.search(before)
    return ("from" if "from" in found.groups() else "to") if found else ""


def read(match: re.Match[str]) -> str | None:
    if match["clock"]:
        return match["clock"]
    if match["digits"]:
        return scaled(match["digits"].replace(",", ""), match["large"] or "")
    if match["words"]:
        return None if len(match["words"]) > 3 * LONGEST else canonical(str(spoken_value(match["words"])))
    text = (match["share"] or match["chinese"]).removeprefix("第")
    return canonical(text) if text[0].isdigit() else chinese_value(text)


def scaled(digits: str, large: str) -> str:
    if not large or digits.count(".") > 1:
        return canonical(digits)
    factor = LARGE.get(large) or 1
    for character in large if large not in LARGE else "":
        factor *= TENS.get(character) or MYRIADS[character]
    return canonical(str(Decimal(digits) * factor))


def counts(folded: str, match: re.Match[str]) -> bool:
    """Whether Chinese numerals count something: 三年, 三十, 第三, but not 一般, 统一, 万一 or 一个."""
    text = match["chinese"]
    if text.startswith("第"):
        return len(text) > 1
    unit = COUNTED.match(folded, match.end())
    if text in ("一", "一一"):
        return bool(unit) and unit[0] in ("年", "月", "日", "天", "小时", "周", "倍", "个月", "元", "百分点")
    return bool(unit) or (
        len(text) > 1 and any(c in TENS or c in MYRIADS for c in text[1:]) and text not in ("千万", "万千")
    )


def unit_after(folded: str, end: int, text: str) -> tuple[str, int]:
    """The unit that follows a number, with what it is divided by (``mg/kg``, ``yuan per day``), and where it ends."""
    match = AFTER.match(folded, end)
    if not match:
        return "", end
    written = match[1]
    unit = UNIT.get(written, "" if written.isascii() and written.isalpha() else written)
    tail = TAIL.match(folded, match.end())
    gauge = GAUGE.match(folded, match.end())
    if not unit and (tail or gauge or is_symbol(match, text)):
        unit = written
    if not unit:
        return "", end
    unit = cased(unit, written, text[match.start(1) : match.end(1)])
    stop = match.end()
    if gauge:
        unit, stop = unit + gauge[0], gauge.end()
    while tail:
        below = cased(UNIT.get(tail[1], tail[1]), tail[1], text[tail.start(1) : tail.end(1)])
        unit += f" per {below}" if below in PERIODS or not below.isascii() else f"/{below}"
        stop = tail.end()
        tail = TAIL.match(folded, stop)
    return unit, stop


def cased(unit: str, folded: str, written: str) -> str:
    """A unit with the way in which it is written, where that is not a usual one: ``Ms``, ``5 S``, ``MW``."""
    if not written or written == folded or written in SPELT or not any(c.isascii() for c in written):
        return unit if folded not in CASED else f"{unit}:{SPELT.get(written, written)}"
    word = folded.isascii() and folded.isalpha() and len(folded) >= WORD and folded not in CASED
    spelt = written.replace("\u2126", "Ω").replace("\u212a", "K")
    return unit if word and folded in UNIT else f"{unit}:{spelt}"


def is_symbol(match: re.Match[str], text: str) -> bool:
    """Whether letters behind a number are a unit that is not listed: ``5IU``, ``5 mEq``; and not a word, as in 5 files."""  # noqa: E501
    written = text[match.start(1) : match.end(1)]
    return 0 < len(written) <= 5 and (match.start() == match.start(1) or not (written.islower() or written.istitle()))


def per_what(folded: str, before: str, end: int) -> str:
    """What a number counts for: a day, a dose; "" where that is not said beside it."""
    after = PER_AFTER.match(folded, end, end + ROOM)
    if found := (after[1] or after[2]) if after else "":
        return UNIT.get(found, found)
    said = PER_BEFORE.search(before[-16:])
    return UNIT.get(said[1], said[1]) if said else ""


def nouns_after(folded: str, end: int) -> tuple[str, ...]:
    """The content words right behind a number, stemmed, at most three; of Chinese the next character."""
    first = NOUN.match(folded, end)
    if not first or first[1] in listed("stop") or first[1] in TIED:
        return ()
    if not first[1].isascii():
        return (first[1],)
    words = FOLLOWING.findall(folded[end : end + ROOM])[:3]
    return tuple(stem(word) for word in words if word not in listed("stop"))


TIED = frozenset("的了是在和与或及等被把将会也就都而且并其这那为由从对向到中里内前后时以之所于不无未起止左右多余")


def bound_around(folded: str, start: int, end: int) -> str:
    before, after = folded[max(0, start - 24) : start], folded[end : end + 16]
    for kind in ("min", "max", "over", "under"):
        if BEFORE_BOUND[kind].search(before):
            denied = kind in ("over", "under") and DENIED.search(before)
            return {"over": "max", "under": "min"}[kind] if denied else kind
    if found := next((kind for kind, pattern in AFTER_BOUND.items() if pattern.match(after)), ""):
        return found
    if loose := LOOSE_BOUND.search(before):
        return "min" if loose[1] else "max"
    if FROM.match(folded, end) or (re.match(r" to [$¥￥]?\d", folded[end : end + 8]) and folded[end - 1].isdigit()):
        return "from"
    if before.endswith("between ") and " and " in after:
        return "from"
    return "to" if TO.search(before) else ""
