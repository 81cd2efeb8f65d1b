"""Words that turn what a sentence says (not, may, at least, per day), by sense, in their order.

Which words there are is data: ``words/LANGUAGE.toml``. Here a difference counts, whatever it is: a sentence may have no
sense that its passage lacks there, and leave out only what narrows nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from tuneloop.answer.listed import FOLDER, words
from tuneloop.answer.numbers import CHINESE_UNITS, UNIT
from tuneloop.scripts import CJK

AND = "and+"
OPPOSED = (
    *(("may", sense) for sense in ("forbid", "ban", "unfit", "avoid", "refuse", "caution")),
    ("must", "forbid"), ("must", "need-not"), ("min", "max"), ("over", "under"), ("min", "under"), ("max", "over"),
    ("before", "after"),
)  # fmt: skip
PERIOD = rf"{'|'.join(CHINESE_UNITS)}|[{CJK}]"
RATES = (
    rf"(?P<zh_per>每\s?[\d零一二两三四五六七八九十百]*\s?[个名]?(?:{PERIOD})|[/／]\s?(?:{'|'.join(CHINESE_UNITS)}))",
    r"(?P<en_per>(?<![a-z])(?:per|(?:a|an|each|every)(?= (?:second|minute|hour|day|night|week|month|quarter|year)"
    r"(?![a-z]))) [a-z]+|/ ?(?:second|minute|hour|day|week|month|year|dose|sec|min|h|d|s)(?![a-z]))",
    r"(?P<adverb>(?<![a-z])(?:hourly|daily|nightly|weekly|monthly|quarterly|yearly|annually)(?![a-z]))",
)
ADVERBS = {"hourly": "hour", "daily": "day", "nightly": "night", "weekly": "week", "monthly": "month",
           "quarterly": "quarter", "yearly": "year", "annually": "year"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Turn:
    """A word that turns the meaning; ``sense`` is its kind, with a "?" at its end where it may be left out."""

    sense: str
    start: int
    end: int


@lru_cache(1)
def vocabulary() -> tuple[re.Pattern[str], dict[str, str]]:
    """One pattern for all the words, the longest first, and the sense of each."""
    sense: dict[str, str] = {}
    for language in sorted(path.stem for path in FOLDER.glob("??.toml")):
        listed = words(language)
        for name, line in (("", listed["inert"]["words"]), *listed["senses"].items()):
            sense |= (
                {word.strip(): name for word in re.split(",", line) if word.strip()}
                if language != "zh"
                else dict.fromkeys(line.split(), name)
            )
    ordered = sorted(sense, key=len, reverse=True)
    latin = "|".join(re.escape(w).replace(r"\ ", r"\s+") for w in ordered if w.isascii())
    chinese = "|".join(w for w in ordered if not w.isascii())
    first = "".join(sorted({w[0] for w in ordered if not w.isascii()}))  # so that most places need one look
    rates, *latin_rates = RATES
    pattern = (
        rf"(?=[每/／]){rates}|(?=[a-z/])(?:{'|'.join(latin_rates)})|(?<![\w`-])(?=[a-z])(?:{latin})(?![\w-])"
        rf"|(?=[{first}])(?:{chinese})"
    )
    return re.compile(pattern), sense


def find_turns(folded: str) -> Iterator[Turn]:
    """The turning words of a text that is folded already, in order, without overlap."""
    pattern, sense = vocabulary()
    for match in pattern.finditer(folded.replace("’", "'")):
        if match.lastgroup:
            yield Turn(f"per {period(match)}", match.start(), match.end())
        elif name := sense[" ".join(match[0].split())]:
            yield Turn(name, match.start(), match.end())


def period(match: re.Match[str]) -> str:
    """What a rate counts for, whatever its words: ``per day``, ``每天`` and ``/d`` are one."""
    if match.lastgroup == "adverb":
        return ADVERBS[match[0]]
    written = re.sub(r"^(?:[/／]\s?|每\s?[\d零一二两三四五六七八九十百]*\s?[个名]?|\w+ )", "", match[0])
    return UNIT.get(written, written)


def opposed(said: Sequence[Turn], told: Sequence[Turn]) -> str:
    """The first sense of a text that has its opposite in the other, where neither has both; "" where there is none."""
    mine, theirs = {t.sense for t in said}, {t.sense for t in told}
    for pair in OPPOSED:
        for ours, other in (pair, pair[::-1]):
            if ours in mine and other in theirs and ours not in theirs and other not in mine:
                return ours
    return ""


def differ(said: Sequence[Turn], told: Sequence[Turn]) -> str:
    """The first sense that a sentence has and its passage lacks, or the other way round; "" where there is none.

    Senses with "?" may be left out, and their order is free; "and" counts only where an "or" was left out.
    """
    mine, theirs = Counter(t.sense for t in said), Counter(t.sense for t in told)
    if added := next((s for s in mine if s.endswith("?") and mine[s] > theirs[s]), ""):
        return added
    if theirs["or?"] > mine["or?"] and mine[AND] > theirs[AND]:
        return "or?"
    left, right = ([t.sense for t in turns if t.sense[-1] not in "?+"] for turns in (said, told))
    if left == right:
        return ""
    return next((a or b for a, b in zip_longest(left, right, fillvalue="") if a != b), "")
