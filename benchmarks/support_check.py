"""What the check of cited sentences believes: sentences of your own documents, as they stand and with one edit.

    python benchmarks/support_check.py FOLDER [--sentences 300] [--seed 1] [--show 5]

Every sentence is taken from a .md, .txt, .json or .jsonl file of FOLDER. Kept as it stands, or written in another way
that says the same (other numerals, another spelling of a unit, without the number of its article), it should be called
supported. With one edit that changes what it says (a negation, a permission, a bound, a unit, a number, the period of a
rate), it must not be. The edits are listed here and share nothing with the word lists of the check. Beside it the
simplest rule: the letters and digits of the sentence stand in the passage.
"""

import argparse
import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tuneloop.answer.support import Checker
from tuneloop.knowledge.bm25 import BM25
from tuneloop.knowledge.terms import terms
from tuneloop.text.sentences import split_sentences

PASSAGE = 700  # characters
LENGTH = (12, 220)  # characters of a sentence
LAST = 1.96  # standard errors of a 95% interval
ARTICLE = re.compile(
    r"^\s*(?:第[零〇一二三四五六七八九十百千\d]+条(?:之[一二三四五六七八九十]+)?\s*|[-*+•]\s+|\d{1,3}[.)、]\s*)"
)
PROSE = re.compile(r"[。！.!]\s*$")

SWAPS = {  # kind: groups of words that say different things; each may be put in another's place
    "prohibition": [
        "不得|可以", "禁止|允许", "严禁|可以", "不能|可以", "应当|可以", "必须|可以", "禁用|可用", "避免|可以", "不应|应当",  # noqa: E501
        "慎用|可用", "must not|may", "cannot|can", "may not|may", "must|may", "should|must not", "never|always",
        "is not|is", "are not|are", "do not|always", "does not|always does", "disabled|enabled", "required|optional",
    ],
    "bound": [
        "至少|至多", "不超过|超过", "不低于|不高于", "以上|以下", "以内|以外", "不少于|不多于", "高于|低于", "大于|小于", "之前|之后",  # noqa: E501
        "最高|最低", "at least|at most", "more than|less than", "up to|at least", "no more than|no less than", "before|after",  # noqa: E501
        "above|below", "maximum|minimum", "greater than|less than",
    ],
    "period": ["每日|每周|每月|每次", "每天|每周|每月", "每年|每月", "per day|per week|per request", "a day|an hour|a week",  # noqa: E501
               "per second|per minute|per hour", "every day|every week", "daily|weekly|hourly"],
}  # fmt: skip
UNITS = [
    "mg|g|μg|ml|IU", "毫克|克|微克|毫升|片", "元|万元|角", "日|个月|年|周", "天|个月|年|周", "小时|分钟|天|秒", "%|‰|个百分点",  # noqa: E501
    "MB|GB|KB|bytes", "ms|seconds|minutes", "seconds|minutes|hours|milliseconds", "minutes|hours|days", "days|weeks|months",  # noqa: E501
    "公里|米|亩", "周岁|岁半", "cm|mm|m", "人|户|次", "条|款|项",
]  # fmt: skip
NEGATIONS = {
    "negation dropped": [(r"不(?=[得能应宜可会需予受在是])", ""), (r"未(?=[经按满成])", ""), (r"没有", "有"), (r"禁止", ""),  # noqa: E501
                         (r"\bnot ", ""), (r"\bwithout\b", "with"), (r"\bno (?=\w)", "some "), (r"n't\b", "")],
    "negation added": [(r"(?<![不可])应当", "不应当"), (r"(?<!不)可以", "不可以"), (r"(?<!不)需要", "不需要"), (r"(?<!不)具有", "不具有"),  # noqa: E501
                       (r"(?<!不)属于", "不属于"), (r"(?<!不)承担", "不承担"), (r"\bis (?!not)", "is not "), (r"\bcan (?!not)", "cannot "),  # noqa: E501
                       (r"\bwill (?!not)", "will not "), (r"\bare (?!not)", "are not "), (r"\bshould (?!not)", "should not ")],  # noqa: E501
}  # fmt: skip
NUMERALS = "零一二三四五六七八九十"
SAME = [
    ("天", "日"),
    ("小时", "个小时"),
    ("毫升", "ml"),
    ("毫克", "mg"),
    ("%", "％"),
    ("seconds", "s"),
    ("minutes", "min"),
]

