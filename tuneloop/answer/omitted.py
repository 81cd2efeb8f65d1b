"""Whether a sentence leaves out, or puts in another order, what stands in the statement that it takes its words from.

What it says is laid along that statement, word by word and in the same order. What remains must be such that a reader
may do without it: another item of a list, another statement beside a comma, an aside in parentheses. A condition, an
exception, a qualifier or a subject that remains is no such thing, and the sentence is refused.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tuneloop.answer.fit import Fit, Source
from tuneloop.answer.listed import in_both
from tuneloop.answer.marks import Mark, Part, between, marks, parts
from tuneloop.answer.statement import Clause, Statement
from tuneloop.scripts import CHINESE, CJK

GAP = 2  # what a place where the sentence leaves something out costs, against one word that is left out
FEW = 2  # Chinese characters: what is shorter and opens a statement tells when or where, and states nothing
DATE = re.compile(r"\W*[\d一二三四五六七八九十〇零年月日季度上下半初底末至~-]+\W*")  # when, and no statement
FREE = frozenset(("may", "forbid", "ban", "unfit", "refuse", "avoid", "not"))  # what holds of A or B holds of A
APART = frozenset(("comma", "joined", "colon", "but"))  # breaks between statements, as opposed to items of a list
LISTS = frozenset(("list", "and", "or", "joined"))


@lru_cache(1)
def binding() -> dict[str, re.Pattern[str]]:
    """Patterns for the words that bind a part to what stands beside it, from ``words/LANGUAGE.toml``."""
    en, zh = in_both("binding")

    def either(words: str) -> str:
        return "|".join(re.escape(word.strip()) for word in words.split(","))

    def among(words: str) -> str:
        return "|".join(map(re.escape, words.split()))

    conditions = rf"(?:(?:{either(en['conditions'])})\b|(?:{among(zh['conditions'])}))"
    openers = rf"(?:(?:{either(en['openers'])})\b|(?:{among(zh['openers'])}))"
    links = f"{en['conditions']}, {en['openers']}, {en['relatives']}"
    inert = rf"\s*(?!{among(zh['inert'])})"
    return {
        "conditions": re.compile(inert + conditions),
        "opens": re.compile(rf"{inert}(?:{conditions}|{openers})"),
        "ends": re.compile(rf"(?:{among(zh['ends'])})\s*\Z"),
        "links": re.compile(rf"\b(?:{either(links)})\b"),
        "except": re.compile(
            rf"\s*(?:(?:{either(en['excepts'])})\b|(?:{among(zh['excepts'])})|[^,，;；。\n]{{0,20}}另有)"
        ),
        "predicate": re.compile(rf"\s*(?:(?:{either(en['predicates'])})\b|(?:{among(zh['predicates'])}))"),
        "verb": re.compile(rf"\b(?:{either(en['predicates'])})\b"),
        "pairwise": re.compile(rf"\b(?:{either(en['pairwise'])})\b|{among(zh['pairwise'])}"),
        "pronoun": re.compile(rf"\b(?:{either(en['pronouns'])})\b|(?:{among(zh['pronouns'])})(?!{among(zh['names'])})"),
        "narrows": re.compile(rf"\b(?:{either(en['conditions'])}|{either(en['relatives'])}|with)\b"),
        "qualifies": re.compile(rf"(?<![\d小同])(?:{among(zh['qualifies'])})"),
        "asks": re.compile(among(zh["asks"])),
    }


@dataclass(frozen=True)
class Row:
    """One statement of a passage: what it says, which part each of it lies in, and whether the sentence says it."""

    told: Statement
    marks: list[Mark]
    parts: list[Part]
    said: list[bool]
    lent: list[bool]  # only the question says it

    def part(self, n: int) -> int:
        return max(0, bisect_right(self.parts, self.marks[n].start, key=lambda part: part.start) - 1)

    def first(self, n: int) -> bool:
        """Whether a mark is the first of its part."""
        return n == 0 or self.part(n - 1) != self.part(n)

    def last(self, n: int) -> bool:
        return n == len(self.marks) - 1 or self.part(n + 1) != self.part(n)

    def text(self, part: int) -> str:
        return self.told.folded[self.parts[part].start : self.parts[part].end]

    def bound(self, part: int) -> bool:
        """Whether a part is, or ends, a condition or an adverbial of what stands beside it."""
        comma = part + 1 < len(self.parts) and self.parts[part + 1].kind in ("comma", "joined")
        opens = binding()["conditions" if self.parts[part].kind in ("list", "and", "or", "joined") else "opens"]
        text = self.text(part)
        return bool(opens.match(text)) or (comma and bool(binding()["ends"].search(text) or DATE.fullmatch(text)))

    def conditional(self, part: int) -> bool:
        """Whether the stretch between two commas that holds a part is a condition."""
        start = end = part
        while start and self.parts[start].kind not in APART:
            start -= 1
        while end + 1 < len(self.parts) and self.parts[end + 1].kind not in APART:
            end += 1
        return self.bound(start) or self.bound(end)


def omission(claim: Statement, fits: Sequence[Fit], source: Source, asked: Statement | None = None) -> str:
    """Why a sentence that its passage seems to hold is not what stands there, word for word; "" where it is.

    What ``asked`` says, the question of a sentence that says little by itself, need not be said again.
    """
    mine, theirs = marks(claim), marks(asked) if asked else []
    for block in sorted({fit.clause.block for fit in fits}):
        held = [c for c in source.statement.clauses if c.block == block]
        whole = Clause(held[0].start, held[-1].end, block)
        row = laid(claim, mine, [fit for fit in fits if fit.clause.block == block], source, whole)
        if row is None:
            return "order"
        lend(row, theirs, asked, claim)
        problem = next((p for start, end in gaps(row) if (p := gap_problem(claim, row, start, end))), "")
        if problem or excepted(source.statement, whole, fits):
            return problem or "condition"
    return ""


def laid(claim: Statement, mine: list[Mark], fits: Sequence[Fit], source: Source, block: Clause) -> Row | None:
    """A sentence laid along one statement; None where what both have does not stand in the same order."""
    told = source.statement
    cut = list(parts(told, block))
    theirs = between(source.marks, cut[0].start, block.end)
    row = Row(told, theirs, cut, [mark.aside for mark in theirs], [False] * len(theirs))
    places: dict[str, list[int]] = defaultdict(list)
    for n, mark in enumerate(theirs):
        places[mark.key].append(n)
    begun = [fit.part[0].start for fit in fits]
    taken = [(c.start, c.end) for c in claim.clauses if any(c.start <= at < c.end for at in begun)]
    used: Counter[str] = Counter()
    for piece in claim.pieces:
        here = [m for m in between(mine, piece.start, piece.end) if any(a <= m.start < b for a, b in taken)]
        here = [m for m in here if m.key in places and beside(m, claim, told.folded[block.start : block.end])]
        claim.spend(len(here) + sum(len(places[m.key]) for m in here))
        ways = [places[m.key] for m in here]
        chain = (chained(ways) or turned_round(row, ways)) if ways else []
        used.update(m.key for m in here)
        if chain is None or any(used[m.key] > len(places[m.key]) for m in here):
            return None
        for n in chain:
            row.said[n] = True
    return row


def lend(row: Row, theirs: Sequence[Mark], asked: Statement | None, claim: Statement) -> None:
    """Mark what the question says and the sentence does not."""
    if asked is None:
        return
    text = row.told.folded[row.parts[0].start : row.parts[-1].end]
    claim.spend(len(theirs) + len(row.marks))
    keys = {mark.key for mark in theirs if beside(mark, asked, text)}
    for n, mark in enumerate(row.marks):
        if not row.said[n] and mark.key in keys:
            row.said[n] = row.lent[n] = True


def turned_round(row: Row, places: Sequence[Sequence[int]]) -> list[int] | None:
    """Places of a sentence that begins with what stands last in one part: ``The valve opens above 2 bar``."""
    cut, last = 0, -1
    while cut < len(places) and (later := [at for at in places[cut] if at > last]):
        last, cut = min(later), cut + 1
    if not 0 < cut < len(places):
        return None
    ends = chained(places[:cut])
    begins = chained([[at for at in here if ends and at < ends[0]] for here in places[cut:]])
    if not ends or not begins or row.part(begins[-1]) != row.part(ends[0]):
        return None
    return [*begins, *ends]


def beside(mark: Mark, claim: Statement, text: str) -> bool:
    """Whether a Chinese character stands in a text together with one of its neighbours."""
    if mark.key.isascii() or len(mark.key) > 1:
        return True
    left, right = claim.folded[mark.start - 1 : mark.end], claim.folded[mark.start : mark.end + 1]
    return left in text or right in text


def chained(places: Sequence[Sequence[int]]) -> list[int] | None:
    """One place of each, rising, with the fewest and shortest gaps between them; None where there is no such row.

    It takes as many steps as there are places: what a gap costs grows with its length, so the best place before one
    needs to be kept only once.
    """
    if not all(places):
        return None
    costs = [dict.fromkeys(places[0], 0)]
    came: list[dict[int, int]] = [{}]
    for here in places[1:]:
        before, cost, link = costs[-1], {}, {}
        olds, n, best = sorted(before), 0, None
        for at in here:
            while n < len(olds) and olds[n] < at:
                if best is None or before[olds[n]] - olds[n] <= before[best] - best:
                    best = olds[n]
                n += 1
            if best is None:
                continue
            cost[at], link[at] = before[best] + GAP + at - best - 1, best
            if at - 1 in before and before[at - 1] <= cost[at]:
                cost[at], link[at] = before[at - 1], at - 1
        if not cost:
            return None
        costs.append(cost)
        came.append(link)
    at = min(costs[-1], key=lambda place: costs[-1][place])
    chain = [at]
    for link in reversed(came[1:]):
        chain.append(at := link[at])
    return chain[::-1]


def gaps(row: Row) -> Iterator[tuple[int, int]]:
    """The stretches of a statement that are not said: the first mark of each, and the one behind its last."""
    start = None
    for n, said in enumerate([*row.said, True]):
        if not said and start is None:
            start = n
        elif said and start is not None:
            yield start, n
            start = None


def gap_problem(claim: Statement, row: Row, start: int, end: int) -> str:
    """Why a stretch may not be left out; "" where it may."""
    first, last = row.part(start), row.part(end - 1)
    begins, ends = row.first(start), row.last(end - 1)
    whole = range(first + (not begins), last + ends)
    if named(row, start, end) or antecedent(row, start, end):
        return ""
    if any((row.bound(part) and row.parts[part].kind != "or") or row.parts[part].kind == "but" for part in whole):
        return "condition"
    own = [n for n, said in enumerate(row.said) if said and not row.lent[n] and not row.marks[n].aside]
    if any(row.lent) and own and not own[0] < start < own[-1]:
        return "condition" if qualified(row, start, end) else ""
    if not any(row.said[:start]):
        return leading(claim, row, last) if ends else "" if ours(row, start, end) else "words"
    if not begins and (not ends or end == len(row.marks)):
        return "words"
    joints = [row.parts[p].kind for p in range(first + (not begins), last + 1 + (ends and end < len(row.marks)))]
    if end == len(row.marks):
        return listed(claim, row, first, joints)
    if "colon" in joints or (row.marks[end].number and any(m.number for m in row.marks[start:end]) and begins):
        return "number"
    if begins != ends and not LISTS & set(joints) and (begins or not shared(row, start, end)):
        return "words"
    if begins and not ends and binding()["links"].search(row.told.folded, row.marks[start].start, row.marks[end].start):
        return "words"
    return listed(claim, row, first, joints)


def named(row: Row, start: int, end: int) -> bool:
    """Whether what is left out is only the word before a piece of code: ``the folder `/srv` ``."""
    if end == len(row.marks) or not row.marks[end].key.startswith("`"):
        return False
    text = row.told.folded[row.marks[start].start : row.marks[end].start]
    return re.fullmatch(rf"(?:[a-z]+|[{CJK}]{{1,4}})[\s`]*", text) is not None


def ours(row: Row, start: int, end: int) -> bool:
    """Whether what is left out only points at the document itself: 本基金 before 管理费."""
    text = row.told.folded[row.marks[start].start : row.marks[end].start]
    return re.fullmatch(rf"[本该][{CJK}]{{1,3}}", text) is not None


def antecedent(row: Row, start: int, end: int) -> bool:
    """Whether what is left out is the frame of a thing and its ``which``: ``It has `file_id`, which stays valid``."""
    if row.marks[start].key in ("~which", "~who"):
        return end - start == 1 and start > 0 and row.said[start - 1] and row.first(start)
    if any(row.said[:start]) or not row.first(start) or row.part(start) != row.part(end - 1):
        return False
    while end < len(row.marks) and row.said[end] and not row.last(end):
        end += 1
    following = row.marks[end + 1].key if end + 1 < len(row.marks) and row.said[end] else ""
    return following in ("~which", "~who") and not qualified(row, start, end)


def qualified(row: Row, start: int, end: int) -> bool:
    """Whether a stretch that only the question could make up for is a condition or narrows a thing: 满一年的."""
    stop = row.marks[end].start if end < len(row.marks) else row.parts[-1].end
    before = row.marks[start - 1].end if start else row.parts[0].start
    narrows = binding()["narrows"].search(row.told.folded, before, stop)
    return bool(narrows or binding()["qualifies"].search(row.told.folded, row.marks[start].start, stop))


def shared(row: Row, start: int, end: int) -> bool:
    """Whether a Chinese subject has another predicate behind a comma: 黄河发源于青海，注入渤海."""
    cut, part = row.told.folded[row.marks[start - 1].end : row.parts[row.part(start)].end], row.text(row.part(end))
    key = row.marks[end].key
    if (key.isascii() and not CHINESE.search(part)) or binding()["opens"].match(cut) or binding()["ends"].search(cut):
        return False
    return row.parts[row.part(end)].kind == "but" or not binding()["predicate"].match(part)


def leading(claim: Statement, row: Row, last: int) -> str:
    """Why parts before the first word of a sentence may not be left out."""
    if last + 1 >= len(row.parts):
        return "words"
    following, text = row.parts[last + 1].kind, row.text(last)
    rules = binding()
    if rules["pairwise"].search(row.told.folded, row.parts[0].start, row.parts[-1].end):
        return "order"
    if following in APART:
        if rules["predicate"].match(row.text(last + 1)):
            return "" if rules["predicate"].match(claim.folded) and last + 2 == len(row.parts) else "subject"
        if row.bound(last + 1) and re.match(r"[且并]", row.told.folded[row.parts[last].end :][1:2]):
            return "condition"
        verb = rules["verb"].search(text) is not None
        states = verb or (following != "colon" and (following == "joined" or len(re.findall(f"[{CJK}]", text)) > FEW))
        return "" if states else "words"
    return "condition" if following == "and" and row.conditional(last) else ""


def listed(claim: Statement, row: Row, part: int, joints: Sequence[str]) -> str:
    """Why items of a list may not be left out: of ``A and B`` in a condition, or of ``A or B`` outside of one."""
    if binding()["pairwise"].search(row.told.folded, row.parts[0].start, row.parts[-1].end):
        return "order"
    conditional = row.conditional(part)
    if "or" in joints and not conditional and not FREE & {turn.sense for turn in claim.turns}:
        return "order"
    return "condition" if "and" in joints and "or" not in joints and conditional else ""


def excepted(told: Statement, block: Clause, fits: Sequence[Fit]) -> bool:
    """Whether, behind a semicolon, an exception follows that the sentence does not have."""
    if not told.folded[: block.end].rstrip().endswith((";", "；")):
        return False
    used = {fit.clause.block for fit in fits}
    return block.block + 1 not in used and bool(binding()["except"].match(told.folded, block.end))
