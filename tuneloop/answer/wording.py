"""Whether a sentence has the same words as what carries it in the passage: nothing of its own, nothing turned.

The other checks ask whether a passage comes near enough. This one only refuses: whatever differs in a prohibition, a
permission, a bound or an exception is no support, and neither is a word that the passage has not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tuneloop.answer.fit import Fit, Item, Source, heavy, places
from tuneloop.answer.roles import ruled
from tuneloop.answer.statement import Clause, Statement
from tuneloop.answer.turning import Turn, differ

NARROWS = ("except", "unapproved")  # senses that rule a whole sentence, wherever in it they stand
Atom = tuple[int, str]  # where in the sentence, and its text: a word, number or code, or a pair of Chinese characters


def wording_problem(claim: Statement, fits: Sequence[Fit], source: Source) -> str:
    """Why a sentence that its passage seems to hold has not the same words; "" where it has."""
    told = source.statement
    for clause in claim.clauses:
        said = within(claim.turns, clause)
        fit = next((f for f in fits if clause.start <= f.part[0].start < clause.end), None)
        if fit is None:
            if said:
                return "turned"
            continue
        if all(differ(said, told_of) for told_of in carriers(fit, said, told)):
            return "turned"
    return "condition" if narrowed(claim, fits, told) else added(fits, source)


def within(turns: Sequence[Turn], stretch: Clause) -> list[Turn]:
    return [turn for turn in turns if stretch.start <= turn.start < stretch.end]


def carriers(fit: Fit, said: Sequence[Turn], told: Statement) -> tuple[list[Turn], list[Turn]]:
    """The turning words of the fewest pieces of a passage that hold all of a clause.

    Once all of them; and once without those that, in a piece that only lends words, stand behind what it lends: what
    the subject of a sentence does besides is not what is said of it here.
    """
    every: list[Turn] = []
    close: list[Turn] = []
    left = {atom for item in fit.part for atom in atoms(item)}
    near = [p for p in told.pieces if p.end > fit.first and p.start < fit.clause.end]
    held = {p: {atom for item in fit.part for atom in atoms(item) if holds(p, atom, item, told)} for p in near}
    main: Clause | None = None
    while near:
        best = min(near, key=lambda p: (*order(p, fit, held[p] & left), bool(differ(said, within(told.turns, p)))))
        gained = held[best] & left
        if not gained:
            break
        near.remove(best)
        left -= gained
        turns = within(told.turns, best)
        every += turns
        last = max(told.folded.rfind(text, best.start, best.end) for _, text in gained)
        close += turns if main is None else [turn for turn in turns if turn.start <= last]
        main = main or best
    return in_order(every), in_order(close)


def in_order(turns: Sequence[Turn]) -> list[Turn]:
    return sorted(turns, key=lambda turn: turn.start)


def order(piece: Clause, fit: Fit, gained: set[Atom]) -> tuple[bool, int]:
    """Pieces of the clause itself first, then those that hold more."""
    return piece.start < fit.clause.start or not gained, -len(gained)


def atoms(item: Item) -> Iterator[Atom]:
    if item.kind != "word" or item.text.isascii():
        yield item.start, item.text
        return
    for at in range(max(1, len(item.text) - 1)):
        yield item.start + at, item.text[at : at + 2]


def holds(piece: Clause, atom: Atom, item: Item, told: Statement) -> bool:
    if item.kind == "word" and not item.text.isascii():
        return told.folded.find(atom[1], piece.start, piece.end) >= 0
    return any(True for _ in places(item, told, piece))


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
