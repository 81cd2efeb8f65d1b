"""What a statement says beyond another: its content words, code and numbers, with their weights."""

from __future__ import annotations

from collections.abc import Iterable

from tuneloop.answer.statement import Statement
from tuneloop.knowledge.terms import PARTS, stem, terms

NUMBER, WORD, BIGRAM = 2.0, 1.0, 0.5  # weights


def says(expected: dict[str, float], known: Statement) -> float:
    """The weight of what is expected beyond the question."""
    asked = held(known)
    return sum(weight for term, weight in expected.items() if term not in asked)


def share(expected: dict[str, float], told: set[str], known: set[str]) -> float:
    """The part by weight of what is expected, and is not in the question, that was told; 1 where nothing is."""
    wanted = {term: weight for term, weight in expected.items() if term not in known} or expected
    total = sum(wanted.values())
    return sum(weight for term, weight in wanted.items() if term in told) / total if total else 1.0


def weights(statement: Statement) -> dict[str, float]:
    """What a statement says: its content words, the parts of its code, and its numbers, with their weights."""
    found = {t: WORD if t.isascii() else BIGRAM for u in statement.units if not u.light for t in u.terms}
    return found | parts(statement) | {f"#{n.value}": NUMBER for n in statement.numbers}


def parts(statement: Statement) -> dict[str, float]:
    """The words and numbers inside code, paths, flags and identifiers."""
    return {stem(part): WORD for code, _start in statement.codes for part in PARTS.findall(code)}


def held(statement: Statement) -> set[str]:
    """Every term of a text, in code or not, and its numbers."""
    return {*terms(statement.text), *weights(statement), *map(stem, PARTS.findall(statement.folded))}


def told_not(statement: Statement) -> bool:
    return any(cue.kind == "not" for cue in statement.cues)


def denied(statement: Statement) -> Iterable[str]:
    """The content words that a negation turns."""
    return (unit.text for cue in statement.cues if cue.kind == "not" for unit in cue.scope)
