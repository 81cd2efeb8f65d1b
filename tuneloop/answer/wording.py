"""Whether a sentence has the same words as what carries it in the passage: nothing of its own, nothing turned.

The other checks ask whether a passage comes near enough. This one only refuses: whatever differs in a prohibition, a
permission, a bound or an exception is no support, and neither is a word that the passage has not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from tuneloop.answer.fit import Fit, Item, Source, heavy
from tuneloop.answer.roles import ruled
from tuneloop.answer.statement import Statement, Stretch
from tuneloop.answer.symbols import Dressed, symbols_differ
from tuneloop.answer.turning import Turn, differ

NARROWS = ("except", "unapproved")  # senses that rule a whole sentence, wherever in it they stand
Atom = tuple[str, Item]  # a word, number or code, or a pair of Chinese characters of one


def wording_problem(claim: Statement, fits: Sequence[Fit], source: Source) -> str:
    """Why a sentence that its passage seems to hold has not the same words; "" where it has."""
    near = neighbourhood(fits, source.statement)
    items = [item for fit in fits for item in fit.part]
    for stretch in claim.stretches:
        here = [item for item in items if stretch.clause.start <= item.start < stretch.clause.end]
        claim.spend((1 + len(here)) * len(near))
        if all(differ(stretch.turns, told) for told in carriers(stretch, here, near)):
            return "turned"
    if any(dressed_otherwise(claim, fit, source.statement) for fit in fits):
        return "symbol"
    return "condition" if narrowed(claim, fits, source.statement) else added(fits, source)


def dressed_otherwise(claim: Statement, fit: Fit, told: Statement) -> bool:
    """Whether what is held against one clause of a passage has other signs there: ``±``, ``✓``, ``A+``."""
    mine = next(c for c in claim.clauses if c.start <= fit.part[0].start < c.end)
    said = [d for d in claim.dressed if mine.start <= d.start < mine.end]
    theirs = told.dressed[
        bisect_left(told.dressed, fit.first, key=place) : bisect_left(told.dressed, fit.clause.end, key=place)
    ]
    claim.spend(len(said) // 8)
    return symbols_differ(said, theirs)


def place(dressed: Dressed) -> int:
    return dressed.start


def neighbourhood(fits: Sequence[Fit], told: Statement) -> list[Stretch]:
    """Where the words of a sentence may stand: from the first that was found to the end of the last statement."""
    start, last = min(fit.first for fit in fits), max(fit.clause.block for fit in fits)
    return [s for s in told.stretches if s.clause.end > start and s.clause.block <= last]


def carriers(mine: Stretch, items: Sequence[Item], near: list[Stretch]) -> tuple[list[Turn], list[Turn]]:
    """The turning words of the fewest stretches of a passage that hold all items of one stretch of a sentence.

    Once all of them; and once without those that, in a stretch that only lends words, stand behind what it lends: what
    the subject of a sentence does besides is not what is said of it here.
    """
    every: list[Turn] = []
    close: list[Turn] = []
    left = {atom for item in items for atom in atoms(item)}
    held = {id(s): {atom for atom in left if holds(s, atom)} for s in near}
    free, first = list(near), True
    while free:
        best = min(free, key=lambda s: (-len(held[id(s)] & left), -alike(mine, s)))
        gained = held[id(best)] & left
        if not gained:
            break
        free.remove(best)
        left -= gained
        every += best.turns
        last = best.clause.start + max(best.text.rfind(text) for text, _ in gained)
        close += best.turns if first else [turn for turn in best.turns if turn.start <= last]
        first = False
    return in_order(every), in_order(close)


def in_order(turns: Sequence[Turn]) -> list[Turn]:
    return sorted(turns, key=lambda turn: turn.start)


def alike(mine: Stretch, theirs: Stretch) -> float:
    return len(mine.pairs & theirs.pairs) / (len(mine.pairs | theirs.pairs) or 1)


def atoms(item: Item) -> Iterator[Atom]:
    if item.kind != "word" or item.text.isascii():
        yield item.text, item
        return
    for at in range(max(1, len(item.text) - 1)):
        yield item.text[at : at + 2], item


def holds(stretch: Stretch, atom: Atom) -> bool:
    text, item = atom
    if item.kind == "number" and item.number:
        return any(item.number.agrees(number) for number in stretch.numbers)
    if item.kind == "word" and text.isascii():
        return text in stretch.words
    return text in stretch.text


def narrowed(claim: Statement, fits: Sequence[Fit], told: Statement) -> bool:
    """Whether the passage makes an exception in the same sentence of which this one does not speak."""
    said, used = {turn.sense for turn in claim.turns}, {fit.clause for fit in fits}
    for turn in told.turns:
        if turn.sense in NARROWS and turn.sense not in said and used & set(ruled(told, turn.start)):
            return True
    return False


def added(fits: Sequence[Fit], source: Source) -> str:
    """``words`` where a sentence has a word, be it a single Chinese character, that its stretch has not."""
    for fit in fits:
        text = source.statement.folded[fit.first : fit.clause.end]
        for item in fit.part:
            single = item.kind == "word" and len(item.text) == 1 and not item.text.isascii()
            if single and item.text not in text and item.text not in source.heading:
                return "words"
        for item in fit.missing:
            if (heavy(item) and item.end - item.start > 1) or item.text not in text:
                return "words"
    return ""
