"""Text metrics on one tokenization: lower-cased words, identifiers whole, Chinese by character.

Each takes an answer and its reference and returns a value from 0 to 1, except the length. Two empty texts are equal: 1.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from tuneloop.evaluate.scorers import Answered, Scorer
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
    if answer == 0 and reference == 0:
        return 1.0
    return 2 * overlap / (answer + reference)


def rouge_l(answer: str, reference: str) -> float:
    """ROUGE-L as F1 of the longest common subsequence (Lin 2004), on the whole text as one sequence."""
    one, two = tokenize(answer), tokenize(reference)
    return f1(longest_common(one, two), len(one), len(two))


def rouge_l_recall(answer: str, reference: str) -> float:
    """The share of the reference that is in the answer, in its order: ROUGE-L recall. Length costs it nothing."""
    one, two = tokenize(answer), tokenize(reference)
    return longest_common(one, two) / len(two) if two else float(not one)


def answer_tokens(answer: str, _reference: str) -> float:
    """The length of the answer in tokens."""
    return float(len(tokenize(answer)))


def token_f1(answer: str, reference: str) -> float:
    """F1 of the bags of tokens (SQuAD, Rajpurkar et al. 2016), without article removal."""
    one, two = tokenize(answer), tokenize(reference)
    return f1(sum((Counter(one) & Counter(two)).values()), len(one), len(two))


def ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def bleu_counts(answer: Sequence[str], reference: Sequence[str]) -> list[tuple[int, int]]:
    """Clipped matches and candidates for n = 1 to 4."""
    return [
        (sum((ngrams(answer, n) & ngrams(reference, n)).values()), max(0, len(answer) - n + 1)) for n in range(1, 5)
    ]


def brevity(answer: int, reference: int) -> float:
    return 1.0 if answer > reference else math.exp(1 - reference / answer) if answer else 0.0


def bleu_4(answer: str, reference: str) -> float:
    """Sentence BLEU-4: add-one smoothing for n > 1 (Lin & Och 2004), brevity penalty (Papineni et al. 2002)."""
    one, two = tokenize(answer), tokenize(reference)
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


def normalise(text: str) -> str:
    """For exact match: full-width to half-width, lower case, no punctuation at the ends, single spaces."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r"^[\W_]+|[\W_]+$", "", text)


def exact_match(answer: str, reference: str) -> float:
    """1 where the two are equal after ``normalise``."""
    return float(normalise(answer) == normalise(reference))


def of_texts(measure: Callable[[str, str], float]) -> Callable[[Answered], float]:
    """The ``score`` of a metric that looks at the answer and its reference alone."""
    return lambda answered: measure(answered.answer, answered.reference)


ROUGE_L = Scorer(stored("ROUGE-L F1"), stored("ROUGE-L F1 of the whole text (Lin 2004)"), of_texts(rouge_l))
ROUGE_L_RECALL = Scorer(
    stored("ROUGE-L recall"),
    stored("the part of the reference that the answer holds in its order (Lin 2004); longer costs nothing"),
    of_texts(rouge_l_recall),
)
BLEU_4 = Scorer(
    stored("BLEU-4"),
    stored("sentence BLEU-4, add-one smoothing for n > 1 (Lin & Och 2004; sacreBLEU add-k with 1), mean over items"),
    of_texts(bleu_4),
)
TOKEN_F1 = Scorer(stored("token F1"), stored("F1 of the bags of tokens (Rajpurkar et al. 2016)"), of_texts(token_f1))
EXACT_MATCH = Scorer(
    stored("exact match"),
    stored("equal after NFKC, lower case, and stripping of outer punctuation"),
    of_texts(exact_match),
)
ANSWER_TOKENS = Scorer(
    stored("answer tokens"),
    stored("the mean length of an answer in tokens; it says whether a gain of ROUGE-L is one of brevity"),
    of_texts(answer_tokens),
    descriptive=True,
)
