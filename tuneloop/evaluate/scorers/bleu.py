"""BLEU-4: n-grams in common, with a penalty for brevity (Papineni et al. 2002)."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from tuneloop.evaluate.overlap import tokenize
from tuneloop.evaluate.scorers import Scored, Scorer
from tuneloop.language import stored


class Bleu4(Scorer):
    """Sentence BLEU-4: add-one smoothing for n > 1 (Lin & Och 2004), brevity penalty (Papineni et al. 2002)."""

    name: ClassVar[str] = "bleu_4"
    label: ClassVar[str] = stored("BLEU-4")
    definition: ClassVar[str] = stored(
        "sentence BLEU-4, add-one smoothing for n > 1 (Lin & Och 2004; sacreBLEU add-k with 1), mean over items"
    )

    def score(self, item: Scored) -> float:
        one, two = tokenize(item.answer), tokenize(item.reference)
        if not one or not two:
            return float(one == two)
        if one == two:
            return 1.0
        counts = bleu_counts(one, two)
        if counts[0][0] == 0:
            return 0.0
        logs = [math.log(counts[0][0] / counts[0][1])]
        logs += [math.log((match + 1) / (total + 1)) for match, total in counts[1:]]
        return brevity(len(one), len(two)) * math.exp(sum(logs) / 4)


def corpus_bleu_4(pairs: Sequence[tuple[str, str]]) -> float:
    """Corpus BLEU-4 without smoothing: counts are summed over all ``(answer, reference)`` pairs first."""
    sums, lengths = [[0, 0] for _n in range(4)], [0, 0]
    for answer, reference in pairs:
        one, two = tokenize(answer), tokenize(reference)
        lengths = [lengths[0] + len(one), lengths[1] + len(two)]
        for total, (match, candidates) in zip(sums, bleu_counts(one, two), strict=True):
            total[0] += match
            total[1] += candidates
    if any(match == 0 for match, _total in sums):
        return 0.0
    logs = sum(math.log(match / total) for match, total in sums) / 4
    return brevity(*lengths) * math.exp(logs)


def bleu_counts(answer: Sequence[str], reference: Sequence[str]) -> list[tuple[int, int]]:
    """Clipped matches and candidates for n = 1 to 4."""
    return [
        (sum((ngrams(answer, n) & ngrams(reference, n)).values()), max(0, len(answer) - n + 1)) for n in range(1, 5)
    ]


def ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def brevity(answer: int, reference: int) -> float:
    return 1.0 if answer > reference else math.exp(1 - reference / answer) if answer else 0.0
