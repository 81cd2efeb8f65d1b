"""What is seen only in a whole sentence: subjects that changed places, conditions that were dropped, broken names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod

from tuneloop.answer.fit import Fit, Item, Source, foreign, heavy, spots_of, stands
from tuneloop.answer.numbers import Number
from tuneloop.answer.statement import Clause, Statement, take_apart
from tuneloop.answer.vocabulary import CONDITION, CONTRAST, DIRECTION, FRAME, OPPOSITES
from tuneloop.scripts import CJK

TURN = re.compile(rf"(?=([{CJK}]{{2}})([{DIRECTION}]))")
NAME_WORD = re.compile(r"[^\W_]+")
ROLE = re.compile(
    r"(?:\b(from|to|by|before|after|into|onto|with|without|than|in)\s+(?:(?<=than )(?:in|on) )?(?:the |a |an )?"
    r"|(从|由|被|向|给|至|到|比))"
    r"[`\"'“]?$"
)
CONJUNCTION = re.compile(r"\b(?:and|or|but|while|whereas)\b|[,，、；;]|和|与|或|及|而")
PHRASE = re.compile(r"[a-z]+ [a-z]+")
START = re.compile(f"[{CJK}]{{2,3}}")
RUN_BEFORE = re.compile(f"[{CJK}]\\Z")
AND = re.compile(r"\b(?:and|or|but|while|whereas)\b|和|与|或|及|而")
OR = re.compile(r"\bor\b|或")
PASSIVE = re.compile(r"\bby\b|被|由")


def role_problem(claim: Statement, items: list[Item], fits: Sequence[Fit], source: Source, start: int, end: int) -> str:
    """Why clauses that hold all of a sentence do not say it; "" where they do. They lie between start and end."""
    told = source.statement
    if opposite(claim, told.folded[start:end]):
        return "opposite"
    if turned(claim, fits, told):
        return "opposite"
    if passive(claim, items, fits, told) or contrasted(claim, items, fits, told):
        return "subject"
    if framed(claim, told.folded[start:end]):
        return "hedge"
    if alternative(items, fits, told):
        return "order"
    if broken_name(claim, source):
        return "name"
    if part_of_longer(claim, items, fits, told):
        return "subject"
    if unconditional(claim, items, fits, told):
        return "condition"
    return blocks(items, fits, told) or swapped(claim, told, items, fits)


def opposite(claim: Statement, text: str) -> bool:
    """``enabled`` where the passage has ``disabled``."""
    mine, told = {u.text for u in claim.units}, take_apart(text)
    theirs = {u.text for u in told.units}
    for word, other in OPPOSITES:
        if word.isascii():
            if word in mine and word not in theirs and other in theirs and other not in mine:
                return True
        elif word in claim.folded and word not in told.folded and other in told.folded and other not in claim.folded:
            return True
    return False


def turned(claim: Statement, fits: Sequence[Fit], told: Statement) -> bool:
    """``保修期外`` where the passage has only ``保修期内``."""
    text = "\n".join(told.folded[f.clause.start : f.clause.end] for f in fits)
    for match in TURN.finditer(claim.folded):
        after = {text[at + 2 : at + 3] for at in stands(match[1], text, 0, len(text))}
        theirs = after & set(DIRECTION)
        if theirs and match[2] not in theirs:
            return True
    return False


def passive(claim: Statement, items: list[Item], fits: Sequence[Fit], told: Statement) -> bool:
    """``审计单位`` where the passage has only ``被审计单位``, or the other way round."""
    for fit in fits:
        for item in items:
            if item.kind != "word" or item.text.isascii() or not fit.takes(item):
                continue
            spots = list(spots_of(item, told, fit.clause))
            mine = claim.folded[: item.start].endswith("被")
            if spots and all(told.folded[:at].endswith("被") != mine for at in spots):
                return True
    return False


def contrasted(claim: Statement, items: list[Item], fits: Sequence[Fit], told: Statement) -> bool:
    """``Chunk accepts folders`` where the passage has ``Unlike chunk, parse accepts folders``."""
    for match in () if CONTRAST.search(claim.folded) else CONTRAST.finditer(told.folded):
        for fit in fits:
            reach = Clause(min(fit.first, fit.clause.start), fit.clause.end, fit.clause.block)
            if not reach.start <= match.start() < reach.end:
                continue
            for item in (i for i in items if fit.takes(i) and heavy(i)):
                spots = list(spots_of(item, told, reach))
                if spots and all(match.start() <= at < match.end() for at in spots):
                    return True
    return False


def framed(claim: Statement, text: str) -> bool:
    """Whether the passage only tells that something is believed, supposed, past or planned: the sentence must too."""
    return any(match[0] not in claim.folded for match in FRAME.finditer(text))


def alternative(items: list[Item], fits: Sequence[Fit], told: Statement) -> bool:
    """``14 days for orders from abroad`` where the passage has ``14 days, or 30 days for orders from abroad``."""
    for fit in fits:
        part = [item for item in items if fit.takes(item)]
        mine = [item.number for item in part if item.number]
        here = told.numbers_between(fit.clause.start, fit.clause.end)
        for first, second in pairwise(here):
            between = told.folded[first.start : second.start]
            said = [any(m.agrees(n) for m in mine) for n in (first, second)]
            if said != [True, False] or not OR.search(between):
                continue
            for item in part:
                spots = list(spots_of(item, told, fit.clause)) if item.kind == "word" and heavy(item) else []
                if spots and min(spots) > second.start:
                    return True
    return False


def broken_name(claim: Statement, source: Source) -> bool:
    """``Stevie Stern``, where the passage knows a Stevie Nicks and a Howard Stern."""
    for (_, first), (_, second) in zip(claim.names, claim.names[1:], strict=False):
        between = claim.folded[first:second]
        if re.fullmatch(r"[^\W_]+(?:['’]s)?\s+", between):
            left, right = between.split("'")[0].split("’")[0].strip(), NAME_WORD.match(claim.folded, second)
            pattern = rf"\b{re.escape(left)}\s?(?:['’]s)?\s+{re.escape(right[0] if right else '')}"
            if not re.search(pattern, source.statement.folded) and not re.search(pattern, source.heading):
                return True
    return False


def part_of_longer(claim: Statement, items: list[Item], fits: Sequence[Fit], told: Statement) -> bool:
    """Whether the subject was found as a part of a longer name (陪产假 for 产假), or only a part of it (dogs for guide
    dogs), while the passage speaks of the whole of it elsewhere."""
    subject = next((item for item in items if item.kind == "word" and heavy(item)), None)
    if not subject:
        return False
    clauses = list({f.clause for f in fits})
    phrase = START.match(claim.folded)
    if subject.text.isascii():
        beside = any(item.start == subject.end + 1 for item in items)
        phrase = PHRASE.match(claim.folded, subject.start) if beside else None
    spots = list(stands(phrase[0], told.folded, 0, len(told.folded))) if phrase else []
    if spots and min(spots) >= max(c.end for c in clauses):
        return True
    if subject.text.isascii():
        return False
    first = next((p.text for p in pieces(subject, told, clauses)), "")
    if not first or RUN_BEFORE.search(claim.folded[: subject.start]):
        return False
    spots = list(stands(first, told.folded, 0, len(told.folded)))
    used = {at for at in spots if any(c.start <= at < c.end for c in clauses)}
    opening = {at for at in spots if not RUN_BEFORE.search(told.folded[:at])}
    return bool(used) and bool(opening) and not opening & used


def unconditional(claim: Statement, items: list[Item], fits: Sequence[Fit], told: Statement) -> bool:
    """Whether the passage ties its statement to a condition (``if``, ``unless``) that the sentence leaves out."""
    if CONDITION.search(claim.folded):
        return False
    said, used = "\n".join(item.text for item in items), {f.clause for f in fits}
    for match in CONDITION.finditer(told.folded):
        units = [u for u in told.units_between(match.start(), match.end()) if not u.light]
        stated = sum(u.text in said for u in units)
        if stated * 2 <= len(units) and used & set(ruled(told, match.start())):
            return True
    return False


def ruled(told: Statement, at: int) -> Iterator[Clause]:
    """The clauses that a condition at ``at`` rules: its own, and the one before, or the next where it opens a block."""
    clauses = told.clauses
    own = next((n for n, c in enumerate(clauses) if c.start <= at < c.end), 0)
    opens = not told.folded[clauses[own].start : at].strip()
    first = own == 0 or clauses[own - 1].block != clauses[own].block
    step = 1 if opens and first else -1 if opens else 0
    yield clauses[own]
    if step and 0 <= own + step < len(clauses) and clauses[own + step].block == clauses[own].block:
        yield clauses[own + step]


def blocks(items: list[Item], fits: Sequence[Fit], told: Statement) -> str:
    """Clauses of one sentence may come from two statements only where the second does not open with another subject."""
    for fit in fits:
        if fit.clause.block != fits[0].clause.block:
            start = min(c.start for c in told.clauses if c.block == fit.clause.block)
            if any(True for _ in foreign(items, told, start, fit.lead)):
                return "joined"
    return ""


def swapped(claim: Statement, told: Statement, items: list[Item], fits: Sequence[Fit]) -> str:
    """Within one clause: ``from A to B`` and ``A calls B`` are not ``from B to A`` and ``B calls A``."""
    clauses = list({f.clause for f in fits})
    words = [p for i in items if i.kind != "number" and i.text != "one" for p in pieces(i, told, clauses)]
    claim.spend(len(words) * len(clauses))
    spots = {w.start: [p for c in clauses for p in spots_of(w, told, c)] for w in words}
    claim.spend(sum(len(spots[a.start]) * len(spots[b.start]) for a, b in pairwise(words)) * (8 + len(items)))
    claim.spend(len(words) ** 2)
    if any(of_another(left, right, told, items, spots) for left, right in pairwise(words)):
        return "joined"
    if any(role_changed(claim, told, word, words, spots) for word in words):
        return "role"
    if bool(PASSIVE.search(claim.folded)) == any(PASSIVE.search(told.folded, c.start, c.end) for c in clauses):
        for x, z, y in zip(words, words[1:], words[2:], strict=False):
            forward = (spots[x.start], spots[z.start], spots[y.start])
            claim.spend(prod(map(len, forward)))
            if len({x.text, y.text, z.text}) == 3 and not ordered(*forward) and ordered(*reversed(forward)):
                return "order"
    return "number" if numbers_changed_hands(claim, told, items, fits) else ""


def of_another(left: Item, right: Item, told: Statement, items: Sequence[Item], spots: dict[int, list[int]]) -> bool:
    """Whether, wherever the passage has ``left`` before ``right``, a parallel one stands between.

    As in ``carrots in April`` for ``carrots in March and onions in April``; but not in ``carrots and onions in April``.
    """
    forward = [(a + len(left.text), b) for a in spots[left.start] for b in spots[right.start] if a < b]
    backward = [(b, a) for a in spots[left.start] for b in spots[right.start] if b < a]
    if not forward and not backward:
        return False
    return all(parallel(told, items, a, b) for a, b in forward) and all(
        AND.search(told.folded, a, b) for a, b in backward
    )


def parallel(told: Statement, items: Sequence[Item], start: int, end: int) -> bool:
    """Whether the stretch holds more than its last conjunction, and that one opens with something foreign."""
    found = list(CONJUNCTION.finditer(told.folded, start, end))
    if not found or all(u.light for u in told.units_between(start, found[-1].start())):
        return False
    return any(True for _ in foreign(items, told, found[-1].end(), end))


def pieces(item: Item, told: Statement, clauses: Sequence[Clause]) -> Iterator[Item]:
    """An item, or of a Chinese word the longest parts that one of the clauses has."""
    if item.kind != "word" or item.text.isascii():
        yield item
        return
    texts, start = [told.folded[c.start : c.end] for c in clauses], 0
    while start < len(item.text):
        end = start + 1
        while end < len(item.text) and any(item.text[start : end + 1] in text for text in texts):
            end += 1
        if end - start > 1:
            yield replace(item, text=item.text[start:end], start=item.start + start, end=item.start + end)
        start = end


def role_changed(
    claim: Statement, told: Statement, word: Item, words: Sequence[Item], spots: dict[int, list[int]]
) -> bool:
    """Whether a word has a preposition in the passage that it lacks here, or one that another word has here."""
    mine = role(claim.folded, word.start)
    theirs = {role(told.folded, place) for place in spots[word.start]}
    named = any(start == word.start for _, start in claim.names)
    if mine and (mine != "in" or named) and theirs and not theirs & {"", mine}:
        return True
    others = {role(claim.folded, w.start) for w in words if w.text != word.text} - {"", "in"}
    return not mine and bool(theirs) and "" not in theirs and bool(theirs & others)


def numbers_changed_hands(claim: Statement, told: Statement, items: list[Item], fits: Sequence[Fit]) -> bool:
    """``5 g of salt and 10 g of yeast`` is not ``10 g of salt and 5 g of yeast``: a word keeps its number."""
    kept = lost = 0.0
    for fit in fits:
        rivals = told.numbers_between(fit.clause.start, fit.clause.end)
        claim.spend(len(items) * (1 + len(rivals)))
        own = next((c for c in claim.clauses if any(c.start <= i.start < c.end and fit.takes(i) for i in items)), None)
        mine = [n for n in claim.numbers if own and own.start <= n.start < own.end]
        for kind in {sort_of(n) for n in mine}:
            here, there = [n for n in mine if sort_of(n) == kind], [n for n in rivals if sort_of(n) == kind]
            if len({n.value for n in there}) < 2:
                continue
            for item in items:
                if not heavy(item) or not own or not own.start <= item.start < own.end or item.number in here:
                    continue
                places = list(spots_of(item, told, fit.clause))
                near = nearest(here, [item.start])
                far = nearest(there, places)
                if near and far:
                    same = near.value == far.value
                    kept, lost = kept + item.weight * same, lost + item.weight * (not same)
    return lost > kept


def sort_of(number: Number) -> str:
    """Numbers of one sort can be confused with each other: those of one unit, and years."""
    if number.unit in ("", "year") and re.fullmatch(r"1\d{3}|20\d{2}", number.value):
        return "date"
    return number.unit


def nearest(numbers: Sequence[Number], places: Sequence[int]) -> Number | None:
    """The number nearest to any of the places; None where there is none, or two are as near."""
    ranked = sorted((min(abs(n.start - p) for p in places), n.start, n) for n in numbers) if places else []
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        return None
    return ranked[0][2] if ranked else None


def role(folded: str, at: int) -> str:
    """The preposition before a word, of those that tell who does what to whom."""
    found = ROLE.search(folded[max(0, at - 16) : at])
    return (found[1] or found[2]) if found else ""


def ordered(first: list[int], second: list[int], third: list[int]) -> bool:
    return any(a < b < c for a in first for b in second for c in third)
