"""What two texts have in common, on one tokenization: lower-cased words, identifiers whole, Chinese by character."""

from collections.abc import Sequence

from tuneloop.language import stored
from tuneloop.text.tokens import words

TOKENIZATION = stored("lower-cased words, identifiers kept whole, CJK by character (tuneloop.text.tokens.words)")


def tokenize(text: str) -> list[str]:
    return words(text, cjk="characters", parts=False)


def longest_common(one: Sequence[str], two: Sequence[str]) -> int:
    """The length of the longest common subsequence. A row of the table is one integer, a bit a token (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for position, token in enumerate(one):
        places[token] = places.get(token, 0) | 1 << position
    row = everything = (1 << len(one)) - 1
    for token in two:
        kept = row & places.get(token, 0)
        row = ((row + kept) | (row - kept)) & everything
    return len(one) - row.bit_count()


def f1(overlap: int, answer: int, reference: int) -> float:
    """Two empty texts are equal."""
    if answer == 0 and reference == 0:
        return 1.0
    return 2 * overlap / (answer + reference)