Edit = Callable[[str, random.Random], str | None]


def swapped(groups: list[str], counted: bool) -> Edit:
    """One word of a group in another's place; ``counted`` ones only right behind a number."""

    def edit(sentence: str, generator: random.Random) -> str | None:
        found = []
        for group in groups:
            words = group.split("|")
            pattern = "|".join(re.escape(w) for w in sorted(words, key=len, reverse=True))
            before = (
                r"(?<=[\d一二三四五六七八九十百千万])\s?" if counted else r"(?<![A-Za-z])" if group.isascii() else ""
            )
            after = r"(?![A-Za-z])" if group[0].isascii() else ""
            found += [(m, words) for m in re.finditer(f"{before}({pattern}){after}", sentence, re.I)]
        if not found:
            return None
        match, words = generator.choice(found)
        other = generator.choice([w for w in words if w.lower() != match[1].lower()])
        return sentence[: match.start(1)] + other + sentence[match.end(1) :]

    return edit


def replaced(rules: list[tuple[str, str]]) -> Edit:
    def edit(sentence: str, generator: random.Random) -> str | None:
        found = [(m, new) for old, new in rules for m in re.finditer(old, sentence)]
        if not found:
            return None
        match, new = generator.choice(found)
        return sentence[: match.start()] + new + sentence[match.end() :]

    return edit


def another_number(sentence: str, generator: random.Random) -> str | None:
    body = ARTICLE.match(sentence)
    found = list(
        re.compile(r"\d+|[二三四五六七八九](?=[年月日天条款项人次倍个万千百])").finditer(
            sentence, body.end() if body else 0
        )
    )
    if not found:
        return None
    match = generator.choice(found)
    if match[0].isdigit():
        other = str(int(match[0]) + generator.choice([1, 2, 5, 10]))
    else:
        other = generator.choice([c for c in "二三四五六七八九" if c != match[0]])
    return sentence[: match.start()] + other + sentence[match.end() :]


def other_numerals(sentence: str, generator: random.Random) -> str | None:
    """三年 as 3年, and the other way round."""
    found = list(
        re.finditer(
            r"(?<![\d.一二三四五六七八九十百千万第])([2-9]|[二三四五六七八九])(?=(?:年|个月|日|天|人|次|倍|小时|分钟))",
            sentence,
        )
    )
    if not found:
        return None
    match = generator.choice(found)
    other = NUMERALS[int(match[1])] if match[1].isdigit() else str(NUMERALS.index(match[1]))
    return sentence[: match.start()] + other + sentence[match.end() :]


def other_spelling(sentence: str, generator: random.Random) -> str | None:
    rules = [(rf"(?<=\d)(\s?){a}(?![A-Za-z个])", b) for a, b in SAME]
    return replaced(rules)(sentence, generator)


def without_number(sentence: str, generator: random.Random) -> str | None:
    return ARTICLE.sub("", sentence) if ARTICLE.match(sentence) else None


TRUE: dict[str, Edit] = {
    "as it stands": lambda sentence, generator: sentence,
    "other numerals": other_numerals,
    "unit spelt otherwise": other_spelling,
    "without its number": without_number,
}
FALSE: dict[str, Edit] = {
    **{kind: swapped(groups, counted=False) for kind, groups in SWAPS.items()},
    "unit": swapped(UNITS, counted=True),
    "number": another_number,
    **{kind: replaced(rules) for kind, rules in NEGATIONS.items()},
}


