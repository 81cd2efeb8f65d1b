"""Numbers as they are written in English and Chinese: their value, unit and bound.

``30 s``, ``thirty seconds`` and ``三十秒`` are the same number; ``at least 30`` and ``30`` are not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
DECADES = "twenty thirty forty fifty sixty seventy eighty ninety"
SMALL = {word: value for value, word in enumerate(ONES.split())} | {
    word: 10 * value for value, word in enumerate(DECADES.split(), 2)
}
LARGE = {"k": 1000, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
DIGITS = {c: v for v, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
TENS = {"十": 10, "百": 100, "千": 1000}
MYRIADS = {"万": 10**4, "亿": 10**8}

UNITS = {
    "ms": "ms msec millisecond milliseconds 毫秒",
    "s": "s sec secs second seconds 秒 秒钟",
    "minute": "m min mins minute minutes 分钟",
    "hour": "h hr hrs hour hours 小时 个小时",
    "day": "d day days 天 日",
    "week": "week weeks 周 星期 个星期",
    "month": "month months 月 个月 月份",
    "year": "y yr yrs year years 年 周年",
    "%": "% percent 百分点 个百分点",
    "B": "byte bytes 字节", "KB": "kb kib 千字节", "MB": "mb mib 兆 兆字节", "GB": "g gb gib", "TB": "t tb tib",
    "euro": "eur euro euros 欧元", "pound": "gbp 英镑", "yen": "jpy yen 日元",
    "yuan": "yuan rmb cny 元 块 块钱", "dollar": "usd dollar dollars 美元",
    "person": "person people persons 人 名 位", "time": "time times 次 回", "age": "岁 周岁",
    "token": "token tokens", "character": "character characters char chars 字 个字 字符 个字符",
    "request": "request requests",
    "page": "page pages 页", "row": "row rows line lines 行",
    "item": "items 条 款 项 件 个 种 类 份 张 台",
    "core": "core cores 核", "m": "meter meters metre metres 米", "km": "km kilometers kilometres 公里 千米",
    "kg": "kg kilogram kilograms 公斤 千克", "g": "gram grams 克", "cm": "cm 厘米", "mm": "mm 毫米",
    "degree": "°c ℃ 度",
}  # fmt: skip
UNIT = {word: unit for unit, listed in UNITS.items() for word in listed.split()}
CHINESE_UNITS = sorted((w for w in UNIT if not w.isascii()), key=len, reverse=True)
COUNTED = "|".join(CHINESE_UNITS) + "|倍|成|级|章|节|条|楼|层|号|期|届|审|等"

WORDS = "|".join([*SMALL, *LARGE.keys() - {"k"}])
NUMERAL = "零〇一二两三四五六七八九十百千万亿"
NUMBER = re.compile(
    rf"""
    (?P<clock>(?<!\d)\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?!\d))
  | (?P<digits>(?<![\w.-])(?<!\d,)\d+(?:,\d{{3}})*(?:\.\d+)*|(?<=[\u4e00-\u9fff~～-])\d+(?:,\d{{3}})*(?:\.\d+)*)
        (?:\s?(?P<large>k|hundred|thousand|million|billion|trillion|[百千]?[万亿])(?![a-z]))?
  | (?P<percent>百分之)(?P<share>[{NUMERAL}点]+|\d+(?:\.\d+)?)
  | (?P<words>\b(?:{WORDS})(?:[\s-]+(?:and\s+)?(?:{WORDS}))*\b)
  | (?P<chinese>第?[{NUMERAL}]*[{NUMERAL}](?:点[{NUMERAL}]+)?)
    """,
    re.VERBOSE,
)
AFTER = re.compile(rf"[\s-]?(%|°c|℃|[a-z]+\b|{'|'.join(CHINESE_UNITS)})")
MONEY = re.compile(r"([$¥￥])\s?$")

BOUNDS = {
    "min": (
        r"at least|no less than|not less than|no fewer than|not fewer than|(?:a )?minimum of|≥|>=|"
        r"至少|不少于|不低于|不小于|起码",
        r"or more|or above|or later|or higher|and above|以上|及以上|起",
    ),
    "max": (
        r"at most|no more than|not more than|up to|maximum of|not exceeding|within|≤|<=|至多|最多|不超过|不大于|不高于|"
        r"不得超过|不多于",
        r"or less|or fewer|or below|以下|以内|之内",
    ),
    "over": (r"more than|over|greater than|exceeding|exceeds?|above|超过|大于|高于|多于|逾", r"多"),
    "under": (r"less than|fewer than|under|below|低于|小于|少于|未满|不满|不足", ""),
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
    """A number in a text: ``value`` in canonical form, ``unit`` and ``bound`` ("" where there is none)."""

    value: str
    unit: str
    bound: str
    start: int
    end: int

    def agrees(self, other: "Number") -> bool:
        """Whether ``other``, in a passage, says what this one claims."""
        return self.value == other.value and self.unit in ("", other.unit) and self.bound == other.bound


def find_numbers(folded: str) -> Iterator[Number]:
    """The numbers of a text that is folded already, in order."""
    for match in NUMBER.finditer(folded):
        value = read(match)
        if value is None or (match["chinese"] and not counts(folded, match)):
            continue
        ordinal = (match["chinese"] or "").startswith("第")
        unit, end = ("%", match.end()) if match["percent"] else unit_after(folded, match.end())
        if money := MONEY.search(folded[: match.start()]):
            unit = "dollar" if money[1] == "$" else "yuan"
        if not ordinal and match["words"] == "one" and unit == "":
            continue
        bound = bound_around(folded, match.start(), end)
        yield Number(value, "th" if ordinal else unit, bound, match.start(), end)


def read(match: re.Match[str]) -> str | None:
    if match["clock"]:
        return match["clock"]
    if match["digits"]:
        return scaled(match["digits"].replace(",", ""), match["large"] or "")
    if match["words"]:
        return canonical(str(english_value(match["words"])))
    text = (match["share"] or match["chinese"]).removeprefix("第")
    return canonical(text) if text[0].isdigit() else chinese_value(text)


def scaled(digits: str, large: str) -> str:
    if not large or digits.count(".") > 1:
        return canonical(digits)
    factor = LARGE.get(large) or 1
    for character in large if large not in LARGE else "":
        factor *= TENS.get(character) or MYRIADS[character]
    return canonical(str(Decimal(digits) * factor))


def canonical(digits: str) -> str:
    """``1000.50`` as ``1000.5``; versions such as ``1.19.2`` as they are; leading zeros (``08``) dropped."""
    try:
        number = Decimal(digits)
    except InvalidOperation:
        return digits
    return format(number.normalize(), "f")


def english_value(text: str) -> int:
    total = current = 0
    for word in re.split(r"[\s-]+", text):
        if word in SMALL:
            current += SMALL[word]
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word in LARGE:
            total, current = total + max(current, 1) * LARGE[word], 0
    return total + current


def chinese_value(text: str) -> str | None:
    """The value of Chinese numerals: ``三百零五``, ``二〇二六``, ``三点五``, ``两万``."""
    whole, _, fraction = text.partition("点")
    if not whole or any(c not in DIGITS for c in fraction):
        return None
    if len(whole) > 1 and all(c in DIGITS for c in whole):
        value = "".join(str(DIGITS[c]) for c in whole)
    else:
        total = section = digit = 0
        for character in whole:
            if character in DIGITS:
                digit = DIGITS[character]
            elif character in TENS:
                section, digit = section + (digit or 1) * TENS[character], 0
            else:
                total, section, digit = (total + section + digit or 1) * MYRIADS[character], 0, 0
        value = str(total + section + digit)
    return canonical(f"{value}.{''.join(str(DIGITS[c]) for c in fraction)}" if fraction else value)


def counts(folded: str, match: re.Match[str]) -> bool:
    """Whether Chinese numerals count something: 三年, 三十, 第三, but not 一般, 统一, 万一 or 一个."""
    text = match["chinese"]
    if text.startswith("第"):
        return len(text) > 1
    unit = re.match(COUNTED, folded[match.end() :])
    if text in ("一", "一一"):
        return bool(unit) and unit[0] in ("年", "月", "日", "天", "小时", "周", "倍", "个月", "元", "百分点")
    return bool(unit) or (
        len(text) > 1 and any(c in TENS or c in MYRIADS for c in text[1:]) and text not in ("千万", "万千")
    )


def unit_after(folded: str, end: int) -> tuple[str, int]:
    """The unit that follows a number, and where it ends."""
    match = AFTER.match(folded, end)
    if match and (unit := UNIT.get(match[1])):
        return unit, match.end()
    return "", end


def bound_around(folded: str, start: int, end: int) -> str:
    before, after = folded[max(0, start - 24) : start], folded[end : end + 16]
    for kind in ("min", "max", "over", "under"):
        if BEFORE_BOUND[kind].search(before):
            denied = kind in ("over", "under") and DENIED.search(before)
            return {"over": "max", "under": "min"}[kind] if denied else kind
    if found := next((kind for kind, pattern in AFTER_BOUND.items() if pattern.match(after)), ""):
        return found
    loose = LOOSE_BOUND.search(before)
    return "" if not loose else "min" if loose[1] else "max"