def texts(folder: Path) -> Iterator[str]:
    """The documents of a folder: whole files, and the longer strings of JSON rows."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".md", ".txt") and path.name not in ("README.md", "SOURCE.txt"):
            yield path.read_text(encoding="utf-8", errors="replace")
        elif path.suffix in (".json", ".jsonl"):
            yield from strings(json.loads(line) for line in rows_of(path))


def rows_of(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        yield text
    else:
        yield from (line for line in text.splitlines() if line.strip())


def strings(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        if len(values) >= LENGTH[0]:
            yield values
    else:
        for value in values.values() if isinstance(values, dict) else values if hasattr(values, "__iter__") else ():
            yield from strings(value)


def passages(text: str) -> Iterator[str]:
    """Neighbouring sentences of together about 700 characters, code left out."""
    text = re.sub(r"```.*?(?:```|\Z)|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"^(?:import|#|\||<).*$", "", text, flags=re.MULTILINE)
    start = end = 0
    for a, b in split_sentences(text):
        if b - start > PASSAGE and end > start:
            yield text[start:end].strip()
            start = a
        end = b
    if end > start:
        yield text[start:end].strip()


def bare(text: str) -> str:
    return re.sub(r"[^\w%‰]+", "", text).lower()


def wilson(count: int, of: int) -> tuple[float, float]:
    if not of:
        return 0.0, 1.0
    p, z = count / of, LAST
    middle, half = p + z * z / (2 * of), z * ((p * (1 - p) + z * z / (4 * of)) / of) ** 0.5
    return (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)


def cases(folder: Path, count: int, seed: int) -> Iterator[tuple[str, str, str, bool]]:
    """(passage, kind, sentence, whether it is true), the same number of every kind as far as the documents have it."""
    generator = random.Random(seed)
    pool = [p for text in texts(folder) for p in passages(text) if len(p) >= LENGTH[0]]
    generator.shuffle(pool)
    kinds = [(kind, edit, True) for kind, edit in TRUE.items()] + [(kind, edit, False) for kind, edit in FALSE.items()]
    got: dict[str, int] = defaultdict(int)
    for passage in pool[: 60 * count]:
        found = [passage[a:b] for a, b in split_sentences(passage)]
        found = [s for s in found if LENGTH[0] <= len(s) <= LENGTH[1] and PROSE.search(s)]
        for sentence in generator.sample(found, min(2, len(found))):
            for kind, edit, true in kinds:
                said = edit(sentence, generator) if got[kind] < count else None
                if said and (true or bare(said) not in bare(passage)):
                    got[kind] += 1
                    yield passage, kind, said, true
        if all(got[kind] >= count for kind, _, _ in kinds):
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sentences", type=int, default=300, help="of every kind, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="print so many of each that the check gets wrong")
    options = parser.parse_args()
    rows = list(cases(options.folder, options.sentences, options.seed))
    idf = BM25.build([([terms(passage) for passage in dict.fromkeys(row[0] for row in rows)], 1.0)]).idf
    believed: dict[tuple[bool, str], list[bool]] = defaultdict(list)
    verbatim: dict[tuple[bool, str], list[bool]] = defaultdict(list)
    seconds, shown = [], defaultdict(int)
    for passage, kind, said, true in rows:
        checker, begun = Checker([(passage, [])], idf), time.perf_counter()
        found = checker.check(said)
        seconds.append(time.perf_counter() - begun)
        supported = found is not None and found.supported
        believed[true, kind].append(supported)
        verbatim[true, kind].append(bare(said) in bare(passage))
        if supported != true and shown[kind] < options.show:
            shown[kind] += 1
            print(f"{kind}: {said!r} {found.problem if found else ''}\n    of {passage!r}\n")
    print(f"{'':24}     n   called supported        stands there")
    for true in (True, False):
        kinds = [kind for is_true, kind in believed if is_true == true]
        for kind in [*kinds, ""]:
            mine = believed[true, kind] if kind else [v for k in kinds for v in believed[true, k]]
            plain = verbatim[true, kind] if kind else [v for k in kinds for v in verbatim[true, k]]
            low, high = wilson(sum(mine), len(mine))
            name = kind or ("true, together" if true else "false, together")
            rate = sum(mine) / max(1, len(mine))
            print(
                f"{name:24} {len(mine):5}   {rate:6.1%} ({low:.1%} to {high:.1%})   {sum(plain) / max(1, len(plain)):6.1%}"  # noqa: E501
            )
    seconds.sort()
    if not seconds:
        raise SystemExit("no sentence of these documents can be used")
    print(f"one check: median {seconds[len(seconds) // 2] * 1e3:.1f} ms, longest {seconds[-1] * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
